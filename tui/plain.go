package tui

import (
	"bytes"
	"io"
	"strings"
	"sync"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
)

// Plain shows a build as lines without any escape code, for files, pipes and
// the logs of other systems:
//
//	Build: 01jd…, Worker: brigade-worker-01jd…
//	[brigade] a line of the worker
//	lint ▸ started (image alpine:3.20, docker)
//	lint | a line of the job
//	lint ✓ succeeded in 1.2s
//
// Lines come as they happen, and those of one job in their order.
type Plain struct {
	o      Options
	l      look
	mu     sync.Mutex
	b      *board
	works  works
	header bool
	noted  map[string]string // job ID → last notice without its figures
	buf    bytes.Buffer
	done   bool
	err    error
}

// NewPlain returns a Plain on o.Out.
func NewPlain(o Options) *Plain {
	o = o.withDefaults()
	o.Color = false
	return &Plain{o: o, l: o.look(), b: newBoard(o.Mask), noted: map[string]string{}}
}

// Watch implements View.
func (v *Plain) Watch(c brigade.Change) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.done {
		return
	}
	r, before := v.b.apply(c)
	switch {
	case c.Build != nil:
		if !v.header {
			v.header = true
			v.line(buildText(c.Build))
		}
	case c.Job != nil:
		v.jobChanged(r, before)
	case c.Notice != "":
		v.noticed(c, r)
	case c.Fired != nil:
		if v.o.Verbose {
			v.line("[brig] " + firedText(v.b, c.Fired))
		}
	default:
		for _, line := range c.Lines {
			v.logLine(r, line)
		}
	}
	v.write()
}

func (v *Plain) jobChanged(r *row, before brigade.State) {
	switch state := r.job.State; {
	case state == before:
	case state == brigade.StateRunning:
		v.line(r.name + " " + v.l.arrow() + " " + startText(v.b, r))
	case state.Ended():
		v.line(r.name + " " + v.l.symbol(state) + " " + endText(v.b, r))
		delete(v.noted, r.job.ID)
	}
}

// noticed prints a notice unless it is the one before with other figures.
func (v *Plain) noticed(c brigade.Change, r *row) {
	text := Clean(firstLine(v.o.Mask(c.Notice)), false)
	id, head := "", "[brig] "
	if r != nil {
		id, head = r.job.ID, r.name+" "+v.l.arrow()+" "
	}
	if key := withoutNumbers(text); !percent.MatchString(text) || v.noted[id] != key {
		if v.noted[id] = ""; percent.MatchString(text) {
			v.noted[id] = key
		}
		v.line(head + text)
	}
}

func (v *Plain) logLine(r *row, line brigade.LogLine) {
	text := Clean(line.Text, false)
	if r != nil {
		text = r.name + " | " + text
	}
	v.line(text)
}

func (v *Plain) line(s string) {
	v.buf.WriteString(strings.TrimRight(s, " "))
	v.buf.WriteByte('\n')
}

// write hands over what was collected, in one write.
func (v *Plain) write() {
	if v.err == nil && v.buf.Len() > 0 {
		_, v.err = v.o.Out.Write(v.buf.Bytes())
	}
	v.buf.Reset()
	if v.buf.Cap() > 1<<20 {
		v.buf = bytes.Buffer{}
	}
}

// Progress implements View: a line when long work begins and one at its end,
// and one every ten seconds between.
func (v *Plain) Progress(label string, done, total int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.done {
		return
	}
	now := v.o.Now()
	w, isNew := v.works.update(label, done, total, now)
	text := "[brig] " + Clean(label, false)
	switch {
	case over(done, total):
		if done >= 0 && now.Sub(w.began) >= time.Second {
			v.line(text + ": done in " + Duration(now.Sub(w.began)))
		}
	case isNew:
		w.told = now
		v.line(text + " " + v.l.ellipsis())
	case now.Sub(w.told) >= 10*time.Second:
		w.told = now
		v.line(text + " " + w.figures())
	}
	v.write()
}

// Interrupted implements View.
func (v *Plain) Interrupted(n int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.done {
		v.line("[brig] " + stoppingText(v.b, v.l, n))
		v.write()
	}
}

// Finish implements View.
func (v *Plain) Finish(build *brigade.Build, jobs []*brigade.Job) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.done {
		return v.err
	}
	v.done = true
	v.b.finish(build, jobs)
	w := 100 // a file has no width
	if v.o.Terminal {
		w, _ = v.o.size()
	}
	v.write()
	if v.err == nil {
		_, v.err = io.WriteString(v.o.Out, strings.Join(summary(v.b, v.o, v.l, w), "\n")+"\n")
	}
	return v.err
}

// Close implements View.
func (v *Plain) Close() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.done = true
	return v.err
}
