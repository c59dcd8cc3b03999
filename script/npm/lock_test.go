package npm

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestLockIsDeterministic(t *testing.T) {
	w := newWorkbench(t, `{"dependencies":{"a":"^1","z":"npm:b@2"}}`)
	w.reg.add("a@1.0.0", `"dependencies":{"b":"^1","c":"*"}`)
	w.reg.add("b@1.0.0", "")
	w.reg.add("b@2.0.0", "")
	w.reg.add("c@1.0.0", "")
	w.install(Request{SaveLock: true})
	first := w.read(LockFile)
	for range 5 {
		_ = os.Remove(filepath.Join(w.dir, LockFile))
		w.cache = t.TempDir()
		if tree := w.install(Request{SaveLock: true}); !tree.LockSaved {
			t.Error("the lock was not saved")
		}
		if got := w.read(LockFile); got != first {
			t.Fatalf("differs:\n%s\n%s", first, got)
		}
	}
	if tree := w.install(Request{SaveLock: true}); tree.LockSaved {
		t.Error("a lock that fits was written again")
	}
	l, err := ParseLock(LockFile, []byte(first))
	if err != nil || string(l.Text()) != first {
		t.Errorf("does not survive reading: %v", err)
	}
}

// TestLockKeepsWhatFits: a changed manifest moves only what it has to.
func TestLockKeepsWhatFits(t *testing.T) {
	w := newWorkbench(t, `{"dependencies":{"a":"^1","b":"^1","gone":"*"}}`)
	for _, id := range []string{"a@1.0.0", "b@1.0.0", "dep@1.0.0", "gone@1.0.0"} {
		w.reg.add(id, map[string]string{"a@1.0.0": `"dependencies":{"dep":"^1"}`}[id])
	}
	w.install(Request{SaveLock: true})
	w.reg.add("a@1.1.0", "")
	w.reg.add("dep@1.1.0", "")
	w.reg.add("b@2.0.0", "")
	w.reg.requests()

	w.write("brigade.json", `{"dependencies":{"a":"^1","b":"^2"}}`)
	w.fail(Request{Frozen: true}, "brigade.lock does not match", `b is locked to 1.0.0, but "^2"`, "brig install")
	tree := w.install(Request{SaveLock: true})
	if got := layout(t, tree); got != "a@1.0.0 b@2.0.0 dep@1.0.0" || !tree.LockSaved {
		t.Errorf("%s, saved %v", got, tree.LockSaved)
	}
	if got := strings.Join(w.reg.requests(), " "); got != "/b /b/-/b-2.0.0.tgz" {
		t.Errorf("asked for %s", got)
	}
	// Removing a dependency needs no network, and is no reason to refuse.
	w.write("brigade.json", `{"dependencies":{"a":"^1"}}`)
	w.install(Request{Frozen: true, Offline: true})
	if tree := w.install(Request{Offline: true, SaveLock: true}); !tree.LockSaved || strings.Contains(w.read(LockFile), `"b"`) {
		t.Errorf("the lock still has b: %s", w.read(LockFile))
	}
	_ = os.Remove(filepath.Join(w.dir, LockFile))
	w.fail(Request{Frozen: true}, "there is no brigade.lock")
}

