package term

import (
	"context"
	"errors"
	"fmt"
	"image/color"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/tui"
)

// shelf is data that a test fills.
type shelf struct {
	projects []*brigade.Project
	builds   []*brigade.Build // newest first
	jobs     []*brigade.Job
	lines    []brigade.LogLine
	err      error
	asked    []brigade.BuildFilter
	canceled []string
	rerun    []string
}

func (s *shelf) ListProjects(context.Context) ([]*brigade.Project, error) { return s.projects, s.err }

func (s *shelf) ListBuilds(_ context.Context, f brigade.BuildFilter) ([]*brigade.Build, error) {
	s.asked = append(s.asked, f)
	var out []*brigade.Build
	for _, b := range s.builds {
		if (f.Before == "" || b.ID < f.Before) && (f.ProjectID == "" || f.ProjectID == b.ProjectID) && len(out) < f.Limit &&
			(len(f.States) == 0 || slices.Contains(f.States, b.State)) && strings.Contains(b.Event.ShortTitle, f.Text) {
			out = append(out, b)
		}
	}
	return out, s.err
}

func (s *shelf) ListJobs(context.Context, string) ([]*brigade.Job, error) { return s.jobs, s.err }

func (s *shelf) ReadLog(_ context.Context, q brigade.LogQuery) ([]brigade.LogLine, error) {
	lines := s.lines[min(int(q.After), len(s.lines)):]
	if q.Tail > 0 {
		lines = lines[max(len(lines)-q.Tail, 0):]
	}
	if q.Limit > 0 {
		lines = lines[:min(q.Limit, len(lines))]
	}
	return slices.Clone(lines), s.err
}

func (s *shelf) Cancel(_ context.Context, id string) error {
	s.canceled = append(s.canceled, id)
	return s.err
}

func (s *shelf) Rerun(_ context.Context, id string, failed bool) (string, error) {
	s.rerun = append(s.rerun, fmt.Sprint(id, failed))
	return "new", s.err
}

func (s *shelf) print(texts ...string) {
	for _, text := range texts {
		s.lines = append(s.lines, brigade.LogLine{BuildID: "b1", Seq: int64(len(s.lines) + 1), Time: testNow, Text: text})
	}
}

// shelved is a dashboard of n builds b0001 … of one project.
func shelved(t *testing.T, n int) (*bench, *shelf) {
	t.Helper()
	s := &shelf{}
	for i := n; i > 0; i-- {
		s.builds = append(s.builds, shelfBuild(i))
	}
	b := newBench(t, 80, 24, func(o *Options) { o.Data, o.Control = s, s })
	return b, s
}

func shelfBuild(i int) *brigade.Build {
	return &brigade.Build{
		ID: fmt.Sprintf("b%04d", i), ProjectID: "p", Project: "acme/one", State: brigade.StateFailed, Created: testNow.Add(time.Duration(i-5000) * time.Second),
		Started: testNow.Add(time.Duration(i-5000) * time.Second), Ended: testNow.Add(time.Duration(i-4999) * time.Second),
		Event: brigade.Event{Type: "push", ShortTitle: fmt.Sprint("title", i)},
	}
}

func (b *bench) see(parts ...string) {
	b.t.Helper()
	text := b.shown()
	for _, part := range parts {
		if no, ok := strings.CutPrefix(part, "!"); ok {
			if strings.Contains(text, no) {
				b.t.Errorf("%q on\n%s", no, text)
			}
		} else if !strings.Contains(text, part) {
			b.t.Errorf("no %q on\n%s", part, text)
		}
	}
}

func TestPagesOfBuilds(t *testing.T) {
	b, s := shelved(t, 450)
	b.keys("enter")
	b.see("▌✗ failed  b0450", "1 of 200")
	b.keys("G")
	b.see("▌✗ failed  b0251", "200 of 400")
	b.keys("G")
	b.see("b0051", "400 of 450")
	b.keys("G")
	b.see("▌✗ failed  b0001", "450 of 450")
	before := len(s.asked)
	b.keys("G", "k", "G")
	if len(s.asked) != before {
		t.Errorf("asked for more at the end: %v", s.asked[before:])
	}
	b.pass(2 * time.Second) // reading anew loses none
	b.see("▌✗ failed  b0001", "450 of 450")
}

