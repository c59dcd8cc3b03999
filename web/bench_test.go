package web_test

import (
	"compress/gzip"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/brigadecore/brigade/v3"
)

// BenchmarkFirstView is what a browser without a cache fetches for the page of
// a build with 50 jobs: the page, its style and its script, one after another.
func BenchmarkFirstView(b *testing.B) {
	w := newWorld(b)
	build := w.large(w.project(brigade.NewProject("acme/app")), 50)
	ada := w.as("all-token")
	wire, page := 0, 0
	for b.Loop() {
		a := ada.get("/builds/"+build.ID, "Accept-Encoding", "gzip").want(200)
		wire, page = len(a.body), len(a.body)
		z, err := gzip.NewReader(strings.NewReader(a.body))
		w.must(err)
		html, err := io.ReadAll(z)
		w.must(err)
		for _, one := range assetsIn(html) {
			wire += len(ada.get(one, "Accept-Encoding", "gzip").want(200).body)
		}
	}
	took := b.Elapsed() / time.Duration(b.N)
	b.ReportMetric(float64(wire)/1024, "KiB/view")
	b.ReportMetric(float64(page)/1024, "KiB/page")
	b.ReportMetric(took.Seconds()/0.2, "of-200ms")
}

// BenchmarkLogLines reads the part of a long log that a screen shows.
func BenchmarkLogLines(b *testing.B) {
	w := newWorld(b)
	build := w.large(w.project(brigade.NewProject("acme/app")), 1)
	texts := make([]string, 100_000)
	for i := range texts {
		texts[i] = "\x1b[32mok\x1b[0m a line of a log that is as long as lines of logs are"
	}
	w.log(build.ID, "test-shard-00-"+build.ID, 1, w.now(), texts...)
	ada := w.as("all-token")
	for b.Loop() {
		ada.get("/builds/"+build.ID+"/jobs/test-shard-00/lines?after=50000&limit=500", "Accept", "application/json", "Accept-Encoding", "gzip").want(200)
	}
}
