package dispatch

import (
	"context"
	"fmt"
	"io"
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
	closed  bool
	failed  bool // the store refused lines, which was logged once
}

// newLogSink goes on after the last line of last, which may be empty.
func newLogSink(r *run, jobID string, last []brigade.LogLine) *logSink {
	s := &logSink{r: r, jobID: jobID}
	if n := len(last); n > 0 {
		s.seq = last[n-1].Seq
		s.last = s.seq
	}
	return s
}

// add appends lines of one level.
func (s *logSink) add(level brigade.LogLevel, texts []string) {
	if len(texts) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	now := s.r.d.opt.Now()
	batch := make([]brigade.LogLine, len(texts))
	for i, text := range texts {
		s.seq++
		batch[i] = brigade.LogLine{BuildID: s.r.id, JobID: s.jobID, Seq: s.seq, Time: now, Level: level, Text: text}
		s.keep(batch[i])
	}
	s.r.publish(brigade.Change{JobID: s.jobID, Lines: batch})
	s.schedule()
}

func (s *logSink) keep(line brigade.LogLine) {
	size := int64(len(line.Text)) + 1
	if s.dropped > 0 || s.kept+size > s.r.d.opt.LogCap {
		s.dropped += size
		return
	}
	s.kept += size
	s.last = line.Seq
	s.pending = append(s.pending, line)
}

// schedule flushes now or in a while. The caller holds the lock.
func (s *logSink) schedule() {
	switch {
	case len(s.pending) >= batchLines:
		s.flush()
	case len(s.pending) > 0 && s.timer == nil:
		s.timer = time.AfterFunc(batchDelay, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.timer = nil
			s.flush()
		})
	}
}

// flush stores what waits. The caller holds the lock.
func (s *logSink) flush() {
	if len(s.pending) == 0 {
		return
	}
	err := s.r.d.opt.Store.AppendLog(context.Background(), s.pending)
	s.pending = s.pending[:0]
	if err != nil && !s.failed {
		s.failed = true
		s.r.d.opt.Log.Error("keep log lines", "build", s.r.id, "job", s.jobID, "err", err)
	}
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
	s.flush()
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
}

func newJobLog(r *run, sink *logSink) *jobLog {
	l := &jobLog{limit: int(r.d.opt.LogCap)}
	l.split = lines.New(lines.Options{Cap: -1, Emit: func(texts []string) {
		for i, text := range texts { // what was hidden among escape sequences shows only now
			texts[i] = r.mask.String(text)
		}
		sink.add("", texts)
	}})
	l.masked = r.mask.Writer(l.split)
	return l
}

// Write takes output; it never fails.
func (l *jobLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.total += int64(len(p))
	if room := l.limit - len(l.result); room > 0 {
		l.result = append(l.result, p[:min(room, len(p))]...)
	}
	_, _ = l.masked.Write(p) // the line splitter under it never fails
	return len(p), nil
}

// close ends the log and returns what was printed, cut at the cap.
func (l *jobLog) close() (output string, truncated bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
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
