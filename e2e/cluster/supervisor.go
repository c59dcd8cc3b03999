package cluster

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// request and reply are the lines that package cluster and its supervisor
// exchange; supervise/main.go describes them.
type request struct {
	ID     int      `json:"id"`
	Op     string   `json:"op"`
	Node   bool     `json:"node,omitempty"`
	Name   string   `json:"name,omitempty"`
	Args   []string `json:"args,omitempty"`
	Env    []string `json:"env,omitempty"`
	Dir    string   `json:"dir,omitempty"`
	Signal int      `json:"signal,omitempty"`
	Paths  []string `json:"paths,omitempty"`
}

type reply struct {
	ID    int    `json:"id"`
	Error string `json:"error"`
	PID   int    `json:"pid"`
	Name  string `json:"name"`
	Exit  string `json:"exit"`
}

// supervisor is the process that holds a cluster's processes; they end when
// this process does, or closes it.
type supervisor struct {
	dir  string
	cmd  *exec.Cmd
	in   io.WriteCloser
	gone chan struct{} // closed when its output ended

	mu      sync.Mutex
	last    int
	pending map[int]chan reply
	running map[string]*process
}

// process is a program that was started.
type process struct {
	name string
	pid  int
	done chan struct{}
	exit string // after done
}

// supervise starts a supervisor that removes dir in the end.
func supervise(program, dir string) (*supervisor, error) {
	log, err := os.Create(filepath.Join(dir, "supervise.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	s := &supervisor{dir: dir, cmd: exec.Command(program), gone: make(chan struct{}),
		pending: map[int]chan reply{}, running: map[string]*process{}}
	s.cmd.Stderr = log
	ownSession(s.cmd)
	if s.in, err = s.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the supervisor: %w", err)
	}
	go s.listen(out)
	return s, nil
}

func (s *supervisor) listen(out io.Reader) {
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var r reply
		if json.Unmarshal(lines.Bytes(), &r) != nil {
			continue
		}
		s.mu.Lock()
		if r.ID == 0 {
			if p := s.running[r.Name]; p != nil {
				delete(s.running, r.Name)
				p.exit = r.Exit
				close(p.done)
			}
		} else if c := s.pending[r.ID]; c != nil {
			delete(s.pending, r.ID)
			c <- r
		}
		s.mu.Unlock()
	}
	close(s.gone)
}

// ask sends a request and waits for the answer.
func (s *supervisor) ask(ctx context.Context, r request) (reply, error) {
	answer := make(chan reply, 1)
	s.mu.Lock()
	s.last++
	r.ID = s.last
	s.pending[r.ID] = answer
	var p *process
	if r.Op == "start" {
		// Known before it can end.
		p = &process{name: r.Name, done: make(chan struct{})}
		s.running[r.Name] = p
	}
	line, err := json.Marshal(r)
	if err == nil {
		_, err = s.in.Write(append(line, '\n'))
	}
	s.mu.Unlock()
	if err != nil {
		return reply{}, fmt.Errorf("ask the supervisor: %w", err)
	}
	select {
	case a := <-answer:
		if a.Error != "" {
			return a, errors.New(a.Error)
		}
		return a, nil
	case <-s.gone:
		return reply{}, errors.New("the supervisor is gone")
	case <-ctx.Done():
		return reply{}, fmt.Errorf("the supervisor does not answer: %w", context.Cause(ctx))
	}
}

// start starts a program, whose output goes to dir/name.log.
func (s *supervisor) start(ctx context.Context, node bool, name string, args ...string) (*process, error) {
	s.mu.Lock()
	if s.running[name] != nil {
		s.mu.Unlock()
		return nil, fmt.Errorf("%s runs already", name)
	}
	s.mu.Unlock()
	a, err := s.ask(ctx, request{Op: "start", Node: node, Name: name, Args: args, Env: s.env(), Dir: s.dir})
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.running[name]
	if err != nil {
		delete(s.running, name)
		return nil, err
	}
	if p == nil { // ended already
		return nil, fmt.Errorf("%s ended at once:\n%s", name, s.tail(name))
	}
	p.pid = a.PID
	return p, nil
}

// run runs a program to its end.
func (s *supervisor) run(ctx context.Context, node bool, args ...string) error {
	name := "run-" + filepath.Base(args[0])
	_, err := s.ask(ctx, request{Op: "run", Node: node, Name: name, Args: args, Env: s.env(), Dir: s.dir})
	if err != nil {
		return fmt.Errorf("%w: %s", err, s.tail(name))
	}
	return nil
}

// stop ends a program with a signal and returns when it is gone.
func (s *supervisor) stop(ctx context.Context, node bool, name string, signal int) error {
	s.mu.Lock()
	p := s.running[name]
	s.mu.Unlock()
	if _, err := s.ask(ctx, request{Op: "stop", Node: node, Name: name, Signal: signal}); err != nil || p == nil {
		return err
	}
	select { // its end is told apart from the answer, and maybe after it
	case <-p.done:
		return nil
	case <-s.gone:
		return errors.New("the supervisor is gone")
	case <-ctx.Done():
		return fmt.Errorf("the end of %s was not told: %w", name, context.Cause(ctx))
	}
}

// env is all that programs get of this process's environment.
func (s *supervisor) env() []string {
	path := os.Getenv("PATH")
	for _, dir := range []string{"/usr/sbin", "/sbin", "/usr/bin", "/bin"} {
		if !strings.Contains(":"+path+":", ":"+dir+":") {
			path += ":" + dir
		}
	}
	return []string{"PATH=" + path, "HOME=" + s.dir, "TMPDIR=" + s.dir}
}

// tail returns the end of a program's log.
func (s *supervisor) tail(name string) string {
	text, err := os.ReadFile(filepath.Join(s.dir, name+".log"))
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-25):], "\n")
}

// close ends everything and returns when all is gone.
func (s *supervisor) close() error {
	s.in.Close()
	<-s.gone
	if err := s.cmd.Wait(); err != nil {
		return fmt.Errorf("the cluster's supervisor: %w", err)
	}
	return nil
}
