package worker

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/lines"
	"github.com/brigadecore/brigade/v3/kube/cluster"
)

// retryLog is how long to wait before a log is opened again that broke off.
const retryLog = time.Second

// tail copies the log of one container to emit, line by line, and goes on
// where it was when the connection breaks off.
type tail struct {
	client        *cluster.Client
	ns, pod, name string            // of the container
	ended         func() bool       // whether the container has ended
	changed       <-chan struct{}   // told of news about the pod
	emit          func(text string) // takes the next line
	flush         func()            // is called when no line is waiting; may be nil
	skip          int               // lines that are known already
	told          int               // lines that were emitted or skipped
}

// copy returns when the container has ended and all it printed was emitted, or
// when its log cannot be had any more, or ctx ends.
func (t *tail) copy(ctx context.Context) {
	for {
		over := t.ended() // before it is read: what comes then is all there is
		err := t.once(ctx, true)
		switch {
		case ctx.Err() != nil, apierrors.IsNotFound(err), err == nil && over:
			return
		case apierrors.IsBadRequest(err) && over: // the container never started
			return
		}
		if !t.wait(ctx, err == nil) || err == nil && t.ended() {
			return // the end of the log came before the news of the container's
		}
	}
}

// wait waits before the log is opened again; for the end of the container, too,
// when its log has ended. It is false when ctx ends.
func (t *tail) wait(ctx context.Context, ends bool) bool {
	timer := time.NewTimer(retryLog)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-t.changed:
			if ends && t.ended() {
				return true
			}
		case <-timer.C:
			return true
		}
	}
}

// once reads the log from its beginning to where it ends now, or with follow to
// where its node says that it ends.
func (t *tail) once(ctx context.Context, follow bool) error {
	from, err := t.client.PodLog(ctx, t.ns, t.pod, &corev1.PodLogOptions{Container: t.name, Follow: follow})
	if err != nil {
		return err
	}
	defer func() { _ = from.Close() }()
	t.told = max(t.skip, t.told)
	known := t.told
	n := 0
	split := lines.New(lines.Options{Cap: -1, Emit: func(texts []string) {
		for _, text := range texts {
			if n++; n > known {
				t.emit(text)
				t.told = n
			}
		}
		if t.flush != nil {
			t.flush()
		}
	}})
	_, err = io.Copy(split, from)
	if err == nil { // else the last line may be half
		err = split.Close()
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}

// workerLog passes the log of the worker on to the host.
type workerLog struct {
	f     *follower
	ctx   context.Context
	end   context.CancelFunc
	start sync.Once
	over  chan struct{}

	lines    atomic.Int64
	tail     *tail // set before over is closed; nil when it never began
	whole    bool  // it was copied to its end; set before over is closed
	unfollow context.CancelFunc
	follows  context.Context //nolint:containedctx // of the copying, which ends before the rest is read
}

// A node tells the end of a log up to a second after that of its container.
// What was printed can be read at once then, unless that is much.
const (
	endOfLog   = 50 * time.Millisecond
	rereadMost = 2000 // lines
)

func (f *follower) newLog(ctx context.Context) *workerLog {
	l := &workerLog{f: f, over: make(chan struct{})}
	l.ctx, l.end = context.WithCancel(ctx)
	l.follows, l.unfollow = context.WithCancel(l.ctx)
	return l
}

// begin starts to copy, once.
func (l *workerLog) begin() {
	l.start.Do(func() {
		go func() {
			defer close(l.over)
			level := l.f.level()
			changed, stop := l.f.w.changes(l.f.name)
			defer stop()
			l.tail = &tail{
				changed: changed,
				client:  l.f.w.opt.Client, pod: l.f.name, name: Container, skip: l.f.known(l.ctx),
				ended: func() bool {
					pod, there := l.f.w.pods.Get(l.f.name)
					return !there || pod.UID != l.f.uid || ended(pod)
				},
				emit: func(text string) { l.lines.Add(1); l.f.host.Log(level, text) },
			}
			l.tail.copy(l.follows)
			l.whole = l.follows.Err() == nil
		}()
	})
}

// rest waits for what an ended worker has printed, but not for ever. lines are
// how many there are, as the worker says itself, whose container may not have
// ended yet; 0 is not known.
func (l *workerLog) rest(patience time.Duration, lines int64) {
	l.start.Do(func() { close(l.over) }) // it never began
	ctx, cancel := context.WithTimeout(l.ctx, patience)
	defer cancel()
	hurry := time.NewTimer(endOfLog)
	defer hurry.Stop()
	select {
	case <-l.over:
		return
	case <-ctx.Done():
		return
	case <-hurry.C:
	}
	if l.lines.Load() < rereadMost {
		l.unfollow()
	}
	select {
	case <-l.over:
	case <-ctx.Done():
		return
	}
	if l.tail == nil || l.whole {
		return
	}
	for !l.has(lines) {
		over := l.tail.ended()
		err := l.tail.once(ctx, false)
		if err != nil && !apierrors.IsNotFound(err) {
			l.tail.copy(ctx)
			return
		}
		if lines == 0 || over || l.has(lines) || !l.tail.wait(ctx, true) {
			return
		}
	}
}

// has tells whether so many lines have come, when it is known how many there are.
func (l *workerLog) has(lines int64) bool { return lines > 0 && int64(l.tail.told) >= lines }

// stop ends the copying, and returns when nothing is passed on any more.
func (l *workerLog) stop() {
	l.end()
	l.start.Do(func() { close(l.over) })
	<-l.over
}

// startMark begins the line that stands before what a pod printed.
const startMark = "[brigade] worker pod "

// known is how many lines of this pod's log are in the build's log already,
// from before a restart: those after the line that tells of this pod. When
// there is none, it is written.
func (f *follower) known(ctx context.Context) int {
	mark := startMark + f.name + " (" + string(f.uid) + ") runs the script"
	n := -1
	if f.w.opt.Jobs != nil {
		stored, err := f.w.opt.Jobs.ReadLog(ctx, brigade.LogQuery{BuildID: f.run.Build.ID})
		if err != nil {
			f.w.opt.Log.Warn("read the worker's log of before", "build", f.run.Build.ID, "err", err)
		}
		for _, l := range stored {
			switch {
			case l.Text == mark:
				n = 0
			case n >= 0 && !strings.HasPrefix(l.Text, startMark):
				n++
			}
		}
	}
	if n < 0 {
		f.host.Log(f.level(), mark)
		return 0
	}
	return n
}
