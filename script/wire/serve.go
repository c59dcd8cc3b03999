package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"

	brigade "github.com/brigadecore/brigade/v3"
)

// Serve is the child's side: it reads a run from in, has worker run it, and
// reports to out. It returns once the result was sent, or with an error when
// the parent is gone. When the parent wants to keep this process, and the
// script has left nothing behind in it, Serve says so and goes on with the
// parent's next run, until there is none.
func Serve(ctx context.Context, in io.Reader, out io.Writer, worker brigade.Worker) error {
	p := &pipe{in: in, out: out}
	first, err := p.read()
	if err != nil {
		return fmt.Errorf("read the run: %w", err)
	}
	if first.Kind != kindRun || first.Run == nil {
		return errors.New("the first frame is not a run")
	}
	limit := first.Run.Limits.Memory
	if err := limitMemory(limit, outOfMemory); err != nil {
		return fmt.Errorf("limit the memory: %w", err)
	}
	h := &remoteHost{pipe: p, waiting: map[int64]chan frame{}, runs: make(chan frame)}
	script := h.begin(ctx, first.Run)
	go h.listen(ctx)
	goroutines := runtime.NumGoroutine()
	for f := first; ; {
		if err := p.write(frame{Kind: kindBegun}); err != nil {
			return err
		}
		result, err := worker.RunScript(script, *f.Run, h)
		again := f.Keep && err == nil && h.settled() && unburdened(goroutines, limit)
		if err := p.write(frame{Kind: kindDone, Result: &result, Error: plain(err), Again: again}); err != nil || !again {
			return err
		}
		var more bool
		if f, more = <-h.runs; !more {
			return nil
		}
		script = h.begin(ctx, f.Run)
		close(f.begun)
	}
}

// remoteHost is the parent's Host as the child sees it.
type remoteHost struct {
	pipe *pipe
	runs chan frame // the runs after the first; closed when the parent is gone

	mu            sync.Mutex
	next          int64 // question; never one that a script before has asked
	waiting       map[int64]chan frame
	gone          bool
	cancel, abort func() // of the script that runs
}

// begin prepares for a script and returns the context it runs in.
func (h *remoteHost) begin(ctx context.Context, run *brigade.ScriptRun) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	abort := make(chan struct{})
	run.Abort = abort
	h.mu.Lock()
	defer h.mu.Unlock()
	h.cancel, h.abort = cancel, sync.OnceFunc(func() { close(abort) })
	if h.gone {
		cancel()
	}
	return ctx
}

// settled ends the context of a script that has ended by itself, and tells
// whether it waits for nothing any more.
func (h *remoteHost) settled() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.cancel()
	return len(h.waiting) == 0 && !h.gone
}

// listen hands replies to who waits for them. When the parent is gone or says
// so, the script is canceled.
func (h *remoteHost) listen(ctx context.Context) {
	defer close(h.runs)
	defer h.close()
	for {
		f, err := h.pipe.read()
		if err != nil {
			return
		}
		h.mu.Lock()
		cancel, abort := h.cancel, h.abort
		answer := h.waiting[f.ID]
		delete(h.waiting, f.ID)
		h.mu.Unlock()
		switch f.Kind {
		case kindAbort:
			abort()
		case kindCancel:
			cancel()
		case kindReply:
			if answer != nil {
				answer <- f
			}
		case kindRun:
			if f.Run == nil {
				return
			}
			f.begun = make(chan struct{})
			select {
			case h.runs <- f:
			case <-ctx.Done():
				return
			}
			<-f.begun // what comes next is about this one
		}
	}
}
func (h *remoteHost) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.gone = true
	h.cancel()
	for id, answer := range h.waiting {
		delete(h.waiting, id)
		answer <- frame{Error: brigade.Errorf(brigade.CodeInternal, "the process that runs the build is gone")}
	}
}

// ask sends a question and waits for its reply.
func (h *remoteHost) ask(ctx context.Context, f frame) (frame, error) {
	answer := make(chan frame, 1)
	h.mu.Lock()
	if h.gone {
		h.mu.Unlock()
		return frame{}, errors.New("the process that runs the build is gone")
	}
	h.next++
	f.ID = h.next
	h.waiting[f.ID] = answer
	h.mu.Unlock()
	if err := h.pipe.write(f); err != nil {
		return frame{}, err
	}
	select {
	case reply := <-answer:
		return reply, nil
	case <-ctx.Done():
		return frame{}, context.Cause(ctx)
	}
}

func (h *remoteHost) RunJob(ctx context.Context, spec brigade.JobSpec) (brigade.JobResult, error) {
	reply, err := h.ask(ctx, frame{Kind: kindJob, Spec: &spec})
	if err != nil {
		return brigade.JobResult{}, err
	}
	var result brigade.JobResult
	if reply.Job != nil {
		result = *reply.Job
	}
	if reply.Error != nil {
		return result, reply.Error
	}
	return result, nil
}

func (h *remoteHost) JobLog(ctx context.Context, jobID string) (string, error) {
	reply, err := h.ask(ctx, frame{Kind: kindJobLog, JobID: jobID})
	if err != nil {
		return "", err
	}
	if reply.Error != nil {
		return "", reply.Error
	}
	return reply.Text, nil
}

// Log and Fired are dropped when the parent is gone: nobody is left to read them.
func (h *remoteHost) Log(level brigade.LogLevel, text string) {
	_ = h.pipe.write(frame{Kind: kindLine, Level: level, Text: text})
}

func (h *remoteHost) Fired(l brigade.Lifecycle) {
	_ = h.pipe.write(frame{Kind: kindFired, Fired: &l})
}
