package api

import (
	"bytes"
	"net/http"
	"time"

	"github.com/brigadecore/brigade/v3"
)

// stream sends server-sent events. It collects what is sent until flush.
type stream struct {
	c   *call
	buf bytes.Buffer
}

// flushFrom is how many bytes are collected at most.
const flushFrom = 32 << 10

// resubscribe is how long a stream waits that lost its channel.
const resubscribe = 200 * time.Millisecond

// openStream takes one of the slots for streams and begins the answer. Call
// release when done. Without a stream the answer is complete: HEAD.
func (c *call) openStream() (s *stream, release func(), err error) {
	h := c.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // proxies pass it on at once
	if c.r.Method == http.MethodHead {
		c.w.WriteHeader(http.StatusOK)
		return nil, func() {}, nil
	}
	select {
	case c.a.streams <- struct{}{}:
	default:
		h.Del("X-Accel-Buffering")
		return nil, func() {}, &statusError{status: http.StatusServiceUnavailable, wait: 5 * time.Second,
			err: brigade.Errorf(brigade.CodeUnavailable, "too many streams are open").WithHint("try again later")}
	}
	s = &stream{c: c}
	s.buf.WriteString("retry: 2000\n\n")
	c.w.WriteHeader(http.StatusOK)
	return s, func() { <-c.a.streams }, s.flush()
}

// event adds an event. data is JSON, which has no line ends.
func (s *stream) event(id, name string, data []byte) error {
	if id != "" {
		s.buf.WriteString("id: " + id + "\n")
	}
	s.buf.WriteString("event: " + name + "\ndata: ")
	s.buf.Write(data)
	s.buf.WriteString("\n\n")
	if s.buf.Len() >= flushFrom {
		return s.flush()
	}
	return nil
}

// beat shows the client that the stream is alive, and us whether the client is.
func (s *stream) beat() error {
	s.buf.WriteString(": \n\n")
	return s.flush()
}

// flush sends what was collected. A client that does not take it in time is
// given up: the error says that the stream is over.
func (s *stream) flush() error {
	if s.buf.Len() == 0 {
		return nil
	}
	if err := s.c.control.SetWriteDeadline(time.Now().Add(s.c.a.opt.Limits.Write)); err != nil {
		s.c.a.opt.Log.Debug("a stream without a deadline", "err", err)
	}
	_, err := s.c.w.Write(s.buf.Bytes())
	s.buf.Reset()
	if s.buf.Cap() > 1<<20 {
		s.buf = bytes.Buffer{}
	}
	if err != nil {
		return err
	}
	return s.c.control.Flush()
}

// pause waits for d. It reports false when the stream is to end.
func (c *call) pause(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-c.r.Context().Done():
	case <-c.a.done:
	}
	return false
}
