package api

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/brigadecore/brigade/v3"
)

func TestPagesOfBuilds(t *testing.T) {
	w := newWorld(t)
	for i := range 120 {
		p := []string{"acme/app", "other", "third"}[i%3]
		w.create(&brigade.Build{ID: fmt.Sprintf("01m%023d", i), ProjectID: brigade.ProjectID(p), Project: p, State: brigade.StateSucceeded, Created: epoch, Event: brigade.Event{Type: "push", Payload: "x"}})
	}
	walk := func(token, query string) (ids []string) {
		t.Helper()
		path := "/api/builds?limit=7" + query
		for path != "" {
			var page buildPage
			got := w.do(token, "GET", path, nil).want(t, http.StatusOK, &page)
			for _, b := range page.Builds {
				if len(ids) > 0 && b.ID >= ids[len(ids)-1] {
					t.Fatalf("%s comes after %s", b.ID, ids[len(ids)-1])
				}
				ids = append(ids, b.ID)
			}
			link := got.header.Get("Link")
			if (link == "") != (page.Next == "") {
				t.Fatalf("Link %q, next %q", link, page.Next)
			}
			path, _, _ = strings.Cut(strings.TrimPrefix(link, "<"), ">")
		}
		return ids
	}
	both := w.token(ScopeRead, "other", "third")
	for _, c := range []struct {
		token, query string
		want         int
	}{
		{w.reader, "", 123}, {w.reader, "&project=acme/app", 42}, {w.reader, "&state=pending,running", 2}, {w.reader, "&state=pending&state=failed", 2},
		{w.reader, "&type=push", 121}, {w.reader, "&text=FIX", 1}, {both, "", 81}, {both, "&project=third", 40}, {w.token(ScopeRead, "nothing"), "", 0},
		{w.reader, "&project=third&since=2030-01-01T00:00:00Z", 0},
	} {
		if got := walk(c.token, c.query); len(got) != c.want {
			t.Errorf("%q gives %d builds, want %d", c.query, len(got), c.want)
		}
	}
	w.do(both, "GET", "/api/builds?project=acme/app", nil).want(t, http.StatusNotFound, nil)
	w.do(w.reader, "GET", "/api/builds?project=nope", nil).want(t, http.StatusNotFound, nil)
	for _, q := range []string{"limit=0", "limit=1001", "limit=x", "state=done", "since=yesterday", "since=-1h", "text=" + strings.Repeat("x", 300), "before=" + strings.Repeat("x", 200)} {
		w.do(w.reader, "GET", "/api/builds?"+q, nil).want(t, http.StatusBadRequest, nil)
	}
	var b brigade.Build
	w.do(w.reader, "GET", "/api/builds/01m000000000000000000001", nil).want(t, http.StatusConflict, nil) // a prefix of several
	w.do(w.reader, "GET", "/api/builds/01m0000000000000000000119", nil).want(t, http.StatusNotFound, nil)
	w.do(w.reader, "GET", "/api/builds/01k0000000000000000000000C", nil)
	w.do(w.reader, "GET", "/api/builds/01m00000000000000000000119", nil).want(t, http.StatusOK, &b)
	if b.Event.Payload != "x" {
		t.Error("a single build has no payload")
	}
	w.do(w.reader, "GET", "/api/builds/01m00000000000000000000119?light", nil).want(t, http.StatusOK, &b)
	w.do(both, "GET", "/api/builds/01m000000000000000000001", nil).want(t, http.StatusNotFound, nil) // no prefixes for those who see some
}

