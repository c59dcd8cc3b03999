package process

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// cgroup is the control group of one job; nil is none.
type cgroup struct {
	dir string
	fd  *os.File
}

// findCgroup returns a cgroup v2 directory below which jobs may get one: the
// given one, or the parent of the program's own when it is delegated.
func findCgroup(given string) string {
	if given != "" {
		if usableCgroup(given) {
			return given
		}
		return ""
	}
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(own)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok && name != "/" {
			if dir := filepath.Join("/sys/fs/cgroup", filepath.Dir(name)); usableCgroup(dir) {
				return dir
			}
		}
	}
	return ""
}

// usableCgroup reports whether dir gives its children cpu and memory limits
// and lets us make some.
func usableCgroup(dir string) bool {
	enabled, err := os.ReadFile(filepath.Join(dir, "cgroup.subtree_control"))
	if err != nil {
		return false
	}
	controllers := strings.Fields(string(enabled))
	if !slices.Contains(controllers, "cpu") || !slices.Contains(controllers, "memory") {
		return false
	}
	// A process moves into a child only when this file may be written.
	f, err := os.OpenFile(filepath.Join(dir, "cgroup.procs"), os.O_WRONLY, 0)
	if err != nil {
		return false
	}
	_ = f.Close()
	return true
}

// makeCgroup makes the job's cgroup and sets its limits; nil when it has none.
func makeCgroup(p *plan, dirs *jobDirs) (*cgroup, error) {
	if p.cgroup == "" {
		return nil, nil
	}
	dir := filepath.Join(p.cgroup, fmt.Sprintf("brigade-%d-%s", os.Getpid(), filepath.Base(dirs.root)))
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the job's cgroup: %w", err)
	}
	g := &cgroup{dir: dir}
	const period = 100_000 // microseconds
	for _, setting := range []struct {
		on, optional bool
		file, value  string
	}{
		{p.memory > 0, false, "memory.max", strconv.FormatInt(p.memory, 10)},
		{p.memory > 0, true, "memory.swap.max", "0"},
		{p.memory > 0, true, "memory.oom.group", "1"},
		{p.cpu > 0, false, "cpu.max", fmt.Sprintf("%d %d", max(int64(p.cpu*period), 1000), period)},
	} {
		if !setting.on {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, setting.file), []byte(setting.value), 0o644); err != nil && !setting.optional {
			g.remove()
			return nil, fmt.Errorf("limit the job: %w", err)
		}
	}
	var err error
	if g.fd, err = os.Open(dir); err != nil {
		g.remove()
		return nil, err
	}
	return g, nil
}

// hold makes a process that is started with attr begin in the cgroup.
func (g *cgroup) hold(attr *syscall.SysProcAttr) {
	if g != nil {
		attr.UseCgroupFD, attr.CgroupFD = true, int(g.fd.Fd())
	}
}

// outOfMemory reports whether the kernel killed something in it for its limit.
func (g *cgroup) outOfMemory() bool {
	if g == nil {
		return false
	}
	events, err := os.ReadFile(filepath.Join(g.dir, "memory.events"))
	if err != nil {
		return false
	}
	for line := range bytes.Lines(events) {
		if n, ok := bytes.CutPrefix(bytes.TrimSpace(line), []byte("oom_kill ")); ok {
			return string(n) != "0"
		}
	}
	return false
}

// remove ends what is left in the cgroup, and it.
func (g *cgroup) remove() {
	if g == nil {
		return
	}
	if g.fd != nil {
		_ = g.fd.Close()
	}
	// Not before Linux 5.14; what it would have ended is dead already then.
	_ = os.WriteFile(filepath.Join(g.dir, "cgroup.kill"), []byte("1"), 0)
	for pause := time.Millisecond; pause < 200*time.Millisecond; pause *= 2 {
		if err := os.Remove(g.dir); err == nil || os.IsNotExist(err) {
			return
		}
		time.Sleep(pause) // a dead process leaves it a moment later
	}
}
