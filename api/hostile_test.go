package api

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/brigadecore/brigade/v3/internal/mask"
)

func TestHostileRequests(t *testing.T) {
	var logged bytes.Buffer
	w := newWorld(t, func(o *Options) {
		o.Log = slog.New(slog.NewTextHandler(&logged, nil))
		o.Limits.Body = 1 << 20
	})
	raw := func(text string) string {
		t.Helper()
		conn, err := net.Dial("tcp", w.server.Listener.Addr().String())
		w.must(err)
		defer conn.Close()
		w.must(conn.SetDeadline(time.Now().Add(10 * time.Second)))
		fmt.Fprint(conn, text)
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			return "closed"
		}
		defer resp.Body.Close()
		var body bytes.Buffer
		body.ReadFrom(resp.Body)
		if strings.Contains(body.String(), "goroutine") || resp.Header.Get("X-Evil") != "" {
			t.Errorf("%.80q: %s %v", text, body.String(), resp.Header)
		}
		return fmt.Sprint(resp.StatusCode)
	}
	auth := "Host: x\r\nAuthorization: Bearer " + w.admin + "\r\nConnection: close\r\n"
	big := strings.Repeat("x", 2<<20)
	for request, want := range map[string]string{
		"GET /api/projects/..%2f..%2fetc HTTP/1.1\r\n" + auth + "\r\n":                                                                                                   "404",
		"GET /api/../../etc/passwd HTTP/1.1\r\n" + auth + "\r\n":                                                                                                         "307 404",
		"GET //api//projects HTTP/1.1\r\n" + auth + "\r\n":                                                                                                               "307 301",
		"GET /api/builds/%00 HTTP/1.1\r\n" + auth + "\r\n":                                                                                                               "404",
		"GET /api/builds/%ff%fe HTTP/1.1\r\n" + auth + "\r\n":                                                                                                            "404",
		"GET /api/builds/%zz HTTP/1.1\r\n" + auth + "\r\n":                                                                                                               "400",
		"GET /api/projects/" + strings.Repeat("a", 8000) + " HTTP/1.1\r\n" + auth + "\r\n":                                                                               "404",
		"GET /api/builds?before=%0d%0aX-Evil:1&limit=1 HTTP/1.1\r\n" + auth + "\r\n":                                                                                     "200",
		"GET /api/builds?limit=1&%0d%0aX-Evil:%20=1 HTTP/1.1\r\n" + auth + "\r\n":                                                                                        "200",
		"GET /api/version HTTP/1.1\r\n" + auth + "X-Request-Id: a\tb<script>\r\n\r\n":                                                                                    "200",
		"PUT /api/projects/a%0d%0aX-Evil:%201 HTTP/1.1\r\n" + auth + "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}":                                     "400",
		"POST /api/projects/other/events HTTP/1.1\r\n" + auth + "Content-Type: application/json\r\nContent-Length: 99999999\r\n\r\n":                                     "413",
		"POST /api/projects/other/events HTTP/1.1\r\n" + auth + "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n200000\r\n" + big + "\r\n0\r\n\r\n": "413",
		"PUT /api/projects/x HTTP/1.1\r\n" + auth + "Content-Type: application/json\r\nContent-Length: 5\r\n\r\n{\"a\":":                                                 "400",
		"BREW /api/builds HTTP/1.1\r\n" + auth + "\r\n":                                                                                                                  "405",
		"DELETE /v1/projects HTTP/1.1\r\n" + auth + "\r\n":                                                                                                               "405",
		"GET /api/whoami HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n":                                         "401",
		"GET /api/whoami HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Basic YTpi\r\n\r\n":                                                                  "401",
	} {
		if got := raw(request); !strings.Contains(want, got) {
			t.Errorf("%.90q: %s, want %s", request, got, want)
		}
	}
	deep := strings.Repeat("[", 100_000)
	w.do(w.admin, "POST", "/api/projects/other/events", `{"type":"x","payload":`+deep).want(t, http.StatusBadRequest, nil)
	if got := w.do(w.admin, "GET", "/api/version", nil, "X-Request-Id", "fine-1.2"); got.header.Get("X-Request-Id") != "fine-1.2" {
		t.Error("a request ID is not kept")
	}
	if got := w.do(w.admin, "PATCH", "/api/projects/x", nil).want(t, http.StatusMethodNotAllowed, nil); got.header.Get("Allow") != "DELETE, GET, HEAD, PUT" || got.header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("%v", got.header)
	}
	if text := logged.String(); strings.Contains(text, w.admin) || strings.Contains(text, "panic") {
		t.Errorf("the log: %s", text)
	}
}

