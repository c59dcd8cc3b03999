package tui

import (
	"fmt"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
)

// story is a build that tests play to a view: everything a person may meet.
type story struct {
	build *brigade.Build
	jobs  map[string]*brigade.Job
	order []string
	now   time.Time
	watch func(brigade.Change)
	seq   map[string]int64
}

const storyID = "01jd4m6zy8q3v9c2x7k5w1n0ht"

var storyBegin = time.Date(2026, 11, 20, 6, 0, 0, 0, time.UTC)

func newStory(watch func(brigade.Change)) *story {
	return &story{
		build: &brigade.Build{
			ID: storyID, Project: "acme/shop", State: brigade.StatePending, Created: storyBegin, Attempt: 1, Runner: "docker",
			Event: brigade.Event{Provider: "brigade-cli", Type: "exec"},
		},
		jobs: map[string]*brigade.Job{}, now: storyBegin, watch: watch, seq: map[string]int64{},
	}
}

func (s *story) change(c brigade.Change) {
	c.Time, c.BuildID = s.now, s.build.ID
	s.watch(c)
}

func (s *story) after(d time.Duration) *story { s.now = s.now.Add(d); return s }

func (s *story) begin() {
	b := *s.build
	b.State, b.Started = brigade.StateRunning, s.now
	s.build = &b
	s.change(brigade.Change{Build: &b})
}

func (s *story) end(state brigade.State, f *brigade.Error) {
	b := *s.build
	b.State, b.Ended, b.Failure = state, s.now, f
	if state != brigade.StateSucceeded {
		b.ExitCode = 1
	}
	s.build = &b
	s.change(brigade.Change{Build: &b})
}

func (s *story) job(name, image string, state brigade.State, exit int, f *brigade.Error) {
	j := &brigade.Job{
		ID: name + "-" + s.build.ID, BuildID: s.build.ID, Name: name, Created: s.now, Attempt: 1,
		Spec: brigade.JobSpec{Name: name, Image: image, Tasks: []string{"make " + name}, UseSource: true}.WithDefaults(),
	}
	if old := s.jobs[name]; old != nil {
		c := *old
		j = &c
	} else {
		s.order = append(s.order, name)
	}
	j.State, j.ExitCode, j.Failure = state, exit, f
	switch {
	case state == brigade.StateRunning:
		j.Started = s.now
	case state.Ended():
		j.Ended = s.now
	}
	s.jobs[name] = j
	s.change(brigade.Change{Job: j})
}

func (s *story) log(name string, texts ...string) {
	id := ""
	if name != "" {
		id = name + "-" + s.build.ID
	}
	var lines []brigade.LogLine
	for _, text := range texts {
		s.seq[name]++
		lines = append(lines, brigade.LogLine{BuildID: s.build.ID, JobID: id, Seq: s.seq[name], Time: s.now, Level: brigade.LevelLog, Text: text})
	}
	if j := s.jobs[name]; j != nil {
		c := *j
		c.LogBytes += 100
		s.jobs[name] = &c
	}
	s.change(brigade.Change{Lines: lines})
}

func (s *story) notice(name, text string) {
	id := ""
	if name != "" {
		id = name + "-" + s.build.ID
	}
	s.change(brigade.Change{Notice: text, JobID: id})
}

func (s *story) list() []*brigade.Job {
	var jobs []*brigade.Job
	for _, name := range s.order {
		jobs = append(jobs, s.jobs[name])
	}
	return jobs
}

// pipeline plays a build of six jobs of which one fails. at is called at its
// high point; wait lets time pass.
func (s *story) pipeline(wait func(time.Duration), at func()) {
	pass := func(d time.Duration) { s.after(d); wait(d) }
	run, pull, good := brigade.StateRunning, brigade.StatePulling, brigade.StateSucceeded
	s.begin()
	s.notice("", "jobs run in containers of the engine at unix:///run/podman/podman.sock")
	s.log("", "[brigade] brigade-worker version: 3.0.0", "building acme/shop at 3f2c1ab")
	pass(200 * time.Millisecond)
	for _, n := range []string{"lint", "unit-tests", "build-image"} {
		s.job(n, map[string]string{"lint": "docker.io/golangci/golangci-lint:v2.1", "unit-tests": "golang:1.26", "build-image": "quay.io/buildah/stable:v1.40"}[n], brigade.StatePending, 0, nil)
	}
	pass(150 * time.Millisecond)
	s.job("lint", "", run, 0, nil)
	s.job("unit-tests", "", pull, 0, nil)
	s.notice("unit-tests", "pulling golang:1.26 (12%)")
	s.job("build-image", "", pull, 0, nil)
	s.log("lint", "level=info msg=\"config path ./.golangci.yml\"")
	for p := 20; p <= 100; p += 20 {
		pass(200 * time.Millisecond)
		s.notice("unit-tests", fmt.Sprintf("pulling golang:1.26 (%d%%)", p))
		s.notice("build-image", fmt.Sprintf("pulling quay.io/buildah/stable:v1.40 (%d%%)", p/2))
	}
	s.job("unit-tests", "", run, 0, nil)
	s.log("unit-tests", "\x1b[32mok\x1b[0m  	github.com/acme/shop/cart	0.41s", "\x1b[32mok\x1b[0m  	github.com/acme/shop/price	0.12s")
	pass(400 * time.Millisecond)
	s.job("lint", "", good, 0, nil)
	s.job("schema-check", "alpine:3.20", brigade.StatePending, 0, nil)
	s.job("e2e-firefox", "mcr.microsoft.com/playwright:v1.52", brigade.StatePending, 0, nil)
	s.job("build-image", "", run, 0, nil)
	s.log("build-image", "STEP 1/6: FROM golang:1.26 AS build", "STEP 2/6: COPY . /src — 商品カタログ を含む 🎉 and a line that is longer than a terminal of eighty columns is wide, so it goes on")
	pass(500 * time.Millisecond)
	s.job("schema-check", "", run, 0, nil)
	s.log("schema-check", "progress  10%\rprogress  50%\rprogress 100%")
	s.log("unit-tests", "\x1b[31m--- FAIL: TestRefund (0.03s)\x1b[0m", "    refund_test.go:42: got 12.49, want 12.50")
	pass(300 * time.Millisecond)
	at()
	s.log("unit-tests", "FAIL", "make: *** [Makefile:12: unit-tests] Error 2")
	s.job("unit-tests", "", brigade.StateFailed, 2, &brigade.Error{Code: brigade.CodeBuildFailed, Message: "job unit-tests(unit-tests-" + storyID + "): exit code 2"})
	pass(900 * time.Millisecond)
	s.job("schema-check", "", good, 0, nil)
	s.job("build-image", "", good, 0, nil)
	pass(100 * time.Millisecond)
	s.job("e2e-firefox", "", brigade.StateCanceled, 0, nil)
	s.change(brigade.Change{Fired: &brigade.Lifecycle{Name: "error", Trigger: "unhandledRejection", Reason: "job unit-tests failed", Handled: true, Time: s.now}})
	s.end(brigade.StateFailed, &brigade.Error{Code: brigade.CodeBuildFailed, Message: "job unit-tests(unit-tests-" + storyID + "): exit code 2"})
}
