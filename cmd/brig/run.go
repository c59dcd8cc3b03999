package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/app"
	"github.com/brigadecore/brigade/v3/internal/quantity"
	"github.com/brigadecore/brigade/v3/source"
	"github.com/brigadecore/brigade/v3/tui"
)

// runFlags are the flags of run and rerun.
type runFlags struct {
	script, event, payload, inline, commit, ref, level, config string
	background, noProgress, dryRun, verbose, failed            bool

	runner, dir, repo, output string
	repoToken                 string // was in repo
	trackedOnly, submodules   bool
	secrets                   []string
	secretsFile               string
	allowPrivileged           bool
	allowHostMounts           bool
	offline, frozen           bool

	maxJobs       int
	grace         time.Duration
	scriptTimeout time.Duration
	scriptMemory  string
	logCap        string
	id            string
}

func newRun(s *State) *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use: "run [PROJECT]", Aliases: []string{"exec"}, GroupID: "work",
		Short: "Run a script on this machine, or have a server run a project's",
		Long: `Run a script on this machine, with the files of the current directory.

The script is the one named with -f, else brigade.js or brigade.ts of the
directory. Jobs run in containers when a container engine answers, else as
processes of this machine; the first line says which.

With --repo the files are cloned. What opens a private repository is its token
in the environment variable BRIGADE_REPO_AUTH_TOKEN, or its SSH key in
BRIGADE_REPO_KEY, or else the SSH agent.

With --server it creates an event of PROJECT on that server instead, which runs
the build, and follows it; Ctrl-C then ends the view, not the build.

` + exitCodeLine,
		Example: `  brig run                                  ./brigade.js, event "exec"
  brig run -f ci/brigade.ts -e push -p push.json
  brig run acme/app --secret DEPLOY_TOKEN    the value comes from the environment
  brig run --repo https://github.com/acme/app --ref main
  brig run --dry-run                         show which jobs would run
  brig run -o json | jq 'select(.type=="job")'
  brig run acme/app -e deploy --server https://ci.example.org`,
		Args:              args(cobra.MaximumNArgs(1)),
		ValidArgsFunction: s.completeProjects,
		RunE: func(cmd *cobra.Command, argv []string) error {
			at, err := s.target()
			if err != nil {
				return err
			}
			if at.Kind != kindLocal {
				if len(argv) == 0 {
					return brigade.Errorf(brigade.CodeUsage, "which project? builds run elsewhere (%s): %s", at.said, at.where()).
						WithHint("name it, or run the script of this directory here with --context local")
				}
				return s.runOnServer(cmd, &f, argv[0], "")
			}
			if len(argv) == 1 && f.script == "" && isScriptFile(argv[0]) {
				f.script, argv = argv[0], nil
			}
			name := ""
			if len(argv) == 1 {
				name = argv[0]
			}
			return s.run(cmd, &f, name, nil)
		},
	}
	f.register(cmd)
	return cmd
}

// register adds the flags: v1's first, then ours.
func (f *runFlags) register(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVarP(&f.script, "file", "f", "", "`script` to run; default brigade.js or brigade.ts of the source directory")
	fl.StringVarP(&f.event, "event", "e", "exec", "`name` of the event to fire")
	fl.StringVarP(&f.payload, "payload", "p", "", "`file` with the event's payload; - for standard input")
	fl.StringVarP(&f.inline, "inline-payload", "i", "", "the event's payload as `text`")
	fl.StringVarP(&f.commit, "commit", "c", "", "`commit` of the event; default the one that is checked out")
	fl.StringVarP(&f.ref, "ref", "r", "", "git `ref` of the event; default the branch that is checked out, else master")
	fl.StringVarP(&f.level, "level", "l", "log", "least severe `level` the script logs: all, log, info, warn, error, none")
	fl.StringVar(&f.config, "config", "", "`file` used as brigade.json")
	fl.BoolVarP(&f.background, "background", "b", false, "start the build and return at once")
	fl.BoolVar(&f.noProgress, "no-progress", false, "print plain lines instead of a live view")
	fl.StringVar(&f.runner, "runner", "auto", "what runs the jobs: auto, docker, process, dummy")
	fl.BoolVar(&f.dryRun, "dry-run", false, "print which jobs would run, without running them")
	fl.StringVar(&f.dir, "source", "", "`directory` whose files the build gets; default the current one")
	fl.BoolVar(&f.trackedOnly, "tracked-only", false, "give the build only the files that git tracks")
	fl.StringVar(&f.repo, "repo", "", "git `URL` whose files the build gets instead")
	fl.BoolVar(&f.submodules, "submodules", false, "with --repo: fetch submodules too")
	fl.StringArrayVar(&f.secrets, "secret", nil, "`KEY` of the environment that the script gets as project.secrets.KEY, or KEY=VALUE")
	fl.StringVar(&f.secretsFile, "secrets-file", "", "`file` with secrets: JSON, YAML or KEY=VALUE lines")
	fl.BoolVar(&f.allowPrivileged, "allow-privileged", true, "jobs may be privileged")
	fl.BoolVar(&f.allowHostMounts, "allow-host-mounts", false, "jobs may mount paths of this machine and the engine's socket")
	fl.BoolVar(&f.offline, "offline", false, "take npm dependencies from the cache only")
	fl.BoolVar(&f.frozen, "frozen", false, "fail when npm dependencies do not match brigade.lock")
	fl.IntVar(&f.maxJobs, "max-jobs", 0, "jobs that run at once; 0 is no limit")
	fl.DurationVar(&f.grace, "grace", 10*time.Second, "time a job has to end after it was told to")
	fl.DurationVar(&f.scriptTimeout, "script-timeout", 0, "longest the script may live; 0 is no limit")
	fl.StringVar(&f.scriptMemory, "script-memory", "512Mi", "memory the script may use")
	fl.StringVar(&f.logCap, "log-cap", "10Mi", "how much of each log, and of each job's result, is kept")
	fl.StringVarP(&f.output, "output", "o", "", "json: one JSON object per line")
	fl.BoolVarP(&f.verbose, "verbose", "v", false, "say more")
	fl.StringVar(&f.id, "build-id", "", "")
	_ = fl.MarkHidden("build-id")
	complete := func(flag string, values ...string) {
		_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	}
	complete("runner", app.Runners...)
	complete("level", "all", "log", "info", "warn", "error", "none")
	complete("output", "json")
	complete("event", "exec", "push", "pull_request", "image_push", "cloudevent", "simpleevent")
	_ = cmd.MarkFlagFilename("file", "js", "ts", "mjs", "mts", "cjs", "cts")
	_ = cmd.MarkFlagDirname("source")
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		return exclusive(cmd, [2]string{"payload", "inline-payload"}, [2]string{"repo", "source"}, [2]string{"repo", "tracked-only"})
	}
}