func TestPackageLocks(t *testing.T) {
	locks := map[string]string{
		"v1": `{"name":"p","version":"1.0.0","lockfileVersion":1,"requires":true,"dependencies":{
			"a":{"version":"1.0.0","resolved":"REGa/-/a-1.0.0.tgz","integrity":"INT_A","requires":{"b":"^1"},"dependencies":{"b":{"version":"1.0.0","resolved":"REGb/-/b-1.0.0.tgz","integrity":"INT_B1"}}},
			"b":{"version":"npm:b2@2.0.0","resolved":"REGb2/-/b2-2.0.0.tgz"},
			"dev":{"version":"9.9.9","dev":true}}}`,
		"v2": `{"lockfileVersion":2,"packages":{"":{"dependencies":{"a":"1.0.0","b":"npm:b2@^2"},"devDependencies":{"dev":"*"}},
			"node_modules/a":{"version":"1.0.0","resolved":"https://registry.npmjs.org/a/-/a-1.0.0.tgz","integrity":"INT_A","dependencies":{"b":"^1"}},
			"node_modules/a/node_modules/b":{"version":"1.0.0","resolved":"REGb/-/b-1.0.0.tgz","integrity":"INT_B1"},
			"node_modules/b":{"name":"b2","version":"2.0.0","resolved":"REGb2/-/b2-2.0.0.tgz"},
			"node_modules/dev":{"version":"9.9.9","dev":true}},"dependencies":{"a":{"version":"1.0.0"}}}`,
		"v3 without addresses": `{"lockfileVersion":3,"packages":{"":{"dependencies":{"a":"1.0.0","b":"npm:b2@^2"}},
			"node_modules/a":{"version":"1.0.0","integrity":"INT_A","dependencies":{"b":"^1"}},
			"node_modules/a/node_modules/b":{"version":"1.0.0","resolved":false,"integrity":"INT_B1"},
			"node_modules/b":{"name":"b2","version":"2.0.0"}}}`,
	}
	for name, text := range locks {
		t.Run(name, func(t *testing.T) {
			w := newWorkbench(t, `{"dependencies":{"a":"1.0.0","b":"npm:b2@^2"}}`)
			w.reg.add("a@1.0.0", `"dependencies":{"b":"^1"}`)
			w.reg.add("b@1.0.0", "")
			w.reg.add("b@1.5.0", "")
			w.reg.add("b2@2.0.0", "")
			w.reg.add("b2@2.1.0", "")
			integrity := func(n, v string) string {
				return w.reg.docs[n]["versions"].(map[string]any)[v].(map[string]any)["dist"].(map[string]any)["integrity"].(string)
			}
			text := strings.NewReplacer("REG", w.reg.url(), "INT_A", integrity("a", "1.0.0"), "INT_B1", integrity("b", "1.0.0")).Replace(text)
			w.write("package-lock.json", text)
			tree := w.install(Request{Frozen: true, SaveLock: true})
			if got := layout(t, tree); got != "a/b@1.0.0 a@1.0.0 b@2.0.0" || tree.LockSaved {
				t.Errorf("%s, saved %v", got, tree.LockSaved)
			}
			// One that does not match any more still says which versions to keep.
			w.write("brigade.json", `{"dependencies":{"a":"1.0.0","b":"npm:b2@^2","c":"1"}}`)
			w.reg.add("c@1.0.0", `"dependencies":{"b2":"2"}`)
			w.fail(Request{Frozen: true}, "package-lock.json does not match", "c is not in it")
			tree = w.install(Request{SaveLock: true})
			if got := layout(t, tree); got != "a/b@1.0.0 a@1.0.0 b2@2.0.0 b@2.0.0 c@1.0.0" || !tree.LockSaved {
				t.Errorf("%s, saved %v", got, tree.LockSaved)
			}
			if w.read("package-lock.json") != text {
				t.Error("package-lock.json was changed")
			}
		})
	}
}

func TestBadLocks(t *testing.T) {
	entry := func(fields string) string {
		return `{"lockfileVersion":1,"dependencies":{"a":"1"},"packages":[` + fields + `]}`
	}
	for text, words := range map[string]string{
		`{`:                     "brigade.lock:1:",
		`[]`:                    "the expected form",
		`{"lockfileVersion":7}`: "version 7",
		entry(`{"path":"../../etc","name":"a","version":"1.0.0"}`):                                                             "not below node_modules",
		entry(`{"path":"node_modules/../x","name":"a","version":"1.0.0"}`):                                                     "not below node_modules",
		entry(`{"path":"/node_modules/a","name":"a","version":"1.0.0"}`):                                                       "not below node_modules",
		entry(`{"path":"node_modules/a/x","name":"a","version":"1.0.0"}`):                                                      "not below node_modules",
		entry(`{"path":"node_modules/a","name":"../a","version":"1.0.0"}`):                                                     "no valid package name",
		entry(`{"path":"node_modules/a","name":"a","version":"1.0.0"},{"path":"node_modules/a","name":"a","version":"1.0.0"}`): "twin",
		entry(`{"path":"node_modules/a","name":"a","version":"1.0.0","resolved":"file:../../etc"}`):                            "outside the project",
		entry(`{"path":"node_modules/a","name":"a","version":"1.0.0","resolved":"ftp://x"}`):                                   "not http(s)",
		entry(`{"path":"node_modules/a","name":"a","version":"1.0.0","resolved":"https://x/a.tgz","integrity":"md5-AAAA"}`):    "integrity value",
	} {
		w := newWorkbench(t, `{"dependencies":{"a":"1"}}`)
		w.write(LockFile, text)
		w.fail(Request{}, words)
	}
	// npm's lock is only a help: a broken one is passed over, with a warning.
	w := newWorkbench(t, `{"dependencies":{"a":"1"}}`)
	w.reg.add("a@1.0.0", "")
	w.write("package-lock.json", `{"lockfileVersion":3,"packages":{"node_modules/../../x":{"version":"1.0.0"},"node_modules/a":{"version":"1.0.0","resolved":"file:/etc"}}}`)
	if tree := w.install(Request{}); len(tree.Warnings) != 1 || !strings.Contains(tree.Warnings[0], "package-lock.json") {
		t.Errorf("warnings %v", tree.Warnings)
	}
}

