// Package serving runs a real `brig server` for tests and benchmarks: a process
// of its own that can be killed and started again at the same addresses, and a
// client for its API and its gateways.
package serving

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Options say which server to run. Program, Dir and Runner are required.
type Options struct {
	Program string   // the brig to run
	Dir     string   // where everything of it is: data, log
	Data    string   // its data directory; default Dir/data
	Runner  string   // docker, process or dummy
	Args    []string // more of them
	Env     []string // besides PATH and HOME
}

// Server is a server that runs, or does not. It may be used concurrently.
type Server struct {
	// API and Gateways are its addresses, the same over restarts.
	API, Gateways string
	// Data is its data directory, Log the file it logs to.
	Data, Log string

	opt    Options
	client *http.Client

	mu     sync.Mutex
	cmd    *exec.Cmd
	exited chan struct{}
	token  string
}

// New prepares a server without starting it.
func New(opt Options) (*Server, error) {
	s := &Server{opt: opt, Data: opt.Data, Log: filepath.Join(opt.Dir, "server.log"), client: &http.Client{
		Timeout:   30 * time.Second,
		Transport: &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: time.Minute},
	}}
	if s.Data == "" {
		s.Data = filepath.Join(opt.Dir, "data")
	}
	for _, address := range []*string{&s.API, &s.Gateways} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		*address = l.Addr().String()
		defer l.Close() //nolint:errcheck // it only kept the port
	}
	return s, nil
}

// Start starts the server and returns once it answers, or with an error when
// it ends before that.
func (s *Server) Start(ctx context.Context) error {
	if err := s.launch(); err != nil {
		return err
	}
	s.mu.Lock()
	exited := s.exited
	s.mu.Unlock()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-exited:
			return fmt.Errorf("the server ended: %s", s.tail())
		case <-ctx.Done():
			return errors.Join(ctx.Err(), s.Kill())
		case <-tick.C:
		}
		if s.answers(ctx) {
			return s.readToken()
		}
	}
}

func (s *Server) launch() error {
	log, err := os.OpenFile(s.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close() //nolint:errcheck // the server has it now
	args := append([]string{"server", "--data", s.Data, "--runner", s.opt.Runner, "--api", s.API, "--gateways", s.Gateways}, s.opt.Args...)
	cmd := exec.Command(s.opt.Program, args...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.opt.Dir}, s.opt.Env...)
	cmd.Stdout, cmd.Stderr, cmd.Dir = log, log, s.opt.Dir
	if err := cmd.Start(); err != nil {
		return err
	}
	exited := make(chan struct{})
	go func() {
		_ = cmd.Wait() // how it ended, ProcessState tells
		close(exited)
	}()
	s.mu.Lock()
	s.cmd, s.exited = cmd, exited
	s.mu.Unlock()
	return nil
}

// answers reports whether both listeners do.
func (s *Server) answers(ctx context.Context) bool {
	for _, address := range []string{s.API, s.Gateways} {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/healthz", nil)
		if err != nil {
			return false
		}
		resp, err := s.client.Do(req)
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return false
		}
	}
	return true
}

func (s *Server) readToken() error {
	text, err := os.ReadFile(filepath.Join(s.Data, "token"))
	s.mu.Lock()
	s.token = strings.TrimSpace(string(text))
	s.mu.Unlock()
	return err
}

// PID is the process ID of the server that was started last.
func (s *Server) PID() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		return 0
	}
	return s.cmd.Process.Pid
}

// Kill ends the server at once, as a crash does, and returns when it is gone.
func (s *Server) Kill() error {
	s.mu.Lock()
	cmd, exited := s.cmd, s.exited
	s.mu.Unlock()
	if cmd == nil {
		return nil
	}
	err := cmd.Process.Kill()
	<-exited
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// Stop asks the server to end, and fails when it does not within the time or
// with an exit code of 0.
func (s *Server) Stop(within time.Duration) error {
	s.mu.Lock()
	cmd, exited := s.cmd, s.exited
	s.mu.Unlock()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-exited:
	case <-time.After(within):
		return errors.Join(fmt.Errorf("the server did not end within %s", within), s.Kill())
	}
	if code := cmd.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("the server ended with exit code %d: %s", code, s.tail())
	}
	return nil
}

// tail is the end of the log.
func (s *Server) tail() string {
	text, err := os.ReadFile(s.Log)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-2000):])
}
