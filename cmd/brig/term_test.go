package main

import (
	"bytes"
	"io"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// dashboard is brig term with a person in front of it.
type dashboard struct {
	t     *testing.T
	keys  *io.PipeWriter
	mu    sync.Mutex
	shown bytes.Buffer
	wrote chan struct{}
	code  chan int
	errs  bytes.Buffer
}

func (d *dashboard) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	select {
	case d.wrote <- struct{}{}:
	default:
	}
	return d.shown.Write(p)
}

func (sh *shell) term(args ...string) *dashboard {
	sh.t.Helper()
	in, keys := io.Pipe()
	d := &dashboard{t: sh.t, keys: keys, wrote: make(chan struct{}, 1), code: make(chan int, 1)}
	sh.env["TERM"] = "xterm-256color"
	s := sh.shellState(d, &d.errs)
	s.Args, s.Stdin = append([]string{"term"}, args...), in
	s.Terminal = func() (int, int, bool) { return 100, 30, true }
	s.InputTerminal = func() bool { return true }
	go func() { d.code <- Main(s) }()
	sh.t.Cleanup(func() { _ = keys.Close() })
	return d
}

var sequence = regexp.MustCompile(`\x1b(\[[0-9;?<>=]*[a-zA-Z]|\][^\x07\x1b]*(\x07|\x1b\\)|.)`)

// until waits until the text was shown since the last call.
func (d *dashboard) until(text string) {
	d.t.Helper()
	late := time.After(2 * time.Minute)
	for {
		d.mu.Lock()
		seen := sequence.ReplaceAllString(d.shown.String(), "")
		if strings.Contains(seen, text) {
			d.shown.Reset()
			d.mu.Unlock()
			return
		}
		d.mu.Unlock()
		select {
		case <-d.wrote:
		case code := <-d.code:
			d.t.Fatalf("it ended with %d before %q was seen: %s", code, text, d.errs.String())
		case <-late:
			d.t.Fatalf("%q not seen in %q", text, seen)
		}
	}
}

func (d *dashboard) press(keys string) {
	d.t.Helper()
	if _, err := io.WriteString(d.keys, keys); err != nil {
		d.t.Fatal(err)
	}
}

func TestTermOnTheStore(t *testing.T) {
	sh := newShell(t)
	sh.file("brigade.js", twoJobs)
	if _, errs, code := sh.brig("run", "--runner", "dummy", "-i", "fail"); code != 1 {
		t.Fatal(code, errs)
	}
	d := sh.term("--reload-interval", "100ms")
	d.until("failed") // its list is there: a key before that moves nothing
	d.press("\r")
	d.until("brigade-cli")
	d.press("\r")
	d.until("exit 3")
	d.press("j\r")
	d.until("said fail")
	d.press("o")
	d.until("no page in the browser")
	if _, errs, code := sh.brig("run", "--runner", "dummy", "-i", "again"); code != 0 {
		t.Fatal(code, errs)
	}
	d.press("hh")
	d.until("succeeded") // it came while one was elsewhere
	d.press("q")
	if code := <-d.code; code != 0 {
		t.Errorf("exit code %d: %s", code, d.errs.String())
	}
}

func TestTermOnInventedData(t *testing.T) {
	sh := newShell(t)
	d := sh.term("--fake", "--no-color", "--reload-interval", "3")
	d.until("invented data")
	d.press("\r")
	d.until("acme/shop")
	sh.sig <- nil // the first signal ends it
	if code := <-d.code; code != 0 {
		t.Errorf("exit code %d: %s", code, d.errs.String())
	}
}

func TestTermRefuses(t *testing.T) {
	sh := newShell(t)
	for _, tt := range []struct {
		args []string
		want string
	}{
		{nil, "the dashboard needs a terminal"},
		{[]string{"--reload-interval", "soon"}, "is no time between"},
		{[]string{"--reload-interval", "0"}, "is no time between"},
		{[]string{"--reload-interval", "-3s"}, "is no time between"},
		{[]string{"x"}, "unknown command"},
	} {
		out, errs, code := sh.brig(append([]string{"term"}, tt.args...)...)
		if code != 2 || out != "" || !strings.Contains(errs, tt.want) {
			t.Errorf("%v: %d %q %q", tt.args, code, out, errs)
		}
	}
}
