package fault

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
)

// Report is what was counted, line by line, and what was found wrong.
type Report struct {
	Lines    []Line
	Problems []string
}

// Line is a count of the report.
type Line struct {
	Name  string
	Count int
}

// Write prints the report as a table.
func (r *Report) Write(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, l := range r.Lines {
		fmt.Fprintf(table, "%d\t  %s\n", l.Count, l.Name)
	}
	fmt.Fprintf(table, "%d\t  problems\n", len(r.Problems))
	if err := table.Flush(); err != nil {
		return err
	}
	for _, p := range r.Problems {
		fmt.Fprintln(w, "PROBLEM:", p)
	}
	return nil
}

func (t *test) report() *Report {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := &Report{Problems: slices.Clone(t.problems)}
	for _, name := range t.order {
		r.Lines = append(r.Lines, Line{name, t.counts[name]})
	}
	return r
}

// check holds what the server and the journal say against each other, and
// stops the server.
func (t *test) check(ctx context.Context) error {
	builds, err := t.server.Builds(ctx, "")
	if err != nil {
		return err
	}
	ran, err := t.journal.read()
	if err != nil {
		return err
	}
	t.checkEvents(builds)
	for _, b := range builds {
		jobs, err := t.server.Jobs(ctx, b.ID)
		if err != nil {
			return err
		}
		t.checkBuild(ctx, b, jobs)
		for _, j := range jobs {
			t.checkJob(j, ran[j.ID])
			delete(ran, j.ID)
		}
	}
	for id := range ran {
		t.problem("job %s ran and is not known", id)
	}
	if err := t.server.Stop(30 * time.Second); err != nil {
		t.problem("%v", err)
	}
	return nil
}

// checkEvents: what was answered has its build, and only one.
func (t *test) checkEvents(builds []*brigade.Build) {
	of := map[string]int{}
	for _, b := range builds {
		of[b.Event.Key[strings.LastIndexAny(b.Event.Key, ":/")+1:]]++
	}
	t.sent.mu.Lock()
	defer t.sent.mu.Unlock()
	for key := range t.sent.answered {
		if of[key] != 1 {
			t.problem("event %s was answered and has %d builds", key, of[key])
		}
	}
	t.count("builds", len(builds))
}

// checkBuild: it has ended, and as it should unless a fault explains why not.
func (t *test) checkBuild(ctx context.Context, b *brigade.Build, jobs []*brigade.Job) {
	t.count("  "+string(b.State), 1)
	t.count("  started again", b.Attempt-1)
	if !b.State.Ended() {
		t.problem("build %s has not ended: it is %s", b.ID, b.State)
		return
	}
	if b.State != brigade.StateSucceeded {
		if why := t.explain(ctx, b.Failure, jobs); why != "" {
			t.count("  failed because "+why, 1)
		} else {
			t.problem("build %s is %s: %v", b.ID, b.State, b.Failure)
		}
		return
	}
	var names []string
	for _, j := range jobs {
		names = append(names, j.Name)
		if j.State != brigade.StateSucceeded {
			t.problem("build %s succeeded, but its job %s is %s", b.ID, j.ID, j.State)
		}
	}
	slices.Sort(names)
	if !slices.Equal(names, jobNames) {
		t.problem("build %s succeeded with the jobs %v", b.ID, names)
	}
}

// explain names the fault that makes a build fail for good reason, or "".
func (t *test) explain(ctx context.Context, e *brigade.Error, jobs []*brigade.Job) string {
	t.mu.Lock()
	kills, full := t.counts[killsOfWorkers], t.counts[timesFull]
	t.mu.Unlock()
	switch {
	case e == nil || strings.Contains(e.Message, "WRONG RESULT"):
	case e.Code == brigade.CodeScriptCrashed && kills >= 3:
		return "its worker was killed three times"
	case full > 0 && e.Code == brigade.CodeBuildFailed:
		for _, j := range jobs {
			var log string
			if j.State != brigade.StateFailed || t.server.Call(ctx, http.MethodGet, "/api/jobs/"+j.ID+"/logs?format=text", nil, &log) != nil {
				continue
			}
			if strings.Contains(log, "No space left on device") || strings.Contains(log, "I/O error") { // as shells say it
				return "a job could not write to the full disk"
			}
		}
	}
	return ""
}

// checkJob: nothing ran that is not written down, and nothing that had
// succeeded ran again.
func (t *test) checkJob(j *brigade.Job, r *ran) {
	if r == nil {
		r = &ran{}
	}
	t.count("jobs", 1)
	t.count("  runs of them", r.starts)
	t.count("  cut short and run again", max(r.starts-1, 0))
	if r.again {
		t.problem("job %s ran again after it was recorded as finished", j.ID)
	}
	if r.starts > j.Attempt {
		t.problem("job %s ran %d times, but only %d attempts are recorded", j.ID, r.starts, j.Attempt)
	}
	if r.starts > 1 && t.opt.Runner == "docker" {
		t.problem("job %s ran %d times, although containers outlive the server", j.ID, r.starts)
	}
	if j.State == brigade.StateSucceeded && r.ends == 0 {
		t.problem("job %s is recorded as succeeded and never ended", j.ID)
	}
	for i, s := range j.History {
		if s.State == brigade.StateSucceeded && i < len(j.History)-1 {
			t.problem("job %s went on after it had succeeded: %v", j.ID, j.History)
		}
	}
}

// checkLeftovers looks for processes, directories and mounts that are left
// when the server has ended.
func (t *test) checkLeftovers() {
	left := processesOf(t.opt.Program, t.journal.dir)
	for range 20 { // a process that was killed may take a moment
		if len(left) == 0 {
			break
		}
		time.Sleep(100 * time.Millisecond)
		left = processesOf(t.opt.Program, t.journal.dir)
	}
	t.count("processes left", len(left))
	for _, p := range left {
		t.problem("still runs: %s", p)
	}
	for _, pattern := range []string{"process/builds/*", "docker/builds/*", "source/*", "artifacts/tmp/*", ".token-*"} {
		found, err := filepath.Glob(filepath.Join(t.server.Data, pattern))
		if err != nil {
			continue // the patterns are fine
		}
		t.count("directories left", len(found))
		for _, path := range found {
			t.problem("left behind: %s", path)
		}
	}
	mounts := mountsBelow(t.opt.Dir)
	if t.disk != nil {
		mounts = slices.DeleteFunc(mounts, func(m string) bool { return m == t.disk.dir })
	}
	t.count("mounts left", len(mounts))
	for _, m := range mounts {
		t.problem("still mounted: %s", m)
	}
	if info, err := os.Stat(filepath.Join(t.server.Data, "brigade.db")); err == nil {
		t.count("KiB of the database", int(info.Size()>>10))
	}
}
