package docker_test

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/runner/docker"
)

// BenchmarkOverhead times a job against `podman run --rm` of the same image and
// command, one after the other in every round, and prints the ratio of the
// medians. The goal is at most 1.2.
//
//	go test ./runner/docker -run '^$' -bench Overhead -benchtime 30x
func BenchmarkOverhead(b *testing.B) {
	source := b.TempDir()
	for i := range 200 {
		if err := os.WriteFile(filepath.Join(source, "file"+strconv.Itoa(i)), make([]byte, 4<<10), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	for _, c := range []struct {
		name   string
		source string
		copied bool
	}{{"plain", "", false}, {"source", source, false}, {"copied", "", true}, {"copied-source", source, true}} {
		b.Run(c.name, func(b *testing.B) {
			e := needEngine(b)
			r := docker.New(docker.Options{Host: e.Host, StateDir: b.TempDir(), CopyFiles: c.copied})
			if err := r.Check(b.Context()); err != nil {
				b.Fatal(err)
			}
			var ours, theirs []time.Duration
			round := func() {
				ours = append(ours, timed(func() { runOnce(b, r, c.source) }))
				theirs = append(theirs, timed(func() {
					if out, err := e.Command(b.Context(), "run", "--rm", "alpine:3.20", "/bin/sh", "-c", "echo hello").Output(); err != nil || string(out) != "hello\n" {
						b.Fatalf("podman run: %q, %v", out, err)
					}
				}))
			}
			round() // warms both
			ours, theirs = nil, nil
			for b.Loop() {
				round()
			}
			b.ReportMetric(median(ours).Seconds()*1000, "ms/job")
			b.ReportMetric(median(theirs).Seconds()*1000, "ms/podman-run")
			b.ReportMetric(median(ours).Seconds()/median(theirs).Seconds(), "ratio")
		})
	}
}

// runOnce runs a job, from before its start until nothing of it is left.
func runOnce(b *testing.B, r *docker.Runner, source string) {
	run, log := jobRun(brigade.JobSpec{Tasks: []string{"echo hello"}, UseSource: source != ""})
	run.Source = source
	x, err := r.Start(b.Context(), run)
	if err != nil {
		b.Fatal(err)
	}
	if exit, err := x.Wait(b.Context()); err != nil || exit.Code != 0 || log.String() != "hello\n" {
		b.Fatalf("exit %+v, %v, output %q", exit, err, log)
	}
	if err := r.EndBuild(b.Context(), run.Build.ID); err != nil {
		b.Fatal(err)
	}
}

func timed(f func()) time.Duration {
	start := time.Now()
	f()
	return time.Since(start)
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}
