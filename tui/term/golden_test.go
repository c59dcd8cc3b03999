package term

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/brigadecore/brigade/v3/tui"
)

var update = flag.Bool("update", false, "write the golden files anew")

var testNow = time.Date(2026, 11, 20, 6, 0, 0, 0, time.UTC)

// bench is a model without a terminal: what it wants done is done at once.
type bench struct {
	*model
	t    *testing.T
	now  time.Time
	fake *Fake
	clip []string
	quit bool
}

func newBench(t *testing.T, w, h int, change func(*Options)) *bench {
	t.Helper()
	b := &bench{t: t, now: testNow}
	b.fake = NewFake(func() time.Time { return b.now })
	o := Options{
		Data: b.fake, Control: b.fake, Source: "invented data", Width: w, Height: h, Color: true,
		Now: func() time.Time { return b.now },
	}
	if change != nil {
		change(&o)
	}
	b.model = newModel(o.withDefaults())
	b.after = func(time.Duration, func(time.Time) tea.Msg) tea.Cmd { return nil }
	b.run = func(f func(context.Context) tea.Msg) tea.Cmd { return func() tea.Msg { return f(t.Context()) } }
	b.do(b.Init())
	return b
}

// do does what the model wants done, and tells it.
func (b *bench) do(cmd tea.Cmd) {
	if cmd == nil {
		return
	}
	switch msg := cmd().(type) {
	case nil:
	case tea.BatchMsg:
		for _, c := range msg {
			b.do(c)
		}
	case tea.QuitMsg:
		b.quit = true
	default:
		// the message that fills the clipboard is the terminal library's own
		if strings.Contains(fmt.Sprintf("%T", msg), "setClipboard") {
			b.clip = append(b.clip, fmt.Sprint(msg))
			return
		}
		b.tell(msg)
	}
}

func (b *bench) tell(msg tea.Msg) {
	_, cmd := b.Update(msg)
	b.do(cmd)
}

// pass lets time go by.
func (b *bench) pass(d time.Duration) {
	b.now = b.now.Add(d)
	b.tell(tickMsg{})
}

// keys types: words such as "enter", and anything else letter by letter.
func (b *bench) keys(words ...string) *bench {
	for _, w := range words {
		if k, ok := namedKeys[w]; ok {
			b.tell(tea.KeyPressMsg(k))
			continue
		}
		for _, r := range w {
			b.tell(tea.KeyPressMsg{Text: string(r), Code: r})
		}
	}
	return b
}

var namedKeys = map[string]tea.Key{
	"enter": {Code: tea.KeyEnter}, "esc": {Code: tea.KeyEscape}, "down": {Code: tea.KeyDown}, "up": {Code: tea.KeyUp}, "left": {Code: tea.KeyLeft},
	"right": {Code: tea.KeyRight}, "backspace": {Code: tea.KeyBackspace}, "tab": {Code: tea.KeyTab}, "home": {Code: tea.KeyHome},
	"end": {Code: tea.KeyEnd}, "pgup": {Code: tea.KeyPgUp}, "pgdown": {Code: tea.KeyPgDown},
	"ctrl+c": {Code: 'c', Mod: tea.ModCtrl}, "ctrl+d": {Code: 'd', Mod: tea.ModCtrl}, "ctrl+u": {Code: 'u', Mod: tea.ModCtrl},
	"ctrl+w": {Code: 'w', Mod: tea.ModCtrl}, "ctrl+l": {Code: 'l', Mod: tea.ModCtrl},
}

// shown is the screen as text, after it was drawn on a terminal.
func (b *bench) shown() string {
	b.t.Helper()
	content := b.View().Content
	s := newScreen(b.w, b.h)
	lines := strings.Split(content, "\n")
	if len(lines) > b.h {
		b.t.Errorf("%d lines on %d", len(lines), b.h)
	}
	for i, line := range lines {
		if got := tui.Width(line); got > b.w {
			b.t.Errorf("line %d has %d columns, not %d: %q", i, got, b.w, line)
		}
		if i > 0 {
			_, _ = s.Write([]byte("\r\n"))
		}
		_, _ = s.Write([]byte(line))
	}
	for _, f := range s.faults {
		b.t.Errorf("fault: %s", f)
	}
	return s.text()
}

var sizes = []struct {
	name string
	w, h int
}{{"40x10", 40, 10}, {"80x24", 80, 24}, {"140x40", 140, 40}}

// TestGolden shows every page at three sizes. go test -update writes what is
// expected.
func TestGolden(t *testing.T) {
	for _, size := range sizes {
		t.Run(size.name, func(t *testing.T) {
			var out strings.Builder
			b := newBench(t, size.w, size.h, nil)
			show := func(title string) { out.WriteString("== " + title + "\n" + b.shown()) }
			show("projects")
			b.keys("enter")
			show("all builds")
			b.keys("/", "shop fail")
			show("find as you type")
			b.keys("enter", "esc", "esc", "/", "shop", "enter", "down", "enter")
			show("builds of a project")
			b.keys("enter")
			show("a build that runs")
			b.pass(4 * time.Second)
			b.keys("G")
			show("four seconds later")
			b.keys("c")
			show("cancel?")
			b.keys("n", "enter")
			show("a log that is followed")
			b.keys("/", "cart04")
			show("search as you type")
			b.keys("enter", "n")
			show("the next match")
			b.keys("g", "t", "w")
			show("the start, with times, not wrapped")
			b.keys("?")
			show("keys")
			b.keys("esc", "esc", "esc", "c", "y")
			b.pass(time.Second)
			show("canceled")
			golden(t, "pages-"+size.name+".txt", out.String())
		})
	}
}

// TestGoldenASCII is the same without colours and symbols.
func TestGoldenASCII(t *testing.T) {
	b := newBench(t, 80, 24, func(o *Options) { o.Color, o.ASCII = false, true })
	var out strings.Builder
	for _, step := range [][]string{nil, {"enter"}, {"enter"}, {"enter"}, {"?"}} {
		b.keys(step...)
		text := b.shown()
		if strings.Contains(b.View().Content, "\x1b[38;") {
			t.Error("there are colours")
		}
		out.WriteString("==\n" + text)
	}
	golden(t, "pages-ascii.txt", out.String())
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; look at it with go test -update and git diff:\n%s", path, got)
	}
}
