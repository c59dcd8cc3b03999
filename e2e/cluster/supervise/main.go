//go:build linux

// Command supervise stands between a test and the processes of its cluster, so
// that they end with the test, however that ends. It starts and stops programs
// as the lines on its standard input say, and tells on its standard output what
// became of them. When its input ends, because the test closed it or because
// the test is no more, it kills everything and removes what it was told to.
//
// With -node it is process 1 of a machine within the machine, with processes, mounts
// and a network of its own, which the kernel ends with it.
//
// It is built on its own, outside of this module, and imports nothing but the
// standard library. Package cluster describes the lines: request and reply.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// request is a line of the input.
type request struct {
	ID   int    `json:"id"`
	Op   string `json:"op"`             // start, stop, run, remove, node, bind
	Node bool   `json:"node,omitempty"` // for the supervisor of the node
	// Name of the program; a program's log is in the file of its name.
	Name   string   `json:"name,omitempty"`
	Args   []string `json:"args,omitempty"` // with the program's path
	Env    []string `json:"env,omitempty"`
	Dir    string   `json:"dir,omitempty"`
	Signal int      `json:"signal,omitempty"`
	// Paths to remove at the end, in the order given; those below
	// /sys/fs/cgroup are control groups. For bind: a file, and where it is to
	// be seen.
	Paths []string `json:"paths,omitempty"`
}

// reply is a line of the output: an answer, or with the ID 0 the news that a
// program ended.
type reply struct {
	ID    int    `json:"id"`
	Error string `json:"error,omitempty"`
	PID   int    `json:"pid,omitempty"`
	Name  string `json:"name,omitempty"`
	Exit  string `json:"exit,omitempty"` // how it ended
}

type program struct {
	name string
	pid  int
	done chan struct{}
	exit string // after done
}

type supervisor struct {
	out sync.Mutex

	mu       sync.Mutex // held from fork until the process is known
	byPID    map[int]*program
	byName   map[string]*program
	children chan os.Signal

	remove []string
	node   *os.File // the input of the node's supervisor
}

func main() {
	// A child gets its parent's death signal when the thread that started it
	// ends, hence all are started from this one, which lasts.
	runtime.LockOSThread()
	// Caught and not ignored: what is ignored, programs would inherit.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	s := &supervisor{byPID: map[int]*program{}, byName: map[string]*program{}, children: make(chan os.Signal, 1)}
	signal.Notify(s.children, syscall.SIGCHLD)
	go s.reap()
	if len(os.Args) > 1 && os.Args[1] == "-node" {
		if err := enterNode(); err != nil {
			s.say(reply{ID: 1, Error: err.Error()})
			os.Exit(1)
		}
		s.say(reply{ID: 1})
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		var r request
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			s.say(reply{ID: r.ID, Error: err.Error()})
			continue
		}
		if r.Node && s.node != nil {
			if _, err := s.node.Write(append(lines.Bytes(), '\n')); err != nil {
				s.say(reply{ID: r.ID, Error: "the node is gone: " + err.Error()})
			}
			continue
		}
		s.serve(r)
	}
	s.end()
}

func (s *supervisor) serve(r request) {
	a := reply{ID: r.ID, Name: r.Name}
	var err error
	switch r.Op {
	case "start":
		var p *program
		if p, err = s.start(r, nil); err == nil {
			a.PID = p.pid
		}
	case "run": // until it ended
		var p *program
		if p, err = s.start(r, nil); err == nil {
			<-p.done
			if p.exit != "exit 0" {
				err = fmt.Errorf("%s: %s", strings.Join(r.Args, " "), p.exit)
			}
		}
	case "stop":
		s.stop(r.Name, syscall.Signal(r.Signal))
	case "remove":
		s.remove = append(s.remove, r.Paths...)
	case "bind":
		err = bind(r.Paths)
	case "node":
		if err = s.startNode(r); err == nil {
			return // it answers itself
		}
	default:
		err = fmt.Errorf("unknown request %q", r.Op)
	}
	if err != nil {
		a.Error = err.Error()
	}
	s.say(a)
}

func (s *supervisor) say(a reply) {
	line, _ := json.Marshal(a)
	s.out.Lock()
	defer s.out.Unlock()
	_, _ = os.Stdout.Write(append(line, '\n'))
}

// start starts a program. Its files are nil, or its input and output.
func (s *supervisor) start(r request, files []uintptr) (*program, error) {
	log, err := os.OpenFile(filepath.Join(r.Dir, r.Name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	if files == nil {
		files = []uintptr{null.Fd(), log.Fd()}
	}
	attr := &syscall.ProcAttr{Dir: r.Dir, Env: r.Env, Files: append(files, log.Fd()),
		Sys: &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setsid: true}}
	if r.Op == "node" {
		attr.Sys.Cloneflags = syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.byName[r.Name]; old != nil {
		select {
		case <-old.done:
		default:
			return nil, fmt.Errorf("%s runs already", r.Name)
		}
	}
	pid, err := syscall.ForkExec(r.Args[0], r.Args, attr)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", r.Args[0], err)
	}
	p := &program{name: r.Name, pid: pid, done: make(chan struct{})}
	s.byPID[pid], s.byName[r.Name] = p, p
	return p, nil
}

// reap waits for every child, those included that a program left behind.
func (s *supervisor) reap() {
	for range s.children {
		for {
			var status syscall.WaitStatus
			s.mu.Lock()
			pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
			p := s.byPID[pid]
			delete(s.byPID, pid)
			s.mu.Unlock()
			if err == syscall.EINTR {
				continue
			}
			if err != nil || pid <= 0 {
				break
			}
			if p == nil {
				continue
			}
			p.exit = fmt.Sprintf("exit %d", status.ExitStatus())
			if status.Signaled() {
				p.exit = status.Signal().String()
			}
			close(p.done)
			s.say(reply{Name: p.name, Exit: p.exit})
		}
	}
}

// stop sends a signal and returns when the program is gone.
func (s *supervisor) stop(name string, sig syscall.Signal) {
	s.mu.Lock()
	p := s.byName[name]
	s.mu.Unlock()
	if p == nil {
		return
	}
	if sig == 0 {
		sig = syscall.SIGKILL
	}
	select {
	case <-p.done: // the number may be somebody else's by now
		return
	default:
		_ = syscall.Kill(p.pid, sig)
	}
	select {
	case <-p.done:
	case <-time.After(20 * time.Second):
		_ = syscall.Kill(p.pid, syscall.SIGKILL)
		<-p.done
	}
}

// end kills what runs and removes what is to be removed.
func (s *supervisor) end() {
	if s.node != nil {
		s.node.Close()
	}
	s.mu.Lock()
	names := make([]string, 0, len(s.byName))
	for name := range s.byName {
		names = append(names, name)
	}
	s.mu.Unlock()
	for _, name := range names {
		s.stop(name, syscall.SIGKILL)
	}
	for _, path := range s.remove {
		removePath(path)
	}
}

// removePath removes a tree. Processes that the kernel is about to end may
// still hold it, so it tries for a while.
func removePath(path string) {
	for range 100 {
		if strings.HasPrefix(path, "/sys/fs/cgroup/") {
			removeGroups(path)
		} else if err := os.RemoveAll(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		if _, err := os.Lstat(path); os.IsNotExist(err) {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// removeGroups removes a control group and those within, which are directories
// full of files that cannot be removed.
func removeGroups(path string) {
	entries, _ := os.ReadDir(path)
	for _, e := range entries {
		if e.IsDir() {
			removeGroups(filepath.Join(path, e.Name()))
		}
	}
	_ = syscall.Rmdir(path)
}
