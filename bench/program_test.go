package bench

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	builder "github.com/brigadecore/brigade/v3/e2e/program"
)

var program string

func TestMain(m *testing.M) { os.Exit(builder.Run(m, &program)) }

// place is a project and a home of its own.
type place struct {
	dir string
	env []string
}

// newPlace makes a project with the script and runs nothing yet.
func newPlace(b *testing.B, script string) place {
	b.Helper()
	dir, home := b.TempDir(), b.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "brigade.js"), []byte(script), 0o600); err != nil {
		b.Fatal(err)
	}
	return place{dir: dir, env: append(os.Environ(), "HOME="+home,
		"XDG_STATE_HOME="+filepath.Join(home, "state"), "XDG_CACHE_HOME="+filepath.Join(home, "cache"))}
}

// usage is what a command took.
type usage struct {
	took time.Duration
	peak int64 // bytes; 0 where nobody knows
}

// run runs a command that has to succeed. Its output goes to a pipe, as in CI.
func (p place) run(b *testing.B, name string, args ...string) usage {
	b.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = p.dir, p.env
	sink := &tail{}
	cmd.Stdout, cmd.Stderr = sink, sink
	started := time.Now()
	err := cmd.Run()
	took := time.Since(started)
	if err != nil {
		b.Fatalf("%s %q: %v\n%s", name, args, err, sink.text)
	}
	return usage{took: took, peak: peakRSS(cmd.ProcessState)}
}

func (p place) brig(b *testing.B, args ...string) usage {
	b.Helper()
	return p.run(b, program, append([]string{"run", "--no-progress"}, args...)...)
}

// tail keeps the end of what is written to it.
type tail struct{ text []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.text = append(t.text, p...)
	if over := len(t.text) - 4096; over > 0 {
		t.text = bytes.Clone(t.text[over:])
	}
	return len(p), nil
}

// median runs each function in turn, rounds times, and returns the median of
// each. Taking turns makes a busy machine hurt all of them alike.
func median(rounds int, functions ...func() time.Duration) []time.Duration {
	all := make([][]time.Duration, len(functions))
	for range rounds {
		for i, f := range functions {
			all[i] = append(all[i], f())
		}
	}
	medians := make([]time.Duration, len(functions))
	for i, list := range all {
		slices.Sort(list)
		medians[i] = list[len(list)/2]
	}
	return medians
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func megabytes(n int64) float64 { return float64(n) / 1e6 }

// have finds a program, or says why not.
func have(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil && !errors.Is(err, exec.ErrNotFound) {
		return "", err
	}
	return path, err
}
