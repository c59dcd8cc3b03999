package web

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/brigadecore/brigade/v3"
)

func TestSpans(t *testing.T) {
	for line, want := range map[string]string{
		"":                                  "",
		"plain":                             "plain()",
		"\x1b[31mred\x1b[0m end":            "red(f1) end()",
		"\x1b[1;4;92mx":                     "x(b u f10)",
		"\x1b[38;5;208mx\x1b[48;5;300my":    "x(f208)y(f208)",
		"\x1b[38;2;255;0;0mx\x1b[39my":      "x(f196)y()",
		"\x1b[1m\x1b[22mx\x1b[7my\x1b[27mz": "x()y(v)z()",
		"\x1b[mx\x1b[":                      "x()",
		"a\x1b[2Kb\x1b]0;title\x07c\x1b]8;;u\x1b\\d": "a()b()c()d()",
		"\x1b[31;bogus\"onmouseoverm x":              "ogus\"onmouseoverm x()",
		"\x1b[99999999999999999999mx":                "x()",
		"\x1b(Bx\x1b":                                "Bx()",
	} {
		var b strings.Builder
		for _, s := range spans(line) {
			fmt.Fprintf(&b, "%s(%s)", s.Text, s.Class)
		}
		if b.String() != want {
			t.Errorf("%q: %s, want %s", line, b.String(), want)
		}
	}
	if list := spans(strings.Repeat("é", 10000)); len(list) != 2 || list[1].Class != "cut" {
		t.Errorf("a long line has %d parts", len(list))
	}
}

func FuzzSpans(f *testing.F) {
	f.Add("\x1b[38;5;1mx\x1b]8;;\x07")
	f.Fuzz(func(t *testing.T, line string) {
		all := ""
		for _, s := range spans(line) {
			if strings.Trim(s.Class, "abcdefghijklmnopqrstuvwxyz0123456789 ") != "" {
				t.Fatalf("%q has the class %q", line, s.Class)
			}
			if s.Class != "cut" {
				all += s.Text
			}
		}
		if len(line) <= maxLineShown && all != plain(line) {
			t.Fatalf("%q: %q and %q", line, all, plain(line))
		}
	})
}

func TestPhasesAndCriticalPath(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	after := func(s int) time.Time { return at.Add(time.Duration(s) * time.Second) }
	b := &brigade.Build{ID: "b", State: brigade.StateSucceeded, Created: after(-3600), Started: at, Ended: after(100)}
	job := func(name string, created, started, ended int, history ...brigade.Step) *brigade.Job {
		return &brigade.Job{Name: name, BuildID: "b", State: brigade.StateSucceeded, Created: after(created), Started: after(started), Ended: after(ended), History: history}
	}
	tl := makeTimeline(b, []*brigade.Job{
		job("first", 0, 2, 40), job("beside", 0, 2, 10),
		job("second", 41, 60, 99, brigade.Step{State: brigade.StatePulling, Time: after(45)}, brigade.Step{State: brigade.StateRunning, Time: after(60)}, brigade.Step{State: brigade.StateSucceeded, Time: after(99)}),
	}, after(500))
	if tl.Cut != time.Hour || tl.Span != 100*time.Second || tl.Peak != 2 || tl.Chain != 2 {
		t.Errorf("cut %v, span %v, peak %d, chain %d", tl.Cut, tl.Span, tl.Peak, tl.Chain)
	}
	got := ""
	for _, r := range tl.Rows[1:] {
		got += fmt.Sprintf("%s %t %v/%v/%v", r.Name, r.Critical, r.Waited, r.Pulled, r.Took)
		for _, s := range r.Segments {
			got += fmt.Sprintf(" %s %s+%s", s.State, s.X, s.W)
		}
		got += "\n"
	}
	want := `first true 2s/0s/38s pending 0.00%+2.00% succeeded 2.00%+38.00%
beside false 2s/0s/8s pending 0.00%+2.00% succeeded 2.00%+8.00%
second true 4s/15s/39s pending 41.00%+4.00% pulling 45.00%+15.00% succeeded 60.00%+39.00%
`
	if got != want {
		t.Errorf("got\n%s want\n%s", got, want)
	}
	for _, span := range []time.Duration{0, time.Millisecond, 3 * time.Second, time.Hour, 1000 * time.Hour} {
		if n := len(ticks(max(span, 1))); n < 1 || n > 7 {
			t.Errorf("%d ticks for %v", n, span)
		}
	}
}
