package bench

import (
	"fmt"
	"testing"
	"time"

	"github.com/brigadecore/brigade/v3/e2e/engine"
)

const hello = `
const { events, Job } = require("brigadier");
events.on("exec", () => new Job("hello", "alpine:3.20", ["echo hello"]).run());
`

// BenchmarkHello is the whole program with one job that says hello, beside
// what a Node does to do nothing: v1 had at least that in every build.
func BenchmarkHello(b *testing.B) {
	p := newPlace(b, hello)
	reference, args, name := "node", []string{"-e", "0"}, "node-ratio"
	if _, err := have(reference); err != nil {
		// Without Node, a shell is what there is to compare with.
		reference, args, name = "sh", []string{"-c", "true"}, "sh-ratio"
	}
	p.brig(b, "--runner", "process") // the first run makes the store
	for b.Loop() {
		times := median(11,
			func() time.Duration { return p.brig(b, "--runner", "process").took },
			func() time.Duration { return p.brig(b, "--runner", "dummy").took },
			func() time.Duration { return p.run(b, reference, args...).took },
		)
		b.ReportMetric(milliseconds(times[0]), "process-ms")
		b.ReportMetric(milliseconds(times[1]), "dummy-ms")
		b.ReportMetric(milliseconds(times[2]), reference+"-ms")
		b.ReportMetric(float64(times[0])/float64(times[2]), name)
	}
}

// BenchmarkThousandJobs starts 1,000 jobs at once on the dummy runner.
func BenchmarkThousandJobs(b *testing.B) {
	p := newPlace(b, `
const { events, Job } = require("brigadier");
events.on("exec", async () => {
  const jobs = Array.from({ length: 1000 }, (_, i) => new Job("job-" + i, "alpine:3.20", ["echo " + i]));
  const results = await Promise.all(jobs.map((job) => job.run()));
  if (results.length !== 1000) throw new Error("some are missing");
});
`)
	p.brig(b, "--runner", "dummy")
	for b.Loop() {
		u := p.brig(b, "--runner", "dummy")
		b.ReportMetric(u.took.Seconds(), "s/1000jobs")
		b.ReportMetric(megabytes(u.peak), "peak-MB")
	}
}

// BenchmarkLoudJob compares jobs that print 1, 20 and 100 MB. Up to the cap, 10
// MB, the log is kept and handed to the script; beyond it, memory must not
// grow with what a job prints.
func BenchmarkLoudJob(b *testing.B) {
	loud := func(megabytes int) place {
		return newPlace(b, fmt.Sprintf(`
const { events, Job } = require("brigadier");
const line = "the quick brown fox jumps over the lazy dog, again and again and again";
events.on("exec", () => new Job("loud", "alpine:3.20", ["yes '" + line + "' | head -c %d"]).run());
`, megabytes*1000*1000))
	}
	quiet, noisy, louder := loud(1), loud(20), loud(100)
	quiet.brig(b, "--runner", "process")
	for b.Loop() {
		one := quiet.brig(b, "--runner", "process")
		twenty := noisy.brig(b, "--runner", "process")
		hundred := louder.brig(b, "--runner", "process")
		b.ReportMetric(megabytes(one.peak), "peak-MB/1MB")
		b.ReportMetric(megabytes(twenty.peak), "peak-MB/20MB")
		b.ReportMetric(megabytes(hundred.peak), "peak-MB/100MB")
		b.ReportMetric(float64(hundred.peak)/float64(max(twenty.peak, 1)), "100to20-ratio")
		b.ReportMetric(100/hundred.took.Seconds(), "MB/s")
	}
}

// BenchmarkDockerJob is what a job costs on the docker runner, beside `podman
// run` of the same image and command on the same engine.
func BenchmarkDockerJob(b *testing.B) {
	e := engine.Start(b, engine.Options{Images: []string{"docker.io/library/alpine:3.20"}})
	p := newPlace(b, `
const { events, Job } = require("brigadier");
events.on("exec", async (e) => {
  for (let i = 0; i < Number(e.payload); i++) {
    const job = new Job("job-" + i, "alpine:3.20", ["true"]);
    job.useSource = false;
    await job.run();
  }
});
`)
	p.env = append(p.env, "DOCKER_HOST="+e.Host)
	podman := func() time.Duration {
		started := time.Now()
		if out, err := e.Command(b.Context(), "run", "--rm", "alpine:3.20", "true").CombinedOutput(); err != nil {
			b.Fatalf("podman run: %v\n%s", err, out)
		}
		return time.Since(started)
	}
	const more = 4
	for b.Loop() {
		times := median(5,
			func() time.Duration { return p.brig(b, "--runner", "docker", "-i", "1").took },
			func() time.Duration { return p.brig(b, "--runner", "docker", "-i", fmt.Sprint(1+more)).took },
			podman,
		)
		job := (times[1] - times[0]) / more
		b.ReportMetric(milliseconds(job), "job-ms")
		b.ReportMetric(milliseconds(times[2]), "podman-ms")
		b.ReportMetric(float64(job)/float64(times[2]), "podman-ratio")
	}
}
