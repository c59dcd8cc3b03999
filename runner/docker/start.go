package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/lazyregexp"
)

// Start implements brigade.Runner: it has the image pulled when the engine does
// not have it, creates the container, attaches to it and starts it.
func (r *Runner) Start(ctx context.Context, run brigade.JobRun) (brigade.Execution, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	e, err := r.connect(ctx)
	if err != nil {
		return nil, err
	}
	p, err := r.planOf(run, e)
	if err != nil {
		return nil, err
	}
	x, err := r.start(ctx, e, p)
	if err != nil {
		r.undo(ctx, e, p)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, err
	}
	return x, nil
}

func (r *Runner) start(ctx context.Context, e *engine, p *plan) (*execution, error) {
	if p.spec.ImageForcePull {
		if err := r.pull(ctx, e, p); err != nil {
			return nil, err
		}
	}
	if p.dir != "" {
		if err := p.layFiles(ctx, r.opts.StateDir); err != nil {
			return nil, p.refused(err, "lay out its files")
		}
	}
	if err := p.addVolumes(ctx, e); err != nil {
		return nil, err
	}
	id, err := r.create(ctx, e, p)
	if err != nil {
		return nil, err
	}
	if p.dir == "" {
		if err := p.sendFiles(ctx, e, id, r.opts.StateDir); err != nil {
			return nil, p.refused(err, "copy its files")
		}
	}
	p.restore(ctx, e, id)
	stream, err := p.launch(ctx, e, id)
	if err != nil {
		return nil, err
	}
	x := r.newExecution(e, p.run, id, p.labels)
	if p.run.Notify != nil {
		p.run.Notify(brigade.StateRunning, p.running())
	}
	go x.watch(stream)
	return x, nil
}

// launch starts the container and returns its output. It attaches before, so
// that not a byte is missed.
func (p *plan) launch(ctx context.Context, e *engine, id string) (io.ReadCloser, error) {
	attached, attachErr := e.ContainerAttach(ctx, id, client.ContainerAttachOptions{Stream: true, Stdout: true, Stderr: true})
	var stream io.ReadCloser
	if attachErr == nil {
		stream = attachment{attached.HijackedResponse}
	}
	if err := p.copying.wait(); err != nil {
		if stream != nil {
			_ = stream.Close()
		}
		return nil, p.refused(err, "lay out its files")
	}
	// Podman sets the container up when it is attached to, but says only here
	// why it could not.
	if _, err := e.ContainerStart(ctx, id, client.ContainerStartOptions{}); err != nil {
		if stream != nil {
			_ = stream.Close()
		}
		return nil, p.refused(err, "start its container")
	}
	return stream, nil // nil: its output is read from the engine's log
}

// attachment is the output of an attached container as a stream.
type attachment struct{ client.HijackedResponse }

// Read implements io.Reader.
func (a attachment) Read(p []byte) (int, error) { return a.Reader.Read(p) }

// Close implements io.Closer.
func (a attachment) Close() error {
	a.HijackedResponse.Close()
	return nil
}

var _ io.ReadCloser = attachment{}

// create creates the container. An image the engine does not have is pulled; a
// container of the same name is what an earlier start of this attempt left.
func (r *Runner) create(ctx context.Context, e *engine, p *plan) (string, error) {
	options, err := p.options(r.opts.Network)
	if err != nil {
		return "", err
	}
	var pulled, replaced bool
	for {
		result, err := e.ContainerCreate(ctx, options)
		switch {
		case err == nil:
			return result.ID, nil
		case isMissingImage(err) && !pulled && !p.spec.ImageForcePull:
			pulled = true
			if err := r.pull(ctx, e, p); err != nil {
				return "", err
			}
		case isNameTaken(err) && !replaced:
			replaced = true
			if err := e.remove(ctx, p.name, nil); err != nil {
				return "", p.refused(err, "replace the container "+p.name)
			}
		default:
			return "", p.refused(err, "create its container")
		}
	}
}

// undo removes what a start that failed has made, also what the engine made
// after the caller had stopped listening.
func (r *Runner) undo(ctx context.Context, e *engine, p *plan) {
	p.copying.stop()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	var volumes []string
	if p.dir == "" {
		volumes = scratchVolumes(p.run.Job, p.start)
	}
	if err := errors.Join(e.remove(ctx, p.name, volumes), removeDir(p.dir)); err != nil {
		r.opts.Logger.Warn("what a start that failed left cannot be removed now", "job", p.run.Job.ID, "error", err)
	}
}

