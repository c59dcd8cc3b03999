package process_test

import (
	"io"
	"os/exec"
	"testing"
	"time"
)

// BenchmarkStart runs a job that does nothing, and prints how much longer that
// takes than starting sh -c true.
func BenchmarkStart(b *testing.B) {
	shell, err := exec.LookPath("sh")
	if err != nil {
		b.Skip("there is no sh here")
	}
	const rounds = 30
	begin := time.Now()
	for range rounds {
		if err := exec.Command(shell, "-c", "true").Run(); err != nil {
			b.Fatal(err)
		}
	}
	bare := time.Since(begin) / rounds
	for name, plain := range map[string]bool{"isolated": false, "plain": true} {
		b.Run(name, func(b *testing.B) {
			r := newRunner(b, plain)
			if ok, _ := r.Isolated(); ok == plain {
				b.Skip("not to be had here")
			}
			source := b.TempDir()
			for b.Loop() {
				run := job("b1", io.Discard, nil, "true")
				run.Source = source
				e, err := r.Start(b.Context(), run)
				if err != nil {
					b.Fatal(err)
				}
				if exit, err := e.Wait(b.Context()); err != nil || exit.Code != 0 {
					b.Fatalf("exit %d, error %v", exit.Code, err)
				}
			}
			each := b.Elapsed() / time.Duration(b.N)
			b.ReportMetric(float64(each)/float64(bare), "ratio")
			b.ReportMetric(float64(each-bare)/1e6, "ms-overhead")
			if err := r.EndBuild(b.Context(), "b1"); err != nil {
				b.Error(err)
			}
		})
	}
}
