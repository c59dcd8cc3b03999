// Package runnertest is the contract suite that every runner passes. It starts
// real jobs through the runner under test and looks only at what the contract
// in the root package promises: exits, output, files, and that nothing is left
// behind. A runner that cannot give something says so in Features.
package runnertest

import (
	"testing"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
)

// Config says which runner is tested and how.
type Config struct {
	// New returns the runner for one subtest; it cleans up after itself with
	// t.Cleanup. All subtests may share one runner: build IDs are unique.
	New func(t *testing.T) brigade.Runner
	// Image is the image of every job. It needs a POSIX shell at /bin/sh and
	// the usual small tools (cat, head, ls, mkfifo, mv, rm, sleep, yes).
	Image string
	// MissingImage is an image that cannot be pulled, "" to leave that out.
	MissingImage string
	// Has says what the runner can give.
	Has Features
	// BigOutput is how many bytes the job of the big output test prints;
	// default 100 MiB, a tenth of it with -short.
	BigOutput int64
	// Jobs is how many jobs are started at once; default 50.
	Jobs int
	// Patience is how long a subtest may take before it gives up; default 2 min.
	Patience time.Duration
	// Parallel runs the subtests beside one another, for runners that wait
	// more than they work.
	Parallel bool
}

// Features are what a runner can give beyond starting, waiting and stopping.
// A test whose feature is off is skipped.
type Features struct {
	Tasks        bool // tasks really run; without it only the life cycle is tested
	FixedPaths   bool // source, storage, cache and /hook are at the paths of the spec, not at $BRIGADE_SRC, $BRIGADE_SHARE, $BRIGADE_CACHE and $BRIGADE_HOOK
	Bash         bool // the image has /bin/bash
	Source       bool // Source is shown to the job
	Storage      bool // build storage
	Cache        bool // job caches
	CacheKeys    bool // job caches by key
	Outputs      bool // the file at $BRIGADE_OUTPUT is read
	Artifacts    bool // files are handed to JobRun.Keep
	EmptyDir     bool // volumes of type emptyDir
	HostPath     bool // volumes of type hostPath
	WholeTree    bool // children in sessions of their own end with the job, too
	CleanEnv     bool // the job sees no variable of the runner's own process
	ImageCommand bool // a job without tasks runs the image's own command
	ExitSignals  bool // a shell killed by signal n exits 128+n
	RawOutput    bool // output arrives as printed: the order of stdout and stderr, carriage returns
	OutputFile   bool // the file at $BRIGADE_OUTPUT may be removed and be as large as outputs may
}

// AllFeatures returns Features with everything on, for a runner to switch off
// what it lacks.
func AllFeatures() Features {
	return Features{
		Tasks: true, FixedPaths: true, Bash: true, Source: true, Storage: true,
		Cache: true, CacheKeys: true, Outputs: true, Artifacts: true, EmptyDir: true, HostPath: true,
		WholeTree: true, CleanEnv: true, ImageCommand: true, ExitSignals: true,
		RawOutput: true, OutputFile: true,
	}
}

type test struct {
	name  string
	needs func(Features) bool
	run   func(*harness)
}

// Run tests the runner that cfg.New returns against the contract of
// brigade.Runner, one subtest per promise.
func Run(t *testing.T, cfg Config) {
	if cfg.Jobs == 0 {
		cfg.Jobs = 50
	}
	if cfg.Patience == 0 {
		cfg.Patience = 2 * time.Minute
	}
	if cfg.BigOutput == 0 {
		cfg.BigOutput = 100 << 20
		if testing.Short() {
			cfg.BigOutput /= 10
		}
	}
	var all []test
	for _, group := range [][]test{lifeTests(), shellTests(), fileTests(), volumeTests(), outputTests(), artifactTests(), stopTests(), leftoverTests()} {
		all = append(all, group...)
	}
	for _, tt := range all {
		t.Run(tt.name, func(t *testing.T) {
			if tt.needs != nil && !tt.needs(cfg.Has) {
				t.Skip("the runner does not have this feature")
			}
			if cfg.Parallel && tt.name != "EnvOfItsOwn" { // which changes the environment of all
				t.Parallel()
			}
			tt.run(newHarness(t, cfg))
		})
	}
}

func tasks(f Features) bool { return f.Tasks }

// both says that a test needs real tasks and one more feature.
func both(feature func(Features) bool) func(Features) bool {
	return func(f Features) bool { return f.Tasks && feature(f) }
}
