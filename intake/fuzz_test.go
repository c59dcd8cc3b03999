package intake

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/brigadecore/brigade/v3"
)

// malformed are requests that no gateway should start a build of.
var malformed = []struct{ method, path, header, body string }{
	{"POST", "/signed", "Content-Type: application/json", ""},
	{"POST", "/signed", "", `{"project":`},
	{"POST", "/signed", "", `{"project": 7}`},
	{"POST", "/signed", "", `[]`},
	{"POST", "/signed", "", strings.Repeat("[", 100_000)},
	{"POST", "/signed", "", "\x00\xff\xfe"},
	{"POST", "/signed", "X-Signature: \x00", `{"project":"acme/app","types":["push"]}`},
	{"POST", "/signed", "", `{"project":"acme/app","types":["` + strings.Repeat("x", 70_000) + `"]}`},
	{"POST", "/signed", "", `{"project":"\u0000\uffff","types":[""]}`},
	{"POST", "/signed", "Content-Encoding: gzip", "\x1f\x8b\x08\x00\x00"},
	{"POST", "/signed", "Content-Encoding: deflate", "x"},
	{"POST", "/signed?a=%zz;b", "", "x"},
	{"POST", "/in//", "", ""},
	{"POST", "/in/acme%2fapp/%00", "", "x"},
	{"POST", "/in/..%2f..%2fetc/s3cr3t-s3cr3t", "", "x"},
	{"PUT", "/signed", "", "{}"},
	{"\x7f", "/", "", ""},
	{"POST", "/open", "", `{"types":["\u001b[31m"],"project":"acme/app"}`},
	{"POST", "/open", "", `{"types":[""],"project":"acme/app"}`},
}

func fuzzRequest(method, path, header, body string) *http.Request {
	r := httptest.NewRequest("POST", "/", strings.NewReader(body))
	r.Method = method
	if u, err := url.ParseRequestURI(path); err == nil {
		r.URL, r.RequestURI = u, path
	}
	for line := range strings.SplitSeq(header, "\n") {
		if name, value, found := strings.Cut(line, ":"); found {
			r.Header.Add(strings.TrimSpace(name), strings.TrimSpace(value))
		}
	}
	return r
}

func TestMalformedRequests(t *testing.T) {
	w := newWorld(t, nil)
	w.project(t, "acme/app", nil)
	for _, m := range malformed {
		r := fuzzRequest(m.method, m.path, m.header, m.body)
		r.Header.Set("Authorization", "Bearer s3cr3t-s3cr3t")
		rec := w.do(r)
		if rec.Code < 400 || rec.Code > 499 || strings.Contains(rec.Body.String(), "goroutine") || strings.Contains(rec.Body.String(), ".go:") {
			t.Errorf("%s %s %.60q: %d %s", m.method, m.path, m.body, rec.Code, rec.Body)
		}
	}
	if text := w.logged.String() + w.raw(t); strings.Contains(text, "s3cr3t-s3cr3t") || strings.Contains(text, "goroutine") {
		t.Errorf("it logged %s", text)
	}
	if n := len(w.builds(t, nil)); n != 0 {
		t.Errorf("%d builds", n)
	}
}

// FuzzHandler sends anything anywhere with a header that is a secret. The
// answer is never 5xx (/broken aside), and the secret is nowhere.
func FuzzHandler(f *testing.F) {
	for _, m := range malformed {
		f.Add(m.method, m.path, m.header, m.body)
	}
	f.Add("POST", "/signed", "Content-Type: a/b", `{"project":"acme/app","types":["push"],"ignored":"ping"}`)
	f.Add("POST", "/open?x=1", "Ce-Id: 1", `{"project":"acme/app","types":["push","b"],"key":"k"}`)
	w := newWorld(f, func(o *Options) { o.Limits.Deliveries = 100; o.Limits.Refused = 1 << 30 })
	w.project(f, "acme/app", func(p *brigade.Project) {
		p.Concurrency = &brigade.Concurrency{Key: `payload.key`, Strategy: brigade.StrategyNewestWins}
		p.Limits.Events = 1 << 30
	})
	w.project(f, "sub", func(p *brigade.Project) {
		p.Subscriptions = []brigade.Subscription{{Types: []string{"p*"}, Filter: `payload.data == 1 || payload.ref.matches("a+")`}}
	})
	f.Fuzz(func(t *testing.T, method, path, header, body string) {
		if strings.Contains(method+path+header+body, "Zq9") || strings.HasPrefix(path, "/broken") {
			return
		}
		r := fuzzRequest(method, path, header, body)
		r.Header["Authorization"] = []string{"Bearer Zq9"}
		rec := w.do(r)
		if rec.Code >= 500 {
			t.Errorf("%d %s", rec.Code, rec.Body)
		}
		if text := rec.Body.String() + w.logged.String(); strings.Contains(text, "Zq9") || strings.Contains(text, "goroutine ") {
			t.Errorf("%s", text)
		}
	})
}
