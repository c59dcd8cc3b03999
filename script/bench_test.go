package script

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/brigadecore/brigade/v3"
)

// quietHost runs jobs at once and writes nothing down.
type quietHost struct{}

func (quietHost) RunJob(_ context.Context, s brigade.JobSpec) (brigade.JobResult, error) {
	return brigade.JobResult{JobID: s.Name + "-1"}, nil
}
func (quietHost) JobLog(context.Context, string) (string, error) { return "", nil }
func (quietHost) Log(brigade.LogLevel, string)                   {}
func (quietHost) Fired(brigade.Lifecycle)                        {}

func benchRun(file, source string) brigade.ScriptRun {
	return brigade.ScriptRun{
		Build:   &brigade.Build{ID: "01build", Event: brigade.Event{Type: "exec", Payload: `{"a":1}`}},
		Project: brigade.NewProject("acme/app"),
		Script:  source,
		File:    file,
	}
}

// fiftyLines is a script of ordinary size that runs three jobs.
var fiftyLines = func() string {
	var b strings.Builder
	b.WriteString("const { events, Job, Group } = require('brigadier');\n")
	for i := range 12 {
		fmt.Fprintf(&b, "function step%d(e, p) {\n  const job = new Job('step-%d', 'alpine:3.20');\n  job.tasks = ['echo ' + e.type];\n  return job;\n}\n", i, i)
	}
	b.WriteString("events.on('exec', (e, p) => Group.runAll([step0(e, p), step1(e, p), step2(e, p)]));\n")
	return b.String()
}()

// BenchmarkScriptStart is a new script from nothing to its end: engine,
// brigadier, 60 lines, three jobs. The budget is 5 ms and 2 MB.
func BenchmarkScriptStart(b *testing.B) {
	for _, c := range []struct{ name, file, source string }{
		{"js", "brigade.js", fiftyLines},
		{"ts", "brigade.ts", "type X = string;\n" + fiftyLines},
		{"console", "brigade.js", fiftyLines + "console.log('x', {a: 1});\n"},
	} {
		b.Run(c.name, func(b *testing.B) {
			w := New(Options{})
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				// Another text every time: the cache of compiled scripts is not what is measured.
				run := benchRun(c.file, fmt.Sprintf("%s// %d", c.source, i))
				if r, err := w.RunScript(b.Context(), run, quietHost{}); err != nil || r.ExitCode != 0 {
					b.Fatal(r, err)
				}
			}
		})
	}
}

// BenchmarkThousandJobs runs 1,000 jobs at once that end at once.
func BenchmarkThousandJobs(b *testing.B) {
	w := New(Options{})
	run := benchRun("brigade.js", `const { events, Job, Group } = require("brigadier");
		events.on("exec", () => Promise.all(Array.from({ length: 1000 }, (_, i) => new Job("job-" + i, "img", ["echo"]).run())));`)
	b.ReportAllocs()
	for b.Loop() {
		if r, err := w.RunScript(b.Context(), run, quietHost{}); err != nil || r.ExitCode != 0 {
			b.Fatal(r, err)
		}
	}
}

// TestScriptStartStaysWithinItsBudget judges the memory, which does not depend
// on how busy the machine is, and prints the time; so does the benchmark.
func TestScriptStartStaysWithinItsBudget(t *testing.T) {
	w := New(Options{})
	once := func(i int) {
		run := benchRun("brigade.js", fmt.Sprintf("%s// %d", fiftyLines, i))
		if r, err := w.RunScript(t.Context(), run, quietHost{}); err != nil || r.ExitCode != 0 {
			t.Fatal(r, err)
		}
	}
	once(0)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const n = 20
	start := time.Now()
	for i := range n {
		once(i + 1)
	}
	each := time.Since(start) / n
	runtime.ReadMemStats(&after)
	bytes := (after.TotalAlloc - before.TotalAlloc) / n
	t.Logf("%v and %d KB a script", each, bytes>>10)
	if bytes > 4<<20 {
		t.Errorf("a script takes %d KB; the budget is 2 MB", bytes>>10)
	}
}
