package tui

import (
	"strings"
	"testing"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
)

func TestSlice(t *testing.T) {
	for _, tt := range []struct {
		in      string
		from, w int
		want    string
	}{
		{"hello world", 6, 3, "wor"}, {"hello", 0, 99, "hello"}, {"hello", 9, 3, ""}, {"hello", 5, 3, ""}, {"hello", 0, -1, ""},
		{"漢字漢字", 2, 4, "字漢"}, {"漢字漢字", 1, 4, "字漢"}, // half a character goes
		{"\x1b[31mred\x1b[m plain", 1, 4, "\x1b[31med\x1b[m p\x1b[m"}, {"\x1b[31mred\x1b[m plain", 4, 3, "pla"},
		{"ab\x1b[1mcd", 3, 9, "\x1b[1md\x1b[m"},
	} {
		if got := Slice(tt.in, tt.from, tt.w); got != tt.want {
			t.Errorf("Slice(%q, %d, %d) = %q, want %q", tt.in, tt.from, tt.w, got, tt.want)
		}
	}
}

func TestTimelineOfStoredJobs(t *testing.T) {
	at := func(s int) time.Time { return storyBegin.Add(time.Duration(s) * time.Second) }
	jobs := []*brigade.Job{
		{ID: "a", State: brigade.StateSucceeded, Created: at(0), Started: at(4), Ended: at(8), History: []brigade.Step{
			{State: brigade.StatePulling, Time: at(1)}, {State: brigade.StatePending, Time: at(2)}, {State: brigade.StatePulling, Time: at(2)},
		}},
		{ID: "b", State: brigade.StateRunning, Created: at(8), Started: at(8)},
		{ID: "c", State: brigade.StatePending, Created: at(12)},
	}
	line := NewTimeline(NewLook(false, true), jobs, at(16))
	for id, want := range map[string]string{"a": "..--====", "b": "        ========", "c": "            ....", "none": ""} {
		if got := line.Bar(id, 16); got != want {
			t.Errorf("bar of %s: %q, want %q", id, got, want)
		}
	}
	if got := line.Axis(16); !strings.HasPrefix(got, "0") || !strings.HasSuffix(got, "16.0s") {
		t.Errorf("axis %q", got)
	}
	if got := line.Legend(); got != ". waiting  - pulling  = running" {
		t.Errorf("legend %q", got)
	}
	empty := NewTimeline(NewLook(true, false), nil, at(0))
	if empty.Axis(16)+empty.Bar("a", 16)+empty.Legend() != "" {
		t.Error("there is something on an empty timeline")
	}
}
