package npm

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha1"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
)

// entry is one entry of a tar archive.
type entry struct {
	name string
	body string
	kind byte // default: a file
	link string
	mode int64
}

// tgz makes an archive.
func tgz(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	zw := gzip.NewWriter(&b)
	tw := tar.NewWriter(zw)
	for _, e := range entries {
		h := &tar.Header{Name: e.name, Mode: e.mode, Typeflag: e.kind, Linkname: e.link}
		if e.kind == 0 {
			h.Typeflag, h.Size = tar.TypeReg, int64(len(e.body))
		}
		if h.Mode == 0 {
			h.Mode = 0o644
		}
		if err := tw.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := tw.Write([]byte(e.body)); err != nil {
			t.Fatal(err)
		}
	}
	tw.Close()
	zw.Close()
	return b.Bytes()
}

// fakeRegistry serves packages as a registry does.
type fakeRegistry struct {
	t      testing.TB
	server *httptest.Server
	mu     sync.Mutex
	docs   map[string]map[string]any // name → packument
	files  map[string][]byte         // path → tarball
	log    []string                  // "GET /path auth=…"
	before func(w http.ResponseWriter, r *http.Request) bool
}

func newRegistry(t testing.TB) *fakeRegistry {
	f := &fakeRegistry{t: t, docs: map[string]map[string]any{}, files: map[string][]byte{}}
	f.server = httptest.NewServer(f)
	t.Cleanup(f.server.Close)
	return f
}

// put serves body at path from now on.
func (f *fakeRegistry) put(path string, body []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.files[path] = body
}

// intercept lets before see requests first from now on: true means that it has
// answered.
func (f *fakeRegistry) intercept(before func(w http.ResponseWriter, r *http.Request) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.before = before
}

// ServeHTTP answers packuments with an ETag, and tarballs.
func (f *fakeRegistry) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	line := r.URL.Path
	if a := r.Header.Get("Authorization"); a != "" {
		line += " auth=" + a
	}
	f.log = append(f.log, line)
	before := f.before
	f.mu.Unlock()
	if before != nil && before(w, r) {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if body, ok := f.files[r.URL.Path]; ok {
		_, _ = w.Write(body)
		return
	}
	doc, ok := f.docs[strings.TrimPrefix(r.URL.Path, "/")]
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"error":"Not found"}`)
		return
	}
	body, err := json.Marshal(doc)
	if err != nil {
		f.t.Error(err)
	}
	sum := sha1.Sum(body)
	tag := `"` + hex.EncodeToString(sum[:]) + `"`
	w.Header().Set("ETag", tag)
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	_, _ = w.Write(body)
}

func (f *fakeRegistry) url() string { return f.server.URL + "/" }

// requests returns what was asked since the last call.
func (f *fakeRegistry) requests() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := f.log
	f.log = nil
	slices.Sort(out)
	return out
}

// add publishes name@version with the fields of a package.json given as JSON;
// the newest added is latest.
func (f *fakeRegistry) add(id, fields string, extra ...entry) {
	f.t.Helper()
	name, version := splitAlias(id)
	m := map[string]any{}
	if fields != "" {
		if err := json.Unmarshal([]byte("{"+fields+"}"), &m); err != nil {
			f.t.Fatal(err)
		}
	}
	m["name"], m["version"] = name, version
	text, _ := json.Marshal(m)
	body := tgz(f.t, append([]entry{{name: "package/package.json", body: string(text)}, {name: "package/index.js", body: "// " + id}}, extra...)...)
	path := "/" + name + "/-/" + filepath.Base(name) + "-" + version + ".tgz"
	sum := sha512.Sum512(body)
	m["dist"] = map[string]any{"tarball": f.server.URL + path, "integrity": "sha512-" + base64.StdEncoding.EncodeToString(sum[:])}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.files[path] = body
	if f.docs[name] == nil {
		f.docs[name] = map[string]any{"name": name, "dist-tags": map[string]string{}, "versions": map[string]any{}}
	}
	f.docs[name]["versions"].(map[string]any)[version] = m
	f.docs[name]["dist-tags"].(map[string]string)["latest"] = version
}

func (f *fakeRegistry) tag(name, tag, version string) {
	f.docs[name]["dist-tags"].(map[string]string)[tag] = version
}

// workbench is one project with a registry and a cache.
type workbench struct {
	t     testing.TB
	reg   *fakeRegistry
	dir   string
	cache string
	env   map[string]string
	opts  Options
}

func newWorkbench(t testing.TB, manifest string) *workbench {
	reg := newRegistry(t)
	w := &workbench{t: t, reg: reg, dir: t.TempDir(), cache: t.TempDir(), env: map[string]string{"npm_config_registry": reg.url()}}
	w.write("brigade.json", manifest)
	return w
}

func (w *workbench) write(name, text string) {
	w.t.Helper()
	file := filepath.Join(w.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

func (w *workbench) read(name string) string {
	text, err := os.ReadFile(filepath.Join(w.dir, name))
	if err != nil {
		w.t.Fatal(err)
	}
	return string(text)
}

func (w *workbench) try(req Request) (Tree, error) {
	opts := w.opts
	opts.Cache, opts.Env = w.cache, w.env
	opts.Sleep = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	if opts.Platform == (Platform{}) {
		opts.Platform = Platform{"linux", "x64", "glibc"}
	}
	in, err := New(opts)
	if err != nil {
		w.t.Fatal(err)
	}
	if req.Dir == "" {
		req.Dir = w.dir
	}
	return in.Install(context.Background(), req)
}

func (w *workbench) install(req Request) Tree {
	w.t.Helper()
	tree, err := w.try(req)
	if err != nil {
		w.t.Fatal(err)
	}
	return tree
}

// fail expects an error with CodeDependency whose message and hint hold all
// of the words.
func (w *workbench) fail(req Request, words ...string) {
	w.t.Helper()
	_, err := w.try(req)
	checkError(w.t, err, words...)
}

func checkError(t testing.TB, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	if brigade.CodeOf(err) != brigade.CodeDependency {
		t.Errorf("code %s of %v", brigade.CodeOf(err), err)
	}
	text := err.Error()
	if be, ok := err.(*brigade.Error); ok {
		text += " | " + be.Hint
	}
	for _, word := range words {
		if !strings.Contains(text, word) {
			t.Errorf("%q does not hold %q", text, word)
		}
	}
}

// layout lists the packages that lie in a tree, as path@version.
func layout(t testing.TB, tree Tree) string {
	t.Helper()
	var out []string
	base := filepath.Dir(tree.Dir)
	err := filepath.WalkDir(tree.Dir, func(file string, d os.DirEntry, err error) error {
		if err != nil || d.Name() != "package.json" {
			return err
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		m, err := ParseManifest(file, text)
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(base, filepath.Dir(file))
		out = append(out, strings.ReplaceAll(filepath.ToSlash(rel), "node_modules/", "")+"@"+m.Version)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}
