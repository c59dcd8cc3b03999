package kube

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/brigadecore/brigade/v3/e2e/brigimage"
	"github.com/brigadecore/brigade/v3/e2e/cluster"
	"github.com/brigadecore/brigade/v3/e2e/kubesite"
	builder "github.com/brigadecore/brigade/v3/e2e/program"
)

// place is where the program is built, once, when a benchmark needs it.
var place string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "brig-bench-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	place = dir
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

var program = sync.OnceValues(func() (string, error) { return builder.Build(context.Background(), place) })

// trivial is a script with one job that does what a bare pod does.
const trivial = `
const { events, Job } = require("brigadier");
events.on("exec", () => new Job("hello", "` + cluster.Busybox + `", ["echo hello"]).run());
`

// newSite is a namespace with a project.
func newSite(b *testing.B, c *cluster.Cluster) (s *kubesite.Site, project string) {
	b.Helper()
	brig, err := program()
	if err != nil {
		b.Fatal(err)
	}
	s, err = kubesite.New(b.Context(), kubesite.Options{Cluster: c, Program: brig, Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			b.Error(err)
		}
	})
	if project, err = s.Project(b.Context(), "bench/app", trivial, nil); err != nil {
		b.Fatal(err)
	}
	return s, project
}

// lead starts a controller and returns when it works.
func lead(b *testing.B, s *kubesite.Site, args ...string) *kubesite.Controller {
	b.Helper()
	c, err := s.Start(args...)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		c.Stop()
		if b.Failed() {
			b.Log(c.Log())
		}
	})
	ctx, cancel := context.WithTimeout(b.Context(), 3*time.Minute)
	defer cancel()
	if err := c.Leads(ctx); err != nil {
		b.Fatal(err)
	}
	return c
}

// inPods are a controller's arguments for scripts in worker pods.
func inPods(b *testing.B, c *cluster.Cluster) []string {
	b.Helper()
	image := os.Getenv("BRIGADE_IMAGE") // an archive as make image writes it
	if image != "" {
		image = c.LoadImage(b, image)[0]
	} else {
		image = brigimage.Load(b, c)
	}
	return []string{"--worker", "pod", "--worker-image", image, "--worker-command", "/brig worker"}
}

// builds makes n builds at once and returns how long it took from the first
// Secret to the end of the last build, and which they are.
func builds(b *testing.B, s *kubesite.Site, project string, n int) (took time.Duration, ids []string) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), 15*time.Minute)
	defer cancel()
	type made struct {
		id  string
		err error
	}
	begun, all := time.Now(), make(chan made, n)
	for range n {
		go func() {
			id, err := s.Build(ctx, project)
			all <- made{id, err}
		}()
	}
	for range n {
		m := <-all
		if m.err != nil {
			b.Fatal(m.err)
		}
		ids = append(ids, m.id)
	}
	if err := s.Wait(ctx, ids); err != nil {
		b.Fatal(err)
	}
	return time.Since(begun), ids
}

// bare is the same for bare pods.
func bare(b *testing.B, s *kubesite.Site, n int) time.Duration {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), 15*time.Minute)
	defer cancel()
	begun := time.Now()
	if err := s.Bare(ctx, n, cluster.Busybox, nil); err != nil {
		b.Fatal(err)
	}
	return time.Since(begun)
}

// target prints a figure beside its target.
func target(name string, value float64, unit, relation string, want float64) {
	met := relation == "≥" && value >= want || relation == "≤" && value <= want || relation == "<" && value < want
	verdict := "met"
	if !met {
		verdict = "MISSED"
	}
	note("%-52s %9.2f %-8s target %s %g: %s", name, value, unit, relation, want, verdict)
}

// note prints a line. The testing package would cut a benchmark's log short.
func note(format string, args ...any) { fmt.Printf("    "+format+"\n", args...) }

func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}

// load is how many processes wanted to run in the last minute.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(text), " ")
	return first
}

// memory is what a process keeps in memory, and the most it did, in megabytes;
// 0 where nobody knows.
func memory(pid int) (now, most float64) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0
	}
	field := func(name string) float64 {
		for line := range strings.Lines(string(text)) {
			if rest, found := strings.CutPrefix(line, name+":"); found {
				kb, _ := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")))
				return float64(kb) / 1024
			}
		}
		return 0
	}
	return field("VmRSS"), field("VmHWM")
}
