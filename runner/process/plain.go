package process

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
)

// startPlain starts the job as a process group that works in a copy of the
// source. The context covers the copying only.
func startPlain(ctx context.Context, r *Runner, p *plan, dirs *jobDirs, out *os.File) (child, error) {
	home := dirs.path("home")
	hook := filepath.Join(dirs.path("hook"), "main.sh")
	paths := []string{"BRIGADE_HOOK=" + dirs.path("hook"), "BRIGADE_OUTPUT=" + filepath.Join(dirs.path("out"), outputName)}
	for _, name := range temporaryVariables {
		paths = append(paths, name+"="+dirs.path("tmp"))
	}
	work := home
	if p.source != "" {
		work = dirs.path("src")
		if err := copyTree(ctx, p.source, work, realPath(r.opts.StateDir)); err != nil {
			return nil, err
		}
	}
	if p.source != "" || p.keeps {
		paths = append(paths, "BRIGADE_SRC="+dirs.path("src"))
	}
	if dirs.share != "" {
		paths = append(paths, "BRIGADE_SHARE="+dirs.share)
	}
	if dirs.cache != "" {
		paths = append(paths, "BRIGADE_CACHE="+dirs.cache)
	}
	if p.spec.Docker.Enabled {
		p.note("docker.enabled has no effect: the job may use whatever engine the user may")
	}
	cmd := &exec.Cmd{
		Path: p.shell, Args: append([]string{p.shell, hook}, p.spec.Args...),
		Env: p.environment(home, paths...), Dir: work, Stdout: out, Stderr: out,
	}
	group, err := makeCgroup(p, dirs)
	if err != nil {
		return nil, err
	}
	c := &plainChild{cmd: cmd, src: dirs.path("src"), group: group, ended: make(chan struct{})}
	if err := c.tree.start(cmd, group); err != nil {
		group.remove()
		return nil, err
	}
	if start := startTime(cmd.Process.Pid); start != "" {
		// For Sweep, should this program die; without the file it finds less.
		_ = writeIdentity(dirs.path("pid"), identity{cmd.Process.Pid, start})
	}
	if p.memory > 0 && p.cgroup == "" && canWatchMemory {
		go watchMemory(cmd.Process.Pid, 0, p.memory, c.ended, func(reason string) {
			c.mu.Lock()
			c.reason = reason
			c.mu.Unlock()
			c.kill()
		})
	}
	return c, nil
}

// plainChild is a process group, or on Windows a job object.
type plainChild struct {
	cmd   *exec.Cmd
	src   string
	tree  tree
	group *cgroup

	mu     sync.Mutex
	over   bool // the main process was waited for: its number may be another's
	reason string
	ended  chan struct{}
}

func (c *plainChild) term() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.over {
		c.tree.term(c.cmd)
	}
}

func (c *plainChild) kill() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.over {
		c.tree.kill(c.cmd)
	}
}

func (c *plainChild) wait() result {
	c.tree.awaitEnd(c.cmd)
	// What the main process left behind ends with it; while it has not been
	// waited for, its number is the group's alone.
	c.kill()
	err := c.cmd.Wait()
	c.mu.Lock()
	c.over = true
	reason := c.reason
	c.mu.Unlock()
	close(c.ended)
	c.tree.close()
	if c.group.outOfMemory() {
		reason = reasonMemory
	}
	c.group.remove()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return result{err: err}
	}
	return result{code: exitCode(c.cmd.ProcessState), reason: reason}
}

// files implements child: the job's copy of the source stays.
func (c *plainChild) files() (*os.Root, error) { return os.OpenRoot(c.src) }

func (c *plainChild) release() {}

const reasonMemory = "out of memory"

// realPath resolves links in path as far as that is possible.
func realPath(path string) string {
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		return resolved
	}
	return path
}
