package docker

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/deadline"
)

const (
	// callTimeout bounds calls that an engine answers at once.
	callTimeout = time.Minute
	// settleTime is how long an engine may take to notice that a container
	// whose output has ended has ended itself.
	settleTime = time.Second
)

// execution is a container that was started.
type execution struct {
	r    *Runner
	e    *engine
	run  brigade.JobRun
	id   string
	dir  string // the job's directory on the host, or ""
	vols []string

	done chan struct{} // closed when exit and err are set
	exit brigade.Exit
	err  error

	seen [2]int64 // bytes of stdout and stderr that were logged

	stop deadline.Deadline // when the job is killed
}

// newExecution makes the execution of a container. The caller starts watch.
func (r *Runner) newExecution(e *engine, run brigade.JobRun, id string, labels map[string]string) *execution {
	x := &execution{r: r, e: e, run: run, id: id, done: make(chan struct{})}
	if start := labels[labelStart]; labels[labelFiles] == filesMounted {
		x.dir = r.jobDir(run.Job, start)
	} else {
		x.vols = scratchVolumes(run.Job, start)
	}
	r.hold(id)
	return x
}

// Handle returns the container's ID.
func (x *execution) Handle() string { return x.id }

// Wait implements brigade.Execution.
func (x *execution) Wait(ctx context.Context) (brigade.Exit, error) {
	select {
	case <-x.done:
		return x.exit, x.err
	case <-ctx.Done():
	}
	select {
	case <-x.done:
		return x.exit, x.err
	default:
		return brigade.Exit{}, context.Cause(ctx)
	}
}

// watch logs the job's output until it ends, beginning with the stream, which
// may be nil; then it cleans up. It runs once, in a goroutine of its own.
func (x *execution) watch(stream io.ReadCloser) {
	state, err := x.follow(stream)
	if err != nil {
		x.err = err
	} else {
		x.exit = x.exitOf(state)
		x.exit.Outputs = x.outputs()
		x.keep()
	}
	close(x.done)
	if x.r.release(x.id) {
		x.r.goBackground(x.run.Job.BuildID, x.remove)
	}
}

// follow returns how the container ended, once all its output is logged. An
// engine that goes away meanwhile is looked for again; what was logged already
// is skipped then.
func (x *execution) follow(stream io.ReadCloser) (*container.State, error) {
	var complete bool
	for {
		if stream == nil {
			var err error
			if stream, err = x.logs(); err != nil {
				if isNotFound(err) {
					return nil, x.lost("its container is gone", err)
				}
				complete = false
			}
		}
		if stream != nil {
			complete = x.pump(stream) == nil
			stream = nil
		}
		state, away, err := x.state()
		if err != nil {
			return nil, err
		}
		if !running(state) && complete && !away {
			return state, nil
		}
		if !running(state) {
			// Its output may have been cut off: the engine has kept it.
			if stream, err = x.logs(); err != nil {
				return nil, x.lost("its output cannot be read", err)
			}
			if err := x.pump(stream); err != nil {
				return nil, x.lost("its output cannot be read", err)
			}
			return state, nil
		}
	}
}

// logs opens the output from the beginning, without what was logged already.
func (x *execution) logs() (io.ReadCloser, error) {
	stream, err := x.e.ContainerLogs(context.Background(), x.id, client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true, Follow: true})
	if err != nil {
		return nil, err
	}
	return &replay{ReadCloser: stream, skip: x.seen}, nil
}

// replay is a stream of which the first bytes were seen before.
type replay struct {
	io.ReadCloser
	skip [2]int64
}

// pump logs the stream to its end. nil means that it ended as streams do.
func (x *execution) pump(stream io.ReadCloser) error {
	defer stream.Close()
	var skip [2]int64
	if again, ok := stream.(*replay); ok {
		skip = again.skip
	}
	_, err := stdcopy.StdCopy(&half{x: x, n: 0, skip: skip[0]}, &half{x: x, n: 1, skip: skip[1]}, stream)
	return err
}

// half is one of the two streams of a job's output on its way to the log.
type half struct {
	x    *execution
	n    int
	skip int64
}

