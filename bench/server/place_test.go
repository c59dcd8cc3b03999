package server

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	builder "github.com/brigadecore/brigade/v3/e2e/program"
	"github.com/brigadecore/brigade/v3/e2e/serving"
)

var program string

func TestMain(m *testing.M) { os.Exit(builder.Run(m, &program)) }

// start runs a server with a project "bench".
func start(b *testing.B, script string, args ...string) *serving.Server {
	b.Helper()
	return startIn(b, b.TempDir(), script, args...)
}

func startIn(b *testing.B, dir, script string, args ...string) *serving.Server {
	b.Helper()
	s, err := serving.New(serving.Options{Program: program, Dir: dir, Runner: "dummy", Args: args})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
	defer cancel()
	if err := s.Start(ctx); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Kill(); err != nil {
			b.Error(err)
		}
	})
	p := brigade.NewProject("bench")
	p.DefaultScript, p.GenericGatewaySecret = script, "secret"
	p.Limits.Events = 1 << 30
	if err := s.PutProject(b.Context(), p); err != nil {
		b.Fatal(err)
	}
	return s
}

// target prints a figure beside its target.
func target(name string, value float64, unit, relation string, want float64) {
	verdict := "met"
	if relation == "≥" && value < want || relation == "<" && value >= want {
		verdict = "MISSED"
	}
	note("%-46s %10.2f %-4s target %s %g: %s (%.2f×)", name, value, unit, relation, want, verdict, value/want)
}

// note prints a line. The testing package would cut a benchmark's log short.
func note(format string, args ...any) { fmt.Printf("    "+format+"\n", args...) }

// quantiles are the median and the 99th percentile in milliseconds.
func quantiles(all []time.Duration) (p50, p99 float64) {
	if len(all) == 0 {
		return 0, 0
	}
	slices.Sort(all)
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	return ms(all[len(all)/2]), ms(all[len(all)*99/100])
}

// rss is the resident memory of a process in megabytes; 0 where nobody knows.
func rss(pid int) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, found := strings.CutPrefix(line, "VmRSS:"); found {
			kb, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")))
			if err == nil {
				return float64(kb) / 1024
			}
		}
	}
	return 0
}

// settled is the memory once the server has had nothing to do for a moment.
func settled(pid int) float64 {
	time.Sleep(5 * time.Second)
	return rss(pid)
}