func TestEvents(t *testing.T) {
	w := newWorld(t)
	creator := w.token(ScopeEventCreate)
	var b brigade.Build
	got := w.do(creator, "POST", "/api/projects/acme%2Fapp/events", `{"type":"exec","payload":{"a": [1]},"revision":{"ref":"main"}}`, "Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01").want(t, http.StatusCreated, &b)
	full, err := w.store.Build(context.Background(), b.ID)
	w.must(err)
	if full.Event.Payload != `{"a": [1]}` || full.Event.Actor != "test-event:create" || full.Event.TraceParent == "" || full.Event.Provider != "api" || got.header.Get("Location") != "/api/builds/"+b.ID || b.Waiting == "" {
		t.Errorf("%+v", full)
	}
	var again brigade.Build
	const once = `{"type":"exec","payload":"p"}`
	w.do(creator, "POST", "/api/projects/acme%2Fapp/events", once, "Idempotency-Key", "k1").want(t, http.StatusCreated, &b)
	got = w.do(creator, "POST", "/api/projects/acme%2Fapp/events", once, "Idempotency-Key", "k1").want(t, http.StatusOK, &again)
	if again.ID != b.ID || got.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("a repeat started %s, not %s", again.ID, b.ID)
	}
	w.do(creator, "POST", "/api/projects/acme%2Fapp/events", `{"type":"exec","payload":"q","key":"k1"}`).want(t, http.StatusConflict, nil)
	w.do(creator, "POST", "/api/projects/other/events", once, "Idempotency-Key", "k1").want(t, http.StatusCreated, nil)
	for body, status := range map[string]int{
		`{"type":"exec","script":"steal()"}`: 403, `{"type":"exec","provider":"github"}`: 403, `{"type":"exec","cloneURL":"https://evil"}`: 403, `{"type":"exec","provider":"brigade-cli"}`: 201,
		`{"type":""}`: 400, `{"type":"a\nb"}`: 400, `{"type":"x","logLevel":"LOUD"}`: 400, `{"type":"x","actor":"me"}`: 400, `{"type":"x","payload":}`: 400, `{"type":1}`: 400, ``: 400,
		`{"type":"x","key":"` + strings.Repeat("k", 300) + `"}`: 400, `{"type":"x","script":"` + strings.Repeat("s", 6<<20) + `"}`: 403,
	} {
		if got := w.do(creator, "POST", "/api/projects/other/events", body); got.status != status {
			t.Errorf("%.60s: %d, want %d: %s", body, got.status, status, got.body)
		}
	}
	w.do(w.admin, "POST", "/api/projects/other/events", `{"type":"x","script":"`+strings.Repeat("s", 6<<20)+`"}`).want(t, http.StatusRequestEntityTooLarge, nil)
	w.do(w.admin, "POST", "/api/projects/other/events", `{"type":"x","payload":"`+strings.Repeat("s", brigade.MaxPayloadBytes+1)+`"}`).want(t, http.StatusRequestEntityTooLarge, nil)
}

func TestReruns(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	_, err := w.store.UpdateBuild(ctx, w.build.ID, func(b *brigade.Build) error { b.Event.Untrusted, b.Event.Key = true, "github:1"; return nil })
	w.must(err)
	creator := w.token(ScopeEventCreate)
	var b brigade.Build
	w.do(creator, "POST", "/api/builds/"+w.build.ID+"/rerun", `{"only":"failed","ref":"refs/heads/next","payload":"new"}`).want(t, http.StatusCreated, &b)
	full, err := w.store.Build(ctx, b.ID)
	w.must(err)
	e := full.Event
	if full.RerunOf != w.build.ID || !full.Inherit || !e.Untrusted || e.Key != "" || e.Revision != (brigade.Revision{Ref: "refs/heads/next"}) || e.Payload != "new" || e.Script == "" || strings.Contains(e.CloneURL, redacted) {
		t.Errorf("%+v", full)
	}
	w.do(creator, "POST", "/api/builds/"+w.build.ID+"/rerun", nil).want(t, http.StatusCreated, nil)
	w.do(creator, "POST", "/api/builds/"+w.build.ID+"/rerun", `{"script":"steal()"}`).want(t, http.StatusForbidden, nil)
	w.do(w.admin, "POST", "/api/builds/"+w.build.ID+"/rerun", `{"script":"x()"}`).want(t, http.StatusCreated, nil)
	w.do(creator, "POST", "/api/builds/"+w.build.ID+"/rerun", `{"only":"some"}`).want(t, http.StatusBadRequest, nil)
	w.do(creator, "POST", "/api/builds/"+w.running.ID+"/rerun", `{"only":"failed"}`).want(t, http.StatusConflict, nil)
	w.must(w.store.DeleteProject(ctx, brigade.ProjectID("acme/app")))
	w.do(creator, "POST", "/api/builds/"+w.build.ID+"/rerun", nil).want(t, http.StatusNotFound, nil)
}

