package tui

import (
	"io"
	"strings"
	"testing"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
)

// BenchmarkLog sends a job's log through every view and prints how long that
// takes against copying the same text.
func BenchmarkLog(b *testing.B) {
	text := "2026-11-20T06:00:00Z \x1b[32mINFO\x1b[0m  server: handled GET /api/v1/carts/4711 in 12ms"
	lines := make([]brigade.LogLine, 1000)
	for i := range lines {
		lines[i] = brigade.LogLine{JobID: "j-" + storyID, Seq: int64(i + 1), Text: text}
	}
	const rounds = 200
	began := time.Now()
	for range rounds {
		var buf strings.Builder
		for _, line := range lines {
			buf.WriteString(line.Text)
		}
		_, _ = io.WriteString(io.Discard, buf.String())
	}
	reference := float64(time.Since(began).Nanoseconds()) / rounds
	for _, v := range []struct {
		name string
		view View
	}{
		{"plain", NewPlain(Options{})},
		{"live", newLive(Options{Terminal: true, Color: true})},
		{"json", NewJSON(Options{})},
	} {
		b.Run(v.name, func(b *testing.B) {
			b.SetBytes(int64(len(lines) * len(text)))
			for b.Loop() {
				v.view.Watch(brigade.Change{BuildID: storyID, Lines: lines})
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/reference, "x/copy")
		})
	}
}

// BenchmarkFrame draws a block for a thousand jobs.
func BenchmarkFrame(b *testing.B) {
	g := newStage(120, 40, nil)
	g.canvas.out = io.Discard
	g.st.begin()
	for i := range 1000 {
		g.st.job("job-"+itoa(i), "alpine:3.20", brigade.StateRunning, 0, nil)
	}
	for b.Loop() {
		g.st.after(100 * time.Millisecond)
		g.dirty = true
		g.draw(g.st.now)
	}
}
