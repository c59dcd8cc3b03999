package tui

import (
	"os"
	"strconv"
	"testing"
	"time"
)

// TestDemo plays a build on the terminal of whoever asks for it:
//
//	TUI_DEMO=80x24 go test ./tui -run TestDemo
func TestDemo(t *testing.T) {
	spec := os.Getenv("TUI_DEMO")
	if spec == "" {
		t.Skip("TUI_DEMO is not set")
	}
	tty, err := os.OpenFile("/dev/tty", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	size := func(name string) func() int {
		return func() int { n, _ := strconv.Atoi(os.Getenv(name)); return n }
	}
	var s *story
	view := New(Options{Out: tty, Terminal: true, Color: os.Getenv("NO_COLOR") == "", ASCII: os.Getenv("TUI_ASCII") != "",
		NoProgress: os.Getenv("TUI_PLAIN") != "", Width: size("COLUMNS"), Height: size("LINES"),
		Now: func() time.Time { return storyBegin.Add(time.Since(demoBegin)) }})
	defer view.Close()
	s = newStory(view.Watch)
	for i := int64(0); i <= 40; i++ {
		view.Progress("installing dependencies", i, 40)
		time.Sleep(20 * time.Millisecond)
	}
	demoBegin = time.Now()
	s.pipeline(func(d time.Duration) { time.Sleep(d) }, func() {
		if os.Getenv("TUI_HOLD") != "" {
			time.Sleep(3 * time.Second)
		}
	})
	if err := view.Finish(s.build, s.list()); err != nil {
		t.Fatal(err)
	}
}

var demoBegin = time.Now()
