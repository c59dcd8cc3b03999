package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/app"
	"github.com/brigadecore/brigade/v3/runner/dummy"
)

// jobAnswer is what a job does while a script is rehearsed.
type jobAnswer struct {
	ExitCode  int               `json:"exitCode"`
	Output    string            `json:"output"`
	Outputs   json.RawMessage   `json:"outputs"`   // what it leaves in the file at $BRIGADE_OUTPUT
	Artifacts map[string]string `json:"artifacts"` // contents by name
	Sleep     string            `json:"sleep"`     // how long it runs, such as 100ms
	Error     string            `json:"error"`     // it does not start, and this is why
}

// rehearsedNap is how long a job takes that does not say, so that what runs
// beside what can be told.
const rehearsedNap = 10 * time.Millisecond

// answering is a runner that runs nothing: jobs do what they are told to.
type answering struct {
	*dummy.Runner
	answers map[string]jobAnswer // by the job's name; "*" is for the others

	mu    sync.Mutex
	specs map[string]brigade.JobSpec // by job ID: as they were to run, with secrets
}

func newAnswering(answers map[string]jobAnswer) *answering {
	return &answering{Runner: dummy.New(dummy.Options{Nap: rehearsedNap}), answers: answers, specs: map[string]brigade.JobSpec{}}
}

// Start implements brigade.Runner.
func (r *answering) Start(ctx context.Context, run brigade.JobRun) (brigade.Execution, error) {
	r.mu.Lock()
	r.specs[run.Job.ID] = run.Job.Spec
	r.mu.Unlock()
	answer, ok := r.answers[run.Job.Name]
	if !ok {
		answer, ok = r.answers["*"]
	}
	if ok {
		job := *run.Job
		job.Spec.Env = maps.Clone(job.Spec.Env)
		if job.Spec.Env == nil {
			job.Spec.Env = map[string]brigade.EnvValue{}
		}
		for name, value := range answer.variables() {
			job.Spec.Env[name] = brigade.EnvValue{Value: value}
		}
		run.Job = &job
	}
	return r.Runner.Start(ctx, run)
}

