package wire

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
)

// DefaultMemory is the memory limit of a script's process.
const DefaultMemory = 512 << 20

// stopGrace is how long a child may take to end after it was told to, or after
// the wall-clock limit.
const stopGrace = 2 * time.Second

// Child is a brigade.Worker that runs each script in a process of its own, so
// that a crash, an endless loop or a memory hog ends with that process. It must
// not be copied once it is used.
type Child struct {
	// Program and Args start a process that calls Serve on its standard
	// input and output.
	Program string
	Args    []string
	// Env is the process's whole environment; scripts see ScriptRun.Env.
	Env []string
	// Keep is how many scripts a process may run, one after another; up to 1,
	// each has its own. See kept for what such scripts have in common.
	Keep int
	// Idle is how long a process waits for another script; 0: ten seconds.
	Idle time.Duration
	// Starting is how many processes may be starting at once, so that a hundred
	// builds do not take the processors from each other; 0 is no limit.
	Starting int

	kept kept
}

var _ brigade.Worker = (*Child)(nil)

// Close ends the processes that wait for a script.
func (c *Child) Close() error {
	c.kept.close()
	return nil
}

// RunScript starts the process, or takes one that has run a script of the same
// kind, and answers its requests until it is done.
func (c *Child) RunScript(ctx context.Context, run brigade.ScriptRun, host brigade.Host) (brigade.ScriptResult, error) {
	if run.Limits.Memory <= 0 {
		run.Limits.Memory = DefaultMemory
	}
	like := c.kindOf(run)
	for {
		p, started, err := c.take(ctx, like)
		if err != nil {
			return brigade.ScriptResult{}, err
		}
		s := &session{process: p, host: host, run: run, keep: like.trusted && p.scripts+1 < c.Keep, started: started}
		e := s.talk(ctx)
		started()
		if e.again {
			c.put(like, p)
		} else {
			e.wait = p.end(e.done == nil)
			e.stderr, e.peak = p.said.String(), peakMemory(p.cmd.ProcessState)
		}
		if s.heard || p.scripts == 1 || ctx.Err() != nil || e.overWall {
			return s.conclude(ctx, e)
		} // it was gone before it got the script
	}
}

// process is a child.
type process struct {
	cmd     *exec.Cmd
	pipe    *pipe
	stdin   io.Closer
	said    *tail
	scripts int // that it got so far
}

// start starts a process.
func (c *Child) start() (*process, error) {
	cmd := exec.Command(c.Program, c.Args...)
	cmd.Env = c.Env
	cmd.SysProcAttr = childAttributes()
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("make a pipe: %w", err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("make a pipe: %w", err)
	}
	p := &process{cmd: cmd, pipe: &pipe{in: stdout, out: stdin}, stdin: stdin, said: &tail{limit: 64 << 10}}
	cmd.Stderr = p.said
	if err := cmd.Start(); err != nil {
		return nil, &brigade.Error{Code: brigade.CodeScriptCrashed, Message: "the process for the script cannot be started: " + err.Error(), Err: err}
	}
	return p, nil
}

// end lets the process end, or makes it, and returns how it ended.
func (p *process) end(kill bool) error {
	_ = p.stdin.Close()
	if kill {
		_ = p.cmd.Process.Kill()
	}
	return p.cmd.Wait()
}

// session is one script in its process.
type session struct {
	*process
	host     brigade.Host
	run      brigade.ScriptRun
	keep     bool   // the process may get another script after this one
	started  func() // is called when the process has begun with it
	requests sync.WaitGroup

	heard bool // the process has said something
	told  bool // it was told to end the script
}

// talk gives the process the script and answers until that is done.
func (s *session) talk(ctx context.Context) ending {
	s.scripts++
	s.said.reset()
	stop := s.stopWith(ctx)
	asking, leave := context.WithCancel(ctx)
	done, err := s.serve(asking)
	leave() // nobody waits for answers any more
	overWall := stop()
	if done == nil {
		_ = s.cmd.Process.Kill() // who writes an answer must not wait for it
	}
	s.requests.Wait()
	return ending{
		done: done, read: err, overWall: overWall,
		again: done != nil && done.Again && s.keep && !s.told && !overWall && ctx.Err() == nil,
	}
}

// stopWith passes an abort on, and ends the process when ctx ends or the
// wall-clock limit is over: first by asking, then by force. The returned
// function ends the watch and tells whether the limit was over.
func (s *session) stopWith(ctx context.Context) (stop func() bool) {
	finished, overWall := make(chan struct{}), make(chan bool, 1)
	go func() {
		limit, stopTimer := after(s.run.Limits.Wall)
		defer stopTimer()
		abort := s.run.Abort
		for {
			select {
			case <-finished:
				overWall <- false
				return
			case <-abort:
				abort, s.told = nil, true
				s.send(frame{Kind: kindAbort})
			case <-ctx.Done():
				s.stop(finished)
				overWall <- false
				return
			case <-limit:
				s.stop(finished)
				overWall <- true
				return
			}
		}
	}()
	return func() bool {
		close(finished)
		return <-overWall
	}
}

// after is a timer that never fires for 0.
func after(d time.Duration) (<-chan time.Time, func() bool) {
	if d <= 0 {
		return nil, func() bool { return true }
	}
	timer := time.NewTimer(d)
	return timer.C, timer.Stop
}

