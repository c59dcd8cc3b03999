package dispatch

import (
	"context"
	"fmt"
	"maps"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
)

// How much of the queue is looked at in one go, and how often it is looked at
// when nobody wakes the dispatcher (for builds of other processes whose lease
// ended, and for retries whose time has come).
const (
	lookEach  = 32
	lookLimit = 512
	lookFew   = 16
	lookEvery = time.Second
)

// Serve starts waiting builds as the limits allow, until ctx ends. Builds that
// run then go on: see Shutdown.
func (d *Dispatcher) Serve(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for all := true; ; {
		if err := d.round(ctx, all); err != nil && ctx.Err() == nil {
			d.opt.Log.Error("look at the queue", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-d.wake:
			all = false
		case <-tick.C:
			all = true
		}
	}
}

// Wake makes Serve look at the queue now: a build was added.
func (d *Dispatcher) Wake() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// round starts what may start now. Mostly, that is found near the front of the
// queue; all of it is looked at with all, or when what is there has to wait.
func (d *Dispatcher) round(ctx context.Context, all bool) error {
	now := d.load()
	free := lookLimit
	if d.opt.MaxBuilds > 0 {
		free = d.opt.MaxBuilds - now.total
	}
	if free <= 0 {
		return nil // the end of a build wakes us
	}
	if !d.hasRoom() {
		return nil // looked at again with the next tick
	}
	if each := free + now.unclaimed; !all && each < lookEach/2 {
		limit := 4*each + lookFew
		started, seen, err := d.look(ctx, now, each, limit)
		if err != nil || started >= free || seen < min(each, limit) {
			return err
		}
		now = d.load()
	}
	started, seen, err := d.look(ctx, now, lookEach, lookLimit)
	if started > 0 && seen >= lookEach {
		d.Wake() // there may be more than was looked at
	}
	return err
}

// look starts what may start of each queue's first builds, and returns how many
// those were and how many it has seen.
func (d *Dispatcher) look(ctx context.Context, now *load, each, limit int) (started, seen int, err error) {
	waiting, err := d.opt.Store.Waiting(ctx, each, limit)
	if err != nil {
		return 0, 0, fmt.Errorf("read the queue: %w", err)
	}
	seen = len(waiting)
	projects := map[string]*brigade.Project{}
	p := picker{most: d.opt.MaxBuilds, load: now, project: func(id string) *brigade.Project {
		if project, known := projects[id]; known {
			return project
		}
		project, err := d.opt.Store.Project(ctx, id)
		if err != nil && brigade.CodeOf(err) != brigade.CodeNotFound {
			d.opt.Log.Warn("read the project", "project", id, "err", err)
		}
		projects[id] = project
		return project
	}}
	start, waits := p.pick(d.notRunning(waiting))
	d.mu.Lock()
	if d.waits == nil || limit == lookLimit {
		d.waits = waits
	}
	maps.Copy(d.waits, waits)
	for _, b := range start {
		delete(d.waits, b.ID)
	}
	d.mu.Unlock()
	for _, b := range start {
		d.start(b, projects[b.ProjectID])
	}
	return len(start), seen, nil
}

// notRunning leaves out builds that this process runs: their lease may just be
// late.
func (d *Dispatcher) notRunning(waiting []*brigade.Build) []*brigade.Build {
	d.mu.Lock()
	defer d.mu.Unlock()
	rest := waiting[:0]
	for _, b := range waiting {
		if _, runs := d.starting[b.ID]; !runs && d.runs[b.ID] == nil {
			rest = append(rest, b)
		}
	}
	return rest
}

// load is what this process runs or is about to run.
func (d *Dispatcher) load() *load {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := newLoad()
	for id, b := range d.starting {
		l.add(b)
		if d.runs[id] == nil {
			l.unclaimed++
		}
	}
	return l
}

// start runs a build in a goroutine of its own.
func (d *Dispatcher) start(b *brigade.Build, project *brigade.Project) {
	d.mu.Lock()
	d.starting[b.ID] = b
	d.mu.Unlock()
	d.serving.Go(func() {
		defer func() {
			d.mu.Lock()
			delete(d.starting, b.ID)
			d.mu.Unlock()
			d.Wake()
		}()
		if err := d.serve(b, project); err != nil {
			d.opt.Log.Error("run the build", "build", b.ID, "err", err)
		}
	})
}

func (d *Dispatcher) serve(b *brigade.Build, project *brigade.Project) error {
	ctx := context.Background()
	if project == nil {
		return d.failWithoutProject(ctx, b)
	}
	_, err := d.RunBuild(ctx, b.ID, project)
	if brigade.CodeOf(err) == brigade.CodeConflict {
		return nil // another process was faster
	}
	return err
}

// failWithoutProject ends a build whose project is gone.
func (d *Dispatcher) failWithoutProject(ctx context.Context, b *brigade.Build) error {
	if _, err := d.opt.Store.Project(ctx, b.ProjectID); brigade.CodeOf(err) != brigade.CodeNotFound {
		return err // it could not be read just now: the build goes on waiting
	}
	_, err := d.opt.Store.UpdateBuild(ctx, b.ID, func(b *brigade.Build) error {
		b.State, b.Ended, b.ExitCode = brigade.StateFailed, d.opt.Now(), brigade.ExitNotFound
		b.Failure = brigade.NotFound("project", b.Project).WithHint("it was deleted while the build waited")
		addStep(&b.History, b.State, b.Ended, "")
		return nil
	})
	return err
}

// Cancel makes a build end that this process runs, and reports whether it does.
func (d *Dispatcher) Cancel(id string, req brigade.CancelRequest) bool {
	d.mu.Lock()
	r := d.runs[id]
	d.mu.Unlock()
	if r == nil {
		return false
	}
	r.end(cancelCause("build", &req))
	return true
}

// CancelJob makes one job of a build end, by name or ID, and reports whether
// this process runs it.
func (d *Dispatcher) CancelJob(build, job string, req brigade.CancelRequest) bool {
	d.mu.Lock()
	r := d.runs[build]
	d.mu.Unlock()
	return r != nil && r.cancelJob(job, cancelCause("job", &req))
}

// WaitsFor says what a pending build waits for, or "" when it is not known.
func (d *Dispatcher) WaitsFor(id string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.short != nil && d.runs[id] == nil {
		return d.short.Error()
	}
	why := d.waits[id]
	if most := d.opt.MaxBuilds; why == "" && most > 0 && len(d.starting) >= most && d.starting[id] == nil {
		why = serverFull(most)
	}
	return why
}

// Running returns how many builds this process runs.
func (d *Dispatcher) Running() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.runs)
}

// Shutdown waits for the builds that Serve started. Those that still run when
// ctx ends are handed over: the next process goes on with them. Call it after
// Serve has returned.
func (d *Dispatcher) Shutdown(ctx context.Context) {
	over := make(chan struct{})
	go func() {
		d.serving.Wait()
		close(over)
	}()
	select {
	case <-over:
		return
	case <-ctx.Done():
	}
	d.HandOver()
	<-over
}

// HandOver gives up the builds that this process runs, as they are: their jobs
// go on where these outlive the process, and whoever claims a build next goes
// on with it. RunBuild returns such a build unended.
func (d *Dispatcher) HandOver() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, r := range d.runs {
		r.end(errHandover)
	}
}
