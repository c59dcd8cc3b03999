package term

import (
	"fmt"
	"strings"
	"testing"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
)

func TestLogFollows(t *testing.T) {
	b, s := shelved(t, 1)
	s.builds[0].State, s.builds[0].Ended = brigade.StateRunning, time.Time{}
	for i := range 100 {
		s.print(fmt.Sprint("line ", i+1))
	}
	b.keys("enter", "enter", "enter")
	b.see("line 100", "following", "100 lines", "!line 80\n")
	s.print("line 101")
	b.pass(2 * time.Second)
	b.see("line 101")
	b.keys("k")
	b.see("!line 101", "of 101 lines", "!following")
	s.print("line 102")
	b.pass(2 * time.Second)
	b.see("line 100", "!line 102")
	b.keys("j", "j", "j")
	b.see("line 102", "following")
	b.keys("g")
	b.see("line 1\n", "1 of 102 lines")
	b.keys("pgdown")
	b.see("line 19\n", "!line 18\n")
	b.keys("ctrl+d", "pgup", "ctrl+u", "up")
	b.see("line 1\n")
	b.keys("G")
	b.see("line 102", "following")
}

func TestLogWraps(t *testing.T) {
	b, s := shelved(t, 1)
	s.print("short", strings.Repeat("0123456789", 20)+"end", "\x1b[31mred "+strings.Repeat("x", 90)+"\x1b[m", "last")
	b.keys("enter", "enter", "enter")
	b.see("89end", "last")
	b.keys("w")
	b.see("!89end", "last")
	b.keys("right", "right", "right", "right", "right", "right", "right")
	b.see("89end", "+140", "!short")
	b.keys("h", "h", "h", "h", "h", "h", "h")
	b.see("short", "!+1")
	b.keys("h")
	b.see("── brigade.js")
}

func TestSearch(t *testing.T) {
	b, s := shelved(t, 1)
	for i := range 300 {
		s.print(fmt.Sprint("line ", i+1))
		if i%50 == 20 {
			s.print("\x1b[32mStraße " + fmt.Sprint(i) + "\x1b[m")
		}
	}
	b.keys("enter", "enter", "enter", "g", "/", "straße")
	b.see("Straße 20", "/straße 1/6")
	b.keys("enter", "n", "n")
	b.see("Straße 120", "/straße 3/6")
	b.keys("N")
	b.see("Straße 70", "/straße 2/6")
	b.keys("N", "N")
	b.see("Straße 270", "/straße 6/6")
	b.keys("n")
	b.see("Straße 20", "/straße 1/6")
	if line := b.View().Content; !strings.Contains(line, "\x1b[1;7mStraße\x1b[m") {
		t.Error("the text is not marked")
	}
	s.print("STRASSE", "one more Straße")
	b.keys("G")
	b.pass(2 * time.Second)
	b.see("/straße 1/7")
	b.keys("/", "STRA", "enter")
	b.see("1/1")
	b.keys("esc")
	b.see("!/STRA")
	b.keys("/", "absent", "enter")
	b.see("no line has “absent”", "nowhere")
	b.keys("n", "N")
	b.see("no line has “absent”")
}

// TestHugeLog keeps memory bounded and stays quick.
func TestHugeLog(t *testing.T) {
	b, s := shelved(t, 1)
	for i := range 230_000 {
		s.print(fmt.Sprint("line ", i+1))
	}
	b.keys("enter", "enter", "enter")
	b.see("line 230000", "230000 lines")
	p := b.top().(*logPane)
	if n := len(p.lines); n > mostLog+dropLog {
		t.Errorf("%d lines are kept", n)
	}
	b.keys("g", "/", "line 22999")
	b.see("/line 22999 1/10")
	b.keys("enter")
	began := time.Now()
	for range 100 {
		b.keys("pgup", "n", "G", "N")
		_ = b.View()
	}
	t.Logf("400 keys took %s", time.Since(began))
	if time.Since(began) > 20*time.Second {
		t.Error("too slow")
	}
}

func TestNextJob(t *testing.T) {
	b, s := shelved(t, 1)
	s.jobs = []*brigade.Job{{ID: "one-b0001", Name: "one", State: brigade.StateRunning}, {ID: "two-b0001", Name: "two", State: brigade.StateFailed, ExitCode: 3}}
	b.keys("enter", "enter", "enter")
	for _, name := range []string{"one", "two", "brigade.js", "one"} {
		b.keys("tab")
		b.see("› b0001 › " + name)
	}
	b.keys("[", "[")
	b.see("› two", "failed with exit code 3")
}
