package brigade

import (
	"context"
	"errors"
	"io"
	"time"
)

// Runner turns a job into something that runs: a container, a process tree, a
// pod. Every runner passes runner/runnertest. All methods may be called
// concurrently.
type Runner interface {
	// Name is the runner's name as people type it: docker, process, dummy.
	Name() string
	// Check reports whether jobs can run now: nil, or a CodeUnavailable error
	// with a hint how to get there.
	Check(ctx context.Context) error
	// Start starts run's job and returns while it runs. The context covers
	// the start only (pulling included). An error means that nothing is left
	// running: CodeImagePull, CodeJobStart, CodeUnavailable or the context's.
	Start(ctx context.Context, run JobRun) (Execution, error)
	// EndBuild removes what the build's jobs shared (storage) and whatever of
	// its jobs still runs. Caches stay. Unknown builds are no error.
	EndBuild(ctx context.Context, buildID string) error
}

// ErrHandover is the cause of a context that ends because another process goes
// on with the build. A Runner that is an Attacher need not undo a start that
// ends by it: what was begun is looked for by Attach.
var ErrHandover = errors.New("the build is handed over")

// JobRun is a job on its way to a runner. The policy of the project
// (privileged, host mounts …) has been checked by then; Spec has its defaults.
type JobRun struct {
	Job     *Job
	Build   *Build
	Project *Project
	// Source is the directory with the build's files, or "" when the job gets
	// none. The runner shows the job a writable view of its own at
	// Spec.MountPath and never changes the directory.
	Source string
	// Log takes stdout and stderr in the order they come. It is written by
	// one goroutine at a time, never blocks for long and never fails.
	Log io.Writer
	// Notify is told when the job starts pulling and when it starts running,
	// with a sentence for people. It may be nil.
	Notify func(state State, message string)
	// Hold stops the clock of the job's time limit until release is called: the
	// job waits for its turn, for the sake of others. It may be nil.
	Hold func() (release func())
	// Keep takes the files that Spec.Artifacts names, once the job has ended
	// and before Wait returns: name is relative to Spec.MountPath. nil: none
	// are kept.
	Keep func(name string, size int64, content io.Reader) error
}

// Execution is a job that was started.
type Execution interface {
	// Handle finds it again after a restart, see Attacher. "" if it cannot be.
	Handle() string
	// Wait returns once the job has ended and all its output was written to
	// JobRun.Log. It returns the same answer whenever called. An error means
	// that the result is not known: CodeJobLost, or the context's.
	Wait(ctx context.Context) (Exit, error)
	// Stop asks the whole process tree to end (TERM), and ends it (KILL)
	// after grace. It returns at once; Wait tells when it is over.
	Stop(ctx context.Context, grace time.Duration) error
}

// Exit is how a job ended.
type Exit struct {
	Code    int       // 128+n for signal n
	Reason  string    // more than the code says, such as "out of memory"
	Started time.Time // when its first instruction ran
	Ended   time.Time
	Outputs []byte // what the job wrote to the file at $BRIGADE_OUTPUT, at most MaxOutputsBytes
	// Artifacts are those that the runner has kept by itself, without JobRun.Keep.
	Artifacts []Artifact
}

// Attacher is a Runner that finds jobs again after the process that started
// them is gone.
type Attacher interface {
	// Attach returns the execution behind handle; its output is written to
	// run.Log from the beginning. Without a handle, because the program ended
	// before it could keep it, that of this attempt of the job is looked for.
	// CodeJobLost when it does not exist.
	Attach(ctx context.Context, run JobRun, handle string) (Execution, error)
}

// Sweeper is a Runner whose leftovers of dead builds can be found and removed.
type Sweeper interface {
	// Sweep removes what belongs to builds for which alive answers false and
	// returns how many things those were.
	Sweep(ctx context.Context, alive func(buildID string) bool) (int, error)
}
