package tui

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
	}
}

func fixed(n int) func() int { return func() int { return n } }

// stage is a Live without a clock on a screen, and a story to play to it.
type stage struct {
	*Live
	s   *screen
	st  *story
	out strings.Builder
}

func newStage(w, h int, change func(*Options)) *stage {
	g := &stage{s: newScreen(w, h)}
	o := Options{
		Out: g.s, Terminal: true, Color: true, Width: fixed(w), Height: fixed(h),
		Now: func() time.Time {
			if g.st == nil {
				return storyBegin
			}
			return g.st.now
		},
	}
	if change != nil {
		change(&o)
	}
	g.Live = newLive(o)
	g.st = newStory(g.Watch)
	return g
}

func (g *stage) shot(title string) {
	fmt.Fprintf(&g.out, "== %s\n%s", title, g.s.visible())
}

func (g *stage) tick(time.Duration) { g.draw(g.st.now) }

func (g *stage) check(t *testing.T) {
	t.Helper()
	for i, f := range g.s.faults {
		if i < 5 {
			t.Errorf("screen: %s", f)
		}
	}
	if g.s.hidden || g.s.nowrap || g.s.sync {
		t.Errorf("terminal left with cursor hidden=%v nowrap=%v sync=%v", g.s.hidden, g.s.nowrap, g.s.sync)
	}
}

func TestLiveFrames(t *testing.T) {
	for _, tt := range []struct {
		name string
		w, h int
		set  func(*Options)
	}{
		{"80x24", 80, 24, nil},
		{"40x10", 40, 10, nil},
		{"200x50", 200, 50, nil},
		{"80x24-ascii", 80, 24, func(o *Options) { o.ASCII, o.Color = true, false }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := newStage(tt.w, tt.h, tt.set)
			g.Progress("installing dependencies", 12, 40)
			g.st.after(2 * time.Second)
			g.draw(g.st.now)
			g.shot("installing")
			g.Progress("installing dependencies", 40, 40)
			g.st.pipeline(g.tick, func() {
				g.draw(g.st.now)
				g.shot("in the middle")
				g.Interrupted(1)
				g.shot("after Ctrl-C")
			})
			if err := g.Finish(g.st.build, g.st.list()); err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&g.out, "== all of it\n%s", g.s.all())
			g.check(t)
			if colors := len(g.s.colors) > 0; colors == (tt.set != nil) {
				t.Errorf("colours used: %v", g.s.colors)
			}
			golden(t, "live-"+tt.name+".txt", g.out.String())
		})
	}
}

// TestLiveColors differs from no colours in nothing but colours.
func TestLiveColors(t *testing.T) {
	var all [2]string
	for i := range all {
		g := newStage(80, 24, func(o *Options) { o.Color = i == 0 })
		g.st.pipeline(g.tick, func() {})
		if err := g.Finish(g.st.build, g.st.list()); err != nil {
			t.Fatal(err)
		}
		all[i] = g.s.all()
	}
	if all[0] != all[1] {
		t.Errorf("with colours\n%s\nwithout\n%s", all[0], all[1])
	}
}

func TestPlainLines(t *testing.T) {
	for _, ascii := range []bool{false, true} {
		var out bytes.Buffer
		var st *story
		v := NewPlain(Options{Out: &out, Color: true, ASCII: ascii, Verbose: true, Now: func() time.Time { return st.now }})
		st = newStory(v.Watch)
		v.Progress("installing dependencies", 0, 40)
		st.after(3 * time.Second)
		v.Progress("installing dependencies", 40, 40)
		st.pipeline(func(time.Duration) {}, func() { v.Interrupted(1) })
		if err := v.Finish(st.build, st.list()); err != nil {
			t.Fatal(err)
		}
		if strings.ContainsAny(out.String(), "\x1b\r\x07") {
			t.Error("there is a control character in it")
		}
		golden(t, map[bool]string{false: "plain.txt", true: "plain-ascii.txt"}[ascii], out.String())
	}
}

// TestSummaries has the endings a build may have.
func TestSummaries(t *testing.T) {
	frame := "brigade.js:3:14: Expected \";\" but found \"joob\"\n\n  2 │ events.on(\"exec\", () => {\n  3 │   let x = new joob();\n    ╵               ^"
	for _, tt := range []struct {
		name string
		play func(*story)
	}{
		{"one-good", func(s *story) {
			s.job("hello", "alpine:3.20", brigade.StatePending, 0, nil)
			s.after(20*time.Millisecond).job("hello", "", brigade.StateRunning, 0, nil)
			s.log("hello", "hello world")
			s.after(30*time.Millisecond).job("hello", "", brigade.StateSucceeded, 0, nil)
			s.end(brigade.StateSucceeded, nil)
		}},
		{"no-jobs", func(s *story) { s.log("", "nothing to do"); s.after(time.Second).end(brigade.StateSucceeded, nil) }},
		{"script-error", func(s *story) {
			s.end(brigade.StateFailed, brigade.Errorf(brigade.CodeScriptLoad, "%s", frame).WithHint("write Job instead of joob"))
		}},
		{"no-image", func(s *story) {
			s.job("build", "no.such/image:1", brigade.StatePulling, 0, nil)
			s.after(time.Second).job("build", "", brigade.StateFailed, 0,
				brigade.Errorf(brigade.CodeImagePull, "cannot pull no.such/image:1: manifest unknown").WithHint("check the name, or log in with: podman login no.such"))
			s.end(brigade.StateFailed, brigade.Errorf(brigade.CodeBuildFailed, "job build(build-%s): cannot pull no.such/image:1: manifest unknown", storyID))
		}},
		{"swallowed", func(s *story) {
			for i := range 3 {
				name := fmt.Sprintf("step-%d", i)
				s.job(name, "alpine:3.20", brigade.StatePending, 0, nil)
				s.after(100*time.Millisecond).job(name, "", brigade.StateRunning, 0, nil)
				s.log(name, "working")
				state, exit := brigade.StateSucceeded, 0
				if i == 1 {
					state, exit = brigade.StateFailed, 7
				}
				s.after(time.Minute).job(name, "", state, exit, nil)
			}
			s.end(brigade.StateSucceeded, nil)
		}},
		{"canceled", func(s *story) {
			s.job("long", "alpine:3.20", brigade.StateRunning, 0, nil)
			s.job("queued", "alpine:3.20", brigade.StatePending, 0, nil)
			s.after(90*time.Minute).job("long", "", brigade.StateCanceled, 143, nil)
			s.job("queued", "", brigade.StateCanceled, 0, nil)
			s.end(brigade.StateCanceled, brigade.Errorf(brigade.CodeCanceled, "stopped by Ctrl-C"))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			var st *story
			v := NewPlain(Options{Out: &out, Now: func() time.Time { return st.now }})
			st = newStory(v.Watch)
			st.begin()
			tt.play(st)
			if err := v.Finish(st.build, st.list()); err != nil {
				t.Fatal(err)
			}
			golden(t, "end-"+tt.name+".txt", out.String())
		})
	}
}
