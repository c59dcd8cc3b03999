package main

import (
	"cmp"
	"context"
	"sync"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/client"
	"github.com/brigadecore/brigade/v3/feed"
	"github.com/brigadecore/brigade/v3/intake"
	"github.com/brigadecore/brigade/v3/kube/cluster"
	"github.com/brigadecore/brigade/v3/kube/console"
	"github.com/brigadecore/brigade/v3/store/memory"
)

// apiPort is where a controller serves the API and the dashboard, as v1's API
// server did.
const apiPort = 7745

// console connects to the cluster that was asked for. Close it.
func (s *State) console(ctx context.Context, t target) (*console.Console, error) {
	return console.Open(ctx, console.Options{
		Cluster: cluster.Options{
			Kubeconfig: t.Kubeconfig, Context: t.KubeContext, Namespace: t.Namespace, UserAgent: "brig/" + versionInfo().Version,
		},
		Memory: func() brigade.Store { return memory.New(memory.Options{Now: s.Now}) }, Now: s.Now,
	})
}

// clusterBackend has commands work on v1's objects in a cluster.
func (s *State) clusterBackend(ctx context.Context, t target) (*backend, error) {
	c, err := s.console(ctx, t)
	if err != nil {
		return nil, err
	}
	p := &clusterPlace{s: s, c: c, at: t, tails: map[string]*console.Tail{}}
	return &backend{Projects: c, Builds: c, Jobs: c, Logs: p, place: p, cluster: p, feed: p, at: t, Close: c.Close}, nil
}

// clusterPlace is an installation in a cluster.
type clusterPlace struct {
	s  *State
	c  *console.Console
	at target

	mu     sync.Mutex
	client *client.Client // of the installation's API, once it was needed
	failed time.Time      // when it could not be reached
	shared sharedToken
	tails  map[string]*console.Tail
}

// Submit stores a build of the event, as a gateway in the cluster does.
func (p *clusterPlace) Submit(ctx context.Context, project string, e brigade.Event) (*brigade.Build, bool, error) {
	found, err := findProject(ctx, p.c, project)
	if err != nil {
		return nil, false, err
	}
	return p.submit(ctx, intake.Submission{Project: found, Event: e, Actor: cmp.Or(e.Actor, p.s.Getenv("USER"))})
}

func (p *clusterPlace) submit(ctx context.Context, sub intake.Submission) (*brigade.Build, bool, error) {
	events := feed.New(feed.Options{}) // the controller sees the Secret
	defer events.Close()
	in, err := intake.New(intake.Options{Store: p.c.Store(), Feed: events, Decide: intake.DecideElsewhere, Now: p.s.Now})
	if err != nil {
		return nil, false, err
	}
	defer func() { _ = in.Close(ctx) }()
	return in.Submit(ctx, sub)
}

// Rerun stores a build of the same event.
func (p *clusterPlace) Rerun(ctx context.Context, id string, failed bool, o client.Overrides) (*brigade.Build, error) {
	b, err := p.c.Build(ctx, id)
	if err != nil {
		return nil, err
	}
	if failed && !b.State.Ended() {
		return nil, brigade.Errorf(brigade.CodeConflict, "build %s has not ended: it is not known what failed", b.ID)
	}
	project, err := p.c.Project(ctx, b.ProjectID)
	if err != nil {
		return nil, err
	}
	e := b.Event
	o.Apply(&e)
	again, _, err := p.submit(ctx, intake.Submission{Project: project, Event: e, Actor: p.s.Getenv("USER"), RerunOf: b.ID, Inherit: failed})
	return again, err
}

// Cancel writes down that the build is to end; the controller does it.
func (p *clusterPlace) Cancel(ctx context.Context, id, reason string) (*brigade.Build, error) {
	return p.c.UpdateBuild(ctx, id, func(b *brigade.Build) error {
		if b.State.Ended() {
			return brigade.Errorf(brigade.CodeConflict, "build %s has ended already: %s", b.ID, b.State)
		}
		b.Cancel = &brigade.CancelRequest{Time: p.s.Now().UTC(), Actor: cmp.Or(p.s.Getenv("USER"), "brig"), Reason: reason}
		return nil
	})
}

// Pin keeps a build from the vacuum, or lets go of it.
func (p *clusterPlace) Pin(ctx context.Context, id string, pinned bool) (*brigade.Build, error) {
	return p.c.UpdateBuild(ctx, id, func(b *brigade.Build) error {
		b.Pinned = pinned
		return nil
	})
}

// gather is how long changes of a build are waited for that come together.
const gather = 30 * time.Millisecond

