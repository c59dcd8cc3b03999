package tui

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	brigade "github.com/brigadecore/brigade/v3"
)

// TestLiveResize changes the size in the middle of a build: no part of an old
// block stays on the screen.
func TestLiveResize(t *testing.T) {
	w, h := 120, 30
	g := newStage(w, h, func(o *Options) {
		o.Width, o.Height = func() int { return w }, func() int { return h }
	})
	sizes := [][2]int{{100, 30}, {61, 20}, {40, 12}, {90, 15}, {200, 50}, {120, 40}, {70, 20}}
	n := 0
	g.st.pipeline(func(time.Duration) {
		g.draw(g.st.now)
		if n++; n%2 == 0 && n/2 <= len(sizes) {
			w, h = sizes[n/2-1][0], sizes[n/2-1][1]
			g.s.resize(w, h)
		}
		g.st.log("", fmt.Sprintf("line %d", n))
		g.draw(g.st.now)
		rules := strings.Count(g.s.all(), "───\n")
		if footers := strings.Count(g.s.all(), "jobs done"); footers > 1 || rules > 1 {
			t.Errorf("%d×%d: %d footers, %d rules on\n%s", w, h, footers, rules, g.s.visible())
		}
	}, func() {})
	if err := g.Finish(g.st.build, g.st.list()); err != nil {
		t.Fatal(err)
	}
	for i := 1; i <= n; i++ {
		if !strings.Contains(g.s.all(), fmt.Sprintf("line %d\n", i)) {
			t.Errorf("line %d is lost", i)
		}
	}
	if strings.Contains(g.s.all(), "jobs done") || strings.Contains(g.s.all(), "───") {
		t.Errorf("a block stayed:\n%s", g.s.all())
	}
	g.check(t)
}

// TestLiveManyJobs plays a thousand jobs on a small screen.
func TestLiveManyJobs(t *testing.T) {
	g := newStage(80, 24, nil)
	g.st.begin()
	const n = 1000
	name := func(i int) string { return fmt.Sprintf("job-%03d", i) }
	for i := range n {
		g.st.job(name(i), "alpine:3.20", brigade.StatePending, 0, nil)
	}
	g.st.after(time.Second)
	for i := range 400 {
		g.st.job(name(i), "", brigade.StateRunning, 0, nil)
	}
	g.draw(g.st.now)
	if want := "… and 991 more (391 running, 600 waiting)"; !strings.Contains(g.s.visible(), want) {
		t.Errorf("no %q on\n%s", want, g.s.visible())
	}
	writes := g.s.writes
	for i := range n {
		g.st.log(name(i), "done")
		state, exit := brigade.StateSucceeded, 0
		if i%100 == 7 {
			state, exit = brigade.StateFailed, 3
		}
		g.st.job(name(i), "", state, exit, nil)
	}
	if got := g.s.writes - writes; got > 20 {
		t.Errorf("%d writes between two frames", got)
	}
	g.st.end(brigade.StateSucceeded, nil)
	if err := g.Finish(g.st.build, g.st.list()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"… and 970 more (970 succeeded)", "✗ job-907 failed with exit code 3", "1000 jobs: 10 failed, 990 succeeded", "10 jobs failed"} {
		if !strings.Contains(g.s.all(), want) {
			t.Errorf("no %q in\n%s", want, g.s.visible())
		}
	}
	g.check(t)
}

// TestLiveFlood sends more log than a frame takes: all of it arrives, and
// little waits.
func TestLiveFlood(t *testing.T) {
	g := newStage(80, 24, nil)
	g.st.begin()
	g.st.job("loud", "alpine:3.20", brigade.StateRunning, 0, nil)
	const n = 20000
	for i := range n {
		g.st.log("loud", fmt.Sprintf("row %d of many", i))
		if g.bytes > pendingLimit+100 {
			t.Fatalf("%d bytes wait", g.bytes)
		}
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(g.s.all(), " of many\n"); got != n {
		t.Errorf("%d of %d lines arrived", got, n)
	}
	g.check(t)
}

// TestLiveStillFrames writes nothing when nothing changed.
func TestLiveStillFrames(t *testing.T) {
	g := newStage(80, 24, nil)
	g.st.begin()
	g.st.job("a", "", brigade.StateRunning, 0, nil)
	g.st.after(time.Second)
	g.draw(g.st.now)
	writes := g.s.writes
	for range 10 {
		g.draw(g.st.now)
	}
	if g.s.writes != writes {
		t.Errorf("%d writes for nothing", g.s.writes-writes)
	}
	g.Interrupted(2)
	if want := "killing 1 job …"; !strings.Contains(g.s.visible(), want) {
		t.Errorf("no %q on\n%s", want, g.s.visible())
	}
	_ = g.Close()
	if strings.Contains(g.s.visible(), "killing") {
		t.Error("the block is still there")
	}
	g.check(t)
}

// TestLiveClock lets the real clock draw while changes come from several
// goroutines, and ends by panic: the deferred Close restores the terminal.
func TestLiveClock(t *testing.T) {
	before := runtime.NumGoroutine()
	s := newScreen(80, 24)
	seen := make(chan struct{})
	var once sync.Once
	v := NewLive(Options{
		Out: writerFunc(func(p []byte) (int, error) {
			if strings.Contains(string(p), cursorHide) {
				once.Do(func() { close(seen) })
			}
			return s.Write(p)
		}), Terminal: true, Width: fixed(80), Height: fixed(24),
	})
	func() {
		defer func() { _ = recover() }()
		defer v.Close()
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				st := newStory(v.Watch)
				st.begin()
				st.job(fmt.Sprint("job-", i), "", brigade.StateRunning, 0, nil)
				st.log(fmt.Sprint("job-", i), "hello")
				v.Progress(fmt.Sprint("work ", i), 1, 2)
			})
		}
		wg.Wait()
		<-seen // the clock drew a block
		panic("bug")
	}()
	if s.hidden {
		t.Error("the cursor is hidden")
	}
	if got := strings.Count(s.visible(), "│ hello"); got != 4 {
		t.Errorf("%d of 4 lines on\n%s", got, s.visible())
	}
	for range 1000 { // the clock ends
		if runtime.NumGoroutine() <= before {
			return
		}
		runtime.Gosched()
		time.Sleep(time.Millisecond)
	}
	t.Error("a goroutine is left")
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestBrokenOutput(t *testing.T) {
	gone := errors.New("broken pipe")
	for _, o := range []Options{{JSON: true}, {}, {Terminal: true}} {
		o.Out = writerFunc(func([]byte) (int, error) { return 0, gone })
		v := New(o)
		st := newStory(v.Watch)
		st.pipeline(func(time.Duration) {}, func() {})
		if err := v.Finish(st.build, nil); !errors.Is(err, gone) {
			t.Errorf("%T: %v", v, err)
		}
		if err := v.Finish(st.build, nil); !errors.Is(err, gone) {
			t.Errorf("%T again: %v", v, err)
		}
		v.Watch(brigade.Change{Notice: "late"})
	}
}

