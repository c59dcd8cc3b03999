package workspace_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"maps"
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
	"github.com/brigadecore/brigade/v3/workspace"
)

var key = []byte("an installation's key of 32 bytes or more")

// house is a server, and the pods that reach it.
type house struct {
	*testing.T
	dir    string
	limits workspace.Limits
	server *workspace.Server
	front  *httptest.Server

	mu      sync.Mutex
	handler http.Handler
}

func newHouse(t *testing.T, limits workspace.Limits) *house {
	h := &house{T: t, dir: t.TempDir(), limits: limits}
	h.front = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		handler := h.handler
		h.mu.Unlock()
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(h.front.Close)
	h.restart()
	return h
}

// restart opens the directory anew, as another process would.
func (h *house) restart() {
	h.Helper()
	server, err := workspace.New(workspace.Options{Dir: h.dir, Key: key, URL: h.front.URL, Limits: h.limits})
	if err != nil {
		h.Fatal(err)
	}
	h.serve(server)
	h.server = server
}

func (h *house) serve(handler http.Handler) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.handler = handler
}

// run is a job of a build.
func run(build, name string, change ...func(*brigade.JobRun)) brigade.JobRun {
	p := brigade.NewProject("acme/app")
	r := brigade.JobRun{
		Build: &brigade.Build{ID: build}, Project: p,
		Job: &brigade.Job{ID: name + "-" + build, Name: name, BuildID: build, Attempt: 1, Spec: brigade.JobSpec{Name: name, Image: "x", UseSource: true}},
	}
	for _, f := range change {
		f(&r)
	}
	return r
}

func storage(r *brigade.JobRun) { r.Job.Spec.Storage.Enabled = true }

func cached(size string) func(r *brigade.JobRun) {
	return func(r *brigade.JobRun) { r.Job.Spec.Cache = brigade.JobCache{Enabled: true, Size: size} }
}

// pod is what kubelet makes of a workspace.Pod.
type pod struct {
	*house
	run     brigade.JobRun
	told    workspace.Pod
	volumes string // directory with one for each volume
	client  *workspace.Client
}

func (h *house) pod(r brigade.JobRun) *pod {
	h.Helper()
	told, err := h.server.Prepare(h.Context(), r, workspace.Wants(r))
	if err != nil {
		h.Fatal(err)
	}
	p := &pod{house: h, run: r, told: told, volumes: h.TempDir()}
	for _, v := range told.Volumes {
		if err := os.Mkdir(filepath.Join(p.volumes, v.Name), 0o777); err != nil {
			h.Fatal(err)
		}
	}
	p.client = h.client(told.Token)
	return p
}

func (h *house) client(token string) *workspace.Client {
	h.Helper()
	c, err := workspace.NewClient(workspace.ClientOptions{URL: h.front.URL, Token: token, Pause: time.Millisecond})
	if err != nil {
		h.Fatal(err)
	}
	return c
}

// flags reads the arguments of a container as the program does.
func (p *pod) flags(c *workspace.Container) map[string]string {
	at := map[string]string{}
	for _, m := range c.Mounts {
		at[m.Path] = filepath.Join(p.volumes, m.Volume)
	}
	flags := map[string]string{}
	for i := 2; i < len(c.Args); i += 2 {
		flags[c.Args[i]] = c.Args[i+1]
		if dir := at[c.Args[i+1]]; dir != "" {
			flags[c.Args[i]] = dir
		}
	}
	return flags
}

func (p *pod) fetch() {
	p.Helper()
	f := p.flags(p.told.Init)
	err := p.client.Fetch(p.Context(), workspace.Fetched{Source: f["--source"], Share: f["--share"], Cache: f["--cache"], State: f["--state"]})
	if err != nil {
		p.Fatal(err)
	}
}

func (p *pod) saved() workspace.Saved {
	f := p.flags(p.told.Sidecar)
	return workspace.Saved{Share: f["--share"], Cache: f["--cache"], Artifacts: f["--artifacts"], Outputs: f["--outputs"], State: f["--state"], Job: p.told.Env[workspace.JobEnv]}
}

