package client

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/api"
)

func TestProjects(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	c := w.client()
	p := brigade.NewProject("acme/app")
	p.SharedSecret, p.Repo.Token = "s3cret", "t0ken"
	p.Secrets = map[string]any{"A": "one", "B": map[string]any{"deep": 12345678901234567}}
	w.must(c.PutProject(ctx, p))
	got, err := c.Project(ctx, "acme/app")
	w.must(err)
	if got.ID != p.ID || got.SharedSecret != Redacted || got.Repo.Token != Redacted || got.GenericGatewaySecret != "" || got.Secrets["A"] != Redacted {
		t.Errorf("it is %+v", got)
	}
	p.SharedSecret = "other"
	if same, err := c.SameSecrets(ctx, p); err != nil || strings.Join(same, " ") != "repo.token secrets.A secrets.B" {
		t.Errorf("the same: %v %v", same, err)
	}
	if same, err := c.SameSecrets(ctx, brigade.NewProject("acme/app")); err != nil || len(same) != 0 {
		t.Errorf("nothing is the same: %v %v", same, err)
	}
	delete(got.Secrets, "B")
	got.SharedSecret, got.ScriptPath = "", "ci/brigade.ts"
	w.must(c.PutProject(ctx, got))
	stored, err := w.store.Project(ctx, p.ID)
	w.must(err)
	if stored.Repo.Token != "t0ken" || stored.SharedSecret != "" || stored.ScriptPath != "ci/brigade.ts" || len(stored.Secrets) != 1 || stored.Secrets["A"] != "one" {
		t.Errorf("stored %+v", stored)
	}
	w.must(c.SetSecret(ctx, "acme/app", "a/b", "x"))
	w.must(c.UnsetSecret(ctx, "acme/app", "A"))
	stored, _ = w.store.Project(ctx, p.ID)
	if len(stored.Secrets) != 1 || stored.Secrets["a/b"] != "x" {
		t.Errorf("secrets %v", stored.Secrets)
	}
	w.project("other")
	all, err := c.ListProjects(ctx)
	if err != nil || len(all) != 2 || all[0].Name != "acme/app" || all[0].Secrets["a/b"] != Redacted {
		t.Errorf("list %v %v", all, err)
	}
	w.must(c.DeleteProject(ctx, p.ID))
	if _, err := c.Project(ctx, "acme/app"); brigade.CodeOf(err) != brigade.CodeNotFound {
		t.Errorf("a deleted project: %v", err)
	}
	for _, name := range []string{"", "..", "no/such"} {
		if _, err := c.Project(ctx, name); brigade.CodeOf(err) != brigade.CodeNotFound {
			t.Errorf("project %q: %v", name, err)
		}
	}
}

func TestSubmitIsRepeatedButOnce(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	w.project("acme/app")
	var n atomic.Int32
	w.stand(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if n.Add(1) > 1 {
				next.ServeHTTP(rw, r)
				return
			}
			next.ServeHTTP(httptest.NewRecorder(), r) // it was done, but the answer is lost
			panic(http.ErrAbortHandler)
		})
	})
	c := w.client()
	b, _, err := c.Submit(ctx, "acme/app", brigade.Event{Type: "push", Provider: "brigade-cli", Payload: "a\"é", Revision: brigade.Revision{Ref: "main"}})
	w.must(err)
	list, err := w.store.ListBuilds(ctx, brigade.BuildFilter{})
	if err != nil || len(list) != 1 || list[0].ID != b.ID || n.Load() != 2 {
		t.Fatalf("%d builds after %d requests: %v", len(list), n.Load(), err)
	}
	full, err := c.Build(ctx, b.ID[:20])
	if err != nil || full.Event.Payload != "a\"é" || full.Event.Type != "push" || full.Event.Provider != "brigade-cli" || full.Event.Revision.Ref != "main" {
		t.Errorf("%+v %v", full, err)
	}
	again, repeat, err := c.Submit(ctx, "acme/app", brigade.Event{Type: "push", Key: "k"})
	w.must(err)
	same, repeat2, err := c.Submit(ctx, "acme/app", brigade.Event{Type: "push", Key: "k"})
	if err != nil || repeat || !repeat2 || same.ID != again.ID {
		t.Errorf("a repeat: %v %v %v", repeat, repeat2, err)
	}
	if _, _, err := c.Submit(ctx, "acme/app", brigade.Event{Type: "push", Payload: "\xff"}); brigade.CodeOf(err) != brigade.CodeInvalid {
		t.Errorf("a payload that is no text: %v", err)
	}
}

