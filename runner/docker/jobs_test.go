package docker_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/id"
	"github.com/brigadecore/brigade/v3/runner/docker"
)

// output is a job's log that may be read while it is written.
type output struct {
	mu   sync.Mutex
	b    bytes.Buffer
	more chan struct{}
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.more != nil {
		close(o.more)
		o.more = nil
	}
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// await returns once the log holds the text.
func (o *output) await(t *testing.T, text string) {
	t.Helper()
	for {
		o.mu.Lock()
		got, more := o.b.String(), o.more
		if more == nil {
			more = make(chan struct{})
			o.more = more
		}
		o.mu.Unlock()
		if strings.Contains(got, text) {
			return
		}
		select {
		case <-more:
		case <-t.Context().Done():
			t.Fatalf("the log never held %q, only %q", text, got)
		case <-time.After(time.Minute):
			t.Fatalf("the log never held %q, only %q", text, got)
		}
	}
}

// jobRun makes a run of a job in a build of its own.
func jobRun(spec brigade.JobSpec) (brigade.JobRun, *output) {
	spec = spec.WithDefaults()
	if spec.Name == "" {
		spec.Name = "job"
	}
	if spec.Image == "" {
		spec.Image = "alpine:3.20"
	}
	project := brigade.NewProject("acme/app")
	build := &brigade.Build{ID: id.New(time.Now()), ProjectID: project.ID}
	log := &output{}
	return brigade.JobRun{
		Job:   &brigade.Job{ID: spec.Name + "-" + build.ID, BuildID: build.ID, Name: spec.Name, Spec: spec, Attempt: 1},
		Build: build, Project: project, Log: log,
	}, log
}

func mustStart(t *testing.T, r brigade.Runner, run brigade.JobRun) brigade.Execution {
	t.Helper()
	x, err := r.Start(t.Context(), run)
	if err != nil {
		t.Fatalf("Start: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := r.EndBuild(ctx, run.Build.ID); err != nil {
			t.Errorf("EndBuild: %v", err)
		}
	})
	return x
}

func mustWait(t *testing.T, x brigade.Execution) brigade.Exit {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	exit, err := x.Wait(ctx)
	if err != nil {
		t.Fatalf("Wait: %v", err)
	}
	return exit
}

func wantError(t *testing.T, err error, code brigade.Code, texts ...string) {
	t.Helper()
	var e *brigade.Error
	if !errors.As(err, &e) || e.Code != code {
		t.Fatalf("got error %v (%T), want code %s", err, err, code)
	}
	for _, text := range texts {
		if !strings.Contains(e.Message+"\n"+e.Hint, text) {
			t.Errorf("%q, hint %q: do not say %q", e.Message, e.Hint, text)
		}
	}
}

// leftovers lists what of the build is still on the engine or in the directory.
func leftovers(t *testing.T, stateDir, buildID string) string {
	t.Helper()
	e := needEngine(t)
	label := "label=sh.brigade.build=" + buildID
	containers, err := e.Podman(t.Context(), "ps", "-aq", "--filter", label)
	if err != nil {
		t.Fatal(err)
	}
	volumes, err := e.Podman(t.Context(), "volume", "ls", "-q", "--filter", label)
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(stateDir, "build-"+buildID, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(containers + volumes + strings.Join(files, "\n"))
}

func TestEndBuildLeavesNothing(t *testing.T) {
	for _, copied := range []bool{false, true} {
		t.Run(fmt.Sprintf("copied=%v", copied), func(t *testing.T) {
			dir := t.TempDir()
			r := newRunner(t, func(o *docker.Options) { o.StateDir, o.CopyFiles = dir, copied })
			run, _ := jobRun(brigade.JobSpec{
				Tasks: []string{"echo x > /scratch/x"}, Storage: brigade.JobStorage{Enabled: true},
				Volumes:      []brigade.Volume{{Name: "v", EmptyDir: &brigade.EmptyDir{}}},
				VolumeMounts: []brigade.VolumeMount{{Name: "v", MountPath: "/scratch"}},
			})
			if exit := mustWait(t, mustStart(t, r, run)); exit.Code != 0 {
				t.Fatalf("exit %+v", exit)
			}
			if err := r.EndBuild(t.Context(), run.Build.ID); err != nil {
				t.Fatal(err)
			}
			if left := leftovers(t, dir, run.Build.ID); left != "" {
				t.Errorf("left behind:\n%s", left)
			}
		})
	}
}

func TestFailedStartLeavesNothing(t *testing.T) {
	specs := map[string]brigade.JobSpec{
		"no such shell": {Shell: "/no/such", Tasks: []string{"true"}},
		"no such image": {Image: "nobody/nothing:1", Tasks: []string{"true"}},
		"bad quantity":  {Tasks: []string{"true"}, ResourceLimits: brigade.Resources{Memory: "12 apples"}},
	}
	for name, spec := range specs {
		for _, copied := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s copied=%v", name, copied), func(t *testing.T) {
				dir := t.TempDir()
				r := newRunner(t, func(o *docker.Options) { o.StateDir, o.CopyFiles = dir, copied })
				spec.Volumes = []brigade.Volume{{Name: "v", EmptyDir: &brigade.EmptyDir{}}}
				spec.VolumeMounts = []brigade.VolumeMount{{Name: "v", MountPath: "/scratch"}}
				run, _ := jobRun(spec)
				if _, err := r.Start(t.Context(), run); err == nil {
					t.Fatal("the job was started")
				}
				if left := leftovers(t, dir, run.Build.ID); left != "" {
					t.Errorf("left behind:\n%s", left)
				}
			})
		}
	}
}

func TestSourceThatCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "source")
	if err := os.Mkdir(file, 0o755); err != nil {
		t.Fatal(err)
	}
	// A link to itself stands for whatever cannot be walked.
	loop := filepath.Join(file, "root")
	if err := os.Symlink("root", loop); err != nil {
		t.Fatal(err)
	}
	for _, copied := range []bool{false, true} {
		r := newRunner(t, func(o *docker.Options) { o.StateDir, o.CopyFiles = filepath.Join(dir, "state"), copied })
		run, _ := jobRun(brigade.JobSpec{UseSource: true, Tasks: []string{"true"}})
		run.Source = loop + "/x"
		_, err := r.Start(t.Context(), run)
		wantError(t, err, brigade.CodeJobStart, "copy")
		if left := leftovers(t, filepath.Join(dir, "state"), run.Build.ID); left != "" {
			t.Errorf("left behind:\n%s", left)
		}
	}
}

func TestRefusals(t *testing.T) {
	r := newRunner(t, nil)
	for _, c := range []struct {
		name string
		spec brigade.JobSpec
		code brigade.Code
		text string
	}{
		{"quantity", brigade.JobSpec{ResourceLimits: brigade.Resources{CPU: "much"}}, brigade.CodeInvalid, "resourceLimits.cpu"},
		{"request over limit", brigade.JobSpec{ResourceLimits: brigade.Resources{Memory: "1Mi"}, ResourceRequests: brigade.Resources{Memory: "2Mi"}}, brigade.CodeInvalid, "more memory"},
		{"reference", brigade.JobSpec{Env: map[string]brigade.EnvValue{"A": {SecretKeyRef: &brigade.KeyRef{Name: "s", Key: "k"}}}}, brigade.CodeJobStart, "only in a cluster"},
		{"variable", brigade.JobSpec{Env: map[string]brigade.EnvValue{"A=B": {Value: "x"}}}, brigade.CodeInvalid, "A=B"},
		{"volume kind", brigade.JobSpec{Volumes: []brigade.Volume{{Name: "v"}}, VolumeMounts: []brigade.VolumeMount{{Name: "v", MountPath: "/v"}}}, brigade.CodeJobStart, "only in a cluster"},
		{"volume missing", brigade.JobSpec{VolumeMounts: []brigade.VolumeMount{{Name: "v", MountPath: "/v"}}}, brigade.CodeJobStart, "does not have"},
		{"image name", brigade.JobSpec{Image: "UPPER/Case:1"}, brigade.CodeImagePull, "UPPER/Case"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.spec.Tasks = []string{"true"}
			run, _ := jobRun(c.spec)
			_, err := r.Start(t.Context(), run)
			wantError(t, err, c.code, c.text)
		})
	}
}

func TestNoEngineImage(t *testing.T) {
	r := newRunner(t, nil)
	run, _ := jobRun(brigade.JobSpec{Tasks: []string{"true"}})
	run.Job.Spec.Image = ""
	_, err := r.Start(t.Context(), run)
	wantError(t, err, brigade.CodeJobStart, "names no image")
}

func TestOutOfMemory(t *testing.T) {
	r := newRunner(t, nil)
	run, log := jobRun(brigade.JobSpec{
		Tasks:            []string{"x=0123456789abcdef; while :; do x=$x$x; done"},
		ResourceLimits:   brigade.Resources{Memory: "32Mi", CPU: "1.5"},
		ResourceRequests: brigade.Resources{Memory: "16Mi", CPU: "100m"},
	})
	exit := mustWait(t, mustStart(t, r, run))
	if exit.Code != 137 || !strings.Contains(exit.Reason, "out of memory") {
		t.Errorf("exit %+v, output %q", exit, log)
	}
}

func TestDockerSocketAndPrivileged(t *testing.T) {
	r := newRunner(t, nil)
	run, log := jobRun(brigade.JobSpec{
		Docker: brigade.JobDocker{Enabled: true}, Privileged: true,
		Tasks: []string{"[ -S /var/run/docker.sock ]", "mkdir /m", "mount -t tmpfs none /m", "echo fine"},
	})
	if exit := mustWait(t, mustStart(t, r, run)); exit.Code != 0 || log.String() != "fine\n" {
		t.Errorf("exit %+v, output %q", exit, log)
	}
}

