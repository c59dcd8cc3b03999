package modules_test

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/andybalholm/brotli"

	"github.com/brigadecore/brigade/v3/script/modules"
)

// testServer answers what the scripts in testdata/http ask for.
func testServer() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/echo", echo)
	mux.HandleFunc("/redirect/", func(w http.ResponseWriter, r *http.Request) {
		var status, n int
		_, _ = fmt.Sscanf(r.URL.Path, "/redirect/%d/%d", &status, &n)
		target := "/echo"
		if n > 1 {
			target = fmt.Sprintf("/redirect/%d/%d", status, n-1)
		}
		w.Header().Set("Location", target)
		w.WriteHeader(status)
	})
	mux.HandleFunc("/status/", func(w http.ResponseWriter, r *http.Request) {
		var status int
		_, _ = fmt.Sscanf(r.URL.Path, "/status/%d", &status)
		w.Header().Set("Content-Type", "text/plain")
		w.WriteHeader(status)
		if status != 204 && status != 304 {
			fmt.Fprintf(w, "status %d", status)
		}
	})
	mux.HandleFunc("/headers", func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Set-Cookie"] = []string{"a=1; Path=/", "b=2"}
		w.Header()["X-Multi"] = []string{"one", "two"}
		w.Header().Set("X-One", "1")
		fmt.Fprint(w, `{"ok":true}`)
	})
	mux.HandleFunc("/stream", func(w http.ResponseWriter, _ *http.Request) {
		for i := range 3 {
			fmt.Fprintf(w, "part%d;", i)
			w.(http.Flusher).Flush()
			time.Sleep(20 * time.Millisecond)
		}
	})
	mux.HandleFunc("/encoded/", func(w http.ResponseWriter, r *http.Request) {
		kind := strings.TrimPrefix(r.URL.Path, "/encoded/")
		w.Header().Set("Content-Encoding", kind)
		var z io.WriteCloser = gzip.NewWriter(w)
		if kind == "br" {
			z = brotli.NewWriter(w)
		}
		fmt.Fprint(z, "encoded "+kind)
		_ = z.Close()
	})
	mux.HandleFunc("/slow", func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-time.After(60 * time.Second):
		}
	})
	mux.HandleFunc("/stall", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "begin")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	mux.HandleFunc("/hangup", func(w http.ResponseWriter, _ *http.Request) {
		conn, _, _ := w.(http.Hijacker).Hijack()
		_ = conn.Close()
	})
	mux.HandleFunc("/cut", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		fmt.Fprint(w, "only this")
		w.(http.Flusher).Flush()
		conn, _, _ := w.(http.Hijacker).Hijack()
		_ = conn.Close()
	})
	mux.HandleFunc("/big", func(w http.ResponseWriter, _ *http.Request) {
		block := strings.Repeat("0123456789abcdef", 4096)
		for range 64 {
			_, _ = io.WriteString(w, block)
		}
	})
	return mux
}

// echo answers with what it was sent, without what the client adds by itself.
func echo(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var headers []string
	for name, values := range r.Header {
		switch name {
		case "User-Agent", "Accept-Encoding", "Connection", "Accept-Language", "Sec-Fetch-Mode", "Accept":
		default:
			headers = append(headers, name+": "+strings.Join(values, ", "))
		}
	}
	sort.Strings(headers)
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"method": r.Method, "url": r.RequestURI, "headers": headers, "body": string(body),
		"length": r.ContentLength, "chunked": len(r.TransferEncoding) > 0,
	})
}

// TestHTTP runs testdata/http/*.js against a server of our own and compares
// with what Node printed when it ran them against the same one.
func TestHTTP(t *testing.T) {
	server := httptest.NewServer(testServer())
	defer server.Close()
	closed := httptest.NewServer(nil)
	closed.Close()
	vars := map[string]string{"BASE": server.URL, "CLOSED": closed.URL}
	scripts, err := filepath.Glob("testdata/http/*.js")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	clean := strings.NewReplacer(server.URL, "BASE", strings.TrimPrefix(server.URL, "http://"), "HOST", closed.URL, "CLOSED",
		strings.TrimPrefix(closed.URL, "http://"), "CLOSEDHOST", closed.URL[strings.LastIndex(closed.URL, ":")+1:], "PORT")
	for _, script := range scripts {
		t.Run(strings.TrimSuffix(filepath.Base(script), ".js"), func(t *testing.T) {
			golden := strings.TrimSuffix(script, ".js") + ".out"
			if *update {
				cmd := exec.Command("node", "--no-warnings", script)
				cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "BASE=" + server.URL, "CLOSED=" + closed.URL}
				out, err := cmd.Output()
				if err != nil {
					t.Fatalf("node: %v", err)
				}
				if err := os.WriteFile(golden, []byte(clean.Replace(string(out))), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			source, err := os.ReadFile(script)
			if err != nil {
				t.Fatal(err)
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			got, err := runScript(t, "/script.js", string(source), &modules.Env{Vars: vars, HTTP: server.Client()})
			if err != nil {
				t.Errorf("the script failed: %s", describe(err))
			}
			compareLines(t, string(want), clean.Replace(got))
		})
	}
}
