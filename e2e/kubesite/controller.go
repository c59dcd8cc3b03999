package kubesite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"
)

// Controller is a controller in a process of its own.
type Controller struct {
	cmd    *exec.Cmd
	exited chan struct{}
	log    *logFile
}

// Start starts a controller.
func (s *Site) Start(args ...string) (*Controller, error) { return s.StartAs("", args...) }

// StartAs starts a controller that believes to be a container of that pod,
// which has its data on a volume: when it is started again, it finds it there.
func (s *Site) StartAs(pod string, args ...string) (*Controller, error) {
	s.mu.Lock()
	s.counter++
	name := fmt.Sprintf("controller-%d.log", s.counter)
	s.mu.Unlock()
	file, err := os.Create(filepath.Join(s.opt.Dir, name))
	if err != nil {
		return nil, err
	}
	c := &Controller{exited: make(chan struct{}), log: &logFile{file: file, also: s.opt.Log}}
	c.cmd = exec.Command(s.opt.Program, append([]string{
		"controller", "--kubeconfig", s.opt.Cluster.Kubeconfig(), "-n", s.Namespace, "--data", filepath.Join(s.opt.Dir, "data"+pod),
		"--api", "127.0.0.1:0", "--health", "127.0.0.1:0",
	}, args...)...)
	c.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.opt.Dir, "TMPDIR=" + s.opt.Dir}
	if pod != "" {
		c.cmd.Env = append(c.cmd.Env, "KUBERNETES_SERVICE_HOST=127.0.0.1", "POD_NAME="+pod)
	}
	c.cmd.Stdout, c.cmd.Stderr, c.cmd.Dir = c.log, c.log, s.opt.Dir
	if err := c.cmd.Start(); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	go func() {
		_ = c.cmd.Wait() // how it ended, ProcessState tells
		close(c.exited)
	}()
	return c, nil
}

// PID is the controller's process.
func (c *Controller) PID() int { return c.cmd.Process.Pid }

// Kill ends the controller as kill -9 does, and returns when it is gone.
func (c *Controller) Kill() {
	_ = c.cmd.Process.Kill() // it may be gone
	<-c.exited
}

// Stop ends it as a kubelet does.
func (c *Controller) Stop() {
	_ = c.cmd.Process.Signal(os.Interrupt)
	select {
	case <-c.exited:
	case <-time.After(time.Minute):
		c.Kill()
	}
}

// Exited is closed when the process has ended, by whatever.
func (c *Controller) Exited() <-chan struct{} { return c.exited }

// Log is the end of what it logged.
func (c *Controller) Log() string { return c.log.tail() }

var leads = regexp.MustCompile(`msg=leading .*`)

// Leads returns when the controller leads and works.
func (c *Controller) Leads(ctx context.Context) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !leads.MatchString(c.log.tail()) {
		select {
		case <-tick.C:
		case <-c.exited:
			return fmt.Errorf("the controller ended: %s", c.Log())
		case <-ctx.Done():
			return fmt.Errorf("the controller does not lead: %w\n%s", context.Cause(ctx), c.Log())
		}
	}
	return nil
}

// Healthy asks whether the controller is connected.
func (c *Controller) Healthy(ctx context.Context) error {
	found := regexp.MustCompile(`health=([0-9.:]+)`).FindStringSubmatch(c.log.tail())
	if found == nil {
		return errors.New("it did not say where to ask")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+found[1]+"/readyz", nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	return nil
}

// logFile keeps a log, and its end in memory.
type logFile struct {
	mu   sync.Mutex
	file *os.File
	also interface{ Write([]byte) (int, error) }
	end  bytes.Buffer
}

func (l *logFile) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.also != nil {
		_, _ = l.also.Write(p)
	}
	if l.end.Len() > 64<<10 {
		l.end.Next(l.end.Len() / 2)
	}
	l.end.Write(p)
	return l.file.Write(p)
}

func (l *logFile) tail() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.TrimSpace(l.end.String())
}
