package api

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/brigadecore/brigade/v3"
)

const (
	logPage     = 128     // lines read from the store at once
	logPageMost = 10_000  // lines of one answer
	logAnswer   = 8 << 20 // bytes of text of one answer, after which it is cut at a line
)

// logLine is a line of a log whose owner the address names.
type logLine struct {
	Seq   int64            `json:"seq"`
	Time  time.Time        `json:"time"`
	Level brigade.LogLevel `json:"level,omitempty"`
	Text  string           `json:"text"`
}

func viewLine(l brigade.LogLine) logLine { return logLine{l.Seq, l.Time, l.Level, l.Text} }

// logView is a part of a log. Next is the number to ask for lines after.
type logView struct {
	Lines []logLine `json:"lines"`
	Next  int64     `json:"next"`
	Ended bool      `json:"ended"` // nothing will be added after next
}

// logOwner is what a log belongs to.
type logOwner struct {
	build *brigade.Build
	job   *brigade.Job // nil: the build's worker
}

func (o logOwner) jobID() string {
	if o.job == nil {
		return ""
	}
	return o.job.ID
}

// over reports whether nothing can be added to the log any more. A job that
// failed may be run again.
func (o logOwner) over() bool {
	if o.job == nil || o.build.State.Ended() {
		return o.build.State.Ended()
	}
	retry := o.job.Spec.Retry
	return o.job.State.Ended() && (o.job.State != brigade.StateFailed || retry == nil || o.job.Retries >= retry.Limit)
}

func (o logOwner) state() brigade.State {
	if o.job != nil {
		return o.job.State
	}
	return o.build.State
}

func buildLog(c *call) error {
	b, err := c.findBuild("build")
	if err != nil {
		return err
	}
	return c.log(logOwner{build: b})
}

func jobLog(c *call) error {
	j, b, err := c.findJob("job")
	if err != nil {
		return err
	}
	return c.log(logOwner{build: b, job: j})
}

// log answers with a log in the form that was asked for.
func (c *call) log(o logOwner) error {
	after, err := c.number("after", 0, 0, 1<<62)
	if err != nil {
		return err
	}
	tail, err := c.number("tail", 0, 0, logPageMost)
	if err != nil {
		return err
	}
	follow, err := c.flag("follow")
	if err != nil {
		return err
	}
	q := brigade.LogQuery{BuildID: o.build.ID, JobID: o.jobID(), After: after, Tail: int(tail)}
	if follow || strings.Contains(c.r.Header.Get("Accept"), "text/event-stream") {
		if last, err := strconv.ParseInt(c.r.Header.Get("Last-Event-ID"), 10, 64); err == nil && last > q.After {
			q.After, q.Tail = last, 0
		}
		return c.follow(o, q)
	}
	limit, err := c.number("limit", 0, 1, 1<<31)
	if err != nil {
		return err
	}
	switch format := c.r.URL.Query().Get("format"); format {
	case "text":
		return c.logText(q, limit)
	case "", "json":
		return c.logJSON(o, q, min(limit, logPageMost))
	default:
		return usage("there is no format %q", format).WithHint("the formats are json and text")
	}
}

// logJSON answers with a part of a log.
func (c *call) logJSON(o logOwner, q brigade.LogQuery, limit int64) error {
	if limit == 0 {
		limit = max(1000, int64(q.Tail))
	}
	view := logView{Lines: []logLine{}, Next: q.After}
	size, all := 0, false
	for !all && int64(len(view.Lines)) < limit && size < logAnswer {
		q.Limit = int(min(logPage, limit-int64(len(view.Lines))))
		page, err := c.a.opt.Store.ReadLog(c.r.Context(), q)
		if err != nil {
			return err
		}
		for _, l := range page {
			view.Lines = append(view.Lines, viewLine(l))
			size += len(l.Text)
			view.Next = l.Seq
		}
		q.After, q.Tail = view.Next, 0
		all = len(page) < q.Limit
	}
	view.Ended = all && o.over()
	return c.json(http.StatusOK, view)
}

// logText answers with the text of a log, a line each.
func (c *call) logText(q brigade.LogQuery, limit int64) error {
	c.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if c.r.Method == http.MethodHead {
		c.w.WriteHeader(http.StatusOK)
		return nil
	}
	out := bufio.NewWriterSize(&moving{c: c}, flushFrom)
	err := c.a.eachLine(c.r.Context(), q, limit, func(l brigade.LogLine) error {
		_, err := io.WriteString(out, l.Text+"\n")
		return err
	})
	if err != nil {
		return err
	}
	return out.Flush()
}

