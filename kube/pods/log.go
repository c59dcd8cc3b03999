package pods

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/brigadecore/brigade/v3/kube/cluster"
	"github.com/brigadecore/brigade/v3/kube/objects"
)

const (
	// settleTime is how long the status of a container may come behind the end
	// of its output.
	settleTime = 1500 * time.Millisecond
	// parting is how long the output of a pod that is being deleted is waited
	// for: it can be read to its end, but not again.
	parting = 3 * time.Second
	// stallTime is after how long a stream that was heavy and is silent now is
	// opened anew: a kubelet that is still behind when it begins another file
	// does not notice that, and waits at the end of the old one.
	stallTime = 1500 * time.Millisecond
	heavy     = 256 << 10 // bytes within two seconds
	// rereadMost is how much output is read again for want of patience: the
	// end of the stream is waited for when it would be more.
	rereadMost = 1 << 20
	// muteTime is how long a node that gave no log is not asked for others.
	muteTime = time.Minute
)

// follower passes the job's output on while it runs and gets the rest after its
// end.
type follower struct {
	x      *execution
	lines  *lines
	cancel context.CancelFunc
	ended  chan struct{} // closed when the container has ended
	idle   chan struct{} // closed when nothing is followed any more
	// stalledAt is how much had come when the stream stalled last.
	stalledAt atomic.Int64
	clean     bool // the stream ended by itself; set before idle is closed
}

// follow begins to pass on the output. A container that has ended already needs
// no following.
func (x *execution) follow(ended bool) *follower {
	ctx, cancel := context.WithCancel(context.Background())
	f := &follower{x: x, lines: &lines{out: x.run.Log}, cancel: cancel, ended: make(chan struct{}), idle: make(chan struct{})}
	if ended {
		close(f.idle)
		return f
	}
	go func() {
		defer close(f.idle)
		f.run(ctx)
	}()
	return f
}

