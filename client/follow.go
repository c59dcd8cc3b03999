package client

import (
	"context"
	"time"

	"github.com/brigadecore/brigade/v3"
)

// Reader is what a Follower reads a build from: a Client, or a store.
type Reader interface {
	// Build finds a build by its ID.
	Build(ctx context.Context, id string) (*brigade.Build, error)
	// ListJobs returns a build's jobs by creation.
	ListJobs(ctx context.Context, buildID string) ([]*brigade.Job, error)
	// ReadLog returns lines in order.
	ReadLog(ctx context.Context, q brigade.LogQuery) ([]brigade.LogLine, error)
}

// Follower turns what is stored about a build into the changes that led there,
// so that a view can show a build that another process runs. Whoever hears of
// changes passes them to Take; CatchUp tells what was missed. It is for one
// goroutine.
type Follower struct {
	from    Reader
	buildID string
	watch   brigade.Watcher
	build   *brigade.Build
	jobs    map[string]*brigade.Job
	lines   map[string]int64 // by job ID: the last line that was told
	done    map[string]bool  // logs to which nothing is added any more
}

// followPage is how many lines are read at once.
const followPage = 2000

// NewFollower returns a follower of the build with that whole ID.
func NewFollower(from Reader, buildID string, watch brigade.Watcher) *Follower {
	return &Follower{from: from, buildID: buildID, watch: watch, jobs: map[string]*brigade.Job{}, lines: map[string]int64{}, done: map[string]bool{}}
}

// Build is the build as it was last seen; nil before the first CatchUp.
func (f *Follower) Build() *brigade.Build { return f.build }

// CatchUp tells all that is stored and was not told yet, and reports whether
// the build has ended. Then nothing more will come.
func (f *Follower) CatchUp(ctx context.Context) (ended bool, err error) {
	b, err := f.from.Build(ctx, f.buildID)
	if err != nil {
		return false, err
	}
	switch { // its start comes before what its jobs do, its end after
	case !b.State.Ended():
		f.tellBuild(b)
	case f.build == nil && !b.Started.IsZero():
		f.tellBuild(begun(b))
	}
	jobs, err := f.from.ListJobs(ctx, f.buildID)
	if err != nil {
		return false, err
	}
	if err := f.readLog(ctx, ""); err != nil {
		return false, err
	}
	for _, j := range jobs {
		if !j.State.Ended() {
			f.tellJob(j)
		}
		if !f.done[j.ID] {
			if err := f.readLog(ctx, j.ID); err != nil {
				return false, err
			}
		}
		if j.State.Ended() {
			f.tellJob(j)
		}
		f.done[j.ID] = b.State.Ended() || j.State == brigade.StateSucceeded
	}
	f.tellBuild(b)
	return b.State.Ended(), nil
}

// begun is a build that has ended as it was when it began.
func begun(b *brigade.Build) *brigade.Build {
	before := *b
	before.State, before.Ended, before.Failure, before.ExitCode = brigade.StateRunning, time.Time{}, nil, 0
	return &before
}

// Take passes a change on that somebody heard of, with the lines before it
// that nobody did.
func (f *Follower) Take(ctx context.Context, c brigade.Change) error {
	switch {
	case c.BuildID != f.buildID:
	case c.Build != nil:
		if !c.Build.State.Ended() { // the end comes last, with CatchUp
			f.tellBuild(c.Build)
		}
	case c.Job != nil:
		if c.Job.State.Ended() {
			if err := f.readLog(ctx, c.Job.ID); err != nil {
				return err
			}
		}
		f.tellJob(c.Job)
	case len(c.Lines) > 0:
		return f.take(ctx, c)
	default:
		f.watch(c)
	}
	return nil
}

func (f *Follower) take(ctx context.Context, c brigade.Change) error {
	job := c.Lines[0].JobID
	if c.Lines[0].Seq > f.lines[job]+1 {
		if err := f.readLog(ctx, job); err != nil {
			return err
		}
	}
	fresh := c.Lines
	for len(fresh) > 0 && fresh[0].Seq <= f.lines[job] {
		fresh = fresh[1:]
	}
	f.tellLines(c.Time, fresh)
	return nil
}

func (f *Follower) readLog(ctx context.Context, job string) error {
	for {
		page, err := f.from.ReadLog(ctx, brigade.LogQuery{BuildID: f.buildID, JobID: job, After: f.lines[job], Limit: followPage})
		if err != nil {
			return err
		}
		if len(page) == 0 {
			return nil
		}
		f.tellLines(page[len(page)-1].Time, page)
		if len(page) < followPage {
			return nil
		}
	}
}

func (f *Follower) tellLines(at time.Time, lines []brigade.LogLine) {
	if len(lines) == 0 {
		return
	}
	job := lines[0].JobID
	f.lines[job] = lines[len(lines)-1].Seq
	f.watch(brigade.Change{Time: at, BuildID: f.buildID, JobID: job, Lines: lines})
}

func (f *Follower) tellBuild(b *brigade.Build) {
	last := f.build
	f.build = b
	if last != nil && last.State == b.State && last.Attempt == b.Attempt && last.Waiting == b.Waiting {
		return
	}
	f.watch(brigade.Change{Time: b.Created, BuildID: b.ID, Build: b})
}

// tellJob passes a job's state on, unless a newer one was told already.
func (f *Follower) tellJob(j *brigade.Job) {
	last := f.jobs[j.ID]
	if last != nil {
		older := j.Attempt < last.Attempt || j.Attempt == last.Attempt && last.State.Ended() && !j.State.Ended()
		if older || last.State == j.State && last.Attempt == j.Attempt {
			return
		}
	}
	f.jobs[j.ID] = j
	at := j.Created
	if n := len(j.History); n > 0 {
		at = j.History[n-1].Time
	}
	f.watch(brigade.Change{Time: at, BuildID: f.buildID, JobID: j.ID, Job: j})
}
