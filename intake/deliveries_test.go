package intake

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/id"
)

// raw returns all that was written down of deliveries and audits.
func (w *world) raw(t testing.TB) string {
	t.Helper()
	if _, err := w.Deliveries(t.Context(), "", 1); err != nil { // waits for the writers
		t.Fatal(err)
	}
	var all strings.Builder
	for _, kind := range []string{brigade.KindDelivery, AuditKind} {
		list, err := w.store.ListRecords(t.Context(), kind, brigade.RecordQuery{Limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range list {
			all.Write(r.Data)
			all.WriteByte('\n')
		}
	}
	return all.String()
}

func TestSecretsAreNotKept(t *testing.T) {
	w := newWorld(t, nil)
	w.project(t, "acme", nil)
	for n, path := range []string{"/in/acme/path-acme", "/in/acme/s3cr3t"} {
		eventID := fmt.Sprint("event", n)
		r := httptest.NewRequest("POST", path+"?commit=abc&token=s3cr3t&secret=s3cr3t&access_token=s3cr3t&API-Key=s3cr3t&code=s3cr3t&sig=s3cr3t&Password=s3cr3t", strings.NewReader("body"))
		for name, value := range map[string]string{
			"Authorization": "Bearer s3cr3t", "X-Hub-Signature-256": "s3cr3t", "X-Gitlab-Token": "s3cr3t", "X-Gitea-Signature": "s3cr3t", "X-Forgejo-Signature": "s3cr3t",
			"Cookie": "s3cr3t", "Proxy-Authorization": "s3cr3t", "Ce-Token": "s3cr3t", "X-Forwarded-For": "s3cr3t", "X-Slack-Signature": "s3cr3t", "Referer": "s3cr3t",
			"X-GitHub-Event": "push", "X-GitHub-Delivery": "d1", "X-Gitea-Event": "push", "Ce-Id": eventID, "User-Agent": "tester", "Content-Type": "text/plain",
		} {
			r.Header.Set(name, value)
		}
		w.do(r)
		d := w.last(t)
		if d.Path["project"] != "acme" || len(d.Path) != 1 || d.Query.Get("commit") != "abc" || len(d.Query) != 1 ||
			d.Header.Get("X-Github-Event") != "push" || d.Header.Get("Ce-Id") != eventID || d.Header.Get("X-Gitea-Event") != "push" || len(d.Header) != 6 {
			t.Errorf("kept %v %v %v", d.Path, d.Query, d.Header)
		}
	}
	for _, text := range []string{w.raw(t), w.logged.String()} {
		if strings.Contains(text, "s3cr3t") || strings.Contains(text, "path-acme") {
			t.Errorf("a secret was kept: %s", text)
		}
	}
}

func TestSecretsInFormsAreNotKept(t *testing.T) {
	const form = "application/x-www-form-urlencoded; charset=utf-8"
	for _, c := range []struct{ body, kind, want string }{
		{"token=s&command=%2Fdeploy&api%5Fkey=s&text=a%26token%3Db&x", form, "command=%2Fdeploy&text=a%26token%3Db&x"},
		{`{"url":"?a=b&token=c"}`, form, `{"url":"?a=b&token=c"}`},
		{"token=s&a=b", "text/plain", "token=s&a=b"},
		{"%zz=1&a=b", form, "%zz=1&a=b"},
	} {
		if got := keepBody([]byte(c.body), c.kind); got != c.want {
			t.Errorf("of %s is kept %s", c.body, got)
		}
	}
	w := newWorld(t, nil)
	w.project(t, "acme", nil)
	r := httptest.NewRequest("POST", "/in/acme/path-acme", strings.NewReader("token=s3cr3t&a=b"))
	r.Header.Set("Content-Type", form)
	w.do(r)
	d := w.last(t)
	if again, err := w.Redeliver(t.Context(), d.ID, "ann"); err != nil || again.Status != 200 || strings.Contains(w.raw(t), "s3cr3t") {
		t.Errorf("%+v, %v", again, err)
	}
}

// A request that cannot be read is found by the project in its path.
func TestDeliveriesThatCannotBeReadHaveAProject(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Limits.Body = 10 })
	w.project(t, "acme", nil)
	w.do(httptest.NewRequest("POST", "/in/acme/path-acme", strings.NewReader("much more than that")))
	if d := w.last(t); d.Project != "acme" || d.Status != 413 {
		t.Errorf("%+v", d)
	}
	for want, path := range map[string]map[string]string{"a/b": {"org": "a", "repo": "b"}, "c": {"project": "c", "org": ""}, "": nil} {
		if got := projectIn(path); got != want {
			t.Errorf("%v names %q", path, got)
		}
	}
}

