package intake

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/brigadecore/brigade/v3"
)

func zipped(data []byte) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write(data)
	z.Close()
	return b.Bytes()
}

func TestBodies(t *testing.T) {
	const limit = 2 << 20
	w := newWorld(t, func(o *Options) { o.Limits.Body = limit; o.Limits.Large = 1 })
	p := w.project(t, "acme", nil)
	bomb := zipped(make([]byte, 40<<20))
	for name, c := range map[string]struct {
		body     []byte
		encoding string
		unknown  bool // its length
		status   int
		want     string // payload
	}{
		"empty":                {nil, "", false, 200, ""},
		"plain":                {[]byte("hello"), "", false, 200, "hello"},
		"at the limit":         {bytes.Repeat([]byte("x"), limit), "", false, 200, strings.Repeat("x", limit)},
		"over it":              {bytes.Repeat([]byte("x"), limit+1), "", false, 413, ""},
		"over it, chunked":     {bytes.Repeat([]byte("x"), limit+1), "", true, 413, ""},
		"exactly one MiB":      {bytes.Repeat([]byte("x"), 1<<20), "", true, 200, strings.Repeat("x", 1<<20)},
		"gzip":                 {zipped([]byte("hello")), "gzip", false, 200, "hello"},
		"gzip, at the limit":   {zipped(bytes.Repeat([]byte("x"), limit)), "GZIP", false, 200, strings.Repeat("x", limit)},
		"gzip, a byte over it": {zipped(bytes.Repeat([]byte("x"), limit+1)), "gzip", false, 413, ""},
		"a bomb":               {bomb, "gzip", false, 413, ""},
		"gzip that is none":    {[]byte("hello"), "gzip", false, 400, ""},
		"gzip that is cut":     {zipped([]byte("hello"))[:12], "gzip", false, 400, ""},
		"gzip of nothing":      {nil, "gzip", false, 400, ""},
		"an unknown encoding":  {[]byte("hello"), "br", false, 415, ""},
		"two encodings":        {[]byte("hello"), "gzip, gzip", false, 415, ""},
		"identity":             {[]byte("hello"), "identity", false, 200, "hello"},
	} {
		var body io.Reader = bytes.NewReader(c.body)
		if c.unknown {
			body = struct{ io.Reader }{body}
		}
		r := httptest.NewRequest("POST", "/in/acme/path-acme", body)
		if c.encoding != "" {
			r.Header.Set("Content-Encoding", c.encoding)
		}
		before := len(w.builds(t, p))
		rec := w.do(r)
		if rec.Code != c.status {
			t.Errorf("%s: %d %s", name, rec.Code, rec.Body)
			continue
		}
		all := w.builds(t, p)
		if rec.Code != 200 {
			if len(all) != before || w.last(t).Outcome != brigade.OutcomeRefused {
				t.Errorf("%s: stored or not refused", name)
			}
			continue
		}
		if got := w.get(t, all[len(all)-1].ID).Event.Payload; got != c.want {
			t.Errorf("%s: a payload of %d bytes, want %d", name, len(got), len(c.want))
		}
	}
	if len(w.large) != 0 {
		t.Errorf("%d slots for large bodies are lost", len(w.large))
	}
}

// When all slots for large bodies are taken, the next waits, and then is told
// to come again; small ones go on.
func TestLargeBodiesWait(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Limits.Large = 1; o.Limits.Read = 2 * time.Second })
	w.project(t, "acme", nil)
	w.large <- struct{}{}
	large := func() int {
		return w.do(httptest.NewRequest("POST", "/in/acme/path-acme", strings.NewReader(strings.Repeat("x", 2<<20)))).Code
	}
	if got := large(); got != 503 {
		t.Errorf("a large one: %d", got)
	}
	if got := w.do(httptest.NewRequest("POST", "/in/acme/path-acme", strings.NewReader("x"))).Code; got != 200 {
		t.Errorf("a small one: %d", got)
	}
	<-w.large
	if got := large(); got != 200 {
		t.Errorf("a large one later: %d", got)
	}
}

func TestRateLimits(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Limits.Refused = 3 })
	w.project(t, "acme/app", func(p *brigade.Project) { p.Limits.Events = 5 })
	w.project(t, "slow", func(p *brigade.Project) {
		p.Limits.Events = 1
		p.Subscriptions = []brigade.Subscription{{Types: []string{"tag"}}}
	})
	good := func(types ...string) *httptest.ResponseRecorder {
		return w.post(message{Project: "acme/app", Types: types}, "hush-acme/app")
	}
	if got := read(t, good("tag", "push", "push")); len(got.Builds) != 4 {
		t.Fatalf("%+v", got)
	}
	// The subscriber is over its limit, the named project is not.
	if rec := good("tag"); rec.Code != 202 || len(read(t, rec).Builds) != 1 || !strings.Contains(w.last(t).Reason, "slow did not get it") {
		t.Errorf("%d %s %+v", rec.Code, rec.Body, w.last(t))
	}
	if rec := good("push", "push"); rec.Code != 429 || rec.Header().Get("Retry-After") != "12" {
		t.Errorf("%d %v %s", rec.Code, rec.Header(), rec.Body)
	}
	w.clock.pass(12 * time.Second)
	if rec := good("push", "push"); rec.Code != 202 {
		t.Errorf("after waiting as told: %d", rec.Code)
	}
	w.clock.pass(time.Minute)
	codes := ""
	for range 5 {
		codes += fmt.Sprint(w.post(message{Project: "acme/app", Types: []string{"x"}}, "wrong").Code, " ")
	}
	if codes != "401 401 401 429 429 " {
		t.Errorf("refused: %s", codes)
	}
	// Who knows the secret is not kept out by those who do not.
	if rec := good("push"); rec.Code != 202 {
		t.Errorf("a good one: %d", rec.Code)
	}
	r := message{Project: "acme/app", Types: []string{"x"}}.request("wrong")
	r.RemoteAddr = "198.51.100.7:1"
	if rec := w.do(r); rec.Code != 401 {
		t.Errorf("from elsewhere: %d", rec.Code)
	}
	if s := w.Stats(); s.Limited != 4 || s.Deliveries["signed"][brigade.OutcomeRefused] != 7 {
		t.Errorf("%+v", s)
	}
}

func TestBucketsAreBounded(t *testing.T) {
	b := newBuckets()
	now := start
	for n := range 3 * maxBuckets {
		b.take(fmt.Sprint(n), 1, 60, now)
		now = now.Add(time.Millisecond)
	}
	if len(b.of) > maxBuckets {
		t.Errorf("%d buckets", len(b.of))
	}
	if b.take("big", 100, 10, now) != 0 || b.take("big", 1, 10, now) == 0 {
		t.Error("more than fit must pass when it is full, and empty it")
	}
	if b.take("big", 1, 10, now.Add(-time.Hour)) == 0 {
		t.Error("a clock put back fills it")
	}
}
