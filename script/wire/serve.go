package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	brigade "github.com/brigadecore/brigade/v3"
)

// Serve is the child's side: it reads the run from in, has worker run it, and
// reports to out. It returns once the result was sent, or with an error when
// the parent is gone.
func Serve(ctx context.Context, in io.Reader, out io.Writer, worker brigade.Worker) error {
	p := &pipe{in: in, out: out}
	first, err := p.read()
	if err != nil {
		return fmt.Errorf("read the run: %w", err)
	}
	if first.Kind != kindRun || first.Run == nil {
		return errors.New("the first frame is not a run")
	}
	if err := limitMemory(first.Run.Limits.Memory, outOfMemory); err != nil {
		return fmt.Errorf("limit the memory: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	h := &remoteHost{pipe: p, waiting: map[int64]chan frame{}}
	abort := make(chan struct{})
	first.Run.Abort = abort
	go h.listen(cancel, sync.OnceFunc(func() { close(abort) }))
	result, err := worker.RunScript(ctx, *first.Run, h)
	return p.write(frame{Kind: kindDone, Result: &result, Error: plain(err)})
}

// remoteHost is the parent's Host as the child sees it.
type remoteHost struct {
	pipe *pipe

	mu      sync.Mutex
	next    int64
	waiting map[int64]chan frame
	gone    bool
}

// listen hands replies to who waits for them. When the parent is gone or says
// so, the script is canceled.
func (h *remoteHost) listen(cancel, abort func()) {
	defer cancel()
	for {
		f, err := h.pipe.read()
		if err != nil {
			h.close()
			return
		}
		switch f.Kind {
		case kindAbort:
			abort()
		case kindCancel:
			cancel()
		case kindReply:
			h.mu.Lock()
			answer := h.waiting[f.ID]
			delete(h.waiting, f.ID)
			h.mu.Unlock()
			if answer != nil {
				answer <- f
			}
		}
	}
}

func (h *remoteHost) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.gone = true
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
