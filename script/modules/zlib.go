package modules

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"context"
	"errors"
	"hash/crc32"
	"io"

	"github.com/andybalholm/brotli"
)

// maxInflated is the most that one run of a decompressor may give, 512 MiB:
// what unpacks to more is a bomb or belongs into a job.
const maxInflated = 512 << 20

// codec is one compressor or decompressor that is fed piece by piece.
type codec interface {
	// write takes more input and returns the output that is ready.
	write(data []byte) ([]byte, error)
	// flush returns the output that is held back, end the rest of it.
	flush() ([]byte, error)
	end() ([]byte, error)
}

// deflater compresses.
type deflater struct {
	out bytes.Buffer
	w   interface {
		io.WriteCloser
		Flush() error
	}
}

func newDeflater(format string, level int) (codec, error) {
	d := &deflater{}
	level = max(flate.HuffmanOnly, min(level, 9))
	var err error
	switch format {
	case "gzip":
		d.w, err = gzip.NewWriterLevel(&d.out, level)
	case "deflate":
		d.w, err = zlib.NewWriterLevel(&d.out, level)
	case "raw":
		d.w, err = flate.NewWriter(&d.out, level)
	case "brotli":
		if level < 0 {
			level = 6
		}
		d.w = brotli.NewWriterLevel(&d.out, level)
	default:
		err = errors.New("unknown format")
	}
	return d, err
}

func (d *deflater) take() []byte {
	b := append([]byte(nil), d.out.Bytes()...)
	d.out.Reset()
	return b
}

func (d *deflater) write(data []byte) ([]byte, error) {
	_, err := d.w.Write(data)
	return d.take(), err
}

func (d *deflater) flush() ([]byte, error) {
	err := d.w.Flush()
	return d.take(), err
}

func (d *deflater) end() ([]byte, error) {
	err := d.w.Close()
	return d.take(), err
}

// inflater decompresses. The decoder runs in a goroutine that only moves while
// write or end wait for it.
type inflater struct {
	ctx    context.Context
	input  chan []byte   // closed at the end of the input
	wanted chan struct{} // the decoder wants more input
	done   chan struct{} // the decoder is over
	rest   []byte
	out    bytes.Buffer
	err    error
	total  int
	fed    bool
	asked  bool // the decoder waits for input
}

var errTruncated = errors.New("unexpected end of file")

func newInflater(ctx context.Context, format string) codec {
	f := &inflater{ctx: ctx, input: make(chan []byte), wanted: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(f.done)
		f.err = f.decode(format)
	}()
	return f
}

// Read gives the decoder its input.
func (f *inflater) Read(p []byte) (int, error) {
	for len(f.rest) == 0 {
		select {
		case f.wanted <- struct{}{}:
		case <-f.ctx.Done():
			return 0, f.ctx.Err()
		}
		select {
		case data, ok := <-f.input:
			if !ok {
				return 0, io.EOF
			}
			f.rest = data
			f.fed = f.fed || len(data) > 0
		case <-f.ctx.Done():
			return 0, f.ctx.Err()
		}
	}
	n := copy(p, f.rest)
	f.rest = f.rest[n:]
	return n, nil
}

// ReadByte makes decoders read no further than they need.
func (f *inflater) ReadByte() (byte, error) {
	var b [1]byte
	_, err := f.Read(b[:])
	return b[0], err
}