// run runs a build of the project; event is the one to run again, or nil.
func (s *State) run(cmd *cobra.Command, f *runFlags, name string, again *brigade.Build) error {
	if err := checkOutput(f.output, "json", "table"); err != nil {
		return err
	}
	plan, err := s.plan(cmd, f, name, again)
	if err != nil {
		return err
	}
	if f.background {
		return s.runInBackground(plan)
	}
	if f.dryRun {
		return s.dryRun(plan)
	}
	build, err := s.runBuild(plan)
	if err != nil {
		return err
	}
	s.exit = tui.ExitCode(build)
	return nil
}

// runPlan is a build on its way, and the installation that runs it.
type runPlan struct {
	flags   *runFlags
	project *brigade.Project
	build   *brigade.Build
	options app.Options
}

func (s *State) plan(cmd *cobra.Command, f *runFlags, name string, again *brigade.Build) (*runPlan, error) {
	f.repo, f.repoToken = source.SplitToken(f.repo, s.Getenv(repoTokenVariable) != "") // the rest is written down and shown
	opt, err := s.appOptions(f)
	if err != nil {
		return nil, err
	}
	event, err := s.event(cmd, f, opt.Source.Dir, again)
	if err != nil {
		return nil, err
	}
	project, err := s.project(f, name, opt)
	if err != nil {
		return nil, err
	}
	b := &brigade.Build{ID: f.id, Event: event}
	if again != nil {
		b.RerunOf, b.Inherit = again.ID, f.failed
	}
	return &runPlan{flags: f, project: project, build: b, options: opt}, nil
}

// appOptions are the installation that the flags describe.
func (s *State) appOptions(f *runFlags) (app.Options, error) {
	dirs, err := s.dirs()
	if err != nil {
		return app.Options{}, err
	}
	memory, err := bytesFlag("--script-memory", f.scriptMemory)
	if err != nil {
		return app.Options{}, err
	}
	logCap, err := bytesFlag("--log-cap", f.logCap)
	if err != nil {
		return app.Options{}, err
	}
	opt := app.Options{
		Dirs: dirs, Environ: s.Environ(), Runner: f.runner, Grace: f.grace, MaxJobs: f.maxJobs,
		LogCap: logCap, Limits: brigade.ScriptLimits{Memory: memory, Wall: f.scriptTimeout},
		Offline: f.offline, Frozen: f.frozen, Now: s.Now,
		Source: source.Options{TrackedOnly: f.trackedOnly, Clone: f.repo != ""},
	}
	if f.repo == "" {
		dir := f.dir
		if dir == "" {
			dir = "."
		}
		if opt.Source.Dir, err = filepath.Abs(dir); err != nil {
			return opt, fmt.Errorf("find the source directory: %w", err)
		}
		if info, err := os.Stat(opt.Source.Dir); err != nil || !info.IsDir() {
			return opt, brigade.Errorf(brigade.CodeUsage, "there is no directory %s", dir).WithHint("--source names a directory")
		}
	}
	if f.repo == "" {
		opt.Worker.ScriptEnv = s.scriptEnv()
	}
	if !s.InProcess {
		if opt.Worker.Program, err = s.Program(); err != nil {
			return opt, fmt.Errorf("find this program: %w", err)
		}
		opt.Worker.Args = []string{"worker"}
		opt.Worker.Env = s.workerEnv()
	}
	return opt, nil
}

