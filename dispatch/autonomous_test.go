package dispatch_test

import (
	"context"
	"errors"
	"testing"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/dispatch"
)

// alone is a worker that does everything itself.
type alone struct{ scriptFunc }

func (alone) Autonomous(b *brigade.Build, _ *brigade.Project) bool { return b.Event.Type != "here" }

// noSource fails when somebody wants files.
type noSource struct{}

func (noSource) Fetch(context.Context, *brigade.Project, *brigade.Build, func(string)) (dispatch.Tree, error) {
	return dispatch.Tree{}, errors.New("files were fetched")
}

func newAlone(t *testing.T, script scriptFunc) *bench {
	return newBench(t, nil, func(o *dispatch.Options) { o.Worker, o.Source = alone{script}, noSource{} })
}

func TestAutonomousWorkersGetNoFilesAndNoScript(t *testing.T) {
	b := newAlone(t, func(_ context.Context, run brigade.ScriptRun, host brigade.Host) (brigade.ScriptResult, error) {
		if run.Script != "" || run.Root != "" || run.Abort == nil || run.Project.DefaultScript == "" {
			t.Errorf("run = %+v", run)
		}
		host.Log(brigade.LevelLog, "from elsewhere")
		return handled, nil
	})
	if build := b.run(context.Background(), brigade.Event{Type: "push"}); build.State != brigade.StateSucceeded {
		t.Errorf("build = %+v, %v", build, build.Failure)
	}
	if b.log("") != "from elsewhere\n" {
		t.Errorf("log = %q", b.log(""))
	}
}

func TestAutonomousDependsOnTheBuild(t *testing.T) {
	b := newAlone(t, func(context.Context, brigade.ScriptRun, brigade.Host) (brigade.ScriptResult, error) {
		t.Error("it ran without files")
		return handled, nil
	})
	if build := b.run(context.Background(), brigade.Event{Type: "here"}); build.State != brigade.StateFailed || build.Failure.Message != "files were fetched" {
		t.Errorf("build = %+v, %v", build, build.Failure)
	}
}

func TestAutonomousWorkersThatAreGoneAreStartedAgain(t *testing.T) {
	starts := 0
	b := newAlone(t, func(context.Context, brigade.ScriptRun, brigade.Host) (brigade.ScriptResult, error) {
		if starts++; starts < 3 {
			return brigade.ScriptResult{}, brigade.Errorf(brigade.CodeScriptCrashed, "the pod was evicted")
		}
		return handled, nil
	})
	build := b.run(context.Background(), brigade.Event{Type: "push"})
	if build.State != brigade.StateSucceeded || build.Attempt != 3 || starts != 3 {
		t.Errorf("%d starts, build = %+v", starts, build)
	}
}

// A build that is handed over is left alone: its worker is told of the end
// of its context, and not of an abort.
func TestAutonomousWorkersAreHandedOver(t *testing.T) {
	aborted := false
	begun := make(chan struct{})
	b := newAlone(t, func(ctx context.Context, run brigade.ScriptRun, _ brigade.Host) (brigade.ScriptResult, error) {
		close(begun)
		<-ctx.Done()
		select {
		case <-run.Abort:
			aborted = true
		default:
		}
		return brigade.ScriptResult{}, context.Cause(ctx)
	})
	if err := b.store.PutProject(context.Background(), b.project); err != nil {
		t.Fatal(err)
	}
	id := b.submit(brigade.Event{Type: "push"})
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- b.d.Serve(ctx) }()
	select {
	case <-begun:
	case <-time.After(time.Minute):
		t.Fatal("the build did not start")
	}
	stop()
	if err := <-served; err != nil {
		t.Fatal(err)
	}
	over, end := context.WithCancel(context.Background())
	end()
	b.d.Shutdown(over)
	build, err := b.store.Build(context.Background(), id)
	if err != nil || build.State != brigade.StateRunning || build.Lease.Owner != "" {
		t.Errorf("build = %+v, %v", build, err)
	}
	if aborted {
		t.Error("the worker was aborted")
	}
}

func TestProjectsAreCompleted(t *testing.T) {
	wrong := brigade.Errorf(brigade.CodeScriptLoad, "it is not there")
	for name, fail := range map[string]*brigade.Error{"completed": nil, "incomplete": wrong} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, func(_ context.Context, run brigade.ScriptRun, _ brigade.Host) (brigade.ScriptResult, error) {
				if run.Script != "// from elsewhere" {
					t.Errorf("script = %q", run.Script)
				}
				return handled, nil
			}, func(o *dispatch.Options) {
				o.Complete = func(_ context.Context, p *brigade.Project) error {
					p.DefaultScript = "// from elsewhere"
					if fail != nil {
						return fail
					}
					return nil
				}
			})
			b.project.DefaultScript = ""
			build := b.run(context.Background(), brigade.Event{Type: "exec"})
			if (build.State == brigade.StateSucceeded) != (fail == nil) || fail != nil && build.Failure.Code != fail.Code {
				t.Errorf("build = %+v, %v", build, build.Failure)
			}
			if b.project.DefaultScript != "" {
				t.Error("the project itself was changed")
			}
		})
	}
}