func (f *inflater) decode(format string) error {
	var r io.Reader
	var err error
	switch format {
	case "gzip":
		if err = f.expectGzip(); err == nil {
			r, err = gzip.NewReader(f)
		}
	case "deflate":
		r, err = zlib.NewReader(f)
	case "raw":
		r = flate.NewReader(f)
	case "brotli":
		r = brotli.NewReader(f)
	case "auto":
		r, err = f.sniff()
	}
	if err != nil {
		return err
	}
	buf := make([]byte, 64<<10)
	for {
		n, err := r.Read(buf)
		f.out.Write(buf[:n])
		if f.total += n; f.total > maxInflated {
			return errors.New("the data unpacks to more than 512 MiB")
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// expectGzip looks at the first two bytes, before ten are waited for.
func (f *inflater) expectGzip() error {
	var head []byte
	for len(head) < 2 {
		b, err := f.ReadByte()
		if err != nil {
			return err
		}
		head = append(head, b)
	}
	if head[0] != 0x1f || head[1] != 0x8b {
		return gzip.ErrHeader
	}
	f.rest = append(head, f.rest...)
	return nil
}

// sniff takes gzip or zlib, whichever the data begins as.
func (f *inflater) sniff() (io.Reader, error) {
	first, err := f.ReadByte()
	if err != nil {
		return nil, err
	}
	f.rest = append([]byte{first}, f.rest...)
	if first == 0x1f {
		return gzip.NewReader(f)
	}
	return zlib.NewReader(f)
}

// ready waits until the decoder wants more input, true, or is over.
func (f *inflater) ready() bool {
	if f.asked {
		return true
	}
	select {
	case <-f.wanted:
		f.asked = true
	case <-f.done:
	}
	return f.asked
}

func (f *inflater) take() []byte {
	b := append([]byte(nil), f.out.Bytes()...)
	f.out.Reset()
	return b
}

func (f *inflater) write(data []byte) ([]byte, error) {
	if f.ready() { // else it is over: what follows the end is not looked at
		f.asked = false
		f.input <- data
	}
	if f.ready() { // it has used all
		return f.take(), nil
	}
	return f.take(), f.failure()
}

func (f *inflater) failure() error {
	if errors.Is(f.err, io.ErrUnexpectedEOF) || errors.Is(f.err, io.EOF) {
		return errTruncated
	}
	return f.err
}

func (f *inflater) flush() ([]byte, error) { return f.take(), nil }

func (f *inflater) end() ([]byte, error) {
	if f.ready() {
		close(f.input)
		<-f.done
	}
	if !f.fed {
		return nil, nil
	}
	return f.take(), f.failure()
}

// codecs keeps the streams of a script that are being fed, by number.
type codecs struct {
	env  *Env
	next int
	live map[int]codec
}

func (c *codecs) make(format string, level int, inflate bool) (codec, error) {
	if inflate {
		return newInflater(c.env.Loop.Context(), format), nil
	}
	return newDeflater(format, level)
}

func (c *codecs) open(format string, level int, inflate bool) (int, error) {
	made, err := c.make(format, level, inflate)
	if err != nil {
		return 0, err
	}
	c.next++
	c.live[c.next] = made
	return c.next, nil
}

// step returns {error text, output}.
func (c *codecs) step(id int, what string, data []byte) []any {
	s := c.live[id]
	if s == nil {
		return []any{"zlib binding closed", nil}
	}
	var out []byte
	var err error
	switch what {
	case "write":
		out, err = s.write(data)
	case "flush":
		out, err = s.flush()
	default:
		delete(c.live, id)
		out, err = s.end()
	}
	return []any{zlibError(err), out}
}

// once runs all of data through a codec.
func (c *codecs) once(format string, level int, inflate bool, data []byte) []any {
	s, err := c.make(format, level, inflate)
	if err != nil {
		return []any{err.Error(), nil}
	}
	out, err := s.write(data)
	if rest, endErr := s.end(); err == nil {
		out, err = append(out, rest...), endErr
	}
	if err == nil && inflate && len(data) == 0 {
		err = errTruncated
	}
	return []any{zlibError(err), out}
}

// zlibError is the error as zlib words it, "" for none.
func zlibError(err error) string {
	var corrupt flate.CorruptInputError
	switch {
	case err == nil:
		return ""
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, zlib.ErrHeader):
		return "incorrect header check"
	case errors.Is(err, gzip.ErrChecksum), errors.Is(err, zlib.ErrChecksum):
		return "incorrect data check"
	case errors.As(err, &corrupt):
		return "invalid stored block lengths"
	}
	return err.Error()
}

func nativeZlib(env *Env) map[string]any {
	c := &codecs{env: env, live: map[int]codec{}}
	return map[string]any{
		"open": c.open, "step": c.step, "once": c.once,
		"close": func(id int) { _ = c.step(id, "end", nil) },
		"crc32": func(data []byte, start int64) int64 { return int64(crc32.Update(uint32(start), crc32.IEEETable, data)) },
		"later": func(format string, level int, inflate bool, data []byte, done func(...any)) {
			release := env.Loop.Hold()
			go func() {
				defer release()
				result := c.once(format, level, inflate, data)
				env.Loop.Post(func() { done(result...) })
			}()
		},
	}
}
