package workspace_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/workspace"
)

func archive(t *testing.T, headers ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		if h.Mode == 0 {
			h.Mode = 0o644
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(w, zeros{}, h.Size); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func file(name string) tar.Header { return tar.Header{Name: name, Typeflag: tar.TypeReg, Size: 1} }

func link(name, to string) tar.Header {
	return tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: to}
}

// hostile are archives that no honest side sends.
func hostile(t *testing.T) map[string][]byte {
	deleted := file("x")
	deleted.Size, deleted.PAXRecords = 0, map[string]string{"BRIGADE.deleted": "1"}
	return map[string][]byte{
		"leads up":                archive(t, file("../evil")),
		"leads up, inside":        archive(t, file("a/../../evil")),
		"leads up and back":       archive(t, file("a/../b")),
		"absolute":                archive(t, file("/tmp/brigade-evil")),
		"through a link":          archive(t, link("a", ".."), file("a/evil")),
		"through an absolute one": archive(t, link("a", "/tmp"), file("a/brigade-evil")),
		"through links":           archive(t, link("a", "b"), link("b", ".."), file("a/evil")),
		"over a link":             archive(t, link("a", "../evil"), file("a")),
		"hard link":               archive(t, tar.Header{Name: "a", Typeflag: tar.TypeLink, Linkname: "/etc/passwd"}),
		"device":                  archive(t, tar.Header{Name: "a", Typeflag: tar.TypeBlock, Devmajor: 8}),
		"pipe":                    archive(t, tar.Header{Name: "a", Typeflag: tar.TypeFifo}),
		"twice":                   archive(t, file("a"), file("a")),
		"below a file":            archive(t, file("a"), file("a/b")),
		"deep":                    archive(t, file(strings.Repeat("d/", 300)+"x")),
		"long":                    archive(t, file(strings.Repeat("n", 5000))),
		"empty link":              archive(t, link("a", "")),
		"no archive":              bytes.Repeat([]byte("no archive "), 200),
	}
}

func TestHostileUploads(t *testing.T) {
	h := newHouse(t, workspace.Limits{})
	token := h.pod(run("b1", "a", storage, cached("1Mi"))).told.Token
	for name, body := range hostile(t) {
		status, text := h.ask("POST", "share?upload=u", token, bytes.NewReader(body))
		if status != http.StatusBadRequest && status != http.StatusServiceUnavailable {
			t.Errorf("%s: %d %s", name, status, text)
		}
		if strings.Contains(text, h.dir) {
			t.Errorf("%s: the answer shows the server's path: %s", name, text)
		}
	}
	for _, upload := range []string{"", "..%2Fx", "a%2Fb"} {
		if status, _ := h.ask("POST", "share?upload="+upload, token, bytes.NewReader(archive(t, file("x")))); status != http.StatusBadRequest {
			t.Errorf("upload %q: %d", upload, status)
		}
	}
	p := h.pod(run("b1", "b", storage))
	p.fetch()
	same(t, "storage", p.share(), map[string]string{})
	if left, _ := filepath.Glob(filepath.Join(h.dir, "builds", "b1", "staging", "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	for _, evil := range []string{filepath.Join(h.dir, "evil"), filepath.Join(h.dir, "builds", "evil"), filepath.Join(h.dir, "builds", "b1", "evil"), "/tmp/brigade-evil"} {
		if _, err := os.Lstat(evil); err == nil {
			t.Errorf("%s was written", evil)
		}
	}
}

func zipped(t *testing.T, text []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestHostileCaches(t *testing.T) {
	h := newHouse(t, workspace.Limits{})
	token := h.pod(run("b1", "a", cached("1Mi"))).told.Token
	good := zipped(t, archive(t, file("good")))
	if status, text := h.ask("PUT", "cache", token, bytes.NewReader(good)); status != http.StatusNoContent {
		t.Fatalf("%d %s", status, text)
	}
	bomb := zipped(t, archive(t, tar.Header{Name: "bomb", Typeflag: tar.TypeReg, Size: 50 << 20}))
	for name, c := range map[string]struct {
		body []byte
		want int
	}{
		"bomb":            {bomb, 413},
		"bomb at the end": {zipped(t, append(archive(t, file("x")), make([]byte, 30<<20)...)), 204}, // nothing but padding
		"not packed":      {archive(t, file("x")), 400},
		"cut off":         {good[:len(good)-6], 503},
		"text behind":     {append(bytes.Clone(good), "more than a header has"...), 400},
		"leads up":        {zipped(t, archive(t, file("../x"))), 400},
		"device":          {zipped(t, archive(t, tar.Header{Name: "a", Typeflag: tar.TypeChar})), 400},
		"says it is gone": {zipped(t, archive(t, tar.Header{Name: "a", Typeflag: tar.TypeReg, PAXRecords: map[string]string{"BRIGADE.deleted": "1"}})), 400},
		"empty":           {nil, 503},
	} {
		status, text := h.ask("PUT", "cache", token, bytes.NewReader(c.body))
		if status != c.want {
			t.Errorf("%s: %d %s, want %d", name, status, text, c.want)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(h.dir, "cache", "put-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestHostileServers has a pod meet a server that sends what it should not.
func TestHostileServers(t *testing.T) {
	h := newHouse(t, workspace.Limits{})
	outside := filepath.Join(t.TempDir(), "in")
	if err := os.Mkdir(outside, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, body := range hostile(t) {
		if name == "no archive" {
			continue // it is taken for a broken connection, and asked for again
		}
		h.serve(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) }))
		err := h.client("x").Fetch(t.Context(), workspace.Fetched{Source: outside})
		if err == nil {
			t.Errorf("%s: nothing was wrong", name)
		}
		if left, _ := os.ReadDir(filepath.Dir(outside)); len(left) != 1 {
			t.Errorf("%s: it wrote %v", name, left)
		}
	}
	// A cache like that is left out.
	h.serve(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(zipped(t, archive(t, file("a"), file("a"))))
	}))
	state := t.TempDir()
	if err := h.client("x").Fetch(t.Context(), workspace.Fetched{Cache: outside, State: state}); err != nil {
		t.Fatal(err)
	}
	same(t, "cache", tree(t, outside), map[string]string{})
}

// cutter breaks off transfers of the first requests.
type cutter struct {
	inner http.Handler
	left  atomic.Int32
}

func (c *cutter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if c.left.Add(-1) < 0 {
		c.inner.ServeHTTP(w, r)
		return
	}
	switch c.left.Load() % 3 {
	case 0: // in the answer
		c.inner.ServeHTTP(&shortWriter{ResponseWriter: w, left: 700}, r)
		panic(http.ErrAbortHandler)
	case 1: // in the body
		_, _ = io.CopyN(io.Discard, r.Body, 700)
		panic(http.ErrAbortHandler)
	default:
		http.Error(w, "the server starts", http.StatusBadGateway)
	}
}

type shortWriter struct {
	http.ResponseWriter
	left int
}

func (s *shortWriter) Write(p []byte) (int, error) {
	if len(p) > s.left {
		_, _ = s.ResponseWriter.Write(p[:s.left])
		return 0, errors.New("cut")
	}
	s.left -= len(p)
	return s.ResponseWriter.Write(p)
}

func TestServersThatBreakOff(t *testing.T) {
	h := newHouse(t, workspace.Limits{})
	c := &cutter{inner: h.server}
	h.serve(c)
	big := strings.Repeat("0123456789", 1000)
	a := h.pod(run("b1", "a", storage, cached("1Mi"), func(r *brigade.JobRun) { r.Job.Spec.Artifacts = []string{"*"} }))
	c.left.Store(5)
	a.fetch()
	a.write("/mnt/brigade/share/big", big)
	a.write("/mnt/brigade/cache/big", big)
	a.write("/src/big", big)
	a.write(a.told.JobEnv[workspace.OutputEnv], big)
	c.left.Store(11)
	result := a.save()
	if !result.Reported || result.Failure != nil || len(result.Problems) > 0 || string(result.Outputs) != big || len(result.Artifacts) != 1 {
		t.Fatalf("%+v", result)
	}
	b := h.pod(run("b1", "a", storage, cached("1Mi")))
	c.left.Store(7)
	b.fetch()
	same(t, "storage", b.share(), map[string]string{"big": big})
	same(t, "cache", tree(t, filepath.Join(b.volumes, "brigade-cache")), map[string]string{"big": big})
}

// A server that is not there is waited for, and then there is a sentence.
func TestServersThatAreAway(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	c, err := workspace.NewClient(workspace.ClientOptions{URL: gone.URL, Token: "x", Pause: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err = c.Fetch(ctx, workspace.Fetched{Source: t.TempDir()})
	var e *brigade.Error
	if !errors.As(err, &e) || e.Code != brigade.CodeUnavailable || e.Hint == "" {
		t.Fatalf("%v", err)
	}
	for name, opt := range map[string]workspace.ClientOptions{
		"no address": {Token: "x"}, "odd address": {URL: "ftp://x", Token: "x"}, "no token": {URL: "http://x"},
		"odd certificate": {URL: "https://x", Token: "x", CA: "x"},
	} {
		if _, err := workspace.NewClient(opt); brigade.CodeOf(err) != brigade.CodeUsage {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPrivateAuthority(t *testing.T) {
	h := newHouse(t, workspace.Limits{})
	secure := httptest.NewTLSServer(h.server)
	defer secure.Close()
	token := h.pod(run("b1", "a", storage)).told.Token
	fetch := func(ca string) error {
		c, err := workspace.NewClient(workspace.ClientOptions{URL: secure.URL, Token: token, CA: ca, Pause: time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		if ca == "" {
			ctx, cancel = context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
		}
		return c.Fetch(ctx, workspace.Fetched{Share: t.TempDir(), State: t.TempDir()})
	}
	if err := fetch(pemOf(secure)); err != nil {
		t.Error(err)
	}
	if err := fetch(""); brigade.CodeOf(err) != brigade.CodeUnavailable {
		t.Errorf("an authority nobody knows: %v", err)
	}
}

// TestMemoryStaysFlat sends a file through everything that is much larger than
// the memory that may be used for it.
func TestMemoryStaysFlat(t *testing.T) {
	const size, allowed = 96 << 20, 32 << 20
	h := newHouse(t, workspace.Limits{})
	p := h.pod(run("b1", "a", storage, cached("1Gi"), func(r *brigade.JobRun) {
		r.Project.Kubernetes.BuildStorageSize, r.Job.Spec.Artifacts = "1Gi", []string{"*"}
	}))
	p.fetch()
	for _, name := range []string{"/mnt/brigade/share/big", "/mnt/brigade/cache/big", "/src/big"} {
		p.write(name, "")
		if err := os.Truncate(p.path(name), size); err != nil {
			t.Fatal(err)
		}
	}
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	stop, peak := make(chan struct{}), make(chan uint64)
	go func() {
		var most uint64
		for {
			select {
			case <-stop:
				peak <- most
				return
			case <-time.After(20 * time.Millisecond):
				runtime.ReadMemStats(&now)
				most = max(most, now.HeapAlloc)
			}
		}
	}()
	result := p.save()
	q := h.pod(run("b1", "a", storage, cached("1Gi")))
	q.fetch()
	close(stop)
	if result.Failure != nil || len(result.Problems) > 0 {
		t.Fatalf("%+v", result)
	}
	if info, err := os.Stat(q.path("/mnt/brigade/share/big")); err != nil || info.Size() != size {
		t.Errorf("%v %v", info, err)
	}
	if most := <-peak; most > before.HeapAlloc+allowed {
		t.Errorf("%d MiB of memory were used for files of %d MiB", (most-before.HeapAlloc)>>20, size>>20)
	}
}

func pemOf(s *httptest.Server) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
}