func TestAPanicIsAnAnswer(t *testing.T) {
	var logged bytes.Buffer
	w := newWorld(t, func(o *Options) {
		o.Metrics = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("secret detail") })
		o.Log = slog.New(slog.NewTextHandler(&logged, nil))
	})
	got := w.do(w.reader, "GET", "/metrics", nil).want(t, http.StatusInternalServerError, nil)
	if strings.Contains(got.body, "secret detail") || !strings.Contains(logged.String(), "secret detail") {
		t.Errorf("answer %s, log %s", got.body, logged.String())
	}
}

func TestReadiness(t *testing.T) {
	w := newWorld(t)
	w.do("", "GET", "/readyz", nil).want(t, http.StatusOK, nil)
	w.must(w.store.Close())
	w.do("", "GET", "/readyz", nil).want(t, http.StatusServiceUnavailable, nil)
	w.do("", "GET", "/healthz", nil).want(t, http.StatusOK, nil)
	got := w.do(w.admin, "GET", "/api/builds", nil).want(t, http.StatusInternalServerError, nil)
	if strings.Contains(got.body, "closed") {
		t.Errorf("what went wrong inside is shown: %s", got.body)
	}
}

func TestRoutesWithoutTheirPart(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Metrics, o.Schedules, o.Deliveries, o.Artifacts = nil, nil, nil, nil })
	for _, path := range []string{"/metrics", "/api/schedules", "/api/deliveries", "/api/deliveries/x", "/api/jobs/" + w.job.ID + "/artifacts/out/report.txt"} {
		w.do(w.admin, "GET", path, nil).want(t, http.StatusServiceUnavailable, nil)
	}
	if _, err := New(Options{}); err == nil {
		t.Error("an API without parts is made")
	}
}

func TestMaskJSON(t *testing.T) {
	m := mask.New([]string{"name", "s3cret\"x", "line1-long\nline2-long", "pending", "<html>"})
	for in, want := range map[string]string{
		`{"name":"name","state":"pending","x":["name",{"name":1}]}`: `{"name":"***","state":"pending","x":["***",{"name":1}]}`,
		`{"a":"s3cret\"x","b":"s3cret\\\"x"}`:                       `{"a":"***","b":"***"}`,
		`{"a":"\u003chtml\u003e","n":1.5e3,"t":true,"z":null}`:      `{"a":"***","n":1.5e3,"t":true,"z":null}`,
		`{"state":["x","name"],"q":"name"}`:                         `{"state":["x","name"],"q":"***"}`,
		`"name"`:                                                    `"***"`, `[]`: `[]`, `{"a":"\\"}`: `{"a":"\\"}`, `{"k":"name\\"}`: `{"k":"***\\"}`,
	} {
		got := string(maskJSON(m, []byte(in)))
		if !json.Valid([]byte(got)) || strings.Contains(got, "s3cret\"") {
			t.Errorf("%s became %s, which is no JSON", in, got)
		}
		if got != want && !strings.Contains(in, `s3cret`) {
			t.Errorf("%s became %s, want %s", in, got, want)
		}
	}
}

func FuzzMaskJSON(f *testing.F) {
	f.Add("secret", "a secret \" \\ \n")
	f.Fuzz(func(t *testing.T, secret, text string) {
		data, err := json.Marshal(map[string]any{"k": text, "l": []string{text, "x"}})
		if err != nil {
			t.Skip()
		}
		got := maskJSON(mask.New([]string{secret}), data)
		var v struct {
			K string
			L []string
		}
		if err := json.Unmarshal(got, &v); err != nil || len(v.L) != 2 {
			t.Fatalf("%q in %q became %q: %v", secret, data, got, err)
		}
		if len(strings.TrimSpace(secret)) > 8 && strings.Contains(v.K, strings.TrimSpace(secret)) {
			t.Fatalf("%q is still in %q", secret, v.K)
		}
	})
}

func TestPayloadsAndAddressesAreCleaned(t *testing.T) {
	for in, want := range map[string]string{
		`{"token":"abcdefgh","x":"abcdefgh"}`: `{"token":"***","x":"***"}`,
		`{"token": 5}`:                        `{"token": 5}`, `"token"`: `"token"`, `{"token":"abcd`: `{"token":"abcd`, "": "",
	} {
		if got := mask.Payload(in); got != want {
			t.Errorf("%s became %s", in, got)
		}
	}
	for in, want := range map[string]string{
		"https://u:p@h/x": "https://u:REDACTED@h/x", "https://u@h/x": "https://u@h/x", "git@h:x.git": "git@h:x.git", "": "", "::": "::",
	} {
		if got := cleanURL(in); got != want {
			t.Errorf("%s became %s", in, got)
		}
	}
}