func TestDeliveriesAreListed(t *testing.T) {
	w := newWorld(t, nil)
	w.project(t, "acme/app", nil)
	for n := range 5 {
		w.post(message{Project: "acme/app", Types: []string{fmt.Sprint("t", n)}}, "hush-acme/app")
	}
	page, err := w.Deliveries(t.Context(), "", 2)
	if err != nil || len(page) != 2 || page[0].Types[0] != "t4" || page[1].Types[0] != "t3" {
		t.Fatalf("%+v, %v", page, err)
	}
	page, err = w.Deliveries(t.Context(), page[1].ID, 10)
	if err != nil || len(page) != 3 || page[0].Types[0] != "t2" {
		t.Fatalf("%+v, %v", page, err)
	}
	if d, err := w.Delivery(t.Context(), page[2].ID); err != nil || d.Types[0] != "t0" {
		t.Errorf("%+v, %v", d, err)
	}
	if _, err := w.Delivery(t.Context(), "nope"); brigade.CodeOf(err) != brigade.CodeNotFound {
		t.Error(err)
	}
}

func TestDeliveriesAreBounded(t *testing.T) {
	w := newWorld(t, func(o *Options) {
		o.Limits.Deliveries, o.Limits.DeliveryAge, o.Limits.DeliveryBytes = 30, time.Hour, 20_000
	})
	w.project(t, "acme/app", nil)
	old := brigade.Delivery{ID: id.New(start.Add(-2 * time.Hour)), Time: start.Add(-2 * time.Hour)}
	data, _ := json.Marshal(old)
	if err := w.store.PutRecord(t.Context(), brigade.KindDelivery, old.ID, data); err != nil { // of a process before
		t.Fatal(err)
	}
	count := func() int {
		t.Helper()
		if _, err := w.Deliveries(t.Context(), "", 1); err != nil {
			t.Fatal(err)
		}
		w.log.prune(t.Context())
		list, err := w.Deliveries(t.Context(), "", 1000)
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	send := func(n int, data string) {
		for range n {
			w.post(message{Project: "acme/app", Types: []string{"push"}, Data: data}, "hush-acme/app")
			w.clock.pass(time.Second)
		}
	}
	send(10, "")
	if n := count(); n != 10 {
		t.Errorf("%d are left: the old one should be gone", n)
	}
	send(40, "")
	if n := count(); n != 30 {
		t.Errorf("%d are left of 50", n)
	}
	send(3, strings.Repeat("x", 8000))
	if n := count(); n < 2 || n > 10 {
		t.Errorf("%d are left although their bodies are large", n)
	}
	newest := w.last(t)
	w.clock.pass(59 * time.Minute)
	if n := count(); n < 2 {
		t.Errorf("%d are left", n)
	}
	w.clock.pass(time.Hour)
	if n := count(); n != 0 {
		t.Errorf("%d are left after an hour, newest %v", n, newest.Time)
	}
}

// A body that is large or no text is not kept, and the delivery says how large
// it was.
func TestBodiesThatAreNotKept(t *testing.T) {
	w := newWorld(t, nil)
	w.project(t, "acme", nil)
	for _, body := range []string{strings.Repeat("x", maxKeptBody+1), "\xff\xfe"} {
		w.do(httptest.NewRequest("POST", "/in/acme/path-acme", strings.NewReader(body)))
		d := w.last(t)
		if d.Body != "" || d.Bytes != len(body) || d.Outcome != brigade.OutcomeAccepted {
			t.Errorf("%d bytes kept of %d", len(d.Body), d.Bytes)
		}
		if _, err := w.Redeliver(t.Context(), d.ID, "root"); brigade.CodeOf(err) != brigade.CodeConflict {
			t.Errorf("redelivered: %v", err)
		}
	}
}

// When the log cannot keep up, builds are stored all the same.
func TestAFloodOfRefusalsIsOnlyCounted(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Limits.Refused = 1 << 20 })
	for range logRefused + 100 {
		w.post(message{Project: "x", Types: []string{"push"}}, "wrong")
	}
	if s := w.Stats(); s.Unlogged != 100 || s.Deliveries["signed"][brigade.OutcomeRefused] != logRefused+100 {
		t.Errorf("%+v", s)
	}
}

