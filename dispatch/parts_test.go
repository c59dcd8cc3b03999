package dispatch_test

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/dispatch"
	"github.com/brigadecore/brigade/v3/runner/dummy"
)

// shellRunner runs a job's main.sh in this machine's shell, under the name of a
// runner whose logs have marks.
type shellRunner struct {
	*dummy.Runner
	name string
}

func (r shellRunner) Name() string { return r.name }

func (r shellRunner) Start(_ context.Context, run brigade.JobRun) (brigade.Execution, error) {
	cmd := exec.Command("/bin/sh", "-c", run.Job.Spec.Main())
	cmd.Stdout, cmd.Stderr = run.Log, run.Log
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return shellJob{cmd}, nil
}

type shellJob struct{ cmd *exec.Cmd }

func (j shellJob) Handle() string                            { return "" }
func (j shellJob) Stop(context.Context, time.Duration) error { return j.cmd.Process.Kill() }

func (j shellJob) Wait(context.Context) (brigade.Exit, error) {
	err := j.cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return brigade.Exit{}, err
	}
	return brigade.Exit{Code: j.cmd.ProcessState.ExitCode()}, nil
}

// What a script and a log get of a job is what its tasks print, and the job
// knows where in the log each of them begins.
func TestPartsOfALog(t *testing.T) {
	if _, err := exec.LookPath("/bin/sh"); err != nil {
		t.Skip("there is no /bin/sh")
	}
	for name, want := range map[string]string{"docker": "1@1 3@3 4@4", "pods": ""} {
		t.Run(name, func(t *testing.T) {
			var result brigade.JobResult
			b := newBench(t, func(ctx context.Context, _ brigade.ScriptRun, host brigade.Host) (brigade.ScriptResult, error) {
				spec := brigade.JobSpec{Name: "job", Shell: "/bin/sh", Tasks: []string{
					"for i in 1 2; do echo one $i; done", "true", "printf 'no end'; sh -c 'echo; exit 0'", "echo $0 >&2; (exit 3)", "echo never",
				}}
				var err error
				result, err = host.RunJob(ctx, spec)
				if brigade.CodeOf(err) != brigade.CodeBuildFailed {
					t.Errorf("the job: %v", err)
				}
				return handled, nil
			}, func(o *dispatch.Options) { o.Runner = shellRunner{dummy.New(dummy.Options{}), name} })
			build := b.run(t.Context(), brigade.Event{Type: "exec"})
			const printed = "one 1\none 2\nno end\n/bin/sh\n"
			if result.Output != printed || result.ExitCode != 3 {
				t.Errorf("the script gets %q, exit code %d", result.Output, result.ExitCode)
			}
			log, err := b.store.ReadLog(t.Context(), brigade.LogQuery{BuildID: build.ID, JobID: "job-" + build.ID})
			if err != nil {
				t.Fatal(err)
			}
			var texts strings.Builder
			for _, line := range log {
				texts.WriteString(line.Text + "\n")
			}
			job, err := b.store.Job(t.Context(), "job-"+build.ID)
			if err != nil {
				t.Fatal(err)
			}
			var parts []string
			for _, p := range job.Parts {
				parts = append(parts, fmt.Sprintf("%d@%d", p.Task, p.Line))
			}
			if texts.String() != printed || strings.Join(parts, " ") != want || job.LogBytes != int64(len(printed)) {
				t.Errorf("the log is %q of %d bytes, its parts %v, want %s", texts.String(), job.LogBytes, parts, want)
			}
			if strings.Contains(job.Spec.Main(), "7777") {
				t.Errorf("marks in what the job is said to run: %s", job.Spec.Main())
			}
		})
	}
}
