package s3

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/minio/minio-go/v7"
)

// object is an artifact that is read. Each read after a seek asks for the rest
// from there on.
type object struct {
	ctx   context.Context //nolint:containedctx // of who opened it: artifact.Store says so
	store *Store
	key   string
	etag  string // what was opened, should another take its place
	size  int64
	at    int64
	body  io.ReadCloser // from at on, or nil
}

// Read implements io.Reader.
func (o *object) Read(p []byte) (int, error) {
	if o.at >= o.size {
		return 0, io.EOF
	}
	if len(p) == 0 {
		return 0, nil
	}
	if o.body == nil {
		var opts minio.GetObjectOptions
		err := opts.SetMatchETag(o.etag)
		if err == nil && o.at > 0 {
			err = opts.SetRange(o.at, 0)
		}
		if err == nil {
			o.body, _, _, err = (&minio.Core{Client: o.store.client}).GetObject(o.ctx, o.store.bucket, o.key, opts)
		}
		if err != nil {
			o.body = nil
			return 0, o.store.failed(o.ctx, "read "+o.key, err)
		}
	}
	n, err := o.body.Read(p)
	o.at += int64(n)
	switch {
	case err == nil || n > 0 && errors.Is(err, io.EOF):
		return n, nil
	case errors.Is(err, io.EOF):
		return 0, io.ErrUnexpectedEOF // at is before the end
	}
	return n, o.store.failed(o.ctx, "read "+o.key, err)
}

// Seek implements io.Seeker.
func (o *object) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += o.at
	case io.SeekEnd:
		offset += o.size
	}
	if offset < 0 {
		return 0, fmt.Errorf("seek to %d, which is before the start", offset)
	}
	if offset != o.at {
		if err := o.Close(); err != nil {
			return 0, err
		}
		o.at = offset
	}
	return offset, nil
}

// Close implements io.Closer.
func (o *object) Close() error {
	if o.body == nil {
		return nil
	}
	err := o.body.Close()
	o.body = nil
	return err
}