func TestBuilds(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	p := w.project("acme/app")
	c := w.client()
	old, failed := w.build(p, brigade.StateSucceeded), w.build(p, brigade.StateFailed)
	running := w.build(p, brigade.StateRunning)
	list, err := c.ListBuilds(ctx, brigade.BuildFilter{ProjectID: p.ID, States: []brigade.State{brigade.StateFailed, brigade.StateRunning}, Type: "exec", Since: epoch.Add(-time.Hour), Limit: 5000})
	if err != nil || len(list) != 2 || list[0].ID != running.ID {
		t.Errorf("%d %v", len(list), err)
	}
	if list, err := c.ListBuilds(ctx, brigade.BuildFilter{Before: failed.ID}); err != nil || len(list) != 1 || list[0].ID != old.ID {
		t.Errorf("a page: %v %v", list, err)
	}
	if b, err := c.Cancel(ctx, running.ID, "no more"); err != nil || b.Cancel == nil || b.Cancel.Reason != "no more" {
		t.Errorf("cancel: %+v %v", b, err)
	}
	if _, err := c.Cancel(ctx, old.ID, ""); brigade.CodeOf(err) != brigade.CodeConflict {
		t.Errorf("cancel what has ended: %v", err)
	}
	payload := "new"
	b, err := c.Rerun(ctx, failed.ID, true, Overrides{Payload: &payload})
	if err != nil || b.RerunOf != failed.ID || !b.Inherit {
		t.Errorf("rerun: %+v %v", b, err)
	}
	for _, pin := range []bool{true, false} {
		if b, err := c.Pin(ctx, old.ID, pin); err != nil || b.Pinned != pin {
			t.Errorf("pin: %+v %v", b, err)
		}
	}
	j := &brigade.Job{ID: "test-" + running.ID, BuildID: running.ID, Name: "test", State: brigade.StateRunning, Created: epoch, Artifacts: []brigade.Artifact{{Name: "out dir/ä.txt", Size: 25}}}
	w.must(w.store.PutJob(ctx, j))
	if jobs, err := c.ListJobs(ctx, running.ID); err != nil || len(jobs) != 1 || jobs[0].Name != "test" {
		t.Errorf("jobs %v %v", jobs, err)
	}
	if j, err := c.Job(ctx, j.ID); err != nil || j.State != brigade.StateRunning {
		t.Errorf("job %v %v", j, err)
	}
	if _, err := c.CancelJob(ctx, j.ID, "x"); err != nil || !slices.Contains(w.canceled, j.ID) {
		t.Errorf("cancel a job: %v", err)
	}
	if list, err := c.Artifacts(ctx, j.ID); err != nil || len(list) != 1 {
		t.Errorf("artifacts %v %v", list, err)
	}
	content, err := c.OpenArtifact(ctx, j.ID, "out dir/ä.txt")
	w.must(err)
	if text, err := io.ReadAll(content); err != nil || string(text) != "content of out dir/ä.txt" {
		t.Errorf("artifact %q %v", text, err)
	}
	_ = content.Close()
	if err := c.DeleteBuild(ctx, running.ID); brigade.CodeOf(err) != brigade.CodeConflict {
		t.Errorf("delete what runs: %v", err)
	}
	w.must(c.DeleteBuild(ctx, old.ID))
	for name, err := range map[string]error{
		"create": second(c.CreateBuild(ctx, old)), "update": second(c.UpdateBuild(ctx, old.ID, nil)), "job": c.PutJob(ctx, j), "log": c.AppendLog(ctx, nil),
	} {
		var e *brigade.Error
		if !errors.As(err, &e) || e.Code != brigade.CodeUsage || e.Hint == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestReadLog(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	b := w.build(w.project("p"), brigade.StateRunning)
	const n = 25_000
	texts := make([]string, n)
	for i := range texts {
		texts[i] = fmt.Sprint("line ", i+1)
	}
	w.log(b.ID, "", 1, false, texts...)
	c := w.client()
	for name, q := range map[string]struct {
		q          brigade.LogQuery
		first, len int64
	}{
		"all": {brigade.LogQuery{}, 1, n}, "after": {brigade.LogQuery{After: 5}, 6, n - 5}, "limit": {brigade.LogQuery{Limit: 12_345}, 1, 12_345},
		"tail": {brigade.LogQuery{Tail: 3}, n - 2, 3}, "long tail": {brigade.LogQuery{Tail: 15_000}, n - 14_999, 15_000},
		"tail and limit": {brigade.LogQuery{Tail: 10, Limit: 2}, n - 9, 2}, "tail after": {brigade.LogQuery{After: n - 2, Tail: 20_000}, n - 1, 2},
	} {
		q.q.BuildID = b.ID
		lines, err := c.ReadLog(ctx, q.q)
		if err != nil || int64(len(lines)) != q.len || lines[0].Seq != q.first || lines[q.len-1].Seq != q.first+q.len-1 || lines[0].BuildID != b.ID {
			t.Errorf("%s: %d lines, %v", name, len(lines), err)
		}
	}
	if lines, err := c.ReadLog(ctx, brigade.LogQuery{BuildID: b.ID, JobID: "nope"}); err != nil || len(lines) != 0 {
		t.Errorf("an unknown log: %v %v", lines, err)
	}
}

func TestTheRest(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	c := w.client()
	p := brigade.NewProject("acme/app")
	p.Schedules = []brigade.Schedule{{Name: "nightly", Cron: "0 3 * * *"}}
	w.must(c.PutProject(ctx, p))
	for _, name := range []string{"", "acme/app"} {
		if list, err := c.Schedules(ctx, name, 2); err != nil || len(list) != 1 || len(list[0].Next) != 2 || list[0].Name != "nightly" {
			t.Errorf("schedules %v %v", list, err)
		}
	}
	list, next, err := c.Deliveries(ctx, DeliveryFilter{Outcome: brigade.OutcomeRefused})
	if err != nil || len(list) != 1 || list[0].Reason != "wrong secret" || next != "" {
		t.Errorf("deliveries %v %q %v", list, next, err)
	}
	if list, next, err := c.Deliveries(ctx, DeliveryFilter{Limit: 1}); err != nil || len(list) != 1 || next != list[0].ID {
		t.Errorf("a page of deliveries: %v %q %v", list, next, err)
	}
	if d, err := c.Delivery(ctx, delivered[0].ID); err != nil || d.Body != "{}" {
		t.Errorf("delivery %v %v", d, err)
	}
	if d, err := c.Redeliver(ctx, delivered[0].ID); err != nil || d.ID == delivered[0].ID {
		t.Errorf("redeliver %v %v", d, err)
	}
	made, err := c.CreateToken(ctx, NewToken{Name: "ci", Scopes: []string{"read"}, Projects: []string{"acme/app"}, ExpiresIn: time.Hour})
	if err != nil || !strings.HasPrefix(made.Secret, "brig_") || time.Until(made.Expires) > time.Hour {
		t.Fatalf("token %+v %v", made, err)
	}
	narrow := w.client(func(o *Options) { o.Token = made.Secret })
	if who, err := narrow.WhoAmI(ctx); err != nil || who.Name != "ci" || len(who.Projects) != 1 {
		t.Errorf("who %+v %v", who, err)
	}
	_, _, err = narrow.Submit(ctx, "acme/app", brigade.Event{Type: "exec"})
	if brigade.CodeOf(err) != brigade.CodeDenied || !strings.Contains(err.Error(), "event:create") {
		t.Errorf("a narrow token: %v", err)
	}
	tokens, err := c.Tokens(ctx)
	if err != nil || len(tokens) != 2 || tokens[0].Secret != "" {
		t.Errorf("tokens %v %v", tokens, err)
	}
	w.must(c.RevokeToken(ctx, made.ID))
	if _, err := narrow.WhoAmI(ctx); brigade.CodeOf(err) != brigade.CodeDenied {
		t.Errorf("a revoked token: %v", err)
	}
	entries, _, err := c.Audit(ctx, AuditFilter{Action: "token.revoke"})
	if err != nil || len(entries) != 1 || entries[0].Target != made.ID || entries[0].Actor != "t-admin" {
		t.Errorf("audit %+v %v", entries, err)
	}
}

func TestOptions(t *testing.T) {
	for name, o := range map[string]Options{
		"empty": {}, "scheme": {URL: "ftp://x"}, "password": {URL: "https://u:p4ss@x"}, "query": {URL: "https://x?token=1"},
		"plain": {URL: "http://ci.example.org", Token: "brig_1"}, "token": {URL: "https://x", Token: "two words s3cret"}, "ca": {URL: "https://x", CAFile: "nope.pem"},
		"control": {URL: "https://x\n"}, "no host": {URL: "https://"},
	} {
		_, err := New(o)
		if name == "control" {
			continue // trimmed
		}
		if brigade.CodeOf(err) != brigade.CodeUsage || strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "p4ss") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for text, want := range map[string]string{
		"127.0.0.1:7745": "http://127.0.0.1:7745", "localhost:1/": "http://localhost:1", "ci.example.org": "https://ci.example.org",
		"https://x/brigade/": "https://x/brigade", "[::1]:7": "http://[::1]:7",
	} {
		if c, err := New(Options{URL: text, Token: "t"}); err != nil || c.URL() != want {
			t.Errorf("%s: %v", text, err)
		}
	}
	if _, err := New(Options{URL: "http://ci.example.org", Token: "t", Insecure: true}); err != nil {
		t.Error(err)
	}
}

func TestRetries(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	p := w.project("p")
	b := w.build(p, brigade.StateRunning)
	var n atomic.Int32
	fail := func(status int, times int32, header ...string) {
		n.Store(0)
		w.stand(func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				if n.Add(1) > times {
					next.ServeHTTP(rw, r)
					return
				}
				for i := 0; i < len(header); i += 2 {
					rw.Header().Set(header[i], header[i+1])
				}
				rw.WriteHeader(status)
			})
		})
	}
	c := w.client()
	fail(502, 2)
	if _, err := c.Build(ctx, b.ID); err != nil || n.Load() != 3 {
		t.Errorf("after two 502: %v, %d requests", err, n.Load())
	}
	fail(429, 1, "Retry-After", "0")
	if _, err := c.Build(ctx, b.ID); err != nil || n.Load() != 2 {
		t.Errorf("after 429: %v, %d requests", err, n.Load())
	}
	fail(429, 9, "Retry-After", "3600")
	if _, err := c.Build(ctx, b.ID); brigade.CodeOf(err) != brigade.CodeLimited || n.Load() != 1 {
		t.Errorf("after 429 for an hour: %v, %d requests", err, n.Load())
	}
	fail(503, 99)
	if _, err := c.Build(ctx, b.ID); brigade.CodeOf(err) != brigade.CodeUnavailable || n.Load() != 4 {
		t.Errorf("503: %v, %d requests", err, n.Load())
	}
	fail(502, 1)
	if _, err := c.Cancel(ctx, b.ID, ""); brigade.CodeOf(err) != brigade.CodeUnavailable || n.Load() != 1 {
		t.Errorf("a request that must not be repeated: %v, %d requests", err, n.Load())
	}
	fail(404, 1)
	if _, err := c.Build(ctx, b.ID); brigade.CodeOf(err) != brigade.CodeUnavailable {
		t.Errorf("a 404 that no Brigade server gave: %v", err)
	}
	w.server.Close()
	if _, err := c.Build(ctx, b.ID); brigade.CodeOf(err) != brigade.CodeUnavailable || !strings.Contains(err.Error(), "cannot be reached") {
		t.Errorf("no server: %v", err)
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := c.Build(gone, b.ID); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}