func (p *pod) save() workspace.Result {
	p.Helper()
	if err := p.client.Save(p.Context(), p.saved()); err != nil {
		p.Fatal(err)
	}
	result, err := p.server.Collect(p.Context(), p.run)
	if err != nil {
		p.Fatal(err)
	}
	return result
}

// path is where the job sees a file, on this machine.
func (p *pod) path(name string) string {
	p.Helper()
	best := ""
	for _, m := range p.told.Mounts {
		if rest, ok := strings.CutPrefix(name, m.Path+"/"); ok {
			best = filepath.Join(p.volumes, m.Volume, rest)
		}
	}
	if best == "" {
		p.Fatalf("nothing is mounted at %s", name)
	}
	return best
}

func (p *pod) write(name, text string) {
	p.Helper()
	path := p.path(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		p.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		p.Fatal(err)
	}
}

func (p *pod) remove(name string) {
	p.Helper()
	if err := os.RemoveAll(p.path(name)); err != nil {
		p.Fatal(err)
	}
}

// tree is what a directory holds: files with their text, links with ->, directories with /.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		switch {
		case d.IsDir():
			all[name+"/"] = ""
		case d.Type() == fs.ModeSymlink:
			to, err := os.Readlink(path)
			all[name] = "->" + to
			return err
		default:
			text, err := os.ReadFile(path)
			all[name] = string(text)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func (p *pod) share() map[string]string { return tree(p.T, filepath.Join(p.volumes, "brigade-share")) }

