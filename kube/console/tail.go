package console

import (
	"bufio"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/mask"
	"github.com/brigadecore/brigade/v3/kube/cluster"
	"github.com/brigadecore/brigade/v3/kube/objects"
)

// How long a pod's log is waited for that cannot be read yet, or once more.
const (
	minRest = 200 * time.Millisecond
	maxRest = 5 * time.Second
	// settled is how long the logs of a build that has ended are waited for.
	settled = 15 * time.Second
)

// Tail reads the logs of one build from its pods while they are written, each
// once. Its methods may be called by several goroutines. Close it.
type Tail struct {
	c       *Console
	build   *brigade.Build
	pod     string // of the worker
	masker  *mask.Masker
	script  ScriptLog
	ctx     context.Context
	stop    context.CancelFunc
	changed chan struct{}

	ended chan struct{} // closed when the build has: what is not there will not come
	end   func()

	mu   sync.Mutex
	logs map[string]*podLog // by job ID; "" is the script's
	note string             // why the script's log is missing
}

// ScriptLog follows the log of a build's script from where it is kept when the
// script has no pod of its own: it calls add for every line until the build has
// ended. An error says why it cannot be had.
type ScriptLog func(ctx context.Context, buildID string, add func(brigade.LogLine) error) error

// podLog is the log of one pod, as far as it was read.
type podLog struct {
	lines []brigade.LogLine
	over  chan struct{} // closed when nothing more is read
}

// Tail begins to follow the logs of a build: that of its script, and those of
// jobs when Take is told of them. script may be nil.
func (c *Console) Tail(ctx context.Context, buildID string, script ScriptLog) (*Tail, error) {
	b, err := c.Build(ctx, buildID)
	if err != nil {
		return nil, err
	}
	pod, _, ok := c.Store().SecretOf(b.ID)
	if !ok {
		return nil, brigade.NotFound("build", buildID)
	}
	masker, err := c.masker(ctx, b.ID)
	if err != nil {
		return nil, err
	}
	t := &Tail{c: c, build: b, pod: pod, masker: masker, script: script, changed: make(chan struct{}, 1), logs: map[string]*podLog{}}
	t.ended = make(chan struct{})
	t.end = sync.OnceFunc(func() { close(t.ended) })
	t.ctx, t.stop = context.WithCancel(context.WithoutCancel(ctx))
	t.begin("", t.followScript)
	return t, nil
}

// masker hides the secrets of a build's project and payload.
func (c *Console) masker(ctx context.Context, buildID string) (*mask.Masker, error) {
	b, err := c.Build(ctx, buildID)
	if err != nil {
		return nil, err
	}
	secrets := mask.PayloadSecrets(b.Event.Payload)
	p, err := c.Project(ctx, b.ProjectID)
	if err != nil && brigade.CodeOf(err) != brigade.CodeNotFound {
		return nil, err // without them nothing would be hidden
	}
	if err == nil {
		secrets = append(secrets, p.SecretValues()...)
	}
	return mask.New(secrets), nil
}

// Close ends what is read.
func (t *Tail) Close() { t.stop() }

// Changed is sent something when there are new lines.
func (t *Tail) Changed() <-chan struct{} { return t.changed }

// Note says why the script's log is missing; "" when it is not.
func (t *Tail) Note() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.note
}

// Take begins to follow the logs of jobs that have begun.
func (t *Tail) Take(jobs []*brigade.Job) {
	for _, j := range jobs {
		if j.State == brigade.StatePending || j.Inherited != "" {
			continue
		}
		t.begin(j.ID, func(l *podLog) { t.followPod(l, j.ID, j.ID, objects.ContainerJob) })
	}
}

