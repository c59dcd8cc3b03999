package process

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	brigade "github.com/brigadecore/brigade/v3"
)

// TestCgroupSettings looks at the files that are written, in a directory that
// looks like a delegated cgroup.
func TestCgroupSettings(t *testing.T) {
	parent := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(parent, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if usableCgroup(parent) {
		t.Error("an ordinary directory is taken for a cgroup")
	}
	write("cgroup.procs", "")
	write("cgroup.subtree_control", "pids memory\n")
	if usableCgroup(parent) {
		t.Error("a cgroup without the cpu controller is taken")
	}
	write("cgroup.subtree_control", "cpu memory pids\n")
	p := &plan{spec: brigade.JobSpec{Name: "job", ResourceLimits: brigade.Resources{CPU: "1500m", Memory: "64Mi"}}}
	if err := p.readLimits(parent); err != nil || p.cgroup != parent || len(p.notes) > 0 {
		t.Fatalf("cgroup %q, notes %v, error %v", p.cgroup, p.notes, err)
	}
	g, err := makeCgroup(p, &jobDirs{root: "/x/job-1"})
	if err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{"memory.max": "67108864", "memory.swap.max": "0", "memory.oom.group": "1", "cpu.max": "150000 100000"} {
		if text, err := os.ReadFile(filepath.Join(g.dir, file)); err != nil || string(text) != want {
			t.Errorf("%s is %q, error %v; want %q", file, text, err, want)
		}
	}
	for text, want := range map[string]bool{"low 0\noom_kill 0\n": false, "oom 1\noom_kill 3\n": true} {
		if err := os.WriteFile(filepath.Join(g.dir, "memory.events"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := g.outOfMemory(); got != want {
			t.Errorf("%q means out of memory: %v, want %v", text, got, want)
		}
	}
	var none *cgroup
	none.hold(nil)
	none.remove()
	if none.outOfMemory() {
		t.Error("no cgroup is out of memory")
	}
}

// TestCgroupHoldsTheJob starts a process in a real cgroup v2.
func TestCgroupHoldsTheJob(t *testing.T) {
	root := ""
	for _, dir := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		if _, err := os.Stat(filepath.Join(dir, "cgroup.procs")); err == nil {
			root = dir
		}
	}
	dir, err := os.MkdirTemp(root, "brigade-test-*")
	if root == "" || err != nil {
		t.Skipf("no cgroup can be made here: %v", err)
	}
	fd, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	g := &cgroup{dir: dir, fd: fd}
	var out bytes.Buffer
	cmd := exec.Command("cat", "/proc/self/cgroup")
	cmd.Stdout, cmd.SysProcAttr = &out, &syscall.SysProcAttr{}
	g.hold(cmd.SysProcAttr)
	if err := cmd.Run(); err != nil {
		t.Errorf("run in the cgroup: %v", err)
	}
	if !strings.Contains(out.String(), filepath.Base(dir)) {
		t.Errorf("the process ran in\n%s", out.String())
	}
	left := exec.Command("sleep", "600")
	left.SysProcAttr = &syscall.SysProcAttr{}
	g.hold(left.SysProcAttr)
	if err := left.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { _ = left.Wait(); close(done) }()
	g.remove()
	<-done // cgroup.kill ended it
	if _, err := os.Lstat(dir); err == nil {
		t.Error("the cgroup is still there")
	}
}