func TestCancelPinDelete(t *testing.T) {
	w := newWorld(t)
	var b brigade.Build
	w.do(w.admin, "POST", "/api/builds/"+w.running.ID+"/cancel", `{"reason":"stuck"}`).want(t, http.StatusAccepted, &b)
	if b.Cancel == nil || b.Cancel.Actor != "test-admin" || b.Cancel.Reason != "stuck" {
		t.Errorf("%+v", b.Cancel)
	}
	w.do(w.admin, "POST", "/api/builds/"+w.build.ID+"/cancel", nil).want(t, http.StatusConflict, nil)
	w.do(w.admin, "POST", "/api/builds/"+w.running.ID+"/cancel", `{"reason":"a\nb"}`).want(t, http.StatusBadRequest, nil)
	j := *w.job
	j.ID, j.BuildID, j.State = "live-"+w.running.ID, w.running.ID, brigade.StateRunning
	w.must(w.store.PutJob(context.Background(), &j))
	w.do(w.admin, "POST", "/api/jobs/"+j.ID+"/cancel", nil).want(t, http.StatusAccepted, nil)
	w.do(w.admin, "POST", "/api/jobs/"+w.job.ID+"/cancel", nil).want(t, http.StatusConflict, nil)
	if len(w.control.jobs) != 1 || w.control.jobs[0] != j.ID {
		t.Errorf("%v", w.control.jobs)
	}
	w.do(w.admin, "PUT", "/api/builds/"+w.build.ID+"/pin", nil).want(t, http.StatusOK, &b)
	if !b.Pinned {
		t.Error("not pinned")
	}
	w.do(w.admin, "DELETE", "/api/builds/"+w.build.ID+"/pin", nil).want(t, http.StatusOK, nil)
	w.do(w.admin, "DELETE", "/api/builds/"+w.running.ID, nil).want(t, http.StatusConflict, nil)
	w.do(w.admin, "DELETE", "/api/builds/"+w.build.ID, nil).want(t, http.StatusNoContent, nil)
	w.do(w.admin, "GET", "/api/builds/"+w.build.ID, nil).want(t, http.StatusNotFound, nil)
	w.do(w.admin, "GET", "/api/jobs/"+w.job.ID, nil).want(t, http.StatusNotFound, nil)
}

func TestArtifacts(t *testing.T) {
	w := newWorld(t)
	path := "/api/jobs/" + w.job.ID + "/artifacts/"
	got := w.do(w.reader, "GET", path+"out/report.txt", nil).want(t, http.StatusOK, nil)
	if got.body != "0123456789" || got.header.Get("Content-Disposition") != `attachment; filename=report.txt` || got.header.Get("Content-Type") != "application/octet-stream" || got.header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%q %v", got.body, got.header)
	}
	part := w.do(w.reader, "GET", path+"out/report.txt", nil, "Range", "bytes=2-4", "If-Range", got.header.Get("ETag"))
	if part.status != http.StatusPartialContent || part.body != "234" {
		t.Errorf("%d %q", part.status, part.body)
	}
	w.do(w.reader, "GET", path+"out/report.txt", nil, "Range", "bytes=50-").want(t, http.StatusRequestedRangeNotSatisfiable, nil)
	if got := w.do(w.reader, "GET", path+"a.pipe", nil); got.body != "pipe" {
		t.Errorf("%d %q", got.status, got.body)
	}
	if got := w.do(w.reader, "HEAD", path+"out/report.txt", nil); got.status != http.StatusOK || got.header.Get("Content-Length") != "10" {
		t.Errorf("HEAD: %d %v", got.status, got.header)
	}
	for _, name := range []string{"out", "..%2F..%2Fetc%2Fpasswd", "out%2F..%2Fout%2Freport.txt", "%00", "nope"} {
		if got := w.do(w.reader, "GET", path+name, nil); got.status != http.StatusNotFound {
			t.Errorf("%s: %d", name, got.status)
		}
	}
	for name, want := range map[string]string{
		"a/b.txt": `attachment; filename=b.txt`, `x\y".txt`: `attachment; filename="y\".txt"`, "ä\r\nX: y": "attachment; filename*=utf-8''%C3%A4%0D%0AX%3A%20y", "/": "attachment; filename=artifact", "..": "attachment; filename=artifact",
	} {
		if got := attachment(name); got != want {
			t.Errorf("attachment(%q) = %s, want %s", name, got, want)
		}
	}
}

