package workspace_test

import (
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
