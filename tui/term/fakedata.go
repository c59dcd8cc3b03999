package term

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
)

// fakeProject is an invented project.
type fakeProject struct {
	name   string
	events []fakeEvent
	jobs   []fakeJob
}

type fakeEvent struct{ provider, name, ref string }

// fakeJob is a job of an invented project: how long it takes about, and how
// many of a hundred fail.
type fakeJob struct {
	name, image string
	needs       []string
	takes       time.Duration
	fails       int
	lines       []string
}

var (
	fakePush    = fakeEvent{"github", "push", "refs/heads/main"}
	fakePull    = fakeEvent{"github", "pull_request:opened", "refs/pull/318/head"}
	fakeTag     = fakeEvent{"github", "create:tag", "refs/tags/v2.4.1"}
	fakeNightly = fakeEvent{"cron", "nightly", ""}
	fakeByHand  = fakeEvent{"brigade-cli", "exec", ""}
)

var fakePeople = []string{"ada", "grace", "linus", "margaret", "dennis"}

var fakeTitles = []string{
	"Refund the shipping costs, too", "Prices are rounded once, at the end", "Bump golang to 1.26.1",
	"Search understands umlauts", "Remove the old cart", "A cache for product images — 3× faster", "Fix a race in the queue of orders",
}

var fakeTests = []string{
	"\x1b[36m=== RUN\x1b[m   TestCart%03d", "\x1b[32m--- PASS\x1b[m: TestCart%03d (0.01s)", "    cart_test.go:%d: total is 12.50",
}

var fakeCompile = []string{"[%d/312] CC src/render.c", "[%d/312] CC src/layout.c", "[%d/312] LINK bin/app"}

var fakeLayers = []string{
	"STEP %d: RUN go build ./...", "--> \x1b[2m3f2c1ab90e1d\x1b[m", "Copying blob sha256:9f8e7d6c5b4a39281706f5e4d3c2b1a0 and writing the manifest of image %d to the registry",
}

var fakeProjects = []fakeProject{
	{"acme/shop", []fakeEvent{fakePush, fakePull, fakePush, fakeTag}, []fakeJob{
		{"lint", "docker.io/golangci/golangci-lint:v2.1", nil, 5 * time.Second, 6, fakeCompile},
		{"unit-tests", "golang:1.26", nil, 14 * time.Second, 14, fakeTests},
		{"build-image", "quay.io/buildah/stable:v1.40", nil, 11 * time.Second, 0, fakeLayers},
		{"e2e-firefox", "mcr.microsoft.com/playwright:v1.52", []string{"build-image"}, 12 * time.Second, 10, fakeTests},
		{"e2e-chromium", "mcr.microsoft.com/playwright:v1.52", []string{"build-image"}, 10 * time.Second, 0, fakeTests},
		{"deploy-staging", "alpine/helm:3.17", []string{"unit-tests", "e2e-firefox", "e2e-chromium"}, 4 * time.Second, 3, fakeLayers},
	}},
	{"acme/api", []fakeEvent{fakePush, fakePull}, []fakeJob{
		{"test", "golang:1.26", nil, 9 * time.Second, 15, fakeTests},
		{"race", "golang:1.26", nil, 16 * time.Second, 8, fakeTests},
		{"publish", "gcr.io/kaniko-project/executor:v1.24.0", []string{"test", "race"}, 6 * time.Second, 0, fakeLayers},
	}},
	{"acme/website", []fakeEvent{fakePush, fakeByHand}, []fakeJob{
		{"npm-ci", "node:24-alpine", nil, 6 * time.Second, 0, fakeCompile},
		{"check-links", "lycheeverse/lychee:0.19", []string{"npm-ci"}, 8 * time.Second, 25, fakeTests},
	}},
	{"acme/firmware", []fakeEvent{fakeNightly, fakePush}, []fakeJob{
		{"esp32", "espressif/idf:v5.4", nil, 24 * time.Second, 4, fakeCompile},
		{"rp2040", "ghcr.io/acme/pico:2.1", nil, 19 * time.Second, 4, fakeCompile},
		{"sign", "alpine:3.20", []string{"esp32", "rp2040"}, 2 * time.Second, 0, fakeLayers},
	}},
	{"tools/backup", []fakeEvent{fakeNightly}, []fakeJob{
		{"snapshot", "restic/restic:0.18", nil, 20 * time.Second, 12, fakeLayers},
	}},
}