// eachLine calls f for every line, reading a page at a time. limit 0 is none.
func (a *API) eachLine(ctx context.Context, q brigade.LogQuery, limit int64, f func(brigade.LogLine) error) error {
	for n := int64(0); limit == 0 || n < limit; {
		q.Limit = logPage
		if limit > 0 {
			q.Limit = int(min(logPage, limit-n))
		}
		page, err := a.opt.Store.ReadLog(ctx, q)
		if err != nil {
			return err
		}
		for _, l := range page {
			if err := f(l); err != nil {
				return err
			}
			q.After = l.Seq
		}
		n, q.Tail = n+int64(len(page)), 0
		if len(page) < q.Limit {
			return nil
		}
	}
	return nil
}

// follow sends a log from q.After on, and what is added to it, until its owner
// has ended or the client is gone.
func (c *call) follow(o logOwner, q brigade.LogQuery) error {
	s, release, err := c.openStream()
	defer release()
	if err != nil || s == nil {
		return c.unlessGone(err)
	}
	ctx, cancel := context.WithCancel(c.r.Context())
	defer cancel()
	f := &follower{c: c, s: s, o: o, q: q, at: q.After}
	f.changes = c.a.opt.Feed.Subscribe(ctx, o.build.ID)
	heart, poll := time.NewTicker(c.a.opt.Limits.Heartbeat), time.NewTicker(c.a.opt.Limits.Poll)
	defer heart.Stop()
	defer poll.Stop()
	for {
		over, err := f.catchUp(ctx)
		if err != nil || over {
			return c.unlessGone(err)
		}
		behind := false
		for !behind {
			select {
			case <-ctx.Done():
				return nil
			case <-c.a.done:
				return nil
			case <-heart.C:
				err = s.beat()
			case <-poll.C:
				behind = true
			case change, ok := <-f.changes:
				if ok {
					behind, err = f.take(change)
					break
				}
				if !c.pause(resubscribe) {
					return nil
				}
				f.changes, behind = c.a.opt.Feed.Subscribe(ctx, o.build.ID), true
			}
			if err != nil {
				return c.unlessGone(err)
			}
		}
	}
}

// unlessGone drops the error of a stream whose answer has begun: the client
// takes it up again where it was cut off.
func (c *call) unlessGone(err error) error {
	if err != nil && c.w.status != 0 {
		c.a.opt.Log.Debug("a stream ended", "request", c.id, "err", err)
		return nil
	}
	return err
}

// follower is a log on its way to one client.
type follower struct {
	c       *call
	s       *stream
	o       logOwner
	q       brigade.LogQuery
	at      int64 // the last line sent
	changes <-chan brigade.Change
}

// catchUp sends what is in the store, and the end when the log's owner has
// ended. The owner is looked at first, so that no line is missed.
func (f *follower) catchUp(ctx context.Context) (over bool, err error) {
	if err := f.look(ctx); err != nil {
		if brigade.CodeOf(err) == brigade.CodeNotFound {
			return true, f.end("deleted")
		}
		return false, err
	}
	f.q.After = f.at
	if err := f.c.a.eachLine(ctx, f.q, 0, f.send); err != nil {
		return false, err
	}
	f.q.Tail = 0
	if !f.o.over() {
		return false, f.s.flush()
	}
	return true, f.end(string(f.o.state()))
}

func (f *follower) look(ctx context.Context) (err error) {
	if f.o.build, err = f.c.a.lightBuild(ctx, f.q.BuildID); err != nil || f.o.job == nil {
		return err
	}
	f.o.job, err = f.c.a.opt.Store.Job(ctx, f.q.JobID)
	return err
}

func (f *follower) send(l brigade.LogLine) error {
	data, err := json.Marshal(viewLine(l))
	if err != nil {
		return err
	}
	f.at = l.Seq
	return f.s.event(strconv.FormatInt(l.Seq, 10), "line", data)
}

func (f *follower) end(state string) error {
	data, err := json.Marshal(map[string]string{"state": state})
	if err != nil {
		return err
	}
	if err := f.s.event("", "end", data); err != nil {
		return err
	}
	return f.s.flush()
}

// take handles a change. behind says that the store has to be looked at.
func (f *follower) take(change brigade.Change) (behind bool, err error) {
	switch {
	case change.Build != nil:
		return change.Build.State.Ended(), nil
	case change.Job != nil:
		return f.o.job != nil && change.Job.ID == f.o.job.ID && change.Job.State.Ended(), nil
	}
	for _, l := range change.Lines {
		if l.JobID != f.q.JobID || l.Seq <= f.at {
			continue
		}
		if l.Seq != f.at+1 {
			return true, nil
		}
		if err := f.send(l); err != nil {
			return false, err
		}
	}
	if len(f.changes) > 0 {
		return false, nil // more is coming at once
	}
	return false, f.s.flush()
}
