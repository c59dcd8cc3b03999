package client

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/brigadecore/brigade/v3"
)

// maxEvent bounds one server-sent event, in bytes.
const maxEvent = 32 << 20

// sent is one server-sent event.
type sent struct {
	id, name string
	data     []byte
}

// readEvents calls f for each event of a stream until the stream ends. An
// event that is cut off is dropped.
func readEvents(body io.Reader, f func(sent) error) error {
	lines := bufio.NewScanner(body)
	lines.Buffer(make([]byte, 0, 64<<10), maxEvent)
	lines.Split(scanLine)
	var e sent
	any := false
	for lines.Scan() {
		line := lines.Bytes()
		if len(line) == 0 {
			if any {
				if err := f(e); err != nil {
					return err
				}
			}
			e, any = sent{id: e.id}, false
			continue
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(name) {
		case "id":
			e.id = string(value)
		case "event":
			e.name, any = string(value), true
		case "data":
			if len(e.data) > 0 {
				e.data = append(e.data, '\n')
			}
			if len(e.data)+len(value) > maxEvent {
				return bufio.ErrTooLong
			}
			e.data, any = append(e.data, value...), true
		}
	}
	return lines.Err()
}

// scanLine splits at line ends of the three kinds that the format allows, and
// drops a last line without one.
func scanLine(data []byte, atEOF bool) (advance int, token []byte, err error) {
	i := bytes.IndexAny(data, "\r\n")
	switch {
	case i < 0:
		if atEOF {
			return len(data), nil, nil
		}
		return 0, nil, nil
	case data[i] == '\n':
		return i + 1, data[:i], nil
	case i+1 == len(data) && !atEOF:
		return 0, nil, nil // is it followed by a line feed?
	case i+1 < len(data) && data[i+1] == '\n':
		return i + 2, data[:i], nil
	}
	return i + 1, data[:i], nil
}

// errDone ends a stream from within.
var errDone = errors.New("done")

// stopped is an error of the callback, which ends a stream for good.
type stopped struct{ err error }

// Error returns the callback's error.
func (s *stopped) Error() string { return s.err.Error() }

// Unwrap returns the callback's error.
func (s *stopped) Unwrap() error { return s.err }

// errAgain in the chain of a callback's error says that the stream is to be
// taken up anew.
var errAgain = errors.New("the stream is taken up anew")

// stream opens a stream of events and takes it up where it was cut off, until
// f returns errDone or another error, or ctx ends. A server that is away for
// longer than Options.Patience ends it, too.
func (c *Client) stream(ctx context.Context, path []string, query url.Values, f func(sent) error) error {
	r := get(path...).with(query)
	r.header = map[string]string{"Accept": "text/event-stream"}
	alive, opened := time.Now(), false
	for failed := 0; ; failed++ {
		if failed > 0 && !sleep(ctx, c.pause(min(failed, 5), 0)) {
			return canceled(ctx)
		}
		resp, err := c.open(ctx, r)
		if err != nil {
			if opened && ctx.Err() == nil && brigade.CodeOf(err) == brigade.CodeUnavailable && time.Since(alive) < c.opt.Patience {
				continue
			}
			return err
		}
		if kind := resp.Header.Get("Content-Type"); !strings.HasPrefix(kind, "text/event-stream") {
			_ = resp.Body.Close()
			return c.broken(fmt.Errorf("it is %q instead of a stream", kind)).err
		}
		opened = true
		since := time.Now()
		err = readEvents(resp.Body, func(e sent) error {
			if e.id != "" {
				r.header["Last-Event-ID"] = e.id
			}
			if err := f(e); err != nil {
				return &stopped{err}
			}
			alive, failed = time.Now(), 0
			return nil
		})
		_ = resp.Body.Close()
		if time.Since(since) > 10*time.Second {
			alive = time.Now() // it was silent, but there
		}
		var s *stopped
		switch {
		case errors.As(err, &s) && errors.Is(s.err, errDone):
			return nil
		case errors.As(err, &s) && !errors.Is(s.err, errAgain):
			return s.err
		case ctx.Err() != nil:
			return canceled(ctx)
		case time.Since(alive) > c.opt.Patience:
			return brigade.Errorf(brigade.CodeUnavailable, "%s ends every stream too early", c.base).WithHint("is there a proxy between?")
		}
	}
}