func removeDir(dir string) error {
	if dir == "" {
		return nil
	}
	return os.RemoveAll(dir)
}

// Attach implements brigade.Attacher. The handle is the container's ID; without
// one its name says whose it is.
func (r *Runner) Attach(ctx context.Context, run brigade.JobRun, handle string) (brigade.Execution, error) {
	lost := func(err error) error {
		return brigade.Errorf(brigade.CodeJobLost, "job %q is lost: its container is gone: %w", run.Job.Name, err).
			WithHint("the build can be run again")
	}
	if handle == "" {
		handle = containerName(run.Job)
	}
	e, err := r.connect(ctx)
	if err != nil {
		return nil, err
	}
	result, err := e.inspectStarted(ctx, handle)
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case isNotFound(err) || errdefs.IsInvalidArgument(err):
		return nil, lost(err)
	case err != nil:
		return nil, unreachable(e.host, err)
	}
	c := result.Container
	if c.Config == nil || c.Config.Labels[labelJob] != run.Job.ID {
		return nil, lost(errors.New("the container is another job's"))
	}
	if c.State != nil && c.State.Status == "created" {
		_ = e.remove(ctx, handle, nil)
		return nil, lost(errors.New("it was never started"))
	}
	x := r.newExecution(e, run, c.ID, c.Config.Labels)
	if run.Notify != nil {
		run.Notify(brigade.StateRunning, "running in "+run.Job.Spec.Image)
	}
	go x.watch(nil)
	return x, nil
}

// startingFor is how long a container that was only created is given: the
// engine may still be at starting it for who was killed after asking.
const startingFor = 3 * time.Second

// inspectStarted looks at a container, and again while it is only created.
func (e *engine) inspectStarted(ctx context.Context, handle string) (client.ContainerInspectResult, error) {
	for until := time.Now().Add(startingFor); ; {
		result, err := e.ContainerInspect(ctx, handle, client.ContainerInspectOptions{})
		created := err == nil && result.Container.State != nil && result.Container.State.Status == "created"
		if !created || time.Now().After(until) {
			return result, err
		}
		select {
		case <-ctx.Done():
			return result, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// refused is the error of a job that could not be started.
func (p *plan) refused(err error, doing string) error {
	var known *brigade.Error
	if errors.As(err, &known) {
		return err
	}
	if client.IsErrConnectionFailed(err) {
		return brigade.Errorf(brigade.CodeUnavailable, "job %q cannot be started: the container engine is gone: %w", p.spec.Name, err).
			WithHint("start the engine and run the build again")
	}
	failure := brigade.Errorf(brigade.CodeJobStart, "job %q cannot be started (%s): %s", p.spec.Name, doing, plain(err))
	failure.Err = err
	if strings.Contains(err.Error(), "no such file or directory") && len(p.spec.Tasks) > 0 && strings.Contains(err.Error(), p.spec.Shell) {
		return failure.WithHint("the image %s has no %s: set job.shell to a shell that it has", p.spec.Image, p.spec.Shell)
	}
	return failure
}

var daemonPrefix = lazyregexp.New(`^(Error response from daemon: )+`)

// plain is the engine's message without what its client puts in front.
func plain(err error) string {
	return strings.TrimSpace(daemonPrefix.ReplaceAllString(err.Error(), ""))
}

// isNotFound also knows what Podman says of a container that is just being
// removed.
func isNotFound(err error) bool {
	return err != nil && (errdefs.IsNotFound(err) || strings.Contains(err.Error(), "no such container"))
}

func forgiveMissing(err error) error {
	if isNotFound(err) {
		return nil
	}
	return err
}

// isMissingImage tells a missing image from a missing network or volume, which
// have the same status.
func isMissingImage(err error) bool {
	return isNotFound(err) && strings.Contains(strings.ToLower(err.Error()), "image")
}

func isNameTaken(err error) bool {
	return err != nil && (errdefs.IsConflict(err) || strings.Contains(err.Error(), "already in use"))
}

// size writes a number of bytes for people.
func size(n int64) string {
	const k = 1000
	switch {
	case n >= k*k*k:
		return fmt.Sprintf("%.1f GB", float64(n)/(k*k*k))
	case n >= k*k:
		return fmt.Sprintf("%.1f MB", float64(n)/(k*k))
	default:
		return fmt.Sprintf("%.1f kB", float64(n)/k)
	}
}

// notifyEvery bounds how often people are told about a pull.
const notifyEvery = 500 * time.Millisecond
