//go:build linux

package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
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

// enterNode gives the new namespaces a /proc, a /sys and places of their own
// for everything that a node's programs keep outside of their directories.
func enterNode() error {
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := syscall.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	for _, dir := range []string{"/run", "/var/log", "/var/lib/cni", "/var/lib/kubelet", "/etc/cni"} {
		if _, err := os.Stat(dir); err != nil && dir != "/run" {
			continue
		}
		if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "mode=755"); err != nil {
			return fmt.Errorf("mount %s: %w", dir, err)
		}
	}
	return syscall.Sethostname([]byte("node"))
}
