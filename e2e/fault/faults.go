package fault

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Counts that explain failures.
const (
	killsOfWorkers = "kills of a worker"
	timesFull      = "times the disk was full"
)

// makeFaults kills and fills, one after another, until no more is wanted. The
// server runs when it returns.
func (t *test) makeFaults(ctx context.Context) {
	kinds := []func(context.Context){t.killServer}
	if t.opt.Workers {
		kinds = append(kinds, t.killWorker)
	}
	if t.opt.Disk {
		kinds = append(kinds, t.fillDisk)
	}
	for round := 0; ; round++ {
		wait := time.NewTimer(time.Duration((0.25 + 1.5*t.random.Float64()) * float64(t.opt.KillEvery)))
		select {
		case <-ctx.Done():
		case <-t.stopped:
		case <-wait.C:
			// Every kind comes once before chance decides.
			i := round
			if i >= len(kinds) {
				i = t.random.IntN(len(kinds))
			}
			kinds[i](ctx)
			t.awaitProgress(ctx)
			continue
		}
		wait.Stop()
		return
	}
}

// awaitProgress returns when something more has got done, if only one job: on
// a slow machine faults may otherwise come so fast that nothing ever does.
func (t *test) awaitProgress(ctx context.Context) {
	before := t.journal.done()
	for deadline := time.Now().Add(t.opt.Stuck); time.Now().Before(deadline) && t.journal.done() == before; {
		select {
		case <-ctx.Done():
			return
		case <-t.stopped:
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// killServer kills the server and starts it again, at once or after a while.
func (t *test) killServer(ctx context.Context) {
	if err := t.server.Kill(); err != nil {
		t.problem("kill the server: %v", err)
	}
	t.count("kills of the server", 1)
	if t.random.IntN(2) == 0 && t.opt.Runner == "process" {
		t.waitForOrphans(ctx)
	}
	t.restart(ctx)
}

// restart starts the server, as often as it takes: there may be no room on the disk.
func (t *test) restart(ctx context.Context) {
	deadline := time.Now().Add(t.opt.Stuck)
	for ctx.Err() == nil {
		err := t.server.Start(ctx)
		if err == nil {
			return
		}
		t.count("starts that failed", 1)
		if time.Now().After(deadline) {
			t.problem("the server does not start any more: %v", err)
			return
		}
		pauseFor(ctx, 200*time.Millisecond)
	}
}

// waitForOrphans checks that a killed server takes all its processes with it.
func (t *test) waitForOrphans(ctx context.Context) {
	var left []string
	for range 100 {
		if left = processesOf(t.opt.Program, t.journal.dir); len(left) == 0 {
			return
		}
		pauseFor(ctx, 50*time.Millisecond)
	}
	t.problem("after a kill of the server there run still: %s", strings.Join(left, "; "))
}

// killWorker kills the process of one script.
func (t *test) killWorker(context.Context) {
	workers := workersOf(t.server.PID())
	if len(workers) == 0 {
		return
	}
	if p, err := os.FindProcess(workers[t.random.IntN(len(workers))]); err == nil && p.Kill() == nil {
		t.count(killsOfWorkers, 1)
	}
}

// fillDisk leaves no room for a while, in which the server may be killed.
func (t *test) fillDisk(ctx context.Context) {
	if err := t.disk.fill(); err != nil {
		t.problem("fill the disk: %v", err)
	}
	t.count(timesFull, 1)
	pauseFor(ctx, time.Duration(500+t.random.IntN(1000))*time.Millisecond)
	if t.random.IntN(2) == 0 {
		if err := t.server.Kill(); err != nil {
			t.problem("kill the server: %v", err)
		}
		t.count("kills of the server", 1)
		go func() {
			pauseFor(ctx, time.Second)
			t.free()
		}()
		t.restart(ctx)
		return
	}
	t.free()
}

func (t *test) free() {
	if err := t.disk.free(); err != nil {
		t.problem("free the disk: %v", err)
	}
}

// misbehave is slow and broken clients, as long as the test runs.
func (t *test) misbehave(ctx context.Context) {
	for n := 0; ctx.Err() == nil; n++ {
		switch n % 4 {
		case 0:
			t.halfRequest(ctx, "POST /simpleevents/v1/fault%2Ftest/"+t.token+" HTTP/1.1\r\nHost: x\r\nContent-Le")
		case 1:
			t.halfRequest(ctx, "POST /simpleevents/v1/fault%2Ftest/"+t.token+" HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{\"n\":")
		case 2:
			t.hangUp(ctx, n)
		case 3:
			go t.readSlowly(ctx)
		}
		pauseFor(ctx, 100*time.Millisecond)
	}
}

// halfRequest sends the start of a request and then nothing more for a while.
func (t *test) halfRequest(ctx context.Context, text string) {
	c, err := net.Dial("tcp", t.server.Gateways)
	if err != nil {
		return // it is down just now
	}
	t.count("requests half sent", 1)
	go func() {
		defer c.Close() //nolint:errcheck // that is the point
		_, _ = io.WriteString(c, text)
		pauseFor(ctx, 2*time.Second)
	}()
}

// hangUp sends a whole event and does not wait for the answer. It may have a
// build, or not.
func (t *test) hangUp(_ context.Context, n int) {
	c, err := net.Dial("tcp", t.server.Gateways)
	if err != nil {
		return
	}
	defer c.Close() //nolint:errcheck // that is the point
	path, _, header, body := t.event(1)
	header.Set("Idempotency-Key", fmt.Sprintf("hung-up-%d", n%3))
	req, err := http.NewRequest(http.MethodPost, "http://"+t.server.Gateways+path, strings.NewReader(string(body)))
	if err != nil {
		return
	}
	req.Header = header
	if req.Write(c) == nil {
		t.count("connections cut before the answer", 1)
	}
}

// readSlowly opens the stream of all changes and hardly reads it.
func (t *test) readSlowly(ctx context.Context) {
	c, err := net.Dial("tcp", t.server.API)
	if err != nil {
		return
	}
	defer c.Close() //nolint:errcheck // nothing was written
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetReadBuffer(1 << 10) // only makes it harder
	}
	text, err := os.ReadFile(filepath.Join(t.server.Data, "token"))
	if err != nil {
		return
	}
	if _, err := fmt.Fprintf(c, "GET /api/watch HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\n\r\n", strings.TrimSpace(string(text))); err != nil {
		return
	}
	t.count("streams read slowly", 1)
	one := make([]byte, 1)
	for range 50 {
		if _, err := c.Read(one); err != nil {
			return
		}
		pauseFor(ctx, 100*time.Millisecond)
	}
}

// repository makes a git repository, so that builds have files, or returns ""
// where there is no git.
func repository(dir string) (string, error) {
	if git, _ := exec.LookPath("git"); git == "" {
		return "", nil
	}
	for _, args := range [][]string{
		{"init", "--quiet", "--initial-branch", "master", dir},
		{"-C", dir, "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "--quiet", "--allow-empty", "-m", "empty"},
	} {
		if out, err := exec.Command("git", args...).CombinedOutput(); err != nil {
			return "", fmt.Errorf("git: %w: %s", err, out)
		}
	}
	return dir, nil
}
