package npm

import (
	"encoding/pem"
	"io"
	"net/http"
	"strings"
	"testing"
)

func writePEM(w io.Writer, der []byte) {
	_ = pem.Encode(w, &pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func TestTampered(t *testing.T) {
	w := newWorkbench(t, `{"dependencies":{"a":"1.0.0"}}`)
	w.reg.add("a@1.0.0", "")
	w.reg.put("/a/-/a-1.0.0.tgz", tgz(t, entry{name: "package/package.json", body: `{"name":"a","evil":1}`}))
	w.fail(Request{}, `the tarball of "a"`, "is not the one that was published", "expected sha512-", "It is not used")
	// Not even for an optional dependency.
	w.write("brigade.json", `{"optionalDependencies":{"a":"1.0.0"}}`)
	w.write("brigade.json", `{"dependencies":{"b":"1"}}`)
	w.reg.add("b@1.0.0", `"optionalDependencies":{"a":"1.0.0"}`)
	w.fail(Request{}, `the tarball of "a"`)
}

// TestShasum: old registries give a sha1, or nothing.
func TestShasum(t *testing.T) {
	w := newWorkbench(t, `{"dependencies":{"a":"1.0.0"}}`)
	w.reg.add("a@1.0.0", "")
	dist := w.reg.docs["a"]["versions"].(map[string]any)["1.0.0"].(map[string]any)["dist"].(map[string]any)
	delete(dist, "integrity")
	dist["shasum"] = strings.Repeat("0", 40)
	w.fail(Request{}, "expected sha1-")
	w.cache = t.TempDir()
	delete(dist, "shasum")
	w.install(Request{SaveLock: true})
	l, err := ParseLock("x", []byte(w.read(LockFile)))
	if err != nil || !strings.HasPrefix(l.Packages[0].Integrity, "sha512-") {
		t.Fatalf("%v %+v", err, l)
	}
	// From now on the content is known.
	w.cache = t.TempDir()
	w.reg.put("/a/-/a-1.0.0.tgz", tgz(t, entry{name: "package/index.js"}))
	w.fail(Request{Frozen: true}, "is not the one")
}

func TestParseIntegrity(t *testing.T) {
	sha1 := "sha1-" + strings.Repeat("A", 26) + "A="
	sha256 := "sha256-" + strings.Repeat("A", 42) + "A="
	sha512 := "sha512-" + strings.Repeat("A", 85) + "A=="
	for text, want := range map[string]string{
		sha1: "sha1", sha1 + " " + sha512: "sha512", sha512 + " " + sha256: "sha512", sha256 + "?opt  " + sha1: "sha256",
		"md5-AAAA " + sha1: "sha1", "md5-AAAA": "", "": "", "sha512-AAAA " + sha1: "", "sha512": "", "sha512-%%%": "",
	} {
		got, err := parseIntegrity(text)
		if (err != nil) != (want == "") || (err == nil && got[0].algorithm != want) {
			t.Errorf("%q: %v %v, want %q", text, got, err, want)
		}
	}
}

func TestURLDependency(t *testing.T) {
	w := newWorkbench(t, "")
	w.reg.add("dep@1.0.0", "")
	w.reg.put("/x.tgz", tgz(t, entry{name: "any/package.json", body: `{"name":"real","version":"3.0.0","dependencies":{"dep":"1"}}`}))
	w.write("brigade.json", `{"dependencies":{"u":"`+w.reg.url()+`x.tgz"}}`)
	if got := layout(t, w.install(Request{SaveLock: true})); got != "dep@1.0.0 u@3.0.0" {
		t.Error(got)
	}
	w.cache = t.TempDir()
	w.install(Request{Frozen: true})
	w.cache = t.TempDir()
	w.reg.put("/x.tgz", tgz(t, entry{name: "any/package.json", body: `{"name":"real","version":"3.0.1"}`}))
	w.fail(Request{Frozen: true}, "is not the one")
	w.reg.intercept(func(rw http.ResponseWriter, _ *http.Request) bool { rw.WriteHeader(http.StatusForbidden); return true })
	w.fail(Request{Frozen: true}, "403", "No credential")
}
