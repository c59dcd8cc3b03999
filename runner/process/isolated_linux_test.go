package process_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/runner/process"
	"github.com/brigadecore/brigade/v3/runner/runnertest"
)

func isolatedRunner(t testing.TB) brigade.Runner {
	r := newRunner(t, false)
	if ok, why := r.Isolated(); !ok {
		t.Skipf("no isolation here: %s", why)
	} else if why != "" {
		t.Logf("isolated, but: %s", why)
	}
	return r
}

func TestContractIsolated(t *testing.T) {
	has := runnertest.AllFeatures()
	has.ImageCommand = false
	runnertest.Run(t, runnertest.Config{
		New:   func(t *testing.T) brigade.Runner { return isolatedRunner(t) },
		Image: "alpine:3.20",
		Has:   has,
	})
}

// nobody is a user without any rights.
const nobody = 65534

// TestAsNobody runs all other tests as a user without rights.
func TestAsNobody(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can become somebody else; these tests run as nobody special already")
	}
	dir, err := os.MkdirTemp("/tmp", "nobody-*")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	binary := filepath.Join(dir, "process.test")
	copyExecutable(t, binary)
	for _, path := range []string{dir, binary} {
		if err := os.Chown(path, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	args := []string{"-test.run=^Test", "-test.skip=^(TestAsNobody|TestContractLevels)$"}
	if testing.Short() {
		args = append(args, "-test.short")
	}
	if testing.Verbose() {
		args = append(args, "-test.v")
	}
	cmd := exec.Command(binary, args...)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + dir, "HOME=/nonexistent"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.CombinedOutput()
	t.Logf("as nobody:\n%s", out)
	if err != nil {
		t.Fatal(err)
	}
}

func copyExecutable(t *testing.T, to string) {
	t.Helper()
	in, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestContractLevels runs the suite the ways that kernels and containers
// which refuse something leave.
func TestContractLevels(t *testing.T) {
	has := runnertest.AllFeatures()
	has.ImageCommand = false
	for name, l := range map[string]struct{ userNS, newProc, old bool }{
		"HostProc": {true, false, false}, "NoUser": {false, true, false}, "NoUserHostProc": {false, false, false}, "OldKernel": {true, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			if !l.userNS && os.Geteuid() != 0 {
				t.Skip("only root can do without a user namespace")
			}
			needProc(t, l.newProc)
			runnertest.Run(t, runnertest.Config{
				New: func(t *testing.T) brigade.Runner {
					isolatedRunner(t)
					r := newRunner(t, false)
					r.Force(l.userNS, l.newProc, l.old)
					return r
				},
				Image: "alpine:3.20", Has: has, BigOutput: 1 << 20, Jobs: 8,
			})
		})
	}
}

// TestHostIsReadOnly tries from a job to change the host, at every level.
func TestHostIsReadOnly(t *testing.T) {
	witness := filepath.Join("/var/tmp", fmt.Sprintf("brigade-witness-%d", os.Getpid()))
	home := t.TempDir()
	if err := os.WriteFile(filepath.Join(home, "key"), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	tasks := []string{
		`check() { if ( eval "$1" ) > /dev/null 2>&1; then echo "could: $1"; fi; }`,
		`for d in / /usr /etc /opt /var /srv /sys /sys/fs/cgroup /proc/sys/kernel /boot /home /lost+found; do case $d in /|/home) ;; *) check "echo x > $d/brigade-test";; esac; done`,
		`check "chmod 700 /usr/bin/env"; check "echo x >> /etc/hosts"; check "rm -f /etc/hostname"; check "touch /etc/passwd"`,
		`check "cat /proc/sys/kernel/hostname > /proc/sys/kernel/hostname"; check "hostname evil"; check "echo 1 > /proc/sys/vm/drop_caches"`,
		`check "mount -t tmpfs x /mnt"; check "mount -o remount,rw /usr"; check "mount -o remount,bind,rw /etc"; check "umount /proc/sys"; check "umount /home"`,
		`check "unshare -Urm sh -c 'mount -o remount,bind,rw /usr && touch /usr/x'"; check "unshare -Urm sh -c 'umount /home && ls /home | grep .'"`,
		`check "mknod /tmp/disk b 254 0 && head -c 1 /tmp/disk"; check "ls /dev/vda /dev/sda /dev/nvme0n1 2> /dev/null | grep ."; check "ls /run | grep docker"`,
		`check "cat ` + home + `/key"; check "ls -A /root | grep -v '^\.$'"; check "[ -S /var/run/docker.sock ]"; check "kill -0 ` + strconv.Itoa(os.Getpid()) + ` && [ ` + strconv.Itoa(os.Getpid()) + ` -gt 200 ]"`,
		`check "ls /tmp | grep ."; echo x > /var/tmp/` + filepath.Base(witness) + `; echo x > /made-up; mkdir -p /new/dir; echo x > /dev/shm/x; echo x > /dev/null`,
		`grep -h "^Cap[PEBA]" /proc/self/status | grep -v 00000000a00425fb | grep -v 0000000000000000 || true`,
		`grep -v "NoNewPrivs:.*1" /proc/self/status | grep NoNew || true`, `echo done`,
	}
	for name, l := range map[string]struct{ userNS, newProc, old bool }{
		"Full": {true, true, false}, "HostProc": {true, false, false}, "NoUser": {false, true, false}, "OldKernel": {true, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			if !l.userNS && os.Geteuid() != 0 {
				t.Skip("only root can do without a user namespace")
			}
			needProc(t, l.newProc)
			r := process.New(process.Options{StateDir: t.TempDir(), Hide: []string{home, "/no/such/place", "/etc/machine-id"}})
			r.Force(l.userNS, l.newProc, l.old)
			out, exit := output(t, r, job("b1", nil, nil, tasks...))
			if out != "done\n" || exit.Code != 0 {
				t.Errorf("exit %d, output:\n%s", exit.Code, out)
			}
			if _, err := os.Lstat(witness); err == nil {
				t.Error("a job wrote to the host's /var/tmp")
			}
		})
	}
}

// needProc skips a test that needs a new /proc where that is refused.
func needProc(t *testing.T, needed bool) {
	t.Helper()
	if _, why := isolatedRunner(t).(*process.Runner).Isolated(); needed && strings.Contains(why, "/proc") {
		t.Skip(why)
	}
}

func TestJobSeesOnlyItsProcesses(t *testing.T) {
	needProc(t, true)
	r := isolatedRunner(t)
	out, _ := output(t, r, job("b1", nil, nil, `set -- /proc/[0-9]*`, `[ $# -le 4 ] || echo "$@"`, `[ -d /proc/$$ ] || echo not mine`, `script -qc 'echo pty' /dev/null < /dev/null || true`))
	if strings.Contains(out, "/proc/") || strings.Contains(out, "not mine") {
		t.Errorf("the job sees %s", out)
	}
}

// TestShow uncovers a directory of a hidden one.
func TestShow(t *testing.T) {
	isolatedRunner(t)
	hidden := t.TempDir()
	for name, text := range map[string]string{"tools/bin/tool": "#!/bin/sh\necho tool\n", "key": "secret"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(hidden, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(hidden, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	r := process.New(process.Options{StateDir: t.TempDir(), Hide: []string{hidden}, Show: []string{filepath.Join(hidden, "tools"), "/no/such"}})
	out, exit := output(t, r, job("b1", nil, nil, hidden+"/tools/bin/tool", "ls "+hidden, "if ( echo x > "+hidden+"/tools/x ) 2> /dev/null; then echo written; fi"))
	if out != "tool\ntools\n" || exit.Code != 0 {
		t.Errorf("exit %d, output %q", exit.Code, out)
	}
}

// TestDockerSocket brings the socket into the job only when it asks.
func TestDockerSocket(t *testing.T) {
	r := isolatedRunner(t)
	if _, err := os.Stat("/var/run/docker.sock"); err != nil {
		t.Skip("this machine has no engine's socket")
	}
	out, _ := output(t, r, job("b1", nil, func(s *brigade.JobSpec) { s.Docker.Enabled = true }, "[ -S /var/run/docker.sock ] && echo there"))
	if out != "there\n" {
		t.Errorf("output %q", out)
	}
}

// TestSourceWithMounts has a source in which something else is mounted, which
// an overlay would not show. It needs root to mount.
func TestSourceWithMounts(t *testing.T) {
	r := isolatedRunner(t)
	source := t.TempDir()
	inner := filepath.Join(source, "inner dir")
	if err := os.Mkdir(inner, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", inner, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("cannot mount: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(inner, syscall.MNT_DETACH) })
	if err := os.WriteFile(filepath.Join(inner, "file"), []byte("inner\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	run := job("b1", nil, nil, "cat 'inner dir/file'", "echo x > 'inner dir/file'")
	run.Source = source
	out, exit := output(t, r, run)
	text, err := os.ReadFile(filepath.Join(inner, "file"))
	if out != "inner\n" || exit.Code != 0 || err != nil || string(text) != "inner\n" {
		t.Errorf("output %q, exit %d, file %q, error %v", out, exit.Code, text, err)
	}
}

// TestDiesWithItsProgram kills a program in the middle of a job.
func TestDiesWithItsProgram(t *testing.T) {
	isolatedRunner(t)
	if os.Getenv("PROCESS_TEST_VICTIM") != "" {
		r := process.New(process.Options{StateDir: os.Getenv("PROCESS_TEST_VICTIM")})
		run := job("b1", os.Stdout, nil, "echo ready", "exec sleep 12345.678")
		if _, err := r.Start(t.Context(), run); err != nil {
			t.Fatal(err)
		}
		select {}
	}
	dir := t.TempDir()
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestDiesWithItsProgram$")
	cmd.Env = append(os.Environ(), "PROCESS_TEST_VICTIM="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 6)
	if _, err := io.ReadFull(out, buf); err != nil || string(buf) != "ready\n" {
		t.Fatalf("the job printed %q, error %v", buf, err)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	running := func() bool {
		files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
		for _, file := range files {
			if text, _ := os.ReadFile(file); strings.Contains(string(text), "12345.678") {
				return true
			}
		}
		return false
	}
	for deadline := time.Now().Add(60 * time.Second); running(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the job outlived its program")
		}
	}
	r := process.New(process.Options{StateDir: dir})
	if n, err := r.Sweep(t.Context(), func(string) bool { return false }); n != 1 || err != nil {
		t.Errorf("Sweep removed %d, error %v; want 1", n, err)
	}
}

// TestLeavesNoDescriptorsAndZombies counts both before and after many jobs.
func TestLeavesNoDescriptorsAndZombies(t *testing.T) {
	if os.Getpid() == 1 {
		t.Skip("process 1 is given the orphans of plain jobs, which an init program would wait for")
	}
	count := func() (files, zombies int) {
		entries, _ := os.ReadDir("/proc/self/fd")
		stats, _ := filepath.Glob("/proc/[0-9]*/stat")
		for _, stat := range stats {
			if text, _ := os.ReadFile(stat); strings.Contains(string(text), fmt.Sprintf(") Z %d ", os.Getpid())) {
				zombies++
			}
		}
		return len(entries), zombies
	}
	for _, r := range []brigade.Runner{newRunner(t, true), isolatedRunner(t)} {
		output(t, r, job("b1", nil, nil, "true"))
		before, _ := count()
		for range 20 {
			output(t, r, job("b1", nil, nil, "sleep 0.01 &", "true"))
			_, _ = r.Start(t.Context(), job("b1", io.Discard, func(s *brigade.JobSpec) {
				s.MountPath = "/etc/passwd/x"
				s.Storage.Enabled = true
				s.Storage.Path = "/etc/passwd/y"
			}, "true"))
		}
		if err := r.EndBuild(t.Context(), "b1"); err != nil { // waits for the removal of the jobs' files
			t.Error(err)
		}
		if after, zombies := count(); after > before+2 || zombies > 0 {
			t.Errorf("%d files open, %d before; %d zombies", after, before, zombies)
		}
	}
}