func TestFilterAsksTheData(t *testing.T) {
	b, s := shelved(t, 450)
	b.keys("enter", "/", "title7")
	b.see("title7 (11)") // 7 and 70 to 79: far behind the first page
	b.keys("7", "enter")
	b.see("▌✗ failed  b0077", "title77 (1)")
	if f := s.asked[len(s.asked)-1]; f.Text != "title77" || f.Before != "" {
		t.Errorf("asked for %+v", f)
	}
	b.keys("enter", "left")
	b.see("title77 (1)")
	b.keys("esc")
	b.see("!title77 (1)", "▌✗ failed  b0077") // where one was
	b.keys("g", "/", "nothing at all")
	b.see("no builds")
	b.keys("ctrl+w", "ctrl+u", "backspace")
	b.see("b0450", "!/nothing")
	b.keys("s")
	b.see("all builds open (0)", "no builds")
	b.keys("s")
	b.see("all builds failed (200)")
}

// TestSelectionStays: what is selected stays selected when builds come.
func TestSelectionStays(t *testing.T) {
	b, s := shelved(t, 30)
	b.keys("enter", "down", "down")
	b.see("▌✗ failed  b0028")
	s.builds = append([]*brigade.Build{shelfBuild(32), shelfBuild(31)}, s.builds...)
	b.pass(2 * time.Second)
	b.see("▌✗ failed  b0028", " ✗ failed  b0032")
	for range 25 {
		b.keys("down")
	}
	at := lineOf(b.shown(), "▌")
	s.builds = append([]*brigade.Build{shelfBuild(33)}, s.builds...)
	b.pass(2 * time.Second)
	if now := lineOf(b.shown(), "▌"); now != at {
		t.Errorf("the selection went from line %d to %d", at, now)
	}
	s.builds = slices.DeleteFunc(s.builds, func(b *brigade.Build) bool { return b.ID == "b0003" })
	b.pass(2 * time.Second)
	b.see("▌", "!b0003")
}

func lineOf(text, part string) int {
	for i, line := range strings.Split(text, "\n") {
		if strings.Contains(line, part) {
			return i
		}
	}
	return -1
}

func TestTrouble(t *testing.T) {
	b, s := shelved(t, 3)
	s.err = brigade.Errorf(brigade.CodeUnavailable, "the server does not answer").WithHint("is it running?")
	b.pass(2 * time.Second)
	b.see("cut off", "the server does not answer (is it running?)", "acme/one") // what is known stays
	b.keys("enter")
	b.see("the server does not answer")
	s.err = nil
	b.pass(2 * time.Second)
	b.see("b0003", "!cut off", "!does not answer")
	s.builds = nil
	b.keys("enter")
	b.pass(2 * time.Second)
	b.see("there is no build", "it was deleted")
	if b.now = b.now.Add(time.Hour); true {
		b.keys("left", "q")
	}
	if !b.quit {
		t.Error("q does not end it")
	}
}

func TestCancelAndRerun(t *testing.T) {
	b, s := shelved(t, 3)
	b.keys("enter", "c")
	b.see("b0003 has ended already")
	b.keys("r")
	b.see("Run build b0003 again?", "y yes, f what failed, n no")
	b.keys("x")
	b.see("!again?")
	b.keys("r", "f")
	b.see("started build new")
	b.keys("r", "y", "r", "n")
	if got := fmt.Sprint(s.rerun); got != "[b0003true b0003false]" {
		t.Errorf("reruns %s", got)
	}
	s.builds = append([]*brigade.Build{shelfBuild(4)}, s.builds...)
	s.builds[0].ID = "new"
	b.keys("enter", "enter", "r", "y")
	b.see("› new", "started build new")
	b.keys("left")
	b.see("!› new", "b0003")
	s.builds[1].State, s.builds[1].Ended = brigade.StateRunning, time.Time{}
	b.pass(2 * time.Second)
	b.keys("enter", "c")
	b.see("End build b0003 of acme/one?", "y yes, n no")
	b.keys("esc")
	if len(s.canceled) > 0 {
		t.Error("canceled although it was not wanted")
	}
	s.err = errors.New("no\x1b[2Jway")
	b.keys("c", "y")
	b.see("noway")
	s.err = nil
	b.keys("c", "y")
	b.see("canceling b0003")
	if len(s.canceled) != 2 {
		t.Errorf("canceled %v", s.canceled)
	}
}

