package intake

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/brigadecore/brigade/v3"
)

// smallBody is how much of a body is read without a slot for large ones.
const smallBody = 1 << 20

// errBusy is the failure of a request that found no slot in time.
var errBusy = &brigade.Error{Code: brigade.CodeUnavailable, Message: "too many large requests at once"}

// readBody reads a request's body whole, uncompressed, within the limits of
// size and time. done gives back what a large one holds; it is never nil.
// Errors are CodeTooLarge, CodeInvalid and CodeUnavailable ones.
func (in *Intake) readBody(w http.ResponseWriter, r *http.Request) (body []byte, done func(), err error) {
	done = func() {}
	limit := in.opt.Limits.Body
	if r.ContentLength > limit {
		return nil, done, in.tooLarge()
	}
	// Not every ResponseWriter knows deadlines; the server's own then count.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(in.opt.Limits.Read))
	from, err := decoded(http.MaxBytesReader(w, r.Body, limit), r.Header.Values("Content-Encoding"))
	if err != nil {
		return nil, done, in.bodyError(err)
	}
	var buf bytes.Buffer
	if n := r.ContentLength; n > 0 {
		buf.Grow(int(min(n, smallBody)) + bytes.MinRead)
	}
	if _, err := io.CopyN(&buf, from, smallBody); err != nil {
		if errors.Is(err, io.EOF) {
			return buf.Bytes(), done, nil
		}
		return nil, done, in.bodyError(err)
	}
	if done, err = in.largeSlot(r.Context()); err != nil {
		return nil, done, err
	}
	n, err := io.Copy(&buf, io.LimitReader(from, limit-smallBody+1))
	if err != nil {
		return nil, done, in.bodyError(err)
	}
	if n > limit-smallBody {
		return nil, done, in.tooLarge()
	}
	return buf.Bytes(), done, nil
}

// decoded undoes the content encoding: none or gzip.
func decoded(body io.Reader, encodings []string) (io.Reader, error) {
	switch encoding := strings.ToLower(strings.TrimSpace(strings.Join(encodings, ","))); encoding {
	case "", "identity":
		return body, nil
	case "gzip", "x-gzip":
		return gzip.NewReader(body)
	}
	return nil, errEncoding
}

// errEncoding is answered with 415.
var errEncoding = &brigade.Error{Code: brigade.CodeInvalid, Message: "the content encoding is not known", Hint: "send the body as it is, or gzip"}

func (in *Intake) tooLarge() error {
	return brigade.Errorf(brigade.CodeTooLarge, "the body has more than %d bytes", in.opt.Limits.Body)
}

func (in *Intake) bodyError(err error) error {
	var over *http.MaxBytesError
	switch {
	case errors.Is(err, errEncoding):
		return errEncoding
	case errors.As(err, &over):
		return in.tooLarge()
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, gzip.ErrChecksum):
		return brigade.Errorf(brigade.CodeInvalid, "the body is not gzip as its header says")
	}
	return &brigade.Error{Code: brigade.CodeInvalid, Message: "the body did not arrive whole", Err: err}
}

// largeSlot waits for one of the slots for large bodies.
func (in *Intake) largeSlot(ctx context.Context) (done func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, in.opt.Limits.Read)
	defer cancel()
	select {
	case in.large <- struct{}{}:
		return func() { <-in.large }, nil
	case <-ctx.Done():
		return func() {}, errBusy
	}
}