const fakeLineEvery = 120 * time.Millisecond

// ReadLog implements Data. A job prints a line every 120 ms while it runs.
func (f *Fake) ReadLog(_ context.Context, q brigade.LogQuery) ([]brigade.LogLine, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.find(q.BuildID)
	if r == nil {
		return nil, brigade.NotFound("build", q.BuildID)
	}
	now := f.now()
	if end := r.end(); now.After(end) {
		now = end
	}
	lines := r.workerLog(now)
	for _, s := range r.jobs {
		if q.JobID == s.name+"-"+r.build.ID {
			lines = r.jobLog(s, now)
		}
	}
	for i := range lines {
		lines[i].BuildID, lines[i].JobID, lines[i].Seq = q.BuildID, q.JobID, int64(i+1)
	}
	lines = lines[min(int(q.After), len(lines)):]
	if q.Tail > 0 {
		lines = lines[max(len(lines)-q.Tail, 0):]
	}
	if q.Limit > 0 {
		lines = lines[:min(q.Limit, len(lines))]
	}
	return lines, nil
}

func (r *fakeRun) workerLog(now time.Time) []brigade.LogLine {
	var lines []brigade.LogLine
	say := func(after time.Duration, level brigade.LogLevel, format string, args ...any) {
		if at := r.build.Created.Add(after); !at.After(now) {
			lines = append(lines, brigade.LogLine{Time: at, Level: level, Text: fmt.Sprintf(format, args...)})
		}
	}
	say(fakeLater, brigade.LevelLog, "[brigade] brigade-worker version: 3.0.0")
	say(fakeLater, brigade.LevelLog, "%s: %s", r.build.Project, r.build.Event.Type)
	for _, s := range r.jobs {
		say(s.made, brigade.LevelLog, "[brigade] job %s: %s", s.name, s.image)
	}
	for _, s := range r.jobs {
		if s.exit != 0 {
			say(s.end, brigade.LevelError, "job %s failed with exit code %d", s.name, s.exit)
		}
	}
	return lines
}

func (r *fakeRun) jobLog(s fakeStep, now time.Time) []brigade.LogLine {
	var lines []brigade.LogLine
	from := r.build.Created.Add(s.start)
	until := r.build.Created.Add(s.end)
	for at := from.Add(fakeLineEvery); !at.After(now) && at.Before(until); at = at.Add(fakeLineEvery) {
		n := len(lines)
		text := s.lines[n%len(s.lines)]
		if strings.Contains(text, "%") {
			text = fmt.Sprintf(text, n+1)
		}
		lines = append(lines, brigade.LogLine{Time: at, Text: text})
	}
	if s.exit != 0 && !now.Before(until) {
		for _, text := range []string{"\x1b[31m--- FAIL: TestRefund (0.03s)\x1b[m", "    refund_test.go:42: got 12.49, want 12.50", "FAIL"} {
			lines = append(lines, brigade.LogLine{Time: until, Text: text})
		}
	}
	return lines
}

const crockford = "0123456789abcdefghjkmnpqrstvwxyz"

// fakeID is an ID as builds have it: the time, and then what was drawn.
func fakeID(at time.Time, r *rand.Rand) string {
	id := make([]byte, 26)
	ms := at.UnixMilli()
	for i := 9; i >= 0; i-- {
		id[i] = crockford[ms&31]
		ms >>= 5
	}
	for i := 10; i < len(id); i++ {
		id[i] = crockford[r.IntN(32)]
	}
	return string(id)
}

func shuffled(r *rand.Rand, text string) string {
	b := []byte(text)
	r.Shuffle(len(b), func(i, j int) { b[i], b[j] = b[j], b[i] })
	return string(b)
}