func TestCopyAndBrowse(t *testing.T) {
	var opened []string
	s := &shelf{builds: []*brigade.Build{shelfBuild(1)}, jobs: []*brigade.Job{{ID: "test-b0001", BuildID: "b0001", Name: "test", State: brigade.StatePending}}}
	b := newBench(t, 80, 24, func(o *Options) {
		o.Data, o.Control = s, nil
		o.BuildURL = func(id string) string { return "http://h/builds/" + id }
		o.OpenURL = func(url string) error { opened = append(opened, url); return nil }
	})
	b.keys("enter", "y", "o", "r", "c")
	b.see("!again?", "!End build") // nothing can be changed
	b.keys("enter", "j", "y", "enter", "y")
	if got := fmt.Sprint(b.clip, opened); got != "[b0001 test-b0001 test-b0001] [http://h/builds/b0001]" {
		t.Errorf("got %s", got)
	}
	b.o.OpenURL = nil
	b.keys("o")
	b.see("copied http://h/builds/b0001")
	b.o.BuildURL = nil
	b.keys("o")
	b.see("builds have no page in the browser here")
}

// TestLightAndDark: the selected line has a background that fits, once it is
// known; before that, and without colours, it can be told all the same.
func TestLightAndDark(t *testing.T) {
	b, _ := shelved(t, 3)
	b.keys("enter")
	selected := func() string { return strings.Split(b.View().Content, "\n")[3] }
	for _, tt := range []struct {
		what string
		msg  tea.Msg
		want string
	}{
		{"unknown", nil, "\x1b[1m"},
		{"dark", tea.BackgroundColorMsg{Color: color.Gray{20}}, groundOfDark},
		{"light", tea.BackgroundColorMsg{Color: color.Gray{240}}, groundOfLight},
	} {
		b.tell(tt.msg)
		line := selected()
		if !strings.HasPrefix(line, tt.want) || !strings.Contains(line, "▌") || tui.Width(line) < 79 && tt.msg != nil {
			t.Errorf("%s: %q", tt.what, line)
		}
		if n := strings.Count(line, "\x1b[m"); n < 2 || strings.Count(line, "\x1b[m"+tt.want) != n-1 {
			t.Errorf("%s: the background has holes: %q", tt.what, line)
		}
	}
	b.look = tui.NewLook(false, false)
	if line := selected(); !strings.HasPrefix(line, "\x1b[7m") {
		t.Errorf("without colours: %q", line)
	}
}

func TestMouse(t *testing.T) {
	b, _ := shelved(t, 60)
	click := func(x, y int) { b.tell(tea.MouseClickMsg{X: x, Y: y, Button: tea.MouseLeft}) }
	wheel := func(button tea.MouseButton) { b.tell(tea.MouseWheelMsg{X: 5, Y: 5, Button: button}) }
	b.see("▌all builds")
	click(5, 3)
	b.see("all builds", "▌✗ failed  b0060")
	click(5, 6)
	b.see("▌✗ failed  b0057")
	click(5, 23)
	click(5, 2)
	b.see("▌✗ failed  b0057")
	for range 3 {
		wheel(tea.MouseWheelDown)
	}
	b.see("b0051", "!b0057", "b0033")
	wheel(tea.MouseWheelUp)
	click(5, 5)
	click(5, 5)
	b.see("› b0052", "brigade.js")
	click(2, 0)
	b.see("PROJECT", "BEFORE")
	b.keys("enter", "enter")
	b.tell(tea.MouseClickMsg{X: 5, Y: 5, Button: tea.MouseRight})
	b.see("TITLE")
	b.keys("m")
	if b.View().MouseMode != tea.MouseModeNone {
		t.Error("m does not switch the mouse off")
	}
}

// TestReadsOnce: while a page is being read, it is not read a second time; it
// is once more after that.
func TestReadsOnce(t *testing.T) {
	b, s := shelved(t, 3)
	var waiting []tea.Cmd
	b.run = func(f func(context.Context) tea.Msg) tea.Cmd {
		waiting = append(waiting, func() tea.Msg { return f(t.Context()) })
		return nil
	}
	s.asked = nil
	for range 5 {
		b.tell(feedMsg{live: true, changed: true})
	}
	if len(waiting) != 1 {
		t.Fatalf("%d reads at once", len(waiting))
	}
	b.tell(waiting[0]())
	if len(waiting) != 2 {
		t.Errorf("%d reads after it", len(waiting))
	}
	b.keys("enter") // the page is left before its answer comes
	b.keys("left")
	b.tell(waiting[1]())
	b.see("acme/one", "live")
}

