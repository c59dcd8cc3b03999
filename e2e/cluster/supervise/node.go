//go:build linux

package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// startNode starts the supervisor of the node, a copy of this program in
// namespaces of its own, and passes on what it says.
func (s *supervisor) startNode(r request) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	in, toNode, err := os.Pipe()
	if err != nil {
		return err
	}
	defer in.Close()
	fromNode, out, err := os.Pipe()
	if err != nil {
		return err
	}
	defer out.Close()
	r.Name, r.Args = "node", []string{self, "-node"}
	p, err := s.start(r, []uintptr{in.Fd(), out.Fd()})
	if err != nil {
		return err
	}
	s.node = toNode
	lines := bufio.NewReader(fromNode)
	first, err := lines.ReadString('\n')
	if err != nil {
		return fmt.Errorf("the node's supervisor says nothing: %w", err)
	}
	if first != "{\"id\":1}\n" {
		return fmt.Errorf("the node cannot be: %s", first)
	}
	go s.pass(lines)
	s.say(reply{ID: r.ID, PID: p.pid})
	return nil
}

func (s *supervisor) pass(lines *bufio.Reader) {
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		s.out.Lock()
		_, _ = io.WriteString(os.Stdout, line)
		s.out.Unlock()
	}
}

// enterNode gives the new namespaces a /proc, and places of their own for what
// a node's programs keep outside of their directories. Where they share the
// machine's they still read it, and write above it into memory.
func enterNode() error {
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := syscall.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	if err := syscall.Mount("tmpfs", "/run", "tmpfs", 0, "mode=755"); err != nil {
		return fmt.Errorf("mount /run: %w", err)
	}
	for i, dir := range []string{"/var/lib", "/var/log", "/etc", "/opt", "/usr/libexec"} {
		above := fmt.Sprintf("/run/above-%d", i)
		_ = os.MkdirAll(above+"/files", 0o755)
		_ = os.MkdirAll(above+"/work", 0o755)
		options := fmt.Sprintf("lowerdir=%s,upperdir=%s/files,workdir=%s/work", dir, above, above)
		// Without it they write to the machine's, which does little harm.
		_ = syscall.Mount("overlay", dir, "overlay", 0, options)
	}
	_ = os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644)
	return syscall.Sethostname([]byte("node"))
}

// bind shows a file in the place of another, on the node only.
func bind(paths []string) error {
	if len(paths) != 2 {
		return fmt.Errorf("bind wants two paths, not %d", len(paths))
	}
	from, to := paths[0], paths[1]
	if target, err := os.Readlink(to); err == nil && filepath.IsAbs(target) {
		to = target // perhaps into /run, which is empty
	} else if err == nil {
		to = filepath.Join(filepath.Dir(to), target)
	}
	if _, err := os.Stat(to); err != nil {
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(to, nil, 0o644); err != nil {
			return err
		}
	}
	return syscall.Mount(from, to, "", syscall.MS_BIND, "")
}