// stop asks the process to end, and ends it when it does not.
func (s *session) stop(finished <-chan struct{}) {
	s.told = true
	s.send(frame{Kind: kindCancel})
	select {
	case <-finished:
	case <-time.After(stopGrace):
		_ = s.cmd.Process.Kill()
	}
}

// send writes without waiting: a child that does not read must not keep us.
func (s *session) send(f frame) { go func() { _ = s.pipe.write(f) }() }

// serve answers the child's frames until it is done or its output ends.
func (s *session) serve(ctx context.Context) (*frame, error) {
	s.send(frame{Kind: kindRun, Run: &s.run, Keep: s.keep}) // an error shows as the end of its output
	for {
		f, err := s.pipe.read()
		if err != nil {
			return nil, err
		}
		s.heard = true
		switch f.Kind {
		case kindBegun:
			s.started()
		case kindDone:
			return &f, nil
		case kindLine:
			s.host.Log(f.Level, f.Text)
		case kindFired:
			if f.Fired != nil {
				s.host.Fired(*f.Fired)
			}
		case kindJob, kindJobLog:
			s.requests.Add(1)
			go func() {
				defer s.requests.Done()
				s.answer(ctx, f)
			}()
		default:
			return nil, fmt.Errorf("a frame of unknown kind %q", f.Kind)
		}
	}
}

func (s *session) answer(ctx context.Context, f frame) {
	reply := frame{Kind: kindReply, ID: f.ID}
	switch {
	case f.Kind == kindJobLog:
		text, err := s.host.JobLog(ctx, f.JobID)
		reply.Text, reply.Error = text, plain(err)
	case f.Spec == nil:
		reply.Error = brigade.Errorf(brigade.CodeInternal, "a job frame without a job")
	default:
		result, err := s.host.RunJob(ctx, *f.Spec)
		reply.Job, reply.Error = &result, plain(err)
	}
	if ctx.Err() != nil {
		return // the script is being stopped, which is no failure of its job
	}
	_ = s.pipe.write(reply) // when the child is gone, nobody waits for it
}

// ending is everything known about how the process ended.
type ending struct {
	done       *frame
	read, wait error
	overWall   bool
	again      bool // the process is as it was before, and waits for another script
	stderr     string
	peak       int64 // bytes of memory it had at the most; 0 when not known
}

// conclude makes the result, or the error that says why there is none.
func (s *session) conclude(ctx context.Context, e ending) (brigade.ScriptResult, error) {
	if ctx.Err() != nil {
		return brigade.ScriptResult{}, context.Cause(ctx)
	}
	if e.overWall {
		return brigade.ScriptResult{}, brigade.Errorf(brigade.CodeScriptLimit, "the script ran longer than %s", s.run.Limits.Wall).
			WithHint("raise the limit with --script-timeout, or do the waiting in a job")
	}
	if e.done != nil && e.done.Result != nil {
		if e.done.Error != nil {
			return *e.done.Result, e.done.Error
		}
		return *e.done.Result, nil
	}
	return brigade.ScriptResult{}, s.crash(e)
}

// runtimeFault is how the Go runtime itself ends when it is given no memory
// where it counts on some. Code of ours that fails so panics instead.
const runtimeFault = "SIGSEGV: segmentation violation\nPC="

// crash says why a process ended without a result.
func (s *session) crash(e ending) error {
	// At the hard limit the Go runtime may die of any cause.
	outOfMemory := e.peak > s.run.Limits.Memory || strings.Contains(e.stderr, "out of memory") || strings.Contains(e.stderr, "cannot allocate memory") ||
		strings.Contains(e.stderr, memoryMessage) || strings.Contains(e.stderr, runtimeFault)
	switch {
	case outOfMemory:
		return brigade.Errorf(brigade.CodeScriptLimit, "the script used more than %d MiB of memory", s.run.Limits.Memory>>20).
			WithHint("raise the limit with --script-memory, or leave large data to jobs")
	case strings.Contains(e.stderr, stuckMessage):
		return brigade.Errorf(brigade.CodeScriptLimit, "the script did not stop when told to: a single built-in call ran too long").
			WithHint("look for a huge repeat, fill, join or regular expression")
	case strings.Contains(e.stderr, "stack exceeds"), strings.Contains(e.stderr, "stack overflow"):
		return brigade.Errorf(brigade.CodeScriptLimit, "the script is nested too deeply").
			WithHint("look for deeply nested literals or brackets")
	}
	cause := e.wait
	if cause == nil || isKill(cause) && e.read != nil && !errors.Is(e.read, io.EOF) {
		cause = e.read
	}
	return &brigade.Error{
		Code: brigade.CodeScriptCrashed, Err: cause,
		Message: fmt.Sprintf("the process that ran the script ended unexpectedly (%v)", cause),
		Hint:    "run it again; when it happens again, it is a bug: please report it with the script",
	}
}

func isKill(err error) bool {
	var exit *exec.ExitError
	return errors.As(err, &exit) && exit.ProcessState != nil && !exit.Exited()
}

// tail keeps the last bytes of what is written to it.
type tail struct {
	mu    sync.Mutex
	buf   bytes.Buffer
	limit int
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf.Write(p)
	if over := t.buf.Len() - t.limit; over > t.limit {
		t.buf.Next(over)
	}
	return len(p), nil
}

// reset forgets what was written.
func (t *tail) reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf.Reset()
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.buf.String()
}
