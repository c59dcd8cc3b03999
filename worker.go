package brigade

import (
	"context"
	"time"
)

// Worker runs a build's script.
type Worker interface {
	// RunScript loads the script, fires the event and returns when nothing is
	// left to do: all jobs over, all timers done. The error is about the
	// worker itself (CodeScriptCrashed, CodeScriptLimit); a script that does
	// not load or fails is a ScriptResult with a Failure. When run.Abort is
	// closed, the script is told (its AbortSignal, a `cancel` event) and may
	// clean up; a script that listens to neither is stopped. When ctx ends, it
	// is stopped at once. In both cases no `after` or `error` is fired.
	RunScript(ctx context.Context, run ScriptRun, host Host) (ScriptResult, error)
}

// Autonomous is a Worker that runs some builds all by itself: it finds their
// files, script and dependencies where it runs them, and runs their jobs
// there. Such a build is given to RunScript with neither Script nor Root nor
// Modules, and the Host is told of lines and events only. When ctx ends before
// run.Abort is closed, the build belongs to another process from then on, or
// will: RunScript leaves what runs as it is and returns. CodeScriptCrashed
// says that the worker is gone and may be started again.
type Autonomous interface {
	// Autonomous reports whether the worker runs this build all by itself.
	Autonomous(b *Build, p *Project) bool
}

// ScriptRun is everything a script needs to run.
type ScriptRun struct {
	Build   *Build
	Project *Project // with the secrets the event may see
	// Script is the text, File the name it is known by in stack traces; its
	// ending (.ts, .mts, .mjs …) says how to read it.
	Script string
	File   string
	// Root is the directory against which the script's local modules resolve
	// (v1: /vcs), "" for none. Modules is the node_modules directory with its
	// dependencies, "" for none.
	Root    string
	Modules string
	Env     map[string]string // process.env
	Limits  ScriptLimits
	Abort   <-chan struct{} `json:"-"` // closed when somebody wants the build to end; may be nil
}

// ScriptLimits bound a script. Zero means the default.
type ScriptLimits struct {
	Memory int64         // bytes of the whole process; default 512 MiB
	Turn   time.Duration // longest the script may go without yielding; default 60 s
	Wall   time.Duration // longest the script may live; default none
}

// ScriptResult is how a script ended.
type ScriptResult struct {
	ExitCode int      `json:"exitCode"`           // 0: the build succeeded
	Handled  bool     `json:"handled"`            // whether the event had a handler
	Handlers []string `json:"handlers,omitempty"` // the events the script has handlers for
	Failure  *Error   `json:"failure,omitempty"`  // CodeScriptLoad, CodeModule, CodeBuildFailed …
}

// Host is what a script can reach: the jobs and the log. It is implemented by
// dispatch, and across a process border by script/wire.
type Host interface {
	// RunJob runs a job to its end. The result is there even when the job
	// failed; the error then is an *Error whose message has the form v1 gives
	// it, "job <name>(<pod>): …".
	RunJob(ctx context.Context, spec JobSpec) (JobResult, error)
	// JobLog returns what the job has printed so far, cut at the log cap.
	JobLog(ctx context.Context, jobID string) (string, error)
	// Log adds a line to the worker's log.
	Log(level LogLevel, text string)
	// Fired tells that an event was fired inside the script.
	Fired(l Lifecycle)
}

// JobResult is what a script gets back from a job.
type JobResult struct {
	JobID     string         `json:"jobID"`
	ExitCode  int            `json:"exitCode"`
	Output    string         `json:"output"` // what it printed, cut at the log cap
	Truncated bool           `json:"truncated,omitempty"`
	Outputs   map[string]any `json:"outputs,omitempty"`
	Artifacts []Artifact     `json:"artifacts,omitempty"`
	Failure   *Error         `json:"failure,omitempty"` // of a fallible job
}
