package term

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
)

const (
	fakePast  = 90               // builds that are there at the beginning
	fakeEvery = 17 * time.Second // a new build
	fakeLater = 400 * time.Millisecond
)

// Fake invents projects and plays their builds. It is Data, Control and Feed.
// How a build is at a time follows from what was drawn for it when it was made,
// so it needs no goroutine and no memory for logs.
type Fake struct {
	now func() time.Time

	mu    sync.Mutex
	rand  *rand.Rand
	next  time.Time // of the next build
	began int       // builds that began by themselves
	runs  []*fakeRun
}

var (
	_ Data    = (*Fake)(nil)
	_ Control = (*Fake)(nil)
	_ Feed    = (*Fake)(nil)
)

// fakeRun is a build and what will become of it.
type fakeRun struct {
	build    brigade.Build // as it was made
	jobs     []fakeStep
	canceled time.Time
}

// fakeStep is a job with its times, measured from the build's creation.
type fakeStep struct {
	fakeJob
	made, pull, start, end time.Duration
	exit                   int
	after                  bool // it runs only if nothing failed before
}

// NewFake returns invented data. The same now gives the same data.
func NewFake(now func() time.Time) *Fake {
	if now == nil {
		now = time.Now
	}
	f := &Fake{now: now, rand: rand.New(rand.NewPCG(11, 20))}
	at := now().Add(-3*time.Second - 9*24*time.Hour)
	for i := range fakePast {
		left := now().Add(-3 * time.Second).Sub(at)
		f.add(at, i)
		step := left / time.Duration(fakePast-i) * time.Duration(50+f.rand.IntN(100)) / 100
		if i > fakePast-6 {
			step = min(step, 25*time.Second)
		}
		at = at.Add(min(step, left))
		if i == fakePast-6 {
			at = now().Add(-80 * time.Second)
		}
	}
	f.began, f.next = fakePast, now().Add(fakeEvery/2)
	return f
}

// add makes the nth build.
func (f *Fake) add(at time.Time, n int) {
	p := fakeProjects[(n*7+n/5)%len(fakeProjects)]
	e := p.events[f.rand.IntN(len(p.events))]
	commit := strings.Repeat("0123456789abcdef", 3)[f.rand.IntN(8):][:40]
	commit = shuffled(f.rand, commit)
	who := fakePeople[f.rand.IntN(len(fakePeople))]
	build := brigade.Build{
		ID: fakeID(at, f.rand), ProjectID: brigade.ProjectID(p.name), Project: p.name, Created: at, Attempt: 1, Runner: "docker",
		Event: brigade.Event{
			Provider: e.provider, Type: e.name, Actor: who, Payload: "{}",
			Revision: brigade.Revision{Ref: e.ref, Commit: commit}, ShortTitle: fakeTitles[f.rand.IntN(len(fakeTitles))],
		},
	}
	if e.provider == "cron" {
		build.Event.Actor, build.Event.ShortTitle = "", "nightly"
	}
	f.runs = append(f.runs, &fakeRun{build: build, jobs: f.plan(p.jobs)})
}

// plan draws how long the jobs take, and which of them fail.
func (f *Fake) plan(jobs []fakeJob) []fakeStep {
	spread := func(d time.Duration) time.Duration { return d * time.Duration(70+f.rand.IntN(60)) / 100 }
	var steps []fakeStep
	var broken time.Duration // when something failed
	for _, j := range jobs {
		s := fakeStep{fakeJob: j, made: 600 * time.Millisecond, after: len(j.needs) > 0}
		for _, need := range j.needs {
			for _, other := range steps {
				if other.name == need {
					s.made = max(s.made, other.end+50*time.Millisecond)
				}
			}
		}
		if broken > 0 && s.after {
			continue // the script does not get there
		}
		s.pull = s.made + spread(300*time.Millisecond)
		s.start = s.pull + spread(1500*time.Millisecond)
		s.end = s.start + spread(j.takes)
		if f.rand.IntN(100) < j.fails {
			s.exit = 1 + f.rand.IntN(2)
			s.end = s.start + spread(j.takes)/2
			broken = s.end
		}
		steps = append(steps, s)
	}
	return steps
}

// advance makes the builds that are due. The caller holds the lock.
func (f *Fake) advance() time.Time {
	now := f.now()
	for !f.next.After(now) {
		f.add(f.next, f.began)
		f.began++
		f.next = f.next.Add(fakeEvery)
	}
	return now
}

// end is when the build ends, or ended.
func (r *fakeRun) end() time.Time {
	last := 2 * time.Second
	for _, s := range r.jobs {
		last = max(last, s.end+200*time.Millisecond)
	}
	end := r.build.Created.Add(last)
	if !r.canceled.IsZero() && r.canceled.Add(fakeLater).Before(end) {
		return r.canceled.Add(fakeLater)
	}
	return end
}

