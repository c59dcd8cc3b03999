package tui

import (
	"fmt"
	"time"
)

// Duration writes d short, in at most two units: "340ms", "1.2s", "3m05s",
// "2h10m", "3d4h". Negative durations are 0.
func Duration(d time.Duration) string {
	if d < 0 {
		d = 0
	}
	if d.Round(time.Millisecond) < time.Second {
		return fmt.Sprintf("%dms", d.Round(time.Millisecond).Milliseconds())
	}
	return runningFor(d)
}

// runningFor writes a duration that goes on: like Duration, but in tenths from
// the beginning, so that its width does not jump.
func runningFor(d time.Duration) string {
	if d < 0 {
		d = 0
	}
	if tenths := d.Round(100 * time.Millisecond); tenths < time.Minute {
		return fmt.Sprintf("%.1fs", tenths.Seconds())
	}
	s := int64(d.Round(time.Second) / time.Second)
	switch {
	case s < 3600:
		return fmt.Sprintf("%dm%02ds", s/60, s%60)
	case s < 24*3600:
		return fmt.Sprintf("%dh%02dm", s/3600, s/60%60)
	}
	return fmt.Sprintf("%dd%dh", s/(24*3600), s/3600%24)
}

// Age writes how long ago t was in one unit, as v1's AGE columns do: "12s",
// "5m", "3h", "2d", "1y". It is "" for no time.
func Age(t, now time.Time) string {
	if t.IsZero() {
		return ""
	}
	s := int64(max(0, now.Sub(t)) / time.Second)
	switch {
	case s < 60:
		return fmt.Sprintf("%ds", s)
	case s < 3600:
		return fmt.Sprintf("%dm", s/60)
	case s < 24*3600:
		return fmt.Sprintf("%dh", s/3600)
	case s < 365*24*3600:
		return fmt.Sprintf("%dd", s/(24*3600))
	}
	return fmt.Sprintf("%dy", s/(365*24*3600))
}