// TestFinishWithoutAnything is a build that never began.
func TestFinishWithoutAnything(t *testing.T) {
	for _, o := range []Options{{JSON: true}, {}, {Terminal: true}} {
		s := newScreen(80, 24)
		o.Out = s
		v := New(o)
		v.Watch(brigade.Change{})
		if err := v.Finish(nil, []*brigade.Job{nil}); err != nil {
			t.Errorf("%T: %v", v, err)
		}
	}
}

// hostile are texts that try to get out of their line.
var hostile = []string{
	"\x1b[2J\x1b[H\x1b[?1049hgone", "\x1b]0;title\x07x", "\x1b]52;c;ZXZpbA==\x1b\\x", "\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\",
	"\x1bPq#0\x1b\\x", "\u009b2Jx", "\u009d0;title\u009cx", "a\u202etxt.exe", "\x1b[8mhidden\x1b[0m", "\x1b[38;2;1;2mcut", "\x1b[",
	"\x1b]never ends", "\x1b[31", "\xff\xfe\x9b31m", "a\nb\rc\x00d\x08\x08\x08\x08\x08", "\x1b(0lqk\x1b(B", "\x1bc", "\x1b[5;31;6mblink",
	"e" + strings.Repeat("\u0301", 500), "👩‍👩‍👧‍👦🇩🇪漢字", "\x1b[999999999999C\x1b[10Ax", "\x1b[=5m\x1b[>1m\x1b[?25l", "\x1b[38;5;8mok",
	"\t\t\ttab", strings.Repeat("x", 5000), "\u2028new\u2029line", "\x1b7\x1b8\x1bD\x1bM", "\x1b[31mred\rover", "\x1b^pm\x1b\\\x1b_apc\x1b\\y",
}

func FuzzHostile(f *testing.F) {
	for _, s := range hostile {
		f.Add(s, 80)
	}
	f.Fuzz(func(t *testing.T, text string, w int) {
		w = 20 + max(0, w)%200
		g := newStage(w, 10, func(o *Options) { o.Verbose = true })
		g.st.build.ID, g.st.build.Runner = storyID+text, text
		g.st.begin()
		g.st.notice("", text)
		g.st.log("", text, "[brigade] "+text)
		g.st.job("j"+text, text, brigade.StatePulling, 0, nil)
		g.st.notice("j"+text, text+" 10%")
		g.st.job("j"+text, text, brigade.StateRunning, 0, nil)
		g.st.log("j"+text, text, text+text)
		g.Progress(text, 1, 2)
		g.st.change(brigade.Change{Fired: &brigade.Lifecycle{Name: text, Trigger: text, Reason: text}})
		g.st.after(time.Second)
		g.draw(g.st.now)
		e := &brigade.Error{Code: brigade.CodeJobStart, Message: text, Hint: text}
		g.st.job("j"+text, text, brigade.StateFailed, 1, e)
		g.st.end(brigade.StateFailed, e)
		if err := g.Finish(g.st.build, g.st.list()); err != nil {
			t.Fatal(err)
		}
		table := NewTable("A", ">B")
		table.Add(text, text)
		_ = table.Write(g.s)
		_ = PrintError(g.s, e, true)
		_ = PrintError(g.s, errors.New(text), false)
		g.check(t)
		for code := range g.s.colors {
			if strings.ContainsAny(code, "<=>?") {
				t.Errorf("parameters %q", code)
			}
		}
		for _, sgr := range []bool{false, true} {
			c := Clean(text, sgr)
			if !utf8.ValidString(c) || strings.ContainsAny(c, "\n\r\t\b") || !sgr && strings.Contains(c, "\x1b") {
				t.Errorf("Clean(%q) = %q", text, c)
			}
			for _, row := range wrap(c, w, 1<<20, "") {
				if width(row) > w {
					t.Errorf("row %q is %d wide, not %d", row, width(row), w)
				}
			}
			if got := cut(c, w, "…"); width(got) > w {
				t.Errorf("cut %q is %d wide, not %d", got, width(got), w)
			}
		}
	})
}