// scriptEnv is what a script of one's own directory finds in process.env: the
// environment it was started in, as with any program of one's own. A script
// from elsewhere (--repo) does not get it.
func (s *State) scriptEnv() map[string]string {
	env := map[string]string{}
	for _, pair := range s.ownEnviron() {
		if k, v, ok := strings.Cut(pair, "="); ok && k != "" {
			env[k] = v
		}
	}
	return env
}

// workerEnv is the environment of the process that runs the script: what the
// Go runtime needs for time zones, certificates and proxies, and nothing else.
func (s *State) workerEnv() []string {
	var env []string
	for _, key := range []string{"TZ", "ZONEINFO", "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "SYSTEMROOT"} {
		if v := s.Getenv(key); v != "" {
			env = append(env, key+"="+v)
		}
	}
	return env
}

func bytesFlag(flag, text string) (int64, error) {
	n, err := quantity.Bytes(text)
	if err != nil || n <= 0 {
		return 0, brigade.Errorf(brigade.CodeUsage, "%s %q is not a size", flag, text).WithHint("write 512Mi, 1Gi or a number of bytes")
	}
	return n, nil
}

// runBuild runs the build in front of the person.
func (s *State) runBuild(p *runPlan) (*brigade.Build, error) {
	view := s.view(p.flags)
	defer func() { _ = view.Close() }()
	p.options.Watch = append(p.options.Watch, view.Watch)
	p.options.DependencyProgress = view.Progress
	ctx, cancel := context.WithCancelCause(s.Context)
	defer cancel(nil)
	a, err := app.New(ctx, p.options)
	if err != nil {
		return nil, err
	}
	defer func() { _ = a.Close() }()
	build, err := a.Submit(ctx, p.project, p.build)
	if err != nil {
		return nil, fmt.Errorf("store the build: %w", err)
	}
	finished := make(chan struct{})
	defer close(finished)
	go s.interrupts(finished, cancel, a, view)
	warned := s.introduce(a, view, build.ID)
	build, err = a.Run(ctx, build.ID, p.project)
	warned()
	if err != nil {
		return nil, err
	}
	jobs, err := a.Store.ListJobs(context.WithoutCancel(ctx), build.ID)
	if err != nil {
		return nil, fmt.Errorf("read the jobs: %w", err)
	}
	return build, view.Finish(build, jobs)
}

// introduce says which runner this is, and in a moment what it does not give.
// The returned function waits until that was said.
func (s *State) introduce(a *app.App, view tui.View, buildID string) (wait func()) {
	view.Watch(brigade.Change{Time: s.Now(), BuildID: buildID, Notice: a.RunnerNote})
	said := make(chan struct{})
	go func() {
		defer close(said)
		if a.Warning == nil {
			return
		}
		if w := a.Warning(); w != "" {
			view.Watch(brigade.Change{Time: s.Now(), BuildID: buildID, Notice: w})
		}
	}()
	return func() { <-said }
}

// interrupts turns the first signal into a cancel and the second into a kill.
func (s *State) interrupts(finished <-chan struct{}, cancel context.CancelCauseFunc, a *app.App, view tui.View) {
	for n := 1; ; n++ {
		select {
		case <-finished:
			return
		case sig, ok := <-s.Interrupts:
			if !ok {
				return
			}
			view.Interrupted(n)
			if n == 1 {
				cancel(brigade.Errorf(brigade.CodeCanceled, "the build was canceled (%s)", sig))
				continue
			}
			a.Kill()
		}
	}
}

// view is what shows the build: live, plain or JSON.
func (s *State) view(f *runFlags) tui.View {
	_, _, terminal := s.Terminal()
	size := func(pick func(w, h int) int) func() int {
		return func() int {
			w, h, ok := s.Terminal()
			if !ok {
				return 0
			}
			return pick(w, h)
		}
	}
	options := tui.Options{
		Out: s.Stdout, Terminal: tui.Animates(s.Getenv, terminal), NoProgress: f.noProgress,
		JSON: f.output == "json", Color: !s.noColor && tui.WantsColor(s.Getenv, terminal),
		ASCII: !tui.IsUTF8(s.Getenv, s.GOOS), Verbose: f.verbose,
		Width: size(func(w, _ int) int { return w }), Height: size(func(_, h int) int { return h }), Now: s.Now,
	}
	if s.remote != (remoteFlags{}) || s.kube.given() {
		options.LogsCommand = func(build, job string) string { return s.command("build logs", build, "-j", job) }
	}
	return tui.New(options)
}