// Settle waits until the logs that are there were read to their ends, once the
// build has ended, or until it has taken long enough.
func (t *Tail) Settle(ctx context.Context) {
	t.end()
	t.mu.Lock()
	var open []*podLog
	for _, l := range t.logs {
		open = append(open, l)
	}
	t.mu.Unlock()
	late := time.NewTimer(settled)
	defer late.Stop()
	for _, l := range open {
		select {
		case <-l.over:
		case <-late.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// ReadLog returns lines that were read, in order.
func (t *Tail) ReadLog(_ context.Context, q brigade.LogQuery) ([]brigade.LogLine, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.logs[q.JobID]
	if l == nil {
		return nil, nil
	}
	lines := l.lines[min(max(q.After, 0), int64(len(l.lines))):] // they are numbered without gaps
	if q.Tail > 0 && len(lines) > q.Tail {
		lines = lines[len(lines)-q.Tail:]
	}
	if q.Limit > 0 && len(lines) > q.Limit {
		lines = lines[:q.Limit]
	}
	return lines[:len(lines):len(lines)], nil
}

func (t *Tail) begin(jobID string, follow func(l *podLog)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.logs[jobID] != nil {
		return
	}
	l := &podLog{over: make(chan struct{})}
	t.logs[jobID] = l
	go func() {
		defer t.tell()
		defer close(l.over)
		follow(l)
	}()
}

func (t *Tail) tell() {
	select {
	case t.changed <- struct{}{}:
	default:
	}
}

func (t *Tail) add(l *podLog, line brigade.LogLine) {
	t.mu.Lock()
	line.Seq = int64(len(l.lines)) + 1
	l.lines = append(l.lines, line)
	t.mu.Unlock()
	t.tell()
}

func (t *Tail) isOver() bool {
	select {
	case <-t.ended:
		return true
	default:
		return false
	}
}

// followScript follows the worker pod's log, or when the script has none, what
// keeps its log.
func (t *Tail) followScript(l *podLog) {
	rest := minRest
	asked := t.script == nil
	for t.ctx.Err() == nil {
		over := t.isOver()
		done, missing := t.readPod(l, "", t.pod, objects.ContainerWorker)
		if done {
			return
		}
		if missing && !asked && t.started() {
			asked = true
			err := t.script(t.ctx, t.build.ID, func(line brigade.LogLine) error {
				line.Text = t.masker.String(line.Text)
				t.add(l, line)
				return nil
			})
			if err == nil || t.ctx.Err() != nil {
				return
			}
			t.mu.Lock()
			t.note = brigade.Errorf(brigade.CodeUnavailable, "the script has no pod, and its log cannot be read where it is kept: %w", err).Message
			t.mu.Unlock()
			t.tell()
		}
		if over && missing {
			return
		}
		rest = t.pause(rest)
	}
}

// started reports whether the build's script runs or has run.
func (t *Tail) started() bool {
	b, err := t.c.Build(t.ctx, t.build.ID)
	return err == nil && b.State != brigade.StatePending
}

// followPod follows one container's log to its end.
func (t *Tail) followPod(l *podLog, jobID, pod, container string) {
	rest := minRest
	for t.ctx.Err() == nil {
		over := t.isOver()
		done, missing := t.readPod(l, jobID, pod, container)
		if done || missing || over && rest >= maxRest {
			return
		}
		rest = t.pause(rest)
	}
}

// pause waits, and returns how long to wait next. The end of the build ends a
// wait at once: there may be more, and that is all.
func (t *Tail) pause(rest time.Duration) time.Duration {
	ended := t.ended
	if t.isOver() {
		ended = nil
	}
	timer := time.NewTimer(rest)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.ctx.Done():
	case <-ended:
		return minRest
	}
	return min(2*rest, maxRest)
}

// readPod reads a container's log until it ends, or the connection does. Lines
// that are there already are passed over: a log only grows.
func (t *Tail) readPod(l *podLog, jobID, pod, container string) (done, missing bool) {
	opt := &corev1.PodLogOptions{Container: container, Follow: true, Timestamps: true}
	stream, err := t.c.client.PodLog(t.ctx, "", pod, opt)
	if err != nil {
		return false, apierrors.IsNotFound(err) // else its container has not started, or nobody can be reached
	}
	defer func() { _ = stream.Close() }()
	t.mu.Lock()
	skip := len(l.lines)
	t.mu.Unlock()
	err = readLines(stream, t.masker, func(line brigade.LogLine) {
		if skip > 0 {
			skip--
			return
		}
		line.BuildID, line.JobID = t.build.ID, jobID
		t.add(l, line)
	})
	if err != nil {
		return false, false
	}
	return t.containerEnded(pod, container), false
}

// containerEnded tells the end of a log from that of a connection.
func (t *Tail) containerEnded(name, container string) bool {
	pod, err := t.c.client.Pods("").Get(t.ctx, name, getOptions)
	if err != nil {
		return apierrors.IsNotFound(err)
	}
	if pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
		return true
	}
	for _, s := range pod.Status.ContainerStatuses {
		if s.Name == container {
			return s.State.Terminated != nil
		}
	}
	return false
}

// readLines reads lines that begin with their times, hides secrets in them, and
// cuts those that are too long.
func readLines(r io.Reader, masker *mask.Masker, add func(brigade.LogLine)) error {
	in := bufio.NewReaderSize(r, brigade.MaxLineBytes)
	for {
		text, err := in.ReadString('\n')
		if text != "" && (err == nil || errors.Is(err, io.EOF)) {
			at, text := splitTime(strings.TrimSuffix(text, "\n"))
			text = masker.String(text)
			for len(text) > brigade.MaxLineBytes {
				add(brigade.LogLine{Time: at, Text: text[:brigade.MaxLineBytes]})
				text = text[brigade.MaxLineBytes:]
			}
			add(brigade.LogLine{Time: at, Text: text})
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return cluster.Error(err)
		}
	}
}

// splitTime takes the time off that the kubelet puts before each line.
func splitTime(line string) (time.Time, string) {
	stamp, text, _ := strings.Cut(line, " ")
	at, err := time.Parse(time.RFC3339Nano, stamp)
	if err != nil {
		return time.Time{}, line
	}
	return at.UTC(), strings.TrimSuffix(text, "\r")
}
