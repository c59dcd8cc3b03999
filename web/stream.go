package web

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/packed"
)

// maxNotices is of how many jobs of a build a stream remembers what goes on.
const maxNotices = 1000

// resubscribe is how long a stream waits that lost its channel.
const resubscribe = 200 * time.Millisecond

// stream sends server-sent events to one live page: "page" with the part of it
// that changes, "log" with how many lines a log has, and "end" when nothing
// will change any more.
type stream struct {
	c    *call
	out  io.Writer
	pack *gzip.Writer // nil: not compressed

	page, log string // as sent last
}

// stream keeps a page up to date until it is final or the client is gone.
func (c *call) stream(make pageFunc) error {
	c.streaming, c.nonce = true, newNonce()
	p, err := make(c)
	if err != nil || p == nil {
		return err
	}
	if !p.Live {
		return brigade.Errorf(brigade.CodeNotFound, "this page does not change")
	}
	select {
	case c.web.streams <- struct{}{}:
		defer func() { <-c.web.streams }()
	default:
		return brigade.Errorf(brigade.CodeUnavailable, "too many live pages are open").WithHint("try again later")
	}
	s := c.openStream()
	err = s.run(make, p)
	if err != nil && c.ctx().Err() == nil {
		c.web.opt.Log.Debug("a live page ended", "path", c.r.URL.Path, "err", err)
	}
	return nil
}

func (c *call) openStream() *stream {
	_ = c.control.SetReadDeadline(time.Time{}) // it would end the request's context
	h := c.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // proxies pass it on at once
	h.Add("Vary", "Accept, Accept-Encoding, Cookie")
	s := &stream{c: c, out: c.w}
	if packed.Accepted(c.r.Header) {
		h.Set("Content-Encoding", "gzip")
		s.pack = gzip.NewWriter(c.w)
		s.out = s.pack
	}
	c.begun = true
	c.w.WriteHeader(200)
	return s
}

// run sends the page now and after every change, no faster than the pace.
func (s *stream) run(make pageFunc, p *page) error {
	ctx, cancel := context.WithCancel(s.c.ctx())
	defer cancel()
	limits := s.c.web.opt.Limits
	changes := s.c.web.opt.Feed.Subscribe(ctx, p.Build)
	heart, poll := time.NewTicker(limits.Heartbeat), time.NewTicker(limits.Poll)
	defer heart.Stop()
	defer poll.Stop()
	if err := s.write("retry: 2000\n\n"); err != nil {
		return err
	}
	for {
		over, err := s.update(make)
		if err != nil || over {
			return err
		}
		pace := time.NewTimer(limits.Pace * p.slowness())
		for dirty, early := false, true; early || !dirty; {
			select {
			case <-ctx.Done():
				return nil
			case <-s.c.web.done:
				return nil
			case <-heart.C:
				err = s.write(": \n\n")
			case <-poll.C:
				dirty = true
			case <-pace.C:
				early = false
			case change, ok := <-changes:
				if ok {
					s.c.note(change)
					dirty = dirty || p.shows(change)
					break
				}
				dirty = true
				if !s.pause(ctx) {
					return nil
				}
				changes = s.c.web.opt.Feed.Subscribe(ctx, p.Build)
			}
			if err != nil {
				return err
			}
		}
	}
}

// shows reports whether the page looks different after the change.
func (p *page) shows(c brigade.Change) bool {
	switch {
	case c.Build != nil:
		return true
	case c.Job != nil, c.Notice != "":
		return p.Build != ""
	case len(c.Lines) > 0:
		return p.Log != nil && c.Lines[0].JobID == p.Log.jobID
	}
	return false
}

// note remembers what goes on, until something else does.
func (c *call) note(change brigade.Change) {
	switch {
	case change.Notice != "":
		if c.notices == nil {
			c.notices = map[string]string{}
		}
		if len(c.notices) < maxNotices || c.notices[change.JobID] != "" {
			c.notices[change.JobID] = cut(change.Notice, 300)
		}
	case change.Job != nil && (change.Job.State.Ended() || change.Job.State == brigade.StateRunning):
		delete(c.notices, change.Job.ID)
	case change.Build != nil && change.Build.State.Ended():
		clear(c.notices)
	}
}

// slowness is by how much the pace of a page is below that of a build: those
// about all builds are larger, and change all the time.
func (p *page) slowness() time.Duration {
	if p.Build == "" {
		return 4
	}
	return 1
}

func (s *stream) pause(ctx context.Context) bool {
	t := time.NewTimer(resubscribe)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
	case <-s.c.web.done:
	}
	return false
}

// update makes the page again and sends what is new. Who makes the request is
// looked at again, too: a session that was ended sees nothing more.
func (s *stream) update(make pageFunc) (over bool, err error) {
	if err := s.c.identify(); err != nil {
		return false, err
	}
	if s.c.who == nil || !s.c.who.Read {
		return true, s.event("end", `{"login":true}`)
	}
	p, err := make(s.c)
	if brigade.CodeOf(err) == brigade.CodeNotFound {
		return true, s.event("end", `{"gone":true}`)
	}
	if err != nil {
		return false, err
	}
	html, err := s.c.renderLive(p)
	if err != nil {
		return false, err
	}
	if html != s.page {
		s.page = html
		if err := s.json("page", map[string]any{"html": html, "title": p.Title, "icon": s.c.web.assets.path(iconOf(p.State))}); err != nil {
			return false, err
		}
	}
	if p.Log != nil {
		if err := s.lines(p.Log); err != nil {
			return false, err
		}
	}
	if p.Live {
		return false, nil
	}
	return true, s.event("end", `{}`)
}

func (s *stream) lines(l *logRef) error {
	last, err := l.last(s.c)
	if err != nil {
		return err
	}
	text := fmt.Sprintf(`{"last":%d,"ended":%t}`, last, l.ended)
	if text == s.log {
		return nil
	}
	s.log = text
	return s.event("log", text)
}

func (s *stream) json(name string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return s.event(name, string(data))
}

func (s *stream) event(name, data string) error {
	return s.write("event: " + name + "\ndata: " + data + "\n\n")
}

// write sends text at once. A client that does not take it in time is given up.
func (s *stream) write(text string) error {
	_ = s.c.control.SetWriteDeadline(time.Now().Add(s.c.web.opt.Limits.Write))
	_, err := io.Copy(s.out, bytes.NewReader([]byte(text)))
	if s.pack != nil {
		err = errors.Join(err, s.pack.Flush())
	}
	return errors.Join(err, s.c.control.Flush())
}
