package npm

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
)

func TestWarmInstall(t *testing.T) {
	w := newWorkbench(t, `{"dependencies":{"a":"^1"}}`)
	w.reg.add("a@1.0.0", `"dependencies":{"b":"1"}`, entry{name: "package/lib/x.js", body: "x"})
	w.reg.add("b@1.0.0", "")
	cold := w.install(Request{})
	if cold.FromCache || len(cold.Packages) != 2 {
		t.Errorf("%+v", cold)
	}
	w.reg.requests()
	// Without a lock in the project what it resolved to is remembered.
	warm := w.install(Request{})
	if !warm.FromCache || warm.Dir != cold.Dir || len(warm.Packages) != 2 {
		t.Errorf("%+v", warm)
	}
	if got := w.reg.requests(); len(got) != 0 {
		t.Errorf("requests %v", got)
	}
	// The same wishes of another checkout are as good.
	if tree := w.install(Request{Dir: t.TempDir(), Manifest: &Manifest{Dependencies: map[string]string{"a": "^1"}}}); !tree.FromCache {
		t.Error("another directory made the tree again")
	}
	if _, err := os.Stat(filepath.Join(w.dir, LockFile)); err == nil {
		t.Error("a lock was written without being asked for")
	}
	// Not for ever, though.
	w.reg.add("a@1.1.0", "")
	w.opts.Now = func() time.Time { return time.Now().Add(25 * time.Hour) }
	if got := layout(t, w.install(Request{})); got != "a@1.1.0" {
		t.Error(got)
	}
	info, err := os.Stat(filepath.Join(cold.Dir, "a", "lib", "x.js"))
	if err != nil || info.Mode().Perm() != 0o444 {
		t.Errorf("%v %v", info, err)
	}
	// A tree elsewhere comes out of the same packages, as copies if so wished.
	w.opts = Options{Copy: true}
	into := t.TempDir()
	other := w.install(Request{Into: into, Offline: true})
	if !strings.HasPrefix(other.Dir, into) || other.FromCache {
		t.Errorf("%+v", other)
	}
	left, err := os.ReadDir(filepath.Join(into, "tmp"))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestOffline(t *testing.T) {
	w := newWorkbench(t, `{"dependencies":{"a":"^1"}}`)
	w.reg.add("a@1.0.0", `"dependencies":{"b":"1"}`)
	w.reg.add("b@1.0.0", "")
	w.fail(Request{Offline: true}, `package "a" is not in the cache`, "brig install")
	w.install(Request{SaveLock: true})
	w.reg.server.Close()
	lock := w.read(LockFile)
	_ = os.Remove(filepath.Join(w.dir, LockFile))
	w.install(Request{Offline: true})
	if err := os.RemoveAll(filepath.Join(w.cache, "locks")); err != nil {
		t.Fatal(err)
	}
	w.install(Request{Offline: true}) // resolved from the documents in the cache
	w.cache = t.TempDir()
	w.write(LockFile, lock)
	w.fail(Request{Offline: true}, "the tarball of ", "is not in the cache")
}

// TestOptionalDownloads: an optional package that cannot be downloaded is left
// out, and looked for again the next time.
func TestOptionalDownloads(t *testing.T) {
	w := newWorkbench(t, `{"dependencies":{"a":"1"},"optionalDependencies":{"opt":"1"}}`)
	w.reg.add("a@1.0.0", "")
	w.reg.add("opt@1.0.0", "")
	path := "/opt/-/opt-1.0.0.tgz"
	body := w.reg.files[path]
	delete(w.reg.files, path)
	tree := w.install(Request{SaveLock: true})
	if got := layout(t, tree); got != "a@1.0.0" || len(tree.Warnings) != 1 || len(tree.Packages) != 1 {
		t.Errorf("%s %v", got, tree.Warnings)
	}
	w.reg.put(path, body)
	if got := layout(t, w.install(Request{Frozen: true})); got != "a@1.0.0 opt@1.0.0" {
		t.Error(got)
	}
	w.cache = t.TempDir()
	delete(w.reg.files, "/a/-/a-1.0.0.tgz")
	w.fail(Request{Frozen: true}, "404")
}

func TestPlatformsShareALock(t *testing.T) {
	w := newWorkbench(t, `{"dependencies":{"a":"1"}}`)
	w.reg.add("a@1.0.0", `"optionalDependencies":{"lin":"1","mac":"1"}`)
	w.reg.add("lin@1.0.0", `"os":["linux"]`)
	w.reg.add("mac@1.0.0", `"os":["darwin"],"dependencies":{"maconly":"1"}`)
	w.reg.add("maconly@1.0.0", "")
	w.install(Request{SaveLock: true})
	lock := w.read(LockFile)
	w.opts.Platform = Platform{OS: "darwin", CPU: "arm64"}
	tree := w.install(Request{Frozen: true})
	if got := layout(t, tree); got != "a@1.0.0 mac@1.0.0 maconly@1.0.0" || w.read(LockFile) != lock {
		t.Error(got)
	}
}

func TestProgress(t *testing.T) {
	w := newWorkbench(t, `{"dependencies":{"a":"1"}}`)
	w.reg.add("a@1.0.0", `"dependencies":{"b":"1"}`)
	w.reg.add("b@1.0.0", "")
	last := map[Phase]Progress{}
	w.install(Request{Progress: func(p Progress) { last[p.Phase] = p }})
	if last[PhaseResolve].Done != 2 || last[PhaseFetch].Done != 2 || last[PhaseFetch].Total != 2 || last[PhaseFetch].Bytes == 0 || last[PhaseLink].Done != 2 {
		t.Errorf("%+v", last)
	}
}

func TestCancel(t *testing.T) {
	w := newWorkbench(t, `{"dependencies":{"a":"1"}}`)
	w.reg.add("a@1.0.0", "")
	ctx, cancel := context.WithCancelCause(context.Background())
	why := errors.New("enough")
	w.reg.intercept(func(http.ResponseWriter, *http.Request) bool { cancel(why); return false })
	in, err := New(Options{Cache: w.cache, Env: w.env})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := in.Install(ctx, Request{Dir: w.dir}); !errors.Is(err, why) {
		t.Errorf("%v", err)
	}
}

func TestLimits(t *testing.T) {
	w := newWorkbench(t, `{"dependencies":{"a":"1"}}`)
	w.reg.add("a@1.0.0", `"dependencies":{"b":"1"}`)
	w.reg.add("b@1.0.0", "")
	w.opts.Limits = Limits{Packages: 1}
	w.fail(Request{}, "more than 1 packages")
	w.opts.Limits = Limits{Total: 10}
	w.fail(Request{}, "unpack to more than")
	w.cache = t.TempDir()
	w.opts.Limits = Limits{Tarball: 20}
	w.fail(Request{}, "the tarball is larger")
	w.opts.Limits = Limits{Files: 1}
	w.fail(Request{}, `package "`, "more than 1 files")
	trees, err := filepath.Glob(filepath.Join(w.cache, "packages", "*"))
	if err != nil || len(trees) != 0 {
		t.Errorf("a package that broke a limit is in the cache: %v", trees)
	}
}

// TestConcurrentInstalls share a cache: every one gets the whole tree.
func TestConcurrentInstalls(t *testing.T) {
	w := newWorkbench(t, `{"dependencies":{"p0":"1"}}`)
	for i := range 12 {
		w.reg.add(fmt.Sprintf("p%d@1.0.0", i), fmt.Sprintf(`"dependencies":{"p%d":"1"}`, (i+1)%12), entry{name: "package/big.js", body: strings.Repeat("x", 20000)})
	}
	var wg sync.WaitGroup
	dirs := make([]string, 8)
	for i := range dirs {
		wg.Go(func() {
			tree, err := w.try(Request{})
			if err != nil {
				t.Error(err)
				return
			}
			dirs[i] = tree.Dir
			files, _ := filepath.Glob(filepath.Join(tree.Dir, "*", "big.js"))
			if len(files) != 12 {
				t.Errorf("%d packages", len(files))
			}
		})
	}
	wg.Wait()
	for _, d := range dirs {
		if d != dirs[0] {
			t.Errorf("different trees: %v", dirs)
		}
	}
	for _, dir := range []string{"tmp", "trees/tmp"} {
		if left, _ := os.ReadDir(filepath.Join(w.cache, dir)); len(left) != 0 {
			t.Errorf("left in %s: %v", dir, left)
		}
	}
}

func TestPrune(t *testing.T) {
	w := newWorkbench(t, `{"dependencies":{"a":"1"}}`)
	w.reg.add("a@1.0.0", "")
	tree := w.install(Request{})
	if err := Prune(w.cache, time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	if again := w.install(Request{Offline: true}); !again.FromCache {
		t.Error("what is in use was pruned")
	}
	if err := Prune(w.cache, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(tree.Dir); err == nil {
		t.Error("the tree is still there")
	}
	w.fail(Request{Offline: true}, "not in the cache")
}

func TestUsage(t *testing.T) {
	if _, err := New(Options{}); brigade.CodeOf(err) != brigade.CodeUsage {
		t.Error(err)
	}
	in, err := New(Options{Cache: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := in.Install(context.Background(), Request{}); brigade.CodeOf(err) != brigade.CodeUsage {
		t.Error(err)
	}
}

// BenchmarkWarm installs 34 packages that are there already, as every build
// after the first does; the goal is 20 ms.
func BenchmarkWarm(b *testing.B) {
	w := newWorkbench(b, `{"dependencies":{"p0":"^1.0.0"}}`)
	for i := range 34 {
		deps := ""
		if i < 33 {
			deps = fmt.Sprintf(`"dependencies":{"p%d":"^1.0.0"}`, i+1)
		}
		w.reg.add(fmt.Sprintf("p%d@1.2.0", i), deps)
	}
	start := time.Now()
	w.install(Request{SaveLock: true})
	cold := time.Since(start)
	for b.Loop() {
		if tree := w.install(Request{Frozen: true}); !tree.FromCache {
			b.Fatal("not from the cache")
		}
	}
	perOp := b.Elapsed() / time.Duration(b.N)
	b.ReportMetric(float64(perOp)/float64(cold), "warm/cold")
	b.ReportMetric(float64(perOp)/float64(20*time.Millisecond), "of-goal")
}