// variables are the answer as the dummy runner takes it.
func (a jobAnswer) variables() map[string]string {
	escape := strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`, "\t", `\t`).Replace
	env := map[string]string{"DUMMY_OUTPUT": escape(a.Output), "DUMMY_EXIT_CODE": strconv.Itoa(a.ExitCode)}
	if len(a.Outputs) > 0 {
		env["DUMMY_OUTPUTS"] = string(a.Outputs)
	}
	if a.Sleep != "" {
		env["DUMMY_SLEEP"] = a.Sleep
	}
	if a.Error != "" {
		env["DUMMY_START_FAIL"] = a.Error
	}
	var files []string
	for _, name := range slices.Sorted(maps.Keys(a.Artifacts)) {
		files = append(files, name+"="+escape(a.Artifacts[name]))
	}
	if len(files) > 0 {
		env["DUMMY_ARTIFACTS"] = strings.Join(files, "\n")
	}
	return env
}

// stage is where a script is rehearsed: its files, and how builds are run.
type stage struct {
	s     *State
	flags runFlags
	dir   string // with the script
	file  string // the script, relative to dir
	opt   app.Options
}

// rehearsal is a build that ran with jobs that only answer.
type rehearsal struct {
	Build *brigade.Build `json:"build"`
	Jobs  []rehearsedJob `json:"jobs"`
	Logs  []string       `json:"logs"`
	Fired []string       `json:"-"` // events, also those that the script fired itself
}

// rehearsedJob is a job as it would have run, and what came of it.
type rehearsedJob struct {
	brigade.JobSpec
	Step     int           `json:"step"` // jobs of one step run side by side
	State    brigade.State `json:"state"`
	ExitCode int           `json:"exitCode"`
}

// stageFlags adds the flags that say which script is rehearsed.
func stageFlags(cmd *cobra.Command, f *runFlags) {
	fl := cmd.Flags()
	fl.StringVarP(&f.script, "file", "f", "", "`script` to try; default brigade.js or brigade.ts of the source directory")
	fl.StringVar(&f.dir, "source", "", "`directory` whose files the script finds; default the current one")
	fl.BoolVar(&f.offline, "offline", false, "take npm dependencies from the cache only")
	fl.BoolVar(&f.frozen, "frozen", false, "fail when npm dependencies do not match brigade.lock")
	_ = cmd.MarkFlagFilename("file", "js", "ts", "mjs", "mts", "cjs", "cts")
	_ = cmd.MarkFlagDirname("source")
	f.grace, f.scriptMemory, f.logCap, f.runner = time.Second, "512Mi", "10Mi", "dummy"
}

// newStage finds the script.
func (s *State) newStage(f runFlags) (*stage, error) {
	opt, err := s.appOptions(&f)
	if err != nil {
		return nil, err
	}
	opt.Memory = true
	st := &stage{s: s, flags: f, dir: opt.Source.Dir, opt: opt}
	if f.script != "" {
		if _, err := readInput("script", f.script, brigade.MaxScriptBytes); err != nil {
			return nil, err
		}
		abs, err := filepath.Abs(f.script)
		if err != nil {
			return nil, err
		}
		rel, err := filepath.Rel(st.dir, abs)
		if err != nil || !filepath.IsLocal(rel) {
			return nil, brigade.Errorf(brigade.CodeUsage, "the script %s is not below %s", f.script, st.dir).WithHint("name the directory it belongs to with --source")
		}
		st.file = filepath.ToSlash(rel)
		return st, nil
	}
	for _, ending := range scriptEndings {
		if info, err := os.Stat(filepath.Join(st.dir, "brigade"+ending)); err == nil && info.Mode().IsRegular() {
			st.file = "brigade" + ending
			return st, nil
		}
	}
	return nil, brigade.Errorf(brigade.CodeScriptLoad, "there is no brigade.js or brigade.ts in %s", st.dir).WithHint("name the script with -f, or make one with brig init")
}

// beside is a name in the directory of the script.
func (st *stage) beside(name string) string {
	if i := strings.LastIndex(st.file, "/"); i >= 0 {
		return st.file[:i+1] + name
	}
	return name
}

// run rehearses an event. With harness, that text is run instead of the script,
// as if it were a file beside it.
func (st *stage) run(ctx context.Context, p *brigade.Project, e brigade.Event, harness string, answers map[string]jobAnswer) (*rehearsal, error) {
	if e.Provider == "" {
		e.Provider = "brigade-cli"
	}
	e.Script, e.ScriptFile = harness, st.beside("brig-harness.mjs")
	if harness == "" {
		text, err := readInput("script", filepath.Join(st.dir, filepath.FromSlash(st.file)), brigade.MaxScriptBytes)
		if err != nil {
			return nil, err
		}
		e.Script, e.ScriptFile = text, st.file
	}
	opt := st.opt
	runner := newAnswering(answers)
	opt.Jobs = runner
	plan := &planWatch{steps: map[string]int{}}
	seen := &rehearsal{}
	opt.Watch = append(slices.Clone(opt.Watch), plan.Watch, func(c brigade.Change) {
		if c.Fired != nil {
			seen.Fired = append(seen.Fired, c.Fired.Name)
		}
	})
	a, err := app.New(ctx, opt)
	if err != nil {
		return nil, err
	}
	defer func() { _ = a.Close() }()
	b, err := a.Submit(ctx, p, &brigade.Build{Event: e})
	if err != nil {
		return nil, fmt.Errorf("store the build: %w", err)
	}
	if seen.Build, err = a.Run(ctx, b.ID, p); err != nil {
		return nil, err
	}
	jobs, err := a.Store.ListJobs(ctx, b.ID)
	if err != nil {
		return nil, err
	}
	plan.mu.Lock()
	defer plan.mu.Unlock()
	runner.mu.Lock()
	defer runner.mu.Unlock()
	for _, j := range jobs {
		spec, started := runner.specs[j.ID]
		if !started {
			spec = j.Spec
		}
		seen.Jobs = append(seen.Jobs, rehearsedJob{spec, plan.steps[j.ID], j.State, j.ExitCode})
	}
	slices.SortStableFunc(seen.Jobs, func(a, b rehearsedJob) int { return a.Step - b.Step })
	seen.Logs = plan.logs
	return seen, nil
}

// said is what a harness printed behind the mark, in one or more lines.
func (r *rehearsal) said(mark string) string {
	var b strings.Builder
	for _, line := range r.Logs {
		if text, ok := strings.CutPrefix(line, mark); ok {
			b.WriteString(text)
		}
	}
	return b.String()
}