func TestLocalDependencies(t *testing.T) {
	w := newWorkbench(t, `{"dependencies":{"lib":"file:./libs/lib","ball":"file:ball.tgz"}}`)
	w.write("libs/lib/package.json", `{"name":"lib","version":"0.1.0","dependencies":{"dep":"1","sub":"file:../sub"}}`)
	w.write("libs/lib/index.js", "one")
	w.write("libs/lib/node_modules/junk/package.json", "{}")
	w.write("libs/sub/package.json", `{"name":"sub","version":"0.2.0"}`)
	w.write("ball.tgz", string(tgz(t, entry{name: "package/package.json", body: `{"name":"ball","version":"4.0.0"}`})))
	w.reg.add("dep@1.0.0", "")
	w.reg.add("other@1.0.0", "")
	one := w.install(Request{SaveLock: true})
	if got := layout(t, one); got != "ball@4.0.0 dep@1.0.0 lib@0.1.0 sub@0.2.0" {
		t.Error(got)
	}
	if two := w.install(Request{Frozen: true}); !two.FromCache || two.Dir != one.Dir {
		t.Error("the tree was made again")
	}
	// Its files are part of what names the tree; its dependencies of the lock.
	w.write("libs/lib/index.js", "two")
	two := w.install(Request{Frozen: true})
	text, err := os.ReadFile(filepath.Join(two.Dir, "lib", "index.js"))
	if err != nil || string(text) != "two" {
		t.Errorf("%q %v", text, err)
	}
	if text, _ := os.ReadFile(filepath.Join(one.Dir, "lib", "index.js")); string(text) != "one" {
		t.Errorf("the first tree changed: %q", text)
	}
	w.write("libs/lib/package.json", `{"name":"lib","version":"0.1.0","dependencies":{"other":"1"}}`)
	w.fail(Request{Frozen: true}, "package.json of libs/lib has changed")
	if got := layout(t, w.install(Request{SaveLock: true})); got != "ball@4.0.0 lib@0.1.0 other@1.0.0" {
		t.Error(got)
	}
	// A link out of the project is not followed.
	outside := t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "package.json"), []byte(`{"name":"x","version":"1.0.0"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(w.dir, "away")); err == nil {
		w.write("brigade.json", `{"dependencies":{"x":"file:away"}}`)
		w.fail(Request{}, "cannot be read")
	}
	// A package of the registry cannot name a path.
	w.reg.add("sly@1.0.0", `"dependencies":{"x":"file:libs/sub"}`)
	w.write("brigade.json", `{"dependencies":{"sly":"1"}}`)
	w.fail(Request{}, "local path")
}

func FuzzLock(f *testing.F) {
	f.Add([]byte(`{"lockfileVersion":1,"dependencies":{"a":"1"},"packages":[{"path":"node_modules/a","name":"a","version":"1.0.0","resolved":"https://r/a.tgz","integrity":"sha1-AAAAAAAAAAAAAAAAAAAAAAAAAAA=","dependencies":{"b":"^2"}}]}`))
	f.Add([]byte(`{"lockfileVersion":3,"packages":{"":{"dependencies":{"a":"1"}},"node_modules/a":{"link":true,"resolved":"lib"},"lib":{"version":"1.0.0"},"lib/node_modules/b":{"version":"2.0.0","resolved":false}}}`))
	f.Add([]byte(`{"lockfileVersion":1,"requires":true,"dependencies":{"a":{"version":"npm:b@1.0.0","requires":{"c":"~1"},"dependencies":{"c":{"version":"file:../x"}}}}}`))
	f.Add([]byte(`{"lockfileVersion":1,"packages":[{"path":"node_modules/a/node_modules/../../../../x"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, parse := range []func(string, []byte) (*Lock, error){ParseLock, ParsePackageLock} {
			l, err := parse("lock", text)
			if err != nil {
				checkError(t, err)
				continue
			}
			for _, p := range l.Packages {
				for part := range strings.SplitSeq(p.Path+"/"+p.Name, "/") {
					if part == ".." || part == "" || part == "." {
						t.Fatalf("accepts the path %q", p.Path)
					}
				}
				if !filepath.IsLocal(filepath.FromSlash(p.Path)) || !strings.HasPrefix(p.Path, "node_modules/") {
					t.Fatalf("accepts the path %q", p.Path)
				}
				if at, ok := strings.CutPrefix(p.Resolved, "file:"); ok && !p.Bundled && !filepath.IsLocal(at) {
					t.Fatalf("accepts the source %q", p.Resolved)
				}
			}
			list, err := wishes(&Manifest{Dependencies: l.Dependencies}, false, BuiltIn)
			if err != nil {
				continue
			}
			if pruned, why := fits(l, list, l.Overrides, BuiltIn); why == nil {
				again, err := ParseLock("again", pruned.Text())
				if err != nil {
					t.Fatalf("what was read cannot be read again: %v\n%s", err, pruned.Text())
				}
				if !slices.EqualFunc(again.Packages, pruned.Packages, func(a, b Package) bool { return a.Path == b.Path && a.Version == b.Version }) {
					t.Fatal("what was read changes when written")
				}
			}
		}
	})
}
