package app

import (
	"context"
	"path/filepath"
	"sync"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/runner/docker"
	"github.com/brigadecore/brigade/v3/runner/dummy"
	"github.com/brigadecore/brigade/v3/runner/process"
)

// Runners are the runners of a local installation, as people type them.
var Runners = []string{"auto", "docker", "process", "dummy"}

// chooseRunner takes the runner that was asked for; auto means a container
// engine that answers, else processes of this machine.
func (a *App) chooseRunner(ctx context.Context) error {
	switch a.opt.Runner {
	case "", "auto":
		engine := a.docker()
		if engine.Check(ctx) == nil {
			a.use(engine, "jobs run in containers (docker runner)")
			return nil
		}
		a.useProcess("no container engine answers: ")
		return nil
	case "docker":
		engine := a.docker()
		a.use(engine, "jobs run in containers (docker runner)")
		return engine.Check(ctx)
	case "process":
		a.useProcess("")
		return nil
	case "dummy":
		a.use(dummy.New(dummy.Options{Now: a.opt.Now, Nap: a.opt.DryNap}), "jobs do not run: each does what its DUMMY_ variables say (dummy runner)")
		return nil
	}
	return brigade.Errorf(brigade.CodeUsage, "there is no runner %q", a.opt.Runner).
		WithHint("choose one of auto, docker, process and dummy")
}

func (a *App) docker() *docker.Runner {
	return docker.New(docker.Options{
		Environ: a.opt.Environ, StateDir: filepath.Join(a.opt.Dirs.State, "docker"),
		PullSecretsDir: filepath.Join(a.opt.Dirs.State, "pull-secrets"), Logger: a.opt.Log,
	})
}

func (a *App) useProcess(because string) {
	r := process.New(process.Options{
		StateDir: filepath.Join(a.opt.Dirs.State, "process"), Environ: a.opt.Environ,
		Hide: []string{a.opt.Dirs.State, a.opt.Dirs.Cache}, Now: a.opt.Now,
	})
	a.Warning = isolationOf(r)
	a.use(r, because+"jobs run as processes of this machine, images are not used (process runner)")
}

// isolationOf finds out, beside other work, whether jobs are isolated from the
// machine; the answer is "" when they are.
func isolationOf(r *process.Runner) func() string {
	known := make(chan string, 1)
	go func() {
		isolated, why := r.Isolated()
		if isolated {
			known <- ""
			return
		}
		known <- "jobs are not isolated from this machine: " + why
	}()
	return sync.OnceValue(func() string { return <-known })
}

func (a *App) use(r brigade.Runner, note string) {
	a.Runner, a.RunnerNote = r, note
	if c, ok := r.(interface{ Close() error }); ok {
		a.onClose(r.Name()+" runner", c.Close)
	}
}
