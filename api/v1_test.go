package api

import (
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/brigadecore/brigade/v3"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares text with a file of testdata.
func golden(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != text {
		t.Errorf("%s differs; got\n%s\nwant\n%s", path, text, want)
	}
}

// TestV1 compares answers byte for byte.
func TestV1(t *testing.T) {
	w := newWorld(t)
	p := brigade.ProjectID("acme/app")
	for name, path := range map[string]string{
		"projects.json": "/v1/projects", "project.json": "/v1/project/" + p, "project-builds.json": "/v1/project/" + p + "/builds",
		"projects-build.json": "/v1/projects-build", "build.json": "/v1/build/" + w.build.ID, "build-pending.json": "/v1/build/01k0000000000000000000000c",
		"jobs.json": "/v1/build/" + w.build.ID + "/jobs", "no-jobs.json": "/v1/build/" + w.running.ID + "/jobs", "job.json": "/v1/job/" + w.job.ID,
		"build-log.json": "/v1/build/" + w.build.ID + "/logs", "build-log.txt": "/v1/build/" + w.build.ID + "/logs?stream=true",
		"job-log.json": "/v1/job/" + w.job.ID + "/logs", "healthz.json": "/healthz",
	} {
		got := w.do(w.reader, "GET", path, nil).want(t, http.StatusOK, nil)
		golden(t, "v1-"+name, got.body)
		kind := "application/json"
		if strings.HasSuffix(name, ".txt") {
			kind = "text/plain; charset=utf-8"
		}
		if got.header.Get("Content-Type") != kind {
			t.Errorf("%s is %s", path, got.header.Get("Content-Type"))
		}
	}
	if got := w.do(w.reader, "GET", "/v1/build/"+w.running.ID+"/logs", nil); got.status != http.StatusNoContent || got.body != "" {
		t.Errorf("an empty log: %d %q", got.status, got.body)
	}
	for _, path := range []string{"/v1/project/x", "/v1/project/x/builds", "/v1/build/x", "/v1/build/x/jobs", "/v1/build/x/logs", "/v1/job/x", "/v1/job/x/logs?stream=true"} {
		got := w.do(w.reader, "GET", path, nil).want(t, http.StatusNotFound, nil)
		if !strings.HasPrefix(got.body, "There is no ") || !strings.HasPrefix(got.header.Get("Content-Type"), "text/plain") {
			t.Errorf("%s: %q", path, got.body)
		}
	}
}

func TestV1IsOpenWhenAskedFor(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Access.OpenV1 = true })
	got := w.do("", "GET", "/v1/projects", nil, "Origin", "https://kashti.example.org", "X-Forwarded-For", "192.0.2.1").want(t, http.StatusOK, nil)
	if got.header.Get("Access-Control-Allow-Origin") != "*" {
		t.Error("a dashboard of another site cannot read it")
	}
	w.do("", "GET", "/api/projects", nil).want(t, http.StatusUnauthorized, nil)
	w.do("brig_x", "GET", "/v1/projects", nil).want(t, http.StatusUnauthorized, nil) // a bad token is not none
	closed := newWorld(t)
	closed.do("", "GET", "/v1/projects", nil).want(t, http.StatusUnauthorized, nil)
}

func TestV1StatusesAndExitCodes(t *testing.T) {
	for state, want := range map[brigade.State]string{
		brigade.StatePending: "Pending", brigade.StatePulling: "Pending", brigade.StateRunning: "Running",
		brigade.StateSucceeded: "Succeeded", brigade.StateFailed: "Failed", brigade.StateCanceled: "Failed", "weird": "Unknown",
	} {
		if got := state.Phase(); got != want {
			t.Errorf("%s is %s, want %s", state, got, want)
		}
	}
	if v1ExitCode(0, brigade.StateCanceled) == 0 || v1ExitCode(0, brigade.StateSucceeded) != 0 || v1ExitCode(7, brigade.StateFailed) != 7 {
		t.Error("exit codes")
	}
}
