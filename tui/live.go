package tui

import (
	"strings"
	"sync"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
)

const (
	frameEvery   = time.Second / 15
	spinEvery    = time.Second / 10
	firstBlock   = 150 * time.Millisecond // shorter builds get no block at all
	pendingLimit = 256 << 10              // bytes of log that wait for a frame
	maxRowsALine = 20                     // rows that one log line may take
	maxPrefix    = 24
)

// Live shows a build on a terminal: log lines that scroll, and below them a
// block with the jobs that is drawn anew up to 15 times a second.
type Live struct {
	o      Options
	l      look
	mu     sync.Mutex
	b      *board
	works  works
	canvas canvas

	pending   []entry
	bytes     int
	began     time.Time // of the first call
	drawn     time.Time
	dirty     bool
	header    bool
	status    string // the build's last notice with a percentage
	stopText  string // the answer to Ctrl-C
	finished  bool
	closeOnce sync.Once
	start     func() // starts the clock, once
	stop      chan struct{}
}

// entry is a line on its way to the screen.
type entry struct {
	r    *row   // whose log line it is; nil for what stands alone
	mark string // what stands between the name and the text
	text string
}

// NewLive returns a Live on o.Out.
func NewLive(o Options) *Live {
	v := newLive(o)
	v.stop = make(chan struct{})
	v.start = sync.OnceFunc(func() { go v.clock() })
	return v
}

// newLive has no clock: whoever calls draw decides when.
func newLive(o Options) *Live {
	o = o.withDefaults()
	return &Live{o: o, l: o.look(), b: newBoard(o.Mask), canvas: canvas{out: o.Out}, start: func() {}}
}

// clock draws until the view is closed.
func (v *Live) clock() {
	defer func() {
		if p := recover(); p != nil {
			v.canvas.frame(nil, nil, 80, 24) // the terminal first
			panic(p)
		}
	}()
	t := time.NewTicker(frameEvery)
	defer t.Stop()
	for {
		select {
		case <-v.stop:
			return
		case <-t.C:
			v.mu.Lock()
			v.draw(v.o.Now())
			v.mu.Unlock()
		}
	}
}

// Watch implements View.
func (v *Live) Watch(c brigade.Change) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.finished {
		return
	}
	v.touch()
	r, before := v.b.apply(c)
	switch {
	case c.Build != nil:
		v.headerOf(c.Build)
	case c.Job != nil:
		v.jobChanged(r, before)
	case c.Notice != "":
		v.noticed(c, r)
	case c.Fired != nil:
		if v.o.Verbose {
			v.push(entry{text: v.l.dim("[brig] " + firedText(v.b, c.Fired))})
		}
	default:
		for _, line := range c.Lines {
			v.pushLog(r, line)
		}
	}
}

// touch notes that something happened, for the next frame.
func (v *Live) touch() {
	v.dirty = true
	if v.began.IsZero() {
		v.began = v.o.Now()
	}
	v.start()
}

func (v *Live) headerOf(b *brigade.Build) {
	if !v.header {
		v.header = true
		text := buildText(b)
		if w, _ := v.o.size(); width(text) >= w {
			text, _, _ = strings.Cut(text, ",")
		}
		v.push(entry{text: v.l.dim(text)})
	}
}

func (v *Live) jobChanged(r *row, before brigade.State) {
	state := r.job.State
	switch {
	case state == before:
	case state.Ended():
		v.push(entry{r: r, mark: v.l.state(state, v.l.symbol(state)), text: v.l.state(state, endText(v.b, r))})
	case state == brigade.StateRunning && (v.o.Verbose || r.job.Attempt > 1):
		v.push(entry{r: r, mark: v.l.dim(v.l.arrow()), text: v.l.dim(startText(v.b, r))})
	}
}

func (v *Live) noticed(c brigade.Change, r *row) {
	if r != nil {
		return // the block shows it
	}
	text := Clean(firstLine(v.o.Mask(c.Notice)), false)
	if percent.MatchString(text) {
		v.status = text
		return
	}
	v.status = ""
	v.push(entry{text: v.l.dim("[brig] ") + text})
}

func (v *Live) pushLog(r *row, line brigade.LogLine) {
	text := strings.TrimRight(Clean(line.Text, v.o.Color), " ")
	if r == nil {
		text = v.workerText(line.Level, text)
	}
	v.push(entry{r: r, mark: v.l.dim(v.l.bar()), text: text})
}

// workerText sets the worker's lines apart: a tag such as [brigade:k8s] is
// dimmed, warnings and errors have their colour.
func (v *Live) workerText(level brigade.LogLevel, text string) string {
	if !v.o.Color {
		return text
	}
	switch {
	case strings.Contains(text, "\x1b"):
	case level == brigade.LevelError:
		return v.l.fg(colorRed, text)
	case level == brigade.LevelWarn:
		return v.l.fg(colorAmber, text)
	case strings.HasPrefix(text, "[brigade"):
		if tag, rest, ok := strings.Cut(text, "] "); ok {
			return v.l.dim(tag+"]") + " " + rest
		}
	}
	return text
}

func (v *Live) push(e entry) {
	v.pending = append(v.pending, e)
	v.bytes += len(e.text) + 32
	if v.bytes > pendingLimit {
		v.draw(v.o.Now())
	}
}

// Progress implements View.
func (v *Live) Progress(label string, done, total int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.finished {
		return
	}
	v.touch()
	now := v.o.Now()
	w, _ := v.works.update(label, done, total, now)
	if over(done, total) && done >= 0 && now.Sub(w.began) >= time.Second {
		v.push(entry{text: v.l.dim("[brig] " + Clean(label, false) + ": done in " + Duration(now.Sub(w.began)))})
	}
}

// Interrupted implements View.
func (v *Live) Interrupted(n int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.finished {
		return
	}
	v.touch()
	v.stopText = stoppingText(v.b, v.l, n)
	v.draw(v.o.Now())
}

// Finish implements View.
func (v *Live) Finish(build *brigade.Build, jobs []*brigade.Job) error {
	v.halt()
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.finished {
		return v.canvas.err
	}
	v.b.finish(build, jobs)
	v.flush()
	w, _ := v.o.size()
	lines := summary(v.b, v.o, v.l, w)
	if err := writeLines(v.o.Out, lines); err != nil && v.canvas.err == nil {
		v.canvas.err = err
	}
	return v.canvas.err
}

// Close implements View.
func (v *Live) Close() error {
	v.halt()
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.finished {
		v.flush()
	}
	return v.canvas.err
}

// halt stops the clock.
func (v *Live) halt() {
	v.closeOnce.Do(func() {
		if v.stop == nil {
			return
		}
		close(v.stop)
	})
}

// flush prints what is pending, removes the block and ends the view.
func (v *Live) flush() {
	v.finished = true
	w, h := v.o.size()
	v.canvas.frame(v.pendingLines(w), nil, w, h)
}
