package scripttest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/script/brigadier"
	"github.com/brigadecore/brigade/v3/script/loop"
)

// epoch is when every build begins that is only played.
var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// maxTimers is how many timers may go off one after another while no job
// starts or ends: more is a timer that goes on and on.
const maxTimers = 10_000

// stage is where one build is played: it answers for the jobs, and it is the
// time. When the script has nothing to do but to wait for jobs and timers, the
// time leaps to what ends first. So the order in which jobs end is what the
// test says, and neither the machine's speed nor its goroutines decide.
type stage struct {
	build   *brigade.Build
	project *brigade.Project
	// ask gets the answer for a job; answered is called once, from anywhere.
	ask func(spec brigade.JobSpec, attempt int, answered func(Answer, error))
	// stop ends the build because of the test itself.
	stop context.CancelCauseFunc

	tick chan struct{} // the time has leapt to until; has room for one
	// abort is closed when the build is canceled, at cancelAt unless that is zero.
	abort    chan struct{}
	cancelAt time.Time

	mu      sync.Mutex
	now     time.Time
	idle    bool      // the script's loop sleeps
	holds   int       // what it waits for besides timers
	until   time.Time // its next timer
	asking  bool
	waiting []*playing
	told    bool // that the build is canceled; nothing happens until the script knows it
	ending  bool // the script knows it
	timers  int  // that went off since a job started or ended
	names   map[string]int
	step    int // the highest of a job that has ended

	jobs   []*playing
	log    []Line
	events []Fired
}

var (
	_ brigade.Host = (*stage)(nil)
	_ loop.Clock   = (*stage)(nil)
)

// playing is a job that runs.
type playing struct {
	job    *Job
	spec   brigade.JobSpec
	order  int
	asked  bool // and answered
	answer Answer
	due    time.Time // when it ends, or is to be asked again
	pause  bool      // between two attempts
	done   chan ending
}

type ending struct {
	result brigade.JobResult
	err    error
}

func newStage(b *brigade.Build, p *brigade.Project) *stage {
	return &stage{build: b, project: p, tick: make(chan struct{}, 1), abort: make(chan struct{}), now: epoch, names: map[string]int{}}
}

// Now implements loop.Clock.
func (s *stage) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

// Sleep implements loop.Clock.
func (s *stage) Sleep(until time.Time, holds int, wake <-chan struct{}) {
	s.mu.Lock()
	select {
	case <-s.tick:
	default:
	}
	s.idle, s.holds, s.until = true, holds, until
	s.advance()
	s.mu.Unlock()
	select {
	case <-wake:
	case <-s.tick:
	}
	s.mu.Lock()
	s.idle = false
	s.mu.Unlock()
}

// RunJob implements brigade.Host.
func (s *stage) RunJob(ctx context.Context, spec brigade.JobSpec) (brigade.JobResult, error) {
	p := &playing{spec: spec, order: brigadier.StartOrder(ctx), done: make(chan ending, 1)}
	s.mu.Lock()
	s.waiting = append(s.waiting, p)
	s.advance()
	s.mu.Unlock()
	select {
	case end := <-p.done:
		return end.result, end.err
	case <-ctx.Done():
		s.mu.Lock()
		defer s.mu.Unlock()
		s.remove(p)
		return brigade.JobResult{}, context.Cause(ctx)
	}
}

// JobLog implements brigade.Host.
func (s *stage) JobLog(_ context.Context, jobID string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.jobs {
		if p.job.ID == jobID {
			return p.job.Output, nil
		}
	}
	return "", brigade.NotFound("job", jobID)
}

// Log implements brigade.Host.
func (s *stage) Log(level brigade.LogLevel, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.note(level, text)
}

func (s *stage) note(level brigade.LogLevel, text string) {
	if !s.build.Event.LogLevel.Shows(level) {
		return
	}
	for _, line := range strings.Split(text, "\n") {
		s.log = append(s.log, Line{Level: level, Text: line})
	}
}

// Fired implements brigade.Host.
func (s *stage) Fired(l brigade.Lifecycle) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, Fired{Name: l.Name, Handled: l.Handled, Trigger: l.Trigger, Reason: l.Reason})
	if s.told && !s.ending && l.Trigger == "cancel" {
		s.ending = true
		s.endJobs()
	}
}

// cancel has the build canceled, as somebody who does not want to wait for it.
func (s *stage) cancel() {
	s.leap(s.cancelAt)
	s.told, s.idle = true, false
	close(s.abort)
}

// canceled reports whether the build was canceled.
func (s *stage) canceled() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.told
}

// endJobs ends the jobs that run, since their build is canceled.
func (s *stage) endJobs() {
	for _, p := range slices.Clone(s.waiting) {
		s.remove(p)
		e := brigade.Errorf(brigade.CodeCanceled, "the build was canceled")
		if p.job != nil {
			s.record(p, e)
			p.job.State = brigade.StateCanceled
			e = brigade.Errorf(brigade.CodeCanceled, "job %s(%s): %s", p.spec.Name, p.job.ID, e.Message)
		}
		p.done <- ending{err: e}
	}
}

// advance lets happen what is next, once the script waits and all jobs that it
// has started have come here. It is called with mu held.
func (s *stage) advance() {
	for s.idle && !s.asking && len(s.waiting) == s.holds && s.told == s.ending {
		if p := s.unasked(); p != nil {
			s.begin(p)
			return
		}
		p := s.next()
		switch {
		case s.cancels(p):
			s.cancel()
			return
		case !s.until.IsZero() && (p == nil || !s.until.After(p.due)):
			s.timer()
			return
		case p == nil:
			return
		case p.pause:
			s.leap(p.due)
			p.pause, p.asked = false, false
		default:
			s.leap(p.due)
			if s.end(p) {
				s.idle = false
				return
			}
		}
	}
}