func TestRedeliver(t *testing.T) {
	w := newWorld(t, nil)
	p := w.project(t, "acme/app", nil)
	m := message{Project: "acme/app", Types: []string{"push"}, Key: "d1"}

	// Refused: the secret was wrong. Afterwards the sender repeats it.
	w.post(m, "wrong")
	d, err := w.Redeliver(t.Context(), w.last(t).ID, "root")
	if err != nil || d.Outcome != brigade.OutcomeAccepted || len(d.Builds) != 1 || d.Status != 202 || !strings.Contains(d.Reason, "for root") {
		t.Fatalf("%+v, %v", d, err)
	}
	if b := w.get(t, d.Builds[0]); b.ProjectID != p.ID || b.Event.Actor != "root" || b.Event.Key != "signed:d1:0" {
		t.Errorf("%+v", b)
	}
	if got := read(t, w.post(m, "hush-acme/app")); !got.Repeat || !slices.Equal(got.Builds, d.Builds) {
		t.Errorf("the sender's repeat: %+v", got)
	}

	// Accepted: it runs again.
	again, err := w.Redeliver(t.Context(), w.last(t).ID, "root")
	if err != nil || again.Outcome != brigade.OutcomeAccepted || again.Builds[0] == d.Builds[0] || len(w.builds(t, p)) != 2 {
		t.Errorf("%+v, %v", again, err)
	}
	if text := w.raw(t); strings.Count(text, `"action":"delivery.unverified"`) != 2 || !strings.Contains(text, "without verification") || !strings.Contains(text, `"actor":"root"`) {
		t.Errorf("the audit log is %s", text)
	}

	// With the secret in the path, which was not kept.
	w.project(t, "acme", nil)
	w.do(httptest.NewRequest("POST", "/in/acme/wrong", strings.NewReader("body")))
	if d, err := w.Redeliver(t.Context(), w.last(t).ID, "root"); err != nil || d.Outcome != brigade.OutcomeAccepted || d.Status != 200 {
		t.Errorf("%+v, %v", d, err)
	}
	// The project is not there.
	w.post(message{Project: "nope", Types: []string{"push"}}, "wrong")
	if d, err := w.Redeliver(t.Context(), w.last(t).ID, "root"); err != nil || d.Outcome != brigade.OutcomeRefused || !strings.Contains(d.Reason, "no such project") {
		t.Errorf("%+v, %v", d, err)
	}
	if _, err := w.Redeliver(t.Context(), "nope", "root"); brigade.CodeOf(err) != brigade.CodeNotFound {
		t.Error(err)
	}
}

func TestObserve(t *testing.T) {
	var seen []brigade.Delivery
	w := newWorld(t, func(o *Options) {
		o.Observe = func(d brigade.Delivery, took time.Duration) {
			if took > 0 {
				seen = append(seen, d)
			}
		}
	})
	w.post(message{Project: "x", Types: []string{"push"}}, "wrong")
	if len(seen) != 1 || seen[0].Status != 401 || seen[0].Gateway != "signed" {
		t.Errorf("%+v", seen)
	}
}

// stuck is a store whose records cannot be written.
type stuck struct {
	brigade.Records
	until chan struct{}
}

func (s stuck) PutRecord(ctx context.Context, kind, key string, data []byte) error {
	select {
	case <-s.until:
		return s.Records.PutRecord(ctx, kind, key, data)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// A log that cannot be written holds up neither requests nor those who read
// it; what does not fit is counted.
func TestALogThatIsStuck(t *testing.T) {
	until := make(chan struct{})
	w := newWorld(t, func(o *Options) {
		p := o.Store.(parts)
		p.Records = stuck{p.Records, until}
		o.Store, o.Limits.Store = p, time.Minute
	})
	w.project(t, "acme/app", nil)
	const many = logQueue + 200
	for range many {
		if rec := w.post(message{Project: "acme/app", Types: []string{"push"}}, "hush-acme/app"); rec.Code != 202 {
			t.Fatal(rec.Code)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := w.Deliveries(ctx, "", 1); err == nil {
		t.Error("it should not know them yet")
	}
	unlogged := w.Stats().Unlogged
	if unlogged < 200-2*logWriters || unlogged > 200 {
		t.Errorf("%d are only counted", unlogged)
	}
	close(until)
	count := 0
	for before := ""; ; {
		page, err := w.Deliveries(t.Context(), before, 1000)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		count += len(page)
		before = page[len(page)-1].ID
	}
	if int64(count) != many-unlogged {
		t.Errorf("%d of %d are written down", count, many)
	}
}
