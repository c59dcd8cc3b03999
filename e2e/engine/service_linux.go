package engine

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

func supported() error { return nil }

// configure writes the engine's configuration and picks what works here: the
// storage driver, and the runtime.
func (e *Engine) configure(ctx context.Context) error {
	var b strings.Builder
	fmt.Fprintf(&b, "[containers]\ndefault_ulimits = [%q, %q]\n", limit("nofile", unix.RLIMIT_NOFILE, 20000), limit("nproc", unix.RLIMIT_NPROC, 10000))
	b.WriteString("[engine]\n")
	// crun refuses machines that have both versions of cgroups mounted.
	if _, err := exec.LookPath("runc"); err == nil && !unifiedCgroups() {
		b.WriteString("runtime = \"runc\"\n")
	}
	if os.Getpid() == 1 || !systemdRuns() {
		b.WriteString("cgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\n")
	}
	conf := filepath.Join(e.Dir, "containers.conf")
	registries := filepath.Join(e.Dir, "registries.conf")
	if err := os.WriteFile(conf, []byte(b.String()), 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(registries, []byte(e.registry.conf()), 0o600); err != nil {
		return err
	}
	// No credentials of the person who runs the tests, and no storage of theirs.
	e.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + e.Dir, "TMPDIR=" + e.Dir,
		"XDG_RUNTIME_DIR=" + os.Getenv("XDG_RUNTIME_DIR"),
		"CONTAINERS_CONF=" + conf, "CONTAINERS_REGISTRIES_CONF=" + registries,
		"REGISTRY_AUTH_FILE=" + filepath.Join(e.Dir, "no-auth.json"),
	}
	if err := os.WriteFile(filepath.Join(e.Dir, "no-auth.json"), []byte("{}"), 0o600); err != nil {
		return err
	}
	return e.pickDriver(ctx)
}

// pickDriver settles the storage driver: overlay, unless it does not work.
func (e *Engine) pickDriver(ctx context.Context) error {
	if e.opts.Driver != "" {
		return nil
	}
	e.opts.Driver = "overlay"
	if _, err := e.podman(ctx, nil, "images", "-q"); err == nil {
		return nil
	}
	if err := removeTree(filepath.Join(e.Dir, "root")); err != nil {
		return err
	}
	e.opts.Driver = "vfs"
	_, err := e.podman(ctx, nil, "images", "-q")
	return err
}

func (e *Engine) flags() []string {
	return []string{
		"--root", filepath.Join(e.Dir, "root"), "--runroot", filepath.Join(e.Dir, "run"),
		"--tmpdir", filepath.Join(e.Dir, "tmp"), "--storage-driver", e.opts.Driver,
	}
}

// limit writes a default limit that this process may give to a container.
func limit(name string, resource int, want uint64) string {
	var have unix.Rlimit
	if err := unix.Getrlimit(resource, &have); err == nil && have.Max < want {
		want = have.Max
	}
	return fmt.Sprintf("%s=%d:%d", name, want, want)
}

func unifiedCgroups() bool {
	var fs unix.Statfs_t
	return unix.Statfs("/sys/fs/cgroup", &fs) == nil && fs.Type == unix.CGROUP2_SUPER_MAGIC
}

func systemdRuns() bool {
	_, err := os.Stat("/run/systemd/system")
	return err == nil
}

// service is the process behind an engine.
type service struct {
	process *os.Process
	done    chan struct{} // closed once the process is gone
	err     error         // why; read after done
}

// startService starts the service so that the kernel ends it when this
// process dies. The signal is bound to the thread that started it, hence the
// goroutine that keeps its thread.
func startService(e *Engine) (*service, error) {
	args := append(e.flags(), "system", "service", "--time=0", e.Host)
	cmd := exec.Command("podman", args...)
	cmd.Env = e.env
	cmd.Stdout, cmd.Stderr = e.opts.Stderr, e.opts.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = time.Second
	s := &service{done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		s.process = cmd.Process
		started <- err
		if err != nil {
			return
		}
		s.err = cmd.Wait()
		close(s.done)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start podman's service: %w", err)
	}
	return s, nil
}

// answers waits until the service accepts connections.
func (s *service) answers(ctx context.Context, socket string) error {
	retry := time.NewTicker(10 * time.Millisecond)
	defer retry.Stop()
	for {
		conn, err := net.Dial("unix", socket)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-s.done:
			return fmt.Errorf("podman's service ended: %w", s.err)
		case <-ctx.Done():
			return fmt.Errorf("podman's service does not answer: %w", err)
		case <-retry.C:
		}
	}
}

func (s *service) kill() {
	_ = s.process.Kill()
	<-s.done
}

// endStragglers ends the processes that were started for the engine in dir and
// outlive its containers: Podman keeps a monitor for each exec for five
// minutes, and has it clean up after that, which would make dir again. Some
// start others on their way out, so it goes on until none is there.
func endStragglers(dir string) {
	for range 500 {
		left := stragglers(dir)
		if len(left) == 0 {
			return
		}
		for _, pid := range left {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// stragglers finds the engine's programs that run. The directory's name is
// random, so that whoever names it belongs to it.
func stragglers(dir string) []int {
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return nil
	}
	var found []int
	for _, file := range files {
		line, err := os.ReadFile(file) // empty when it has ended
		if err != nil || !strings.Contains(string(line), dir+"/") {
			continue
		}
		if program, _, _ := strings.Cut(string(line), "\x00"); !engineProgram[filepath.Base(program)] {
			continue // somebody looks into the directory
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file))); err == nil {
			found = append(found, pid)
		}
	}
	return found
}

// engineProgram names the programs an engine consists of.
var engineProgram = map[string]bool{"conmon": true, "podman": true, "runc": true, "crun": true}

// removeTree unmounts what is mounted below dir and removes it. Processes that
// are on their way out may still write there, so it tries for a while.
func removeTree(dir string) error {
	var err error
	for range 50 {
		for _, mount := range mountsBelow(dir) {
			_ = unix.Unmount(mount, unix.MNT_DETACH)
		}
		if err = os.RemoveAll(dir); err == nil {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return err
}

func mountsBelow(dir string) []string {
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil
	}
	var found []string
	for line := range strings.Lines(string(data)) {
		if fields := strings.Fields(line); len(fields) > 4 && strings.HasPrefix(fields[4], dir+"/") {
			found = append(found, fields[4])
		}
	}
	slices.Reverse(found)
	return found
}
