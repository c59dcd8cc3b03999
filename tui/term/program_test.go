package term

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
)

func TestMain(m *testing.M) {
	time.Local = time.UTC // the times in logs are those of the machine
	os.Exit(m.Run())
}

// session is the dashboard on a terminal, as a person has it.
type session struct {
	t       *testing.T
	screen  *screen
	program *tea.Program
	keys    *io.PipeWriter
	ended   chan error
	stop    context.CancelCauseFunc
}

func newSession(t *testing.T, w, h int, change func(*Options)) *session {
	t.Helper()
	in, keys := io.Pipe()
	s := &session{t: t, screen: newScreen(w, h), keys: keys, ended: make(chan error, 1)}
	fake := NewFake(func() time.Time { return testNow })
	o := Options{
		Data: fake, Control: fake, Source: "invented data", Color: true, Width: w, Height: h, Interval: 50 * time.Millisecond,
		In: in, Out: s.screen, Environ: []string{"TERM=xterm-256color", "COLORTERM=truecolor"}, Now: func() time.Time { return testNow },
	}
	if change != nil {
		change(&o)
	}
	ctx, stop := context.WithCancelCause(t.Context())
	s.stop = stop
	s.program = newProgram(ctx, o.withDefaults())
	go func() {
		_, err := s.program.Run()
		s.ended <- err
	}()
	t.Cleanup(func() { stop(nil); _ = keys.Close() })
	return s
}

// until waits until what is seen pleases.
func (s *session) until(what string, ok func(text string) bool) string {
	s.t.Helper()
	late := time.After(20 * time.Second)
	for {
		s.screen.mu.Lock()
		text, changed := s.screen.text(), s.screen.changed
		s.screen.mu.Unlock()
		if ok(text) {
			return text
		}
		select {
		case <-changed:
		case err := <-s.ended:
			s.t.Fatalf("it ended before: %s: %v\n%s", what, err, text)
		case <-late:
			s.t.Fatalf("not seen: %s\n%s", what, text)
		}
	}
}

func (s *session) has(part string) string {
	s.t.Helper()
	return s.until(part, func(text string) bool { return strings.Contains(text, part) })
}

func (s *session) press(keys string) {
	s.t.Helper()
	if _, err := io.WriteString(s.keys, keys); err != nil {
		s.t.Fatal(err)
	}
}

func (s *session) end() error {
	s.t.Helper()
	select {
	case err := <-s.ended:
		return err
	case <-time.After(20 * time.Second):
		s.t.Fatal("it does not end")
	}
	return nil
}

func TestOnATerminal(t *testing.T) {
	s := newSession(t, 80, 24, nil)
	text := s.has("acme/website")
	if !s.screen.modes["?1049"] || !s.screen.modes["?1002"] || s.screen.modes["?25"] {
		t.Errorf("modes %v", s.screen.modes)
	}
	for _, part := range []string{"▌all builds", "↵ builds", "invented data"} {
		if !strings.Contains(text, part) {
			t.Errorf("no %q on\n%s", part, text)
		}
	}
	s.press("\x1b[B\x1b[B\x1b[B\x1b[B") // the arrow down
	s.has("▌acme/shop")
	s.press("\r")
	s.has("BUILD")
	s.press("\r")
	s.has("e2e-chromium")
	s.press("y")
	s.has("copied 01")
	copied, err := base64.StdEncoding.DecodeString(s.screen.clip)
	if err != nil || len(copied) != 26 {
		t.Errorf("copied %q: %v", copied, err)
	}
	s.press("jj\r")
	s.has("117 lines")
	s.press("/failed")
	s.has("/failed nowhere")
	s.press("\x1b") // Escape takes it back
	s.has("/ find")
	s.press("/cart11")
	s.has("/cart11 1/")
	s.press("\rq")
	if err := s.end(); err != nil {
		t.Error(err)
	}
	s.check()
}

// check looks at what was sent, after the end.
func (s *session) check() {
	s.t.Helper()
	for _, f := range s.screen.faults {
		s.t.Errorf("fault: %s", f)
	}
	if m := s.screen.modes; m["?1049"] || m["?1002"] || m["?1006"] || m["?2004"] || !m["?25"] {
		s.t.Errorf("the terminal is left as %v", m)
	}
	if s.screen.clears > 3 { // two when the other screen is entered and left
		s.t.Errorf("the screen was erased %d times: it flickers", s.screen.clears)
	}
}

// TestNoFlicker compares what is sent while nothing happens, and while the
// selection moves, with what a whole screen takes.
func TestNoFlicker(t *testing.T) {
	s := newSession(t, 80, 24, func(o *Options) { o.Interval = time.Hour })
	s.has("acme/website")
	s.press("G")
	s.has("▌tools/backup")
	s.screen.mu.Lock()
	whole := s.screen.bytes
	s.screen.mu.Unlock()
	s.press("k")
	s.has("▌acme/website")
	s.screen.mu.Lock()
	moved := s.screen.bytes - whole
	s.screen.mu.Unlock()
	t.Logf("%d bytes for the first screens, %d for a move", whole, moved)
	if moved*4 > whole {
		t.Errorf("a move takes %d bytes, everything before it took %d", moved, whole)
	}
	s.press("q")
	if err := s.end(); err != nil {
		t.Error(err)
	}
	s.check()
}

func TestResize(t *testing.T) {
	s := newSession(t, 80, 24, nil)
	s.has("acme/website")
	s.press("\r")
	s.has("▌⠋ running")
	for _, size := range [][2]int{{40, 10}, {200, 60}, {12, 3}, {1, 1}, {80, 24}} {
		s.screen.mu.Lock()
		s.screen.size(size[0], size[1])
		s.screen.mu.Unlock()
		s.program.Send(tea.WindowSizeMsg{Width: size[0], Height: size[1]})
		if size[0] == 1 {
			continue // it does not break
		}
		if size[0] < 20 {
			s.until("something", func(text string) bool { return strings.TrimSpace(text) != "" })
			continue
		}
		s.until("all of it", func(text string) bool {
			return strings.Contains(text, "all builds") && strings.Contains(text, "quit") && strings.Contains(text, "▌⠋")
		})
	}
	s.press("q")
	if err := s.end(); err != nil {
		t.Error(err)
	}
}

func TestEndedFromOutside(t *testing.T) {
	in, keys := io.Pipe()
	defer func() { _ = keys.Close() }()
	gone := errors.New("the signal")
	ctx, stop := context.WithCancelCause(t.Context())
	screen := newScreen(80, 24)
	go func() {
		for {
			screen.mu.Lock()
			changed, text := screen.changed, screen.text()
			screen.mu.Unlock()
			if strings.Contains(text, "acme/website") {
				stop(gone)
				return
			}
			<-changed
		}
	}()
	fake := NewFake(nil)
	err := Run(ctx, Options{Data: fake, Control: fake, Feed: fake, In: in, Out: screen, Width: 80, Height: 24, Environ: []string{"TERM=xterm"}})
	if !errors.Is(err, gone) {
		t.Errorf("ended with %v", err)
	}
	if m := screen.modes; m["?1049"] || m["?1002"] || !m["?25"] {
		t.Errorf("the terminal is left as %v", m)
	}
}