func TestNetworkOption(t *testing.T) {
	r := newRunner(t, func(o *docker.Options) { o.Network = "none" })
	run, log := jobRun(brigade.JobSpec{Tasks: []string{"ip -o link | wc -l"}})
	if exit := mustWait(t, mustStart(t, r, run)); exit.Code != 0 || strings.TrimSpace(log.String()) != "1" {
		t.Errorf("exit %+v, output %q; want the loopback interface alone", exit, log)
	}
}

func TestEmptyDirCopied(t *testing.T) {
	r := newRunner(t, func(o *docker.Options) { o.CopyFiles = true })
	spec := brigade.JobSpec{
		Tasks:   []string{"ls -A /a", "echo x > /a/file", "cat /b/file", "if ( echo y > /b/other ) 2> /dev/null; then echo written; fi"},
		Volumes: []brigade.Volume{{Name: "v", EmptyDir: &brigade.EmptyDir{Medium: "Memory"}}, {Name: "tmp", EmptyDir: &brigade.EmptyDir{Medium: "Memory", SizeLimit: "1Mi"}}},
		VolumeMounts: []brigade.VolumeMount{
			{Name: "v", MountPath: "/a"}, {Name: "v", MountPath: "/b", ReadOnly: true}, {Name: "tmp", MountPath: "/ram"},
		},
	}
	for range 2 {
		run, log := jobRun(spec)
		if exit := mustWait(t, mustStart(t, r, run)); exit.Code != 0 || log.String() != "x\n" {
			t.Fatalf("exit %+v, output %q", exit, log)
		}
	}
	spec.VolumeMounts[1].SubPath = "part"
	run, _ := jobRun(spec)
	_, err := r.Start(t.Context(), run)
	wantError(t, err, brigade.CodeJobStart, "subPath")
}

func TestLinksAndModesOfTheSource(t *testing.T) {
	source := t.TempDir()
	for name, mode := range map[string]os.FileMode{"a/secret": 0o600, "a/run": 0o755, "big": 0o644} {
		path := filepath.Join(source, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		text := []byte(name)
		if name == "big" {
			text = bytes.Repeat([]byte("0123456789abcdef"), 1<<18)
		}
		if err := os.WriteFile(path, text, mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(source, "closed"), 0o555); err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]string{"dangling": "nowhere", "absolute": "/etc/passwd", "up": "../../x", "dir": "a"} {
		if err := os.Symlink(to, filepath.Join(source, name)); err != nil {
			t.Fatal(err)
		}
	}
	want := "600 a/secret\n755 a/run\n555 closed\n4194304\nnowhere\n/etc/passwd\n../../x\na/run\n0\n"
	for _, copied := range []bool{false, true} {
		t.Run(fmt.Sprintf("copied=%v", copied), func(t *testing.T) {
			r := newRunner(t, func(o *docker.Options) { o.CopyFiles = copied })
			run, log := jobRun(brigade.JobSpec{UseSource: true, MountPath: "/go/src/app", Tasks: []string{
				"cd /go/src/app", "stat -c '%a %n' a/secret a/run closed", "stat -c %s big",
				"readlink dangling", "readlink absolute", "readlink up", "cat dir/run", "echo; stat -c %u a/run",
			}})
			run.Source = source
			if exit := mustWait(t, mustStart(t, r, run)); exit.Code != 0 || log.String() != want {
				t.Errorf("exit %+v, output\n%s\nwant\n%s", exit, log, want)
			}
		})
	}
}

func TestStopEndsAPlainShellAndWhatItRuns(t *testing.T) {
	r := newRunner(t, nil)
	// The child cleans up; the shell, which has no trap, must not go on.
	run, log := jobRun(brigade.JobSpec{Shell: "/bin/ash", Tasks: []string{
		`sh -c 'trap "echo child cleaned up; exit 1" TERM; echo ready; while :; do sleep 0.1; done'`, "echo went on",
	}})
	x := mustStart(t, r, run)
	log.await(t, "ready")
	if err := x.Stop(t.Context(), time.Minute); err != nil {
		t.Fatal(err)
	}
	if exit := mustWait(t, x); exit.Code == 0 || !strings.Contains(log.String(), "child cleaned up\n") || strings.Contains(log.String(), "went on") {
		t.Errorf("exit %+v, output %q", exit, log)
	}
}

func TestStopOfAnImagesOwnCommand(t *testing.T) {
	r := newRunner(t, nil)
	run, log := jobRun(brigade.JobSpec{Args: []string{"sh", "-c", "trap 'echo told; exit 4' TERM; echo ready; while :; do sleep 0.1; done"}})
	x := mustStart(t, r, run)
	log.await(t, "ready")
	if err := x.Stop(t.Context(), time.Minute); err != nil {
		t.Fatal(err)
	}
	if exit := mustWait(t, x); exit.Code != 4 || log.String() != "ready\ntold\n" {
		t.Errorf("exit %+v, output %q", exit, log)
	}
}