func TestPartsOfALog(t *testing.T) {
	w := newWorld(t)
	var texts []string
	for i := range 500 {
		texts = append(texts, fmt.Sprint("line ", i+1))
	}
	w.log(w.running.ID, "", 1, texts...)
	path := "/api/builds/" + w.running.ID + "/logs"
	for query, want := range map[string]string{
		"": "1-500", "?limit=300": "1-300", "?after=490": "491-500", "?tail=3": "498-500", "?tail=300&limit=2": "201-202", "?after=499&tail=3": "500-500", "?after=600": "",
	} {
		var v logView
		w.do(w.reader, "GET", path+query, nil).want(t, http.StatusOK, &v)
		got := ""
		if n := len(v.Lines); n > 0 {
			got = fmt.Sprintf("%d-%d", v.Lines[0].Seq, v.Lines[n-1].Seq)
			if int(v.Lines[n-1].Seq-v.Lines[0].Seq) != n-1 || v.Next != v.Lines[n-1].Seq {
				t.Errorf("%s: %d lines, next %d", query, n, v.Next)
			}
		}
		if got != want || v.Ended {
			t.Errorf("%s gives %s, want %s; ended %v", query, got, want, v.Ended)
		}
	}
	if got := w.do(w.reader, "GET", path+"?format=text&tail=2", nil); got.body != "line 499\nline 500\n" {
		t.Errorf("%q", got.body)
	}
	var v logView
	w.do(w.reader, "GET", "/api/builds/"+w.build.ID+"/logs", nil).want(t, http.StatusOK, &v)
	if !v.Ended {
		t.Error("the log of a build that has ended may grow")
	}
	for _, q := range []string{"?after=-1", "?tail=x", "?limit=0", "?format=xml", "?follow=maybe"} {
		w.do(w.reader, "GET", path+q, nil).want(t, http.StatusBadRequest, nil)
	}
	long := strings.Repeat("x", brigade.MaxLineBytes)
	var large []string
	for range 200 {
		large = append(large, long)
	}
	w.log(w.running.ID, "large", 1, large...)
	w.must(w.store.PutJob(context.Background(), &brigade.Job{ID: "large", BuildID: w.running.ID, State: brigade.StateRunning}))
	w.do(w.reader, "GET", "/api/jobs/large/logs", nil).want(t, http.StatusOK, &v)
	if len(v.Lines) < 128 || len(v.Lines) >= 200+128 || v.Ended {
		t.Errorf("%d lines at once", len(v.Lines))
	}
}

func TestGzip(t *testing.T) {
	w := newWorld(t)
	for i := range 50 {
		w.create(&brigade.Build{ID: fmt.Sprintf("01m%023d", i), ProjectID: "x", Event: brigade.Event{Type: "push"}})
	}
	r, err := http.NewRequest("GET", w.server.URL+"/api/builds", nil)
	w.must(err)
	r.Header.Set("Authorization", "Bearer "+w.reader)
	r.Header.Set("Accept-Encoding", "br, gzip;q=0.5")
	resp, err := http.DefaultTransport.RoundTrip(r)
	w.must(err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	w.must(err)
	if resp.Header.Get("Content-Encoding") != "gzip" || len(data) > 3000 || string(data[:2]) != "\x1f\x8b" {
		t.Errorf("%d bytes, %v", len(data), resp.Header)
	}
}