// feed is a Feed that a test speaks through.
type feed struct {
	watched chan string
	changes chan brigade.Change
	broken  chan error
}

func (f *feed) Watch(ctx context.Context, id string, changed func(brigade.Change)) error {
	f.watched <- id
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-f.broken:
			return err
		case c := <-f.changes:
			changed(c)
		}
	}
}

func TestFeed(t *testing.T) {
	f := &feed{watched: make(chan string, 10), changes: make(chan brigade.Change), broken: make(chan error)}
	s := newSession(t, 80, 24, func(o *Options) { o.Feed = f })
	s.has("acme/website")
	if id := <-f.watched; id != "" {
		t.Errorf("watches %q", id)
	}
	f.changes <- brigade.Change{}
	s.has("● live")
	s.press("\r")
	s.has("WHO")
	s.press("\r")
	if id := <-f.watched; len(id) != 26 { // the lists share a feed, a build has its own
		t.Errorf("watches %q", id)
	}
	f.changes <- brigade.Change{}
	s.has("● live")
	f.broken <- errors.New("gone")
	s.until("not live", func(text string) bool { return !strings.Contains(text, "live") })
	if id := <-f.watched; len(id) != 26 {
		t.Errorf("watches %q", id)
	}
	s.press("q")
	if err := s.end(); err != nil {
		t.Error(err)
	}
}

// hostile are texts that try to get out of their place.
var hostile = []string{
	"\x1b[2J\x1b[H\x1b[?1049hgone", "\x1b]0;title\x07x", "\x1b]52;c;ZXZpbA==\x1b\\x", "\u009b2Jx", "a\u202etxt.exe", "\x1b[31m",
	"a\nb\rc\x00d\x08\x08", "\xff\xfe\x9b31m", "e" + strings.Repeat("\u0301", 100), "👩‍👩‍👧‍👦🇩🇪漢字漢字漢字", strings.Repeat("x", 5000), "\t\t\ttab", "",
	"%d %s %!", "\x1b[8mhidden", "\u2028", "\x1b[38;2;1;2mcut",
}

func FuzzHostile(f *testing.F) {
	for i, text := range hostile {
		f.Add(text, 5+i*11, 1+i*3)
	}
	f.Fuzz(func(t *testing.T, text string, w, h int) {
		w, h = 1+max(w, 0)%200, 1+max(h, 0)%60
		when := testNow.Add(-time.Minute)
		fail := &brigade.Error{Code: brigade.CodeBuildFailed, Message: text, Hint: text}
		build := &brigade.Build{
			ID: "b" + text, ProjectID: text, Project: text, State: brigade.State(text), Created: when, Started: when, Waiting: text, Failure: fail, Runner: text,
			Event: brigade.Event{Type: text, Provider: text, Actor: text, ShortTitle: text, LongTitle: text, Revision: brigade.Revision{Ref: text, Commit: text}},
		}
		s := &shelf{builds: []*brigade.Build{build}, projects: []*brigade.Project{{ID: "p" + text, Name: text}}, jobs: []*brigade.Job{
			{ID: "j", Name: text, State: brigade.StateFailed, Spec: brigade.JobSpec{Image: text}, Failure: fail, Created: when, Started: when, Ended: when, ExitCode: -1},
			{ID: "k", Name: text, State: brigade.State(text), Created: when},
		}}
		s.print(text, text+text, "plain")
		b := newBench(t, w, h, func(o *Options) { o.Data, o.Control, o.Source = s, s, text })
		for _, key := range []string{"enter", "/", text, "enter", "esc", "enter", "down", "?", "esc", "c", "esc", "enter", "/", text, "enter", "n", "w", "t", "right", "g", "tab", "G", "y", "r", "n"} {
			if len(key) > 20 {
				b.tell(tea.PasteMsg{Content: key})
			} else {
				b.keys(key)
			}
			b.shown()
		}
		b.model.fail(fail)
		b.shown()
		s.err = errors.New(text)
		b.pass(time.Hour)
		b.shown()
	})
}
