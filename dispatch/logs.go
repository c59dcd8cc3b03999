package dispatch

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/lines"
)

// A log's lines reach watchers at once and the store in batches: whichever
// comes first, this many lines or this much time.
const (
	batchLines = 512
	batchDelay = 250 * time.Millisecond
	// heldBytes is how much waits at most while the store refuses it.
	heldBytes = 1 << 20
)

// logSink numbers the lines of one log, passes them to the watchers, and keeps
// them in the store up to the cap. Its text is masked already.
type logSink struct {
	r     *run
	jobID string

	mu      sync.Mutex
	seq     int64
	last    int64 // Seq of the last line kept
	kept    int64 // bytes kept in the store
	dropped int64 // bytes beyond the cap
	pending []brigade.LogLine
	timer   *time.Timer
	held    int64 // bytes of pending
	closed  bool
	failed  bool // the store refused lines, which was logged once
}

// newLogSink goes on after the line with the number last.
func newLogSink(r *run, jobID string, last int64) *logSink {
	return &logSink{r: r, jobID: jobID, seq: last, last: last}
}

// goOn goes on after the line with the number last.
func (s *logSink) goOn(last int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seq, s.last = last, last
}

// lastSeq is the number of the last line, 0 without lines.
func lastSeq(lines []brigade.LogLine) int64 {
	if len(lines) == 0 {
		return 0
	}
	return lines[len(lines)-1].Seq
}

// add appends lines of one level and returns the number of the first, 0 when
// the log is closed.
func (s *logSink) add(level brigade.LogLevel, texts []string) (first int64) {
	if len(texts) == 0 {
		return 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0
	}
	first = s.seq + 1
	now := s.r.d.opt.Now()
	batch := make([]brigade.LogLine, len(texts))
	for i, text := range texts {
		s.seq++
		batch[i] = brigade.LogLine{BuildID: s.r.id, JobID: s.jobID, Seq: s.seq, Time: now, Level: level, Text: text}
		s.keep(batch[i])
	}
	s.r.publish(brigade.Change{JobID: s.jobID, Lines: batch})
	s.schedule()
	return first
}

func (s *logSink) keep(line brigade.LogLine) {
	size := int64(len(line.Text)) + 1
	if s.dropped > 0 || s.kept+size > s.r.d.opt.LogCap {
		s.dropped += size
		return
	}
	s.kept += size
	s.held += size
	s.last = line.Seq
	s.pending = append(s.pending, line)
}

// schedule flushes now or in a while. The caller holds the lock.
func (s *logSink) schedule() {
	switch {
	case len(s.pending) >= batchLines && !s.failed:
		s.flush()
	case len(s.pending) > 0 && s.timer == nil:
		s.timer = time.AfterFunc(batchDelay, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.timer = nil
			if s.flush(); !s.closed {
				s.schedule()
			}
		})
	}
}

// flush stores what waits. The caller holds the lock.
func (s *logSink) flush() {
	if len(s.pending) == 0 {
		return
	}
	err := s.r.d.opt.Store.AppendLog(context.Background(), s.pending)
	if err != nil && !s.failed {
		s.r.d.opt.Log.Error("keep log lines", "build", s.r.id, "job", s.jobID, "err", err)
	}
	s.failed = err != nil
	if s.failed && s.r.d.opt.Patience > 0 && s.held <= heldBytes {
		return // with the next ones
	}
	s.pending, s.held = s.pending[:0], 0
}

// close stores the rest and says how much was not kept.
func (s *logSink) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.closed = true
	if s.timer != nil {
		s.timer.Stop()
	}
	if s.dropped > 0 {
		s.pending = append(s.pending, brigade.LogLine{
			BuildID: s.r.id, JobID: s.jobID, Seq: s.last + 1, Time: s.r.d.opt.Now(), Level: brigade.LevelWarn,
			Text: fmt.Sprintf("… the log is capped at %s; %s more were printed and not kept", size(s.r.d.opt.LogCap), size(s.dropped)),
		})
	}
	if s.flush(); len(s.pending) > 0 {
		_ = s.r.persist("log of "+s.r.id, func() error { return s.r.d.opt.Store.AppendLog(context.Background(), s.pending) }) // it was logged
	}
}

// size formats a number of bytes for people.
func size(n int64) string {
	switch {
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d bytes", n)
}

// jobLog is where a runner writes what a job prints: once as it is, for the
// script's result, and once masked and cut into lines, for people.
type jobLog struct {
	mu     sync.Mutex
	result []byte
	limit  int
	total  int64
	masked io.WriteCloser
	split  *lines.Writer
	marks  markReader
	parts  []brigade.LogPart
}

func newJobLog(r *run, sink *logSink) *jobLog {
	l := &jobLog{limit: int(r.d.opt.LogCap)}
	l.split = lines.New(lines.Options{Cap: -1, Emit: func(texts []string) {
		l.emit(r, sink, texts)
	}})
	l.masked = r.mask.Writer(l.split)
	l.marks.plain = func(p []byte) {
		l.total += int64(len(p))
		if room := l.limit - len(l.result); room > 0 {
			l.result = append(l.result, p[:min(room, len(p))]...)
		}
	}
	l.marks.shown = func(p []byte) { _, _ = l.masked.Write(p) } // the line splitter under it never fails
	return l
}

// emit hands lines on, and notes with which of them tasks begin.
func (l *jobLog) emit(r *run, sink *logSink, texts []string) {
	begin := map[int]int{}       // index → task
	for i, text := range texts { // what was hidden among escape sequences shows only now
		task, rest := takeMark(r.mask.String(text))
		if texts[i] = rest; task > 0 {
			begin[i] = task
		}
	}
	first := sink.add("", texts)
	for _, i := range slices.Sorted(maps.Keys(begin)) {
		if first > 0 && len(l.parts) < maxParts {
			l.parts = append(l.parts, brigade.LogPart{Task: begin[i], Line: first + int64(i)})
		}
	}
}

// Write takes output; it never fails.
func (l *jobLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.marks.write(p)
	return len(p), nil
}

// close ends the log and returns what was printed, cut at the cap.
func (l *jobLog) close() (output string, truncated bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.marks.close()
	_ = l.masked.Close()
	_ = l.split.Close()
	return string(l.result), l.total > int64(len(l.result))
}

// soFar returns what was printed until now, cut at the cap.
func (l *jobLog) soFar() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.result)
}
