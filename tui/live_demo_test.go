package tui

import (
	"os"
	"testing"
	"time"

	"golang.org/x/term"
)

// TestDemo plays a build on the terminal of whoever asks for it:
//
//	TUI_DEMO=1 go test ./tui -run TestDemo
func TestDemo(t *testing.T) {
	if os.Getenv("TUI_DEMO") == "" {
		t.Skip("TUI_DEMO is not set")
	}
	tty, err := os.OpenFile("/dev/tty", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	width := func() int { w, _, _ := term.GetSize(int(tty.Fd())); return w }
	height := func() int { _, h, _ := term.GetSize(int(tty.Fd())); return h }
	var s *story
	view := New(Options{Out: tty, Terminal: true, Color: os.Getenv("NO_COLOR") == "", ASCII: os.Getenv("TUI_ASCII") != "",
		NoProgress: os.Getenv("TUI_PLAIN") != "", Width: width, Height: height,
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