// Write implements io.Writer.
func (h *half) Write(p []byte) (int, error) {
	n := len(p)
	if h.skip > 0 {
		cut := min(h.skip, int64(len(p)))
		h.skip -= cut
		p = p[cut:]
	}
	if len(p) > 0 {
		h.x.seen[h.n] += int64(len(p))
		_, _ = h.x.run.Log.Write(p) // never fails
	}
	return n, nil
}

// state asks how the container is until it has ended, or for settleTime when it
// runs on: then its output is to be followed again. An engine that does not
// answer is asked again until it was away for too long; away says that it was.
func (x *execution) state() (_ *container.State, away bool, _ error) {
	asked := time.Now()
	pause := time.Millisecond
	for {
		ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
		result, err := x.e.ContainerInspect(ctx, x.id, client.ContainerInspectOptions{})
		cancel()
		switch {
		case isNotFound(err):
			return nil, away, x.lost("its container is gone", err)
		case err != nil:
			if away && time.Since(asked) > x.r.opts.LostAfter {
				return nil, away, x.lost("the container engine at "+x.e.host+" has been away for too long", err)
			}
			if !away {
				x.r.opts.Logger.Warn("the container engine is away", "host", x.e.host, "job", x.run.Job.ID, "error", err)
			}
			away = true
		case result.Container.State == nil:
			return nil, away, x.lost("the engine does not say how it is", errors.New("inspect has no state"))
		case !running(result.Container.State) || away || time.Since(asked) > settleTime:
			return result.Container.State, away, nil
		}
		time.Sleep(pause)
		pause = min(2*pause, time.Second)
	}
}

func running(s *container.State) bool {
	return s.Running || s.Paused || s.Restarting || s.Status == container.StateRunning || s.Status == "stopping"
}

func (x *execution) lost(why string, err error) error {
	return brigade.Errorf(brigade.CodeJobLost, "job %q is lost: %s: %w", x.run.Job.Name, why, err).
		WithHint("look at the container engine; the build can be run again")
}

// killedCode is the exit code of a process that was ended by SIGKILL.
const killedCode = 128 + 9

func (x *execution) exitOf(s *container.State) brigade.Exit {
	exit := brigade.Exit{Code: s.ExitCode}
	exit.Started, _ = time.Parse(time.RFC3339Nano, s.StartedAt)
	exit.Ended, _ = time.Parse(time.RFC3339Nano, s.FinishedAt)
	if exit.Ended.Before(exit.Started) {
		// Podman reads the end from a file's time, which is less precise.
		exit.Ended = exit.Started
	}
	switch {
	case s.OOMKilled:
		exit.Reason = "out of memory"
	case s.ExitCode == killedCode && x.run.Job.Spec.ResourceLimits.Memory != "" && !x.stop.Passing():
		// Not every engine notices.
		exit.Reason = "killed, most likely out of memory: its limit is " + x.run.Job.Spec.ResourceLimits.Memory
	case s.Error != "" && s.ExitCode != 0:
		exit.Reason = s.Error
	}
	return exit
}

func (x *execution) outputs() []byte {
	var data []byte
	var err error
	if x.dir != "" {
		data, err = outputsOnHost(x.dir)
	} else {
		ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
		defer cancel()
		data, err = outputsInContainer(ctx, x.e, x.id)
	}
	if err != nil {
		x.r.opts.Logger.Warn("the job's outputs cannot be read", "job", x.run.Job.ID, "error", err)
		return nil
	}
	if len(data) == 0 {
		return nil
	}
	return data
}

// remove removes the container and what belongs to it alone.
func (x *execution) remove() {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	if err := x.e.remove(ctx, x.id, x.vols); err != nil {
		x.r.opts.Logger.Warn("the job's container cannot be removed now", "job", x.run.Job.ID, "container", x.id, "error", err)
	}
	if err := removeDir(x.dir); err != nil {
		x.r.opts.Logger.Warn("the job's files cannot be removed", "job", x.run.Job.ID, "dir", x.dir, "error", err)
	}
}

// remove ends and removes a container and the volumes. What does not exist is
// no error.
func (e *engine) remove(ctx context.Context, id string, volumes []string) error {
	_, err := e.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
	errs := []error{forgiveMissing(err)}
	for _, v := range volumes {
		_, err := e.VolumeRemove(ctx, v, client.VolumeRemoveOptions{Force: true})
		errs = append(errs, forgiveMissing(err))
	}
	return errors.Join(errs...)
}