func same(t *testing.T, what string, got, want map[string]string) {
	t.Helper()
	if !maps.Equal(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func TestSource(t *testing.T) {
	h := newHouse(t, workspace.Limits{})
	dir := t.TempDir()
	for name, text := range map[string]string{"brigade.js": "x", "sub/deep/file": "deep", ".git/HEAD": "ref"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "link")); err != nil {
		t.Skip("no symbolic links here")
	}
	if err := os.Mkdir(filepath.Join(dir, "empty"), 0o755); err != nil {
		t.Fatal(err)
	}
	p := h.pod(run("b1", "test", func(r *brigade.JobRun) { r.Source = dir }))
	if p.told.Sidecar != nil {
		t.Error("a sidecar, although there is nothing to bring home")
	}
	p.fetch()
	got := filepath.Join(p.volumes, workspace.SourceVolume)
	same(t, "source", tree(t, got), tree(t, dir))
	if info, err := os.Stat(filepath.Join(got, "brigade.js")); err != nil || info.Mode().Perm()&0o700 != 0o700 {
		t.Errorf("brigade.js cannot be executed any more: %v", info.Mode())
	}
	if err := os.WriteFile(filepath.Join(got, "left"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p.fetch() // kubelet starts init containers again
	same(t, "source, again", tree(t, got), tree(t, dir))
	h.restart()
	if err := h.server.PutSource("b1", dir); err != nil {
		t.Fatal(err)
	}
	p.fetch()
}

func TestShareIsMerged(t *testing.T) {
	h := newHouse(t, workspace.Limits{})
	first := h.pod(run("b1", "first", storage))
	first.fetch()
	first.write("/mnt/brigade/share/kept", "first")
	first.write("/mnt/brigade/share/dir/a", "a")
	first.write("/mnt/brigade/share/dir/b", "b")
	first.write("/mnt/brigade/share/gone", "gone")
	first.write("/mnt/brigade/share/contested", "old")
	if err := os.Symlink("dir/a", first.path("/mnt/brigade/share/link")); err != nil {
		t.Skip("no symbolic links here")
	}
	if r := first.save(); !r.Reported || r.Failure != nil || len(r.Problems) > 0 {
		t.Fatalf("%+v", r)
	}
	left, right := h.pod(run("b1", "left", storage)), h.pod(run("b1", "right", storage))
	left.fetch()
	right.fetch()
	same(t, "what the next jobs see", left.share(), first.share())
	left.write("/mnt/brigade/share/left", "left")
	left.write("/mnt/brigade/share/both", "left")
	left.write("/mnt/brigade/share/dir/a", "left's")
	left.remove("/mnt/brigade/share/gone")
	left.remove("/mnt/brigade/share/contested")
	right.write("/mnt/brigade/share/right", "right")
	right.write("/mnt/brigade/share/both", "right")
	right.write("/mnt/brigade/share/contested", "new")
	right.remove("/mnt/brigade/share/dir/b")
	right.remove("/mnt/brigade/share/link")
	right.save()
	h.restart()
	left.save()
	last := h.pod(run("b1", "last", storage))
	last.fetch()
	same(t, "the merged storage", last.share(), map[string]string{
		"kept": "first", "dir/": "", "dir/a": "left's", "left": "left", "right": "right",
		"both": "left", "contested": "new",
	})
	other := h.pod(run("b2", "first", storage))
	other.fetch()
	same(t, "another build's", other.share(), map[string]string{})
}

func TestShareChangesKind(t *testing.T) {
	h := newHouse(t, workspace.Limits{})
	a := h.pod(run("b1", "a", storage))
	a.fetch()
	a.write("/mnt/brigade/share/x", "file")
	a.write("/mnt/brigade/share/y/file", "in a directory")
	a.save()
	b := h.pod(run("b1", "b", storage))
	b.fetch()
	b.remove("/mnt/brigade/share/x")
	b.write("/mnt/brigade/share/x/now/a/directory", "1")
	b.remove("/mnt/brigade/share/y")
	b.write("/mnt/brigade/share/y", "now a file")
	b.save()
	c := h.pod(run("b1", "c", storage))
	c.fetch()
	same(t, "storage", c.share(), map[string]string{"x/": "", "x/now/": "", "x/now/a/": "", "x/now/a/directory": "1", "y": "now a file"})
	// A link in the place of a directory leads nobody out.
	outside := t.TempDir()
	c.remove("/mnt/brigade/share/x")
	if err := os.Symlink(outside, c.path("/mnt/brigade/share/x")); err != nil {
		t.Skip("no symbolic links here")
	}
	d := h.pod(run("b1", "d", storage))
	d.fetch()
	d.write("/mnt/brigade/share/x/now/more", "2")
	c.save()
	d.save()
	if left, _ := os.ReadDir(outside); len(left) > 0 {
		t.Errorf("the storage wrote outside of itself: %v", left)
	}
	e := h.pod(run("b1", "e", storage))
	e.fetch()
	if e.share()["x/now/more"] != "2" {
		t.Errorf("storage = %v", e.share())
	}
}

// A change that leaves size and time as they were is a change.
func TestShareNoticesHiddenChanges(t *testing.T) {
	h := newHouse(t, workspace.Limits{})
	a := h.pod(run("b1", "a", storage))
	a.fetch()
	a.write("/mnt/brigade/share/x", "one")
	a.save()
	b := h.pod(run("b1", "b", storage))
	b.fetch()
	info, err := os.Stat(b.path("/mnt/brigade/share/x"))
	if err != nil {
		t.Fatal(err)
	}
	b.write("/mnt/brigade/share/x", "two")
	if err := os.Chtimes(b.path("/mnt/brigade/share/x"), info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	b.save()
	c := h.pod(run("b1", "c", storage))
	c.fetch()
	if got := c.share()["x"]; got != "two" {
		t.Errorf("x = %q", got)
	}
}

func TestShareIsBounded(t *testing.T) {
	h := newHouse(t, workspace.Limits{})
	small := func(r *brigade.JobRun) { storage(r); r.Project.Kubernetes.BuildStorageSize = "1Ki" }
	a := h.pod(run("b1", "a", small))
	a.fetch()
	a.write("/mnt/brigade/share/a", strings.Repeat("a", 600))
	if r := a.save(); r.Failure != nil {
		t.Fatal(r.Failure)
	}
	b := h.pod(run("b1", "b", small))
	b.fetch()
	b.write("/mnt/brigade/share/a", strings.Repeat("b", 400))
	b.write("/mnt/brigade/share/b", strings.Repeat("b", 600))
	if r := b.save(); r.Failure != nil { // 1000 bytes in all
		t.Fatal(r.Failure)
	}
	c := h.pod(run("b1", "c", small))
	c.fetch()
	c.write("/mnt/brigade/share/c", strings.Repeat("c", 100))
	r := c.save()
	if r.Failure == nil || r.Failure.Code != brigade.CodeTooLarge || !strings.Contains(r.Failure.Message, "1 KiB") || !strings.Contains(r.Failure.Hint, "buildStorageSize") {
		t.Fatalf("%+v", r.Failure)
	}
	h.restart() // the sum is found again
	d := h.pod(run("b1", "d", small))
	d.fetch()
	if got := d.share(); len(got) != 2 || got["c"] != "" {
		t.Errorf("storage = %v", got)
	}
	d.write("/mnt/brigade/share/d", strings.Repeat("d", 100))
	if r := d.save(); r.Failure == nil {
		t.Error("too much was taken after a restart")
	}
	e := h.pod(run("b1", "e", small))
	e.fetch()
	e.remove("/mnt/brigade/share/a")
	e.write("/mnt/brigade/share/e", strings.Repeat("e", 300))
	if r := e.save(); r.Failure != nil {
		t.Errorf("room that was made is not used: %v", r.Failure)
	}
}

func TestManyJobsAtOnce(t *testing.T) {
	h := newHouse(t, workspace.Limits{Transfers: 3})
	names := strings.Split("abcdefghijklmnop", "")
	var wg sync.WaitGroup
	pods := map[string]*pod{}
	for _, n := range names {
		pods[n] = h.pod(run("b1", n, storage))
		pods[n].fetch()
	}
	for _, n := range names {
		wg.Go(func() {
			p := pods[n]
			p.write("/mnt/brigade/share/all/"+n, n)
			p.write("/mnt/brigade/share/same", n)
			if err := p.client.Save(t.Context(), p.saved()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	last := h.pod(run("b1", "last", storage))
	last.fetch()
	got := last.share()
	for _, n := range names {
		if got["all/"+n] != n {
			t.Errorf("%s's file is %q", n, got["all/"+n])
		}
	}
	if !slices.Contains(names, got["same"]) || len(got) != len(names)+2 {
		t.Errorf("storage = %v", got)
	}
}

func TestCaches(t *testing.T) {
	h := newHouse(t, workspace.Limits{})
	a := h.pod(run("b1", "test", cached("10Ki")))
	a.fetch()
	a.write("/mnt/brigade/cache/x/y", "cached")
	if r := a.save(); len(r.Problems) > 0 {
		t.Fatal(r.Problems)
	}
	if err := h.server.EndBuild(t.Context(), "b1"); err != nil {
		t.Fatal(err)
	}
	h.restart()
	cache := func(p *pod) map[string]string { return tree(t, filepath.Join(p.volumes, "brigade-cache")) }
	b := h.pod(run("b2", "test", cached("10Ki")))
	b.fetch()
	same(t, "cache", cache(b), map[string]string{"x/": "", "x/y": "cached"})
	b.remove("/mnt/brigade/cache/x/y")
	b.write("/mnt/brigade/cache/z", "new")
	b.save()
	for name, c := range map[string]struct {
		run  brigade.JobRun
		want map[string]string
	}{
		"the same job":    {run("b3", "test", cached("10Ki")), map[string]string{"x/": "", "z": "new"}},
		"another job":     {run("b3", "other", cached("10Ki")), map[string]string{}},
		"another project": {run("b3", "test", cached("10Ki"), func(r *brigade.JobRun) { r.Project = brigade.NewProject("acme/other") }), map[string]string{}},
	} {
		p := h.pod(c.run)
		p.fetch()
		same(t, name, cache(p), c.want)
	}
	big := h.pod(run("b4", "test", cached("10Ki")))
	big.fetch()
	big.write("/mnt/brigade/cache/big", strings.Repeat("x", 11<<10))
	if r := big.save(); len(r.Problems) != 1 || !strings.Contains(r.Problems[0], "10 KiB") || r.Failure != nil {
		t.Errorf("%+v", r)
	}
	stranger := h.pod(run("b5", "test", cached("10Ki"), func(r *brigade.JobRun) { r.Build.Event.Untrusted = true }))
	stranger.fetch()
	same(t, "a stranger's cache", cache(stranger), map[string]string{"x/": "", "z": "new"})
	stranger.write("/mnt/brigade/cache/evil", "x")
	if r := stranger.save(); len(r.Problems) > 0 {
		t.Error(r.Problems)
	}
	last := h.pod(run("b6", "test", cached("10Ki")))
	last.fetch()
	same(t, "the cache in the end", cache(last), map[string]string{"x/": "", "z": "new"})
}

func TestCachesGo(t *testing.T) {
	now := time.Now()
	dir := t.TempDir()
	open := func() *workspace.Server {
		s, err := workspace.New(workspace.Options{Dir: dir, Key: key, Now: func() time.Time { return now }, Limits: workspace.Limits{CacheTotal: 5000, CacheAge: time.Hour}})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	h := &house{T: t, dir: dir, server: open()}
	h.front = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.server.ServeHTTP(w, r) }))
	defer h.front.Close()
	put := func(name string, size int) {
		t.Helper()
		p := h.pod(run("b1", name, cached("1Mi")))
		p.fetch()
		text := make([]byte, size)
		for i := range text { // what gzip cannot make smaller
			text[i] = byte(i*i>>3 ^ i*7919>>5)
		}
		p.write("/mnt/brigade/cache/x", string(text))
		if r := p.save(); len(r.Problems) > 0 {
			t.Fatal(r.Problems)
		}
	}
	there := func(name string) bool {
		p := h.pod(run("b1", name, cached("1Mi")))
		p.fetch()
		return len(tree(t, filepath.Join(p.volumes, "brigade-cache"))) > 0
	}
	put("one", 1000)
	now = now.Add(time.Minute)
	put("two", 1000)
	now = now.Add(time.Minute)
	if !there("one") { // and is used again
		t.Fatal("one was not kept")
	}
	now = now.Add(time.Minute)
	put("three", 100_000)
	if there("two") {
		t.Error("two is still there, it was not used for the longest time")
	}
	if !there("three") {
		t.Error("what was just put is not there")
	}
	now = now.Add(2 * time.Hour)
	h.server = open()
	if there("three") {
		t.Error("three is still there after two hours")
	}
}

func TestArtifactsAndOutputs(t *testing.T) {
	h := newHouse(t, workspace.Limits{Artifact: 1000, Artifacts: 1500})
	kept := map[string]string{}
	r := run("b1", "package", func(r *brigade.JobRun) {
		r.Job.Spec.UseSource = false
		r.Job.Spec.Artifacts = []string{"dist/**", "missing", "odd"}
		r.Keep = func(name string, size int64, content io.Reader) error {
			text, err := io.ReadAll(content)
			if kept[name] = string(text); int64(len(text)) != size {
				t.Errorf("%s has %d bytes, %d were promised", name, len(text), size)
			}
			return err
		}
	})
	p := h.pod(r)
	if p.told.Init != nil {
		t.Error("an init container that has nothing to fetch")
	}
	p.write("/src/dist/app", "binary")
	p.write("/src/dist/empty", "")
	p.write("/src/dist/üml aut?#%2F.txt", "name")
	p.write("/src/dist/large", strings.Repeat("x", 1001))
	p.write("/src/other", "not wanted")
	p.write("/src/odd", "odd")
	text := `{"a":"` + strings.Repeat("x", 10_000) + `"}`
	output := p.told.JobEnv[workspace.OutputEnv]
	p.write(output, text)
	if err := p.client.Save(t.Context(), p.saved()); err != nil {
		t.Fatal(err)
	}
	h.restart()
	if err := p.client.Save(t.Context(), p.saved()); err != nil { // a sidecar that was started again
		t.Fatal(err)
	}
	result, err := h.server.Collect(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "artifacts", kept, map[string]string{"dist/app": "binary", "dist/empty": "", "dist/üml aut?#%2F.txt": "name", "odd": "odd"})
	if string(result.Outputs) != text {
		t.Errorf("%d bytes of outputs", len(result.Outputs))
	}
	if told := strings.Join(result.Problems, "\n"); len(result.Problems) != 2 || !strings.Contains(told, "dist/large is not kept: it is larger") || !strings.Contains(told, "missing") {
		t.Errorf("problems: %s", told)
	}
	second := r
	second.Job = &brigade.Job{ID: r.Job.ID, Name: r.Job.Name, Attempt: 2, Spec: r.Job.Spec}
	if got, err := h.server.Collect(t.Context(), second); err != nil || got.Reported || got.Outputs != nil || got.Artifacts != nil {
		t.Errorf("another attempt has %+v, %v", got, err)
	}
	more := h.pod(run("b1", "more", func(r *brigade.JobRun) { r.Job.Spec.Artifacts = []string{"x", "y"} }))
	more.write("/src/x", strings.Repeat("x", 900))
	more.write("/src/y", strings.Repeat("y", 900))
	if got := more.save(); len(got.Artifacts) != 1 || len(got.Problems) != 1 || !strings.Contains(got.Problems[0], "artifacts of the build") {
		t.Errorf("%+v", got)
	}
}

func TestWorkerPods(t *testing.T) {
	h := newHouse(t, workspace.Limits{})
	token, err := h.server.BuildToken(workspace.GrantFor(&brigade.Build{ID: "b1"}, brigade.NewProject("acme/app")))
	if err != nil {
		t.Fatal(err)
	}
	remote, err := workspace.NewRemote(workspace.ClientOptions{URL: h.front.URL, Token: token, Pause: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), []byte("cloned by the worker"), 0o644); err != nil {
		t.Fatal(err)
	}
	kept := map[string]string{}
	r := run("b1", "a", storage, func(r *brigade.JobRun) {
		r.Source, r.Job.Spec.Artifacts = dir, []string{"*"}
		r.Keep = func(name string, _ int64, content io.Reader) error {
			text, err := io.ReadAll(content)
			kept[name] = string(text)
			return err
		}
	})
	told, err := remote.Prepare(t.Context(), r, workspace.Wants(r))
	if err != nil {
		t.Fatal(err)
	}
	p := h.pod(r)
	p.client = h.client(told.Token)
	if err := h.server.PutSource("b1", ""); err != nil { // what pod() put
		t.Fatal(err)
	}
	p.fetch()
	p.write("/src/made", "made")
	if err := p.client.Save(t.Context(), p.saved()); err != nil {
		t.Fatal(err)
	}
	result, err := remote.Collect(t.Context(), r)
	if err != nil || !result.Reported {
		t.Fatalf("%+v %v", result, err)
	}
	same(t, "artifacts", kept, map[string]string{"file": "cloned by the worker", "made": "made"})
}

func TestBuildsEnd(t *testing.T) {
	h := newHouse(t, workspace.Limits{})
	a := h.pod(run("b1", "a", storage))
	a.fetch()
	a.write("/mnt/brigade/share/x", "1")
	a.save()
	b := h.pod(run("b2", "a", storage))
	b.fetch()
	b.write("/mnt/brigade/share/x", "2")
	b.save()
	n, err := h.server.Sweep(t.Context(), func(id string) bool { return id == "b2" })
	if n != 1 || err != nil {
		t.Fatalf("%d builds were swept, %v", n, err)
	}
	if left, _ := os.ReadDir(filepath.Join(h.dir, "builds")); len(left) != 1 {
		t.Errorf("left: %v", left)
	}
	for _, when := range []string{"before", "after"} {
		if err := a.client.Fetch(t.Context(), workspace.Fetched{Share: t.TempDir(), State: t.TempDir()}); brigade.CodeOf(err) != brigade.CodeCanceled {
			t.Errorf("%s the restart: %v", when, err)
		}
		h.restart()
	}
	if left, _ := os.ReadDir(filepath.Join(h.dir, "builds")); len(left) != 1 {
		t.Errorf("left after a late request: %v", left)
	}
	if err := h.server.EndBuild(t.Context(), "../b2"); err != nil {
		t.Fatal(err)
	}
	b.fetch()
	if b.share()["x"] != "2" {
		t.Error("another build's files went too")
	}
}

// get asks without the client's manners.
func (h *house) ask(method, path, token string, body io.Reader) (int, string) {
	h.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, h.front.URL+workspace.Prefix+path, body)
	if err != nil {
		h.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		h.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		h.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

func TestTokens(t *testing.T) {
	h := newHouse(t, workspace.Limits{})
	good := h.pod(run("b1", "a", storage)).told.Token
	noStorage := h.pod(run("b1", "b", func(r *brigade.JobRun) { r.Job.Spec.Artifacts = []string{"x"} })).told.Token
	build := h.server.Token("b1")
	other, err := workspace.New(workspace.Options{Dir: t.TempDir(), Key: append([]byte("not "), key...)})
	if err != nil {
		t.Fatal(err)
	}
	expired, err := h.server.BuildToken(workspace.BuildGrant{Build: "b1", Expires: 1})
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(good, ".")
	swapped := strings.Join([]string{parts[0], strings.Split(h.server.Token("b2"), ".")[1], parts[2], parts[3]}, ".")
	cut := strings.Join([]string{parts[0], parts[1], parts[3]}, ".")
	foreign, err := workspace.JobToken(other.Token("b1"), workspace.JobGrant{Job: "a", Share: true})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		method, path, token string
		want                int
	}{
		"good":                       {"GET", "share", good, 200},
		"none":                       {"GET", "share", "", 401},
		"nonsense":                   {"GET", "share", "x", 401},
		"long":                       {"GET", "share", "bw1." + strings.Repeat("a", 10_000), 401},
		"cut off":                    {"GET", "share", good[:len(good)-2], 401},
		"another build's grant":      {"GET", "share", swapped, 401},
		"a job's signature alone":    {"GET", "share", cut, 401},
		"another server's":           {"GET", "share", foreign, 401},
		"expired":                    {"PUT", "source", expired, 401},
		"a build's for a job":        {"GET", "share", build, 403},
		"a job's for the build":      {"PUT", "source", good, 403},
		"without storage":            {"GET", "share", noStorage, 403},
		"without a cache":            {"GET", "cache", good, 403},
		"another job's result":       {"GET", "results/b-b1/1", good, 403},
		"its own result":             {"GET", "results/a-b1/1", good, 200},
		"any result, for the build":  {"GET", "results/b-b1/1", build, 200},
		"a result that is no job's":  {"GET", "results/..%2F..%2Fx/1", build, 400},
		"a path that does not exist": {"GET", "nothing", good, 404},
		"a method that is not one":   {"DELETE", "share", good, 405},
		"source that is not there":   {"GET", "source", good, 503},
	} {
		status, text := h.ask(c.method, c.path, c.token, nil)
		if status != c.want {
			t.Errorf("%s: %d %s, want %d", name, status, text, c.want)
		}
		var e brigade.Error
		if status >= 400 && status != 404 && status != 405 && (json.Unmarshal([]byte(text), &e) != nil || e.Code == "" || e.Message == "") {
			t.Errorf("%s: the answer says nothing: %s", name, text)
		}
	}
	if h.server.Token("../b1") != "" {
		t.Error("a token for a path")
	}
	if _, err := workspace.New(workspace.Options{Dir: t.TempDir(), Key: key[:10]}); brigade.CodeOf(err) != brigade.CodeInvalid {
		t.Errorf("a short key: %v", err)
	}
}

func TestArtifactNames(t *testing.T) {
	h := newHouse(t, workspace.Limits{})
	token := h.pod(run("b1", "a")).told.Token
	for _, name := range []string{"..%2Fx", "a%2F..%2F..%2Fx", "%2Fetc%2Fpasswd", "a%2F%2Fb", ".", "a%00b"} {
		if status, text := h.ask("PUT", "artifacts/"+name, token, bytes.NewReader([]byte("x"))); status < 300 {
			t.Errorf("%s: %d %s", name, status, text)
		}
	}
}