// FollowBuild watches the build's objects and reads the logs of its pods.
func (p *clusterPlace) FollowBuild(ctx context.Context, id string, watch brigade.Watcher) (*brigade.Build, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	changed, err := p.c.Signals(ctx, id)
	if err != nil {
		return nil, err
	}
	tail, err := p.c.Tail(ctx, id, p.scriptLog)
	if err != nil {
		return nil, err
	}
	defer tail.Close()
	seen := &tailed{tail: tail}
	f := client.NewFollower(seen, id, watch)
	noted := ""
	for {
		if err := seen.look(ctx, p.c, id); err != nil {
			return nil, err
		}
		ended, err := f.CatchUp(ctx)
		if note := tail.Note(); note != noted {
			noted = note
			watch(brigade.Change{Time: p.s.Now(), BuildID: id, Notice: note})
		}
		if err != nil || ended {
			return f.Build(), err
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-changed:
		case <-tail.Changed():
		}
		select {
		case <-ctx.Done():
		case <-time.After(gather):
		}
	}
}

// tailed is a build as it was looked at, with the logs as far as they were
// read by then.
type tailed struct {
	tail  *console.Tail
	build *brigade.Build
	jobs  []*brigade.Job
}

// look reads the build and its jobs. One that has ended has all of its logs.
func (t *tailed) look(ctx context.Context, c *console.Console, id string) (err error) {
	if t.build, err = lightBuild(ctx, c, id); err != nil {
		return err
	}
	if t.jobs, err = c.ListJobs(ctx, id); err != nil {
		return err
	}
	t.tail.Take(t.jobs)
	if t.build.State.Ended() {
		t.tail.Settle(ctx)
	}
	return nil
}

// Build implements client.Reader.
func (t *tailed) Build(context.Context, string) (*brigade.Build, error) { return t.build, nil }

// ListJobs implements client.Reader.
func (t *tailed) ListJobs(context.Context, string) ([]*brigade.Job, error) { return t.jobs, nil }

// ReadLog implements client.Reader.
func (t *tailed) ReadLog(ctx context.Context, q brigade.LogQuery) ([]brigade.LogLine, error) {
	return t.tail.ReadLog(ctx, q)
}

// scriptLog follows the log of a script that runs beside the controller: the
// controller's API has it.
func (p *clusterPlace) scriptLog(ctx context.Context, id string, add func(brigade.LogLine) error) error {
	c, err := p.api()
	if err == nil {
		_, err = c.FollowLog(ctx, brigade.LogQuery{BuildID: id}, add)
	}
	return err
}

// Watch implements term.Feed. Of one build it tells of new lines of logs, too,
// which ReadLog returns meanwhile.
func (p *clusterPlace) Watch(ctx context.Context, buildID string, changed func(brigade.Change)) error {
	if buildID == "" {
		return p.c.Watch(ctx, "", changed)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	signals, err := p.c.Signals(ctx, buildID)
	if err != nil {
		return err
	}
	tail, err := p.c.Tail(ctx, buildID, p.scriptLog)
	if err != nil {
		return err
	}
	defer tail.Close()
	p.mu.Lock()
	p.tails[buildID] = tail
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.tails[buildID] == tail {
			delete(p.tails, buildID)
		}
	}()
	for {
		jobs, err := p.c.ListJobs(ctx, buildID)
		if err != nil {
			return err
		}
		tail.Take(jobs)
		changed(brigade.Change{Time: p.s.Now(), BuildID: buildID})
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-signals:
		case <-tail.Changed():
		}
		select {
		case <-ctx.Done():
		case <-time.After(gather):
		}
	}
}

// followed are the lines of a log that is followed, if it is.
func (p *clusterPlace) followed(ctx context.Context, q brigade.LogQuery) ([]brigade.LogLine, error) {
	p.mu.Lock()
	tail := p.tails[q.BuildID]
	p.mu.Unlock()
	if tail == nil {
		return nil, nil
	}
	return tail.ReadLog(ctx, q)
}

// AppendLog is refused: who runs a build keeps its logs.
func (p *clusterPlace) AppendLog(ctx context.Context, lines []brigade.LogLine) error {
	return p.c.AppendLog(ctx, lines)
}

// apiRest is how long an API that could not be reached is left alone where it
// is not all that is wanted.
const apiRest = 10 * time.Second

// ReadLog returns lines of a pod's log. That of a script without a pod is the
// controller's to show, to those with a token.
func (p *clusterPlace) ReadLog(ctx context.Context, q brigade.LogQuery) ([]brigade.LogLine, error) {
	lines, err := p.followed(ctx, q)
	if err == nil && len(lines) == 0 {
		lines, err = p.c.ReadLog(ctx, q)
	}
	if err != nil || len(lines) > 0 || q.JobID != "" {
		return lines, err
	}
	p.mu.Lock()
	resting := p.s.Now().Sub(p.failed) < apiRest
	p.mu.Unlock()
	if resting {
		return nil, nil
	}
	c, err := p.api()
	if err != nil {
		return nil, err
	}
	if token, err := p.token(ctx); err != nil || token == "" {
		return nil, err
	}
	lines, err = c.ReadLog(ctx, q)
	if brigade.CodeOf(err) == brigade.CodeUnavailable && ctx.Err() == nil {
		p.mu.Lock()
		p.failed = p.s.Now()
		p.mu.Unlock()
		return nil, nil
	}
	return lines, err
}
