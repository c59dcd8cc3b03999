package pods_test

import (
	"strconv"
	"strings"
	"testing"
)

// TestLogOfSeveralFiles prints more than a kubelet keeps in one file (10 MiB).
// A kubelet that is short of time loses some of it on the way to whoever reads,
// so that it may take several jobs until one log is whole; what came is in order
// and nothing of it twice.
func TestLogOfSeveralFiles(t *testing.T) {
	t.Parallel()
	const last, tries = 200_000, 5
	task := `awk 'BEGIN { for (i = 1; i <= ` + strconv.Itoa(last) + `; i++) print i, "` + strings.Repeat("=", 100) + `" }'`
	b := newBench(t, nil)
	for try := range tries {
		j := b.job("much"+strconv.Itoa(try), nil, task)
		if exit, err := b.wait(b.start(j)); err != nil || exit.Code != 0 {
			t.Fatalf("%+v, %v", exit, err)
		}
		before, lines := 0, 0
		for line := range strings.Lines(j.output()) {
			n, err := strconv.Atoi(line[:max(0, strings.IndexByte(line, ' '))])
			if err != nil || n <= before {
				t.Fatalf("after line %d came %.100q", before, line)
			}
			before, lines = n, lines+1
		}
		if lines == last {
			return
		}
		t.Logf("try %d: %d lines of %d; told: %v", try, lines, last, j.said("may be missing"))
	}
	t.Errorf("no log was whole in %d tries", tries)
}