// cancels reports whether the build is canceled before its next timer goes off
// and before p, the job that ends first, ends.
func (s *stage) cancels(p *playing) bool {
	return !s.cancelAt.IsZero() && !s.told && (s.until.IsZero() || !s.cancelAt.After(s.until)) && (p == nil || !s.cancelAt.After(p.due))
}

// unasked is the job that was started first of those nobody has asked about.
func (s *stage) unasked() *playing {
	var first *playing
	for _, p := range s.waiting {
		if !p.asked && (first == nil || p.order < first.order) {
			first = p
		}
	}
	return first
}

// next is the job that ends first.
func (s *stage) next() *playing {
	var first *playing
	for _, p := range s.waiting {
		if first == nil || p.due.Before(first.due) || p.due.Equal(first.due) && p.order < first.order {
			first = p
		}
	}
	return first
}

// timer lets the script's next timer go off.
func (s *stage) timer() {
	s.idle = false
	if s.timers++; s.timers > maxTimers {
		s.stop(brigade.Errorf(brigade.CodeBuildFailed, "the build does not end: after %s of its own time a timer of the script still goes on", s.now.Sub(epoch)))
		return
	}
	s.leap(s.until)
	s.tick <- struct{}{}
}

func (s *stage) leap(to time.Time) {
	if to.After(s.now) {
		s.now = to
	}
}

// begin starts a job or the next attempt of one: it asks what becomes of it.
func (s *stage) begin(p *playing) {
	s.timers = 0
	if p.job == nil {
		s.register(p)
		if err := s.project.Allows(p.spec); err != nil {
			p.asked, p.due, p.answer = true, s.now, Answer{refused: err}
			s.advance()
			return
		}
	}
	p.job.Attempts++
	s.asking = true
	spec, attempt := p.spec, p.job.Attempts
	go s.ask(spec, attempt, func(a Answer, err error) { s.answered(p, a, err) })
}

func (s *stage) register(p *playing) {
	s.names[p.spec.Name]++
	id := p.spec.Name + "-" + s.build.ID
	if n := s.names[p.spec.Name]; n > 1 {
		id = fmt.Sprintf("%s-%d", id, n)
	}
	p.job = &Job{
		ID: id, Name: p.spec.Name, Image: p.spec.Image, Tasks: p.spec.Tasks, Env: p.spec.Env, Spec: p.spec,
		State: brigade.StateRunning, Started: s.now.Sub(epoch).Milliseconds(), Step: s.step + 1, After: []string{},
	}
	for _, other := range s.jobs {
		if other.job.State.Ended() {
			p.job.After = append(p.job.After, other.job.Name)
		}
	}
	s.jobs = append(s.jobs, p)
}

func (s *stage) answered(p *playing, a Answer, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asking = false
	if err != nil {
		s.stop(err)
		return
	}
	p.asked, p.answer = true, a
	limit := time.Duration(p.spec.Timeout) * time.Millisecond
	takes := limit
	if a.Delay < float64(p.spec.Timeout) {
		takes = time.Duration(a.Delay * float64(time.Millisecond))
	} else {
		p.answer.timedOut = true
	}
	p.due = s.now.Add(takes)
	s.advance()
}

// end ends an attempt of a job, and reports whether it was the last one.
func (s *stage) end(p *playing) bool {
	failure := p.answer.failure(p.spec)
	retry := p.spec.Retry
	if failure != nil && p.answer.refused == nil && retry != nil && p.job.Attempts <= retry.Limit {
		p.pause, p.due = true, s.now.Add(retry.Delay(p.job.Attempts))
		return false
	}
	s.timers = 0
	s.remove(p)
	s.record(p, failure)
	result := brigade.JobResult{
		JobID: p.job.ID, ExitCode: p.job.ExitCode, Output: p.answer.Output, Outputs: p.answer.Outputs, Artifacts: p.answer.Artifacts,
	}
	var err error
	if failure != nil {
		e := *failure
		e.Message = fmt.Sprintf("job %s(%s): %s", p.spec.Name, p.job.ID, e.Message)
		if err = &e; p.spec.Fallible {
			result.Failure, err = &e, nil
		}
	}
	p.done <- ending{result, err}
	return true
}

// record writes down how a job ended.
func (s *stage) record(p *playing, failure *brigade.Error) {
	j := p.job
	j.State, j.ExitCode, j.Output, j.Outputs = brigade.StateSucceeded, p.answer.ExitCode, p.answer.Output, p.answer.Outputs
	if j.Ended = s.now.Sub(epoch).Milliseconds(); failure != nil {
		j.State, j.Failure = brigade.StateFailed, failure
	}
	s.step = max(s.step, j.Step)
	if p.spec.StreamLogs && j.Output != "" {
		s.note(brigade.LevelLog, strings.TrimSuffix(j.Output, "\n"))
	}
}

func (s *stage) remove(p *playing) {
	s.waiting = slices.DeleteFunc(s.waiting, func(other *playing) bool { return other == p })
}

// played is what happened, once the script is over.
func (s *stage) played() (jobs []*Job, log []Line, events []Fired) {
	s.mu.Lock()
	defer s.mu.Unlock()
	jobs = []*Job{}
	for _, p := range s.jobs {
		jobs = append(jobs, p.job)
	}
	return jobs, append([]Line{}, s.log...), append([]Fired{}, s.events...)
}
