package api

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"github.com/brigadecore/brigade/v3"
)

// snapshotMost is how many builds a snapshot looks at.
const snapshotMost = 1000

// watcher sends changes of builds to one client.
type watcher struct {
	c         *call
	s         *stream
	projectID string // "" for all that the caller may see
	buildID   string // "" for all
	logs      bool
	changes   <-chan brigade.Change
	since     time.Time         // when the last change was sent
	projects  map[string]string // of builds: the project's ID, "" for those that are not shown
}

// watch sends how things are now, and then every change: a stream of the
// events build, job, fired, notice and, when asked for, lines. Between the two
// there is an event synced. A client that comes back with Last-Event-ID is
// told how things are now, builds that ended meanwhile among them.
func watch(c *call) error {
	w := &watcher{c: c, projects: map[string]string{}}
	q := c.r.URL.Query()
	var err error
	if w.logs, err = c.flag("logs"); err != nil {
		return err
	}
	if name := q.Get("project"); name != "" {
		if w.projectID, err = c.projectID(name); err != nil {
			return err
		}
	}
	if id := q.Get("build"); id != "" {
		b, err := c.a.lightBuild(c.r.Context(), id)
		if err != nil {
			return err
		}
		if err := c.sees(b.ProjectID, b.Project, "build", id); err != nil {
			return err
		}
		w.buildID = b.ID
	} else if w.logs {
		return usage("logs are sent of one build only").WithHint("add build=ID")
	}
	if ms, err := strconv.ParseInt(c.r.Header.Get("Last-Event-ID"), 10, 64); err == nil && ms > 0 {
		w.since = time.UnixMilli(ms)
	}
	s, release, err := c.openStream()
	defer release()
	if err != nil || s == nil {
		return c.unlessGone(err)
	}
	w.s = s
	return c.unlessGone(w.run())
}

func (w *watcher) run() error {
	c := w.c
	ctx, cancel := context.WithCancel(c.r.Context())
	defer cancel()
	heart := time.NewTicker(c.a.opt.Limits.Heartbeat)
	defer heart.Stop()
	for {
		w.changes = c.a.opt.Feed.Subscribe(ctx, w.buildID)
		if err := w.snapshot(ctx); err != nil {
			return err
		}
		for lost := false; !lost; {
			var err error
			select {
			case <-ctx.Done():
				return nil
			case <-c.a.done:
				return nil
			case <-heart.C:
				err = w.s.beat()
			case change, ok := <-w.changes:
				if lost = !ok; ok {
					err = w.pass(ctx, change)
				}
			}
			if err != nil {
				return err
			}
		}
		if !c.pause(resubscribe) {
			return nil
		}
	}
}

// snapshot sends the builds that have not ended, those that ended since the
// last change, and the jobs of those that run.
func (w *watcher) snapshot(ctx context.Context) error {
	now := w.c.a.opt.Now()
	builds, err := w.builds(ctx)
	if err != nil {
		return err
	}
	for i := len(builds) - 1; i >= 0; i-- { // oldest first
		b := builds[i]
		if err := w.send(ctx, brigade.Change{Time: now, BuildID: b.ID, Build: b}, b.ProjectID, ""); err != nil {
			return err
		}
		if b.State == brigade.StatePending && b.Attempt == 0 {
			continue
		}
		jobs, err := w.c.a.opt.Store.ListJobs(ctx, b.ID)
		if err != nil {
			return err
		}
		for _, j := range jobs {
			if err := w.send(ctx, brigade.Change{Time: now, BuildID: b.ID, JobID: j.ID, Job: j}, b.ProjectID, ""); err != nil {
				return err
			}
		}
	}
	if err := w.s.event(eventID(now), "synced", []byte(`{}`)); err != nil {
		return err
	}
	return w.s.flush()
}

// builds returns those that a snapshot shows, newest first.
func (w *watcher) builds(ctx context.Context) ([]*brigade.Build, error) {
	if w.buildID != "" {
		b, err := w.c.a.lightBuild(ctx, w.buildID)
		if brigade.CodeOf(err) == brigade.CodeNotFound {
			return nil, nil
		}
		return []*brigade.Build{b}, err
	}
	f := brigade.BuildFilter{ProjectID: w.projectID, Limit: snapshotMost}
	if w.since.IsZero() {
		f.States = []brigade.State{brigade.StatePending, brigade.StateRunning}
	}
	page, err := w.c.a.opt.Store.ListBuilds(ctx, f)
	if err != nil {
		return nil, err
	}
	var shown []*brigade.Build
	for _, b := range page {
		recent := !b.State.Ended() || !b.Ended.Before(w.since.Add(-time.Second))
		if recent && w.c.who.Sees(b.ProjectID, b.Project) {
			shown = append(shown, b)
		}
	}
	return shown, nil
}

func eventID(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }

// pass sends a change that the client wants and may see.
func (w *watcher) pass(ctx context.Context, change brigade.Change) error {
	if change.BuildID == "" || len(change.Lines) > 0 && !w.logs {
		return nil
	}
	projectID, err := w.projectOf(ctx, change)
	if err != nil {
		return err
	}
	if change.Build != nil && change.Build.State.Ended() {
		delete(w.projects, change.BuildID)
	}
	if projectID != "" && (w.projectID == "" || w.projectID == projectID) {
		if err := w.send(ctx, change, projectID, eventID(change.Time)); err != nil {
			return err
		}
		w.since = change.Time
	}
	if len(w.changes) > 0 {
		return nil // more is coming at once
	}
	return w.s.flush()
}

// projectOf returns the ID of the project of a change; "" when the caller may
// not see it.
func (w *watcher) projectOf(ctx context.Context, change brigade.Change) (string, error) {
	if id, ok := w.projects[change.BuildID]; ok {
		return id, nil
	}
	b := change.Build
	if b == nil {
		var err error
		b, err = w.c.a.lightBuild(ctx, change.BuildID)
		if brigade.CodeOf(err) == brigade.CodeNotFound {
			return "", nil
		}
		if err != nil {
			return "", err
		}
	}
	id := ""
	if w.c.who.Sees(b.ProjectID, b.Project) {
		id = b.ProjectID
	}
	if len(w.projects) > 10*snapshotMost {
		clear(w.projects)
	}
	w.projects[change.BuildID] = id
	return id, nil
}

// send sends a change without what is large or secret.
func (w *watcher) send(ctx context.Context, change brigade.Change, projectID, id string) error {
	name := "notice"
	switch {
	case change.Build != nil:
		name, change.Build = "build", w.c.a.show(light(change.Build))
	case change.Job != nil:
		j := *change.Job
		j.Handle = ""
		name, change.Job = "job", &j
	case change.Fired != nil:
		name = "fired"
	case len(change.Lines) > 0:
		name = "lines"
	}
	data, err := json.Marshal(change)
	if err != nil {
		return err
	}
	m, err := w.c.a.maskers.Of(ctx, projectID)
	if err != nil {
		return err
	}
	return w.s.event(id, name, maskJSON(m, data))
}