// at is the build as it is at now.
func (r *fakeRun) at(now time.Time) *brigade.Build {
	b := r.build
	b.State = brigade.StatePending
	if started := b.Created.Add(fakeLater); !now.Before(started) {
		b.State, b.Started = brigade.StateRunning, started
	}
	if !r.canceled.IsZero() {
		b.Cancel = &brigade.CancelRequest{Time: r.canceled, Actor: "you"}
	}
	end := r.end()
	if now.Before(end) {
		return &b
	}
	b.State, b.Ended = brigade.StateSucceeded, end
	for _, s := range r.jobs {
		if s.exit != 0 && !b.Created.Add(s.end).After(end) {
			b.State, b.ExitCode = brigade.StateFailed, 1
			b.Failure = brigade.Errorf(brigade.CodeBuildFailed, "job %s(%s-%s): exit code %d", s.name, s.name, b.ID, s.exit)
		}
	}
	if !r.canceled.IsZero() && end.Equal(r.canceled.Add(fakeLater)) {
		b.State, b.ExitCode = brigade.StateCanceled, brigade.ExitCanceled
		b.Failure = brigade.Errorf(brigade.CodeCanceled, "the build was canceled by you")
	}
	return &b
}

// job is a job as it is at now; nil when it was not made yet.
func (r *fakeRun) job(s fakeStep, now time.Time) *brigade.Job {
	over := r.end()
	if now.After(over) {
		now = over
	}
	made := r.build.Created.Add(s.made)
	if now.Before(made) {
		return nil
	}
	j := &brigade.Job{
		ID: s.name + "-" + r.build.ID, BuildID: r.build.ID, Name: s.name, State: brigade.StatePending, Created: made, Attempt: 1,
		Spec: brigade.JobSpec{Name: s.name, Image: s.image}, History: []brigade.Step{{State: brigade.StatePending, Time: made}},
	}
	step := func(after time.Duration, state brigade.State) bool {
		at := r.build.Created.Add(after)
		if now.Before(at) {
			return false
		}
		j.State = state
		j.History = append(j.History, brigade.Step{State: state, Time: at})
		return true
	}
	step(s.pull, brigade.StatePulling)
	if step(s.start, brigade.StateRunning) {
		j.Started = r.build.Created.Add(s.start)
	}
	state := brigade.StateSucceeded
	if s.exit != 0 {
		state = brigade.StateFailed
	}
	if step(s.end, state) {
		j.Ended, j.ExitCode = r.build.Created.Add(s.end), s.exit
	} else if !now.Before(over) {
		j.State, j.Ended = brigade.StateCanceled, over
	}
	return j
}

// ListProjects implements Data.
func (f *Fake) ListProjects(context.Context) ([]*brigade.Project, error) {
	var all []*brigade.Project
	for _, p := range fakeProjects {
		all = append(all, brigade.NewProject(p.name))
	}
	all = append(all, brigade.NewProject("acme/brand-new"))
	slices.SortFunc(all, func(a, b *brigade.Project) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// ListBuilds implements Data.
func (f *Fake) ListBuilds(_ context.Context, q brigade.BuildFilter) ([]*brigade.Build, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.advance()
	var all []*brigade.Build
	for _, r := range slices.Backward(f.runs) {
		b := r.at(now)
		switch {
		case q.ProjectID != "" && b.ProjectID != q.ProjectID, q.Before != "" && b.ID >= q.Before,
			len(q.States) > 0 && !slices.Contains(q.States, b.State),
			!strings.Contains(searched(b), strings.ToLower(q.Text)):
			continue
		}
		if all = append(all, b); q.Limit > 0 && len(all) == q.Limit {
			break
		}
	}
	return all, nil
}

func (f *Fake) find(id string) *fakeRun {
	for _, r := range f.runs {
		if r.build.ID == id {
			return r
		}
	}
	return nil
}

// ListJobs implements Data.
func (f *Fake) ListJobs(_ context.Context, buildID string) ([]*brigade.Job, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.find(buildID)
	if r == nil {
		return nil, brigade.NotFound("build", buildID)
	}
	var jobs []*brigade.Job
	now := f.now()
	for _, s := range r.jobs {
		if j := r.job(s, now); j != nil {
			jobs = append(jobs, j)
		}
	}
	slices.SortStableFunc(jobs, func(a, b *brigade.Job) int { return a.Created.Compare(b.Created) })
	return jobs, nil
}

// Cancel implements Control.
func (f *Fake) Cancel(_ context.Context, id string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.find(id)
	if r == nil {
		return brigade.NotFound("build", id)
	}
	if r.at(f.now()).State.Ended() {
		return brigade.Errorf(brigade.CodeConflict, "build %s has ended already", id)
	}
	if r.canceled.IsZero() {
		r.canceled = f.now()
	}
	return nil
}

// Rerun implements Control.
func (f *Fake) Rerun(_ context.Context, id string, _ bool) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.find(id)
	if r == nil {
		return "", brigade.NotFound("build", id)
	}
	now := f.now()
	again := &fakeRun{build: r.build}
	again.build.ID, again.build.Created, again.build.RerunOf = fakeID(now, f.rand), now, id
	for _, p := range fakeProjects {
		if p.name == r.build.Project {
			again.jobs = f.plan(p.jobs)
		}
	}
	f.runs = append(f.runs, again)
	return again.build.ID, nil
}

// Watch implements Feed: it tells four times a second that something may have
// changed.
func (f *Fake) Watch(ctx context.Context, buildID string, changed func(brigade.Change)) error {
	t := time.NewTicker(time.Second / 4)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case at := <-t.C:
			changed(brigade.Change{Time: at, BuildID: buildID})
		}
	}
}
