package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
)

// A build that was canceled while it waited has run for no time at all.
func TestShowBuildThatNeverStarted(t *testing.T) {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	for want, started := range map[string]time.Time{"": {}, "Duration:  5.0s": now.Add(-5 * time.Second)} {
		var out bytes.Buffer
		s := &State{Stdout: &out}
		b := &brigade.Build{ID: "01hbuild", Project: "p", State: brigade.StateCanceled, Created: now.Add(-time.Minute), Started: started, Ended: now}
		if err := s.showBuild(b, nil, printing{now: now}); err != nil {
			t.Fatal(err)
		}
		if got := out.String(); want == "" && strings.Contains(got, "Duration") || !strings.Contains(got, want) {
			t.Errorf("started %v:\n%s", started, got)
		}
	}
}
