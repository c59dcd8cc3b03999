package main

import (
	"context"
	"fmt"
	"io"
	"sort"
	"strings"
	"sync"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/app"
	"github.com/brigadecore/brigade/v3/tui"
)

// dryRunNap is how long a job pretends to run, so that what runs beside what
// can be told.
const dryRunNap = 30 * time.Millisecond

// dryRun runs the script with jobs that do nothing, and prints the plan.
func (s *State) dryRun(p *runPlan) error {
	p.options.Runner, p.options.Memory, p.options.DryNap = "dummy", true, dryRunNap
	watch := &planWatch{steps: map[string]int{}}
	p.options.Watch = append(p.options.Watch, watch.Watch)
	a, err := app.New(s.Context, p.options)
	if err != nil {
		return err
	}
	defer func() { _ = a.Close() }()
	build, err := a.Submit(s.Context, p.project, p.build)
	if err != nil {
		return fmt.Errorf("store the build: %w", err)
	}
	ctx, cancel := context.WithCancelCause(s.Context)
	defer cancel(nil)
	finished := make(chan struct{})
	defer close(finished)
	go func() {
		select {
		case <-finished:
		case <-s.Interrupts:
			cancel(brigade.Errorf(brigade.CodeCanceled, "the dry run was canceled"))
		}
	}()
	if build, err = a.Run(ctx, build.ID, p.project); err != nil {
		return err
	}
	s.exit = tui.ExitCode(build)
	if p.flags.output == "json" {
		return writeJSON(s.Stdout, watch.answer(build))
	}
	watch.print(s.Stdout, build)
	if build.Failure != nil {
		return build.Failure
	}
	return nil
}

// planWatch works out which jobs come after which.
type planWatch struct {
	mu    sync.Mutex
	jobs  []plannedJob
	steps map[string]int // job ID → step
	ended int            // highest step of a job that has ended
	logs  []string
}

type plannedJob struct {
	Step int             `json:"step"` // jobs of one step run side by side
	Spec brigade.JobSpec `json:"spec"`
}

// Watch is a brigade.Watcher.
func (w *planWatch) Watch(c brigade.Change) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c.JobID == "" {
		for _, l := range c.Lines {
			w.logs = append(w.logs, l.Text)
		}
	}
	if c.Job == nil {
		return
	}
	step, known := w.steps[c.Job.ID]
	if !known {
		step = w.ended + 1
		w.steps[c.Job.ID] = step
		w.jobs = append(w.jobs, plannedJob{Step: step, Spec: c.Job.Spec})
	}
	if c.Job.State.Ended() {
		w.ended = max(w.ended, step)
	}
}

type planAnswer struct {
	Event   string         `json:"event"`
	Project string         `json:"project"`
	Jobs    []plannedJob   `json:"jobs"`
	State   brigade.State  `json:"state"`
	Failure *brigade.Error `json:"failure,omitempty"`
}

func (w *planWatch) answer(b *brigade.Build) planAnswer {
	w.sort()
	return planAnswer{Event: b.Event.Type, Project: b.Project, Jobs: w.jobs, State: b.State, Failure: b.Failure}
}

func (w *planWatch) sort() {
	sort.SliceStable(w.jobs, func(i, j int) bool { return w.jobs[i].Step < w.jobs[j].Step })
}

// print writes the plan for people.
func (w *planWatch) print(out io.Writer, b *brigade.Build) {
	w.sort()
	for _, l := range w.logs {
		fmt.Fprintln(out, tui.Clean(l, false))
	}
	if len(w.jobs) == 0 {
		fmt.Fprintf(out, "Event %s of %s runs no job.\n", b.Event.Type, b.Project)
		return
	}
	fmt.Fprintf(out, "Event %s of %s runs %s; their results were taken to be empty and good.\n", b.Event.Type, b.Project, count(len(w.jobs), "job"))
	last := 0
	for _, j := range w.jobs {
		if j.Step != last {
			last = j.Step
			beside := ""
			if w.inStep(last) > 1 {
				beside = ", side by side"
			}
			fmt.Fprintf(out, "\nStep %d%s\n", last, beside)
		}
		image := j.Spec.Image
		if image == "" {
			image = "no image"
		}
		fmt.Fprintf(out, "  %s (%s)\n", j.Spec.Name, tui.Clean(image, false))
		for _, task := range j.Spec.Tasks {
			fmt.Fprintf(out, "    $ %s\n", strings.ReplaceAll(tui.Clean(task, false), "\n", "\n      "))
		}
		if len(j.Spec.Tasks) == 0 {
			fmt.Fprintf(out, "    the image's own command %s\n", tui.Clean(strings.Join(j.Spec.Args, " "), false))
		}
	}
}

func (w *planWatch) inStep(step int) (n int) {
	for _, j := range w.jobs {
		if j.Step == step {
			n++
		}
	}
	return n
}

// count is "1 job" or "3 jobs".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