// run follows the output until the container has ended, and again when the
// stream breaks.
func (f *follower) run(ctx context.Context) {
	pause := minPause
	for ctx.Err() == nil {
		before := f.lines.printed.Load()
		err := errMute
		if !f.x.r.isMute(f.x.node()) {
			err = f.read(ctx, &corev1.PodLogOptions{Follow: true})
		}
		f.clean = err == nil
		if errors.Is(err, errStalled) {
			continue
		}
		if f.lines.printed.Load() > before {
			pause = minPause
		}
		wait := pause
		if f.clean {
			wait = settleTime
		} else if ctx.Err() == nil {
			f.x.r.opt.Log.Debug("a job's log breaks off and is followed again", "job", f.x.run.Job.ID, "error", err)
		}
		timer := time.NewTimer(wait)
		select {
		case <-f.ended:
			timer.Stop()
			return
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		pause = min(2*pause, maxPause)
	}
}

// read reads the output once, from where it was on.
func (f *follower) read(ctx context.Context, opt *corev1.PodLogOptions) error {
	opt.Container, opt.Timestamps, opt.SinceTime = objects.ContainerJob, true, f.lines.since()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stream, err := f.x.r.opt.Cluster.PodLog(ctx, f.x.pod.Namespace, f.x.pod.Name, opt)
	if err != nil {
		return err
	}
	defer stream.Close()
	if opt.Follow {
		defer f.watchStall(cancel)()
	}
	err = f.lines.copy(stream)
	if err != nil && errors.Is(context.Cause(ctx), errStalled) {
		return errStalled
	}
	return err
}

var errStalled = errors.New("its stream has stalled")

// watchStall ends a stream that was heavy and is silent now; once, until more
// comes than was there before.
func (f *follower) watchStall(cancel context.CancelCauseFunc) (stop func()) {
	done := make(chan struct{})
	go func() {
		tick := time.NewTicker(stallTime)
		defer tick.Stop()
		before := int64(-1)
		for {
			select {
			case <-done:
				return
			case <-f.ended:
				return
			case <-tick.C:
			}
			now, printed := f.lines.sum.Load(), f.lines.printed.Load()
			if now == before && f.lines.size.Load() > heavy && printed > f.stalledAt.Load() {
				f.stalledAt.Store(printed)
				cancel(errStalled)
				return
			}
			before = now
		}
	}()
	return func() { close(done) }
}

// finish sees to it that all output was passed on, and tells when that cannot
// be. The container has ended; leaving says that its pod is going away.
func (f *follower) finish(leaving bool) {
	close(f.ended)
	defer f.cancel()
	if !f.drained(leaving) {
		f.cancel()
		<-f.idle
	}
	// A stream may end at the end of a file that was not the last.
	if !f.clean || !leaving && f.lines.printed.Load() > rereadMost {
		f.rest(leaving)
	}
	if f.lines.gap {
		f.x.say("a part of its log may be missing: its node began another file while it was read")
	}
}

// drained waits for the end of the stream where what is left of it cannot be
// read again: the pod goes away, or there is so much of it that the node may
// have begun another file, and only the last one can be read again. It is false
// when the stream has not ended.
func (f *follower) drained(leaving bool) bool {
	wait := time.Duration(0)
	if leaving || f.lines.size.Load() > rereadMost {
		wait = parting
	}
	for {
		before := f.lines.sum.Load()
		timer := time.NewTimer(wait)
		select {
		case <-f.idle:
			timer.Stop()
			return true
		case <-timer.C:
		}
		if f.lines.sum.Load() == before {
			return false
		}
	}
}

var errMute = errors.New("its node gives no logs")

// rest reads what is left of the finished container's output.
func (f *follower) rest(leaving bool) {
	r, node := f.x.r, f.x.node()
	if r.isMute(node) {
		f.x.say("its log cannot be read: " + errMute.Error())
		return
	}
	until, pause := time.Now().Add(r.opt.LogPatience), minPause
	for {
		err := f.readRest()
		if err == nil {
			return
		}
		missing := apierrors.IsNotFound(err)
		if missing || leaving || time.Now().After(until) {
			if !missing && !leaving && !f.lines.any {
				r.setMute(node)
			}
			f.x.say("the rest of its log cannot be read: " + oneLine(cluster.Error(err).Error()))
			return
		}
		time.Sleep(pause)
		pause = min(2*pause, maxPause)
	}
}

// readRest reads the finished output once. A node that says nothing for a while
// is given up.
func (f *follower) readRest() error {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	idle := f.x.r.opt.LogPatience
	watchdog := time.AfterFunc(idle, func() { cancel(errors.New("its node does not answer")) })
	defer watchdog.Stop()
	stream, err := f.x.r.opt.Cluster.PodLog(ctx, f.x.pod.Namespace, f.x.pod.Name, &corev1.PodLogOptions{
		Container: objects.ContainerJob, Timestamps: true, SinceTime: f.lines.since(),
	})
	if err == nil {
		defer stream.Close()
		err = f.lines.copy(alive{stream, watchdog, idle})
	}
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return cause
	}
	return err
}

// alive is a stream that puts off a watchdog.
type alive struct {
	io.Reader
	watchdog *time.Timer
	idle     time.Duration
}

// Read implements io.Reader.
func (a alive) Read(p []byte) (int, error) {
	n, err := a.Reader.Read(p)
	if n > 0 {
		a.watchdog.Reset(a.idle)
	}
	return n, err
}

func (r *Runner) isMute(node string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	until, known := r.mute[node]
	if known && r.opt.Now().After(until) {
		delete(r.mute, node)
		return false
	}
	return known
}

func (r *Runner) setMute(node string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mute[node] = r.opt.Now().Add(muteTime)
}

// initLog writes the end of what another container of the pod printed to the
// job's log.
func (x *execution) initLog(container string) {
	ctx, cancel := context.WithTimeout(context.Background(), x.r.opt.LogPatience)
	defer cancel()
	stream, err := x.r.opt.Cluster.PodLog(ctx, x.pod.Namespace, x.pod.Name, &corev1.PodLogOptions{
		Container: container, TailLines: new(int64(initLines)), LimitBytes: new(int64(initBytes)),
	})
	if err != nil {
		return
	}
	defer stream.Close()
	_, _ = io.Copy(x.run.Log, stream) // as much as can be had
}

// How much of what another container printed is put into the job's log.
const (
	initLines = 200
	initBytes = 64 << 10
)