func TestATokenGoesNowhereElse(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	var seen atomic.Value
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen.Store(r.Header.Get("Authorization")) }))
	defer other.Close()
	c := w.client()
	w.stand(func(http.Handler) http.Handler { return http.RedirectHandler(other.URL, http.StatusTemporaryRedirect) })
	_, err := c.Build(ctx, "x")
	if brigade.CodeOf(err) != brigade.CodeUnavailable || seen.Load() != nil || !strings.Contains(err.Error(), "redirects elsewhere") {
		t.Errorf("%v, the other saw %v", err, seen.Load())
	}
	w.stand(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			rw.Header().Set("Content-Type", "application/json")
			io.WriteString(rw, "<html>"+strings.Repeat("x", 100))
		})
	})
	if _, err = c.Build(ctx, "x"); brigade.CodeOf(err) != brigade.CodeUnavailable || strings.Contains(err.Error(), w.admin) {
		t.Errorf("no JSON: %v", err)
	}
	wrong := w.client(func(o *Options) { o.Token = "brig_01k0000000000000000000000a_" + strings.Repeat("0", 64) })
	w.stand(nil)
	var e *brigade.Error
	if _, err = wrong.Build(ctx, "x"); !errors.As(err, &e) || e.Code != brigade.CodeDenied || !strings.Contains(e.Hint, "--token-file") || strings.Contains(fmt.Sprintf("%+v %s", e, e.Hint), "000000000000") {
		t.Errorf("a wrong token: %+v", e)
	}
}

func TestTLS(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"name":"me"}`) }))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	c, err := New(Options{URL: s.URL, Backoff: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	var e *brigade.Error
	if _, err := c.WhoAmI(t.Context()); !errors.As(err, &e) || !strings.Contains(e.Hint, "--ca-file") {
		t.Errorf("not trusted: %v", err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	if c, err = New(Options{URL: s.URL, CAFile: file}); err != nil {
		t.Fatal(err)
	}
	if who, err := c.WhoAmI(t.Context()); err != nil || who.Name != "me" {
		t.Errorf("%v %v", who, err)
	}
	plain, err := New(Options{URL: strings.Replace(s.URL, "https", "http", 1), Backoff: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := plain.WhoAmI(t.Context()); err == nil {
		t.Error("plain http to a TLS port")
	}
}

func TestScopesAreThoseOfTheAPI(t *testing.T) {
	for _, s := range []api.Scope{api.ScopeRead, api.ScopeEventCreate, api.ScopeAdmin} {
		if !slices.Contains(Scopes, string(s)) {
			t.Errorf("no scope %s", s)
		}
	}
}
