package modules

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzEncodings compares the encodings of Buffer with those of Go, on the input
// that both accept.
func FuzzEncodings(f *testing.F) {
	for _, s := range []string{"", "aGk=", "aG-_", "zz", "68 69", "é€😀", "\xff\xfe", "a\nb==c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, encoding := range []string{"utf8", "latin1", "ascii", "hex", "base64", "base64url"} {
			text := decodeBytes([]byte(s), encoding)
			if !utf8.ValidString(text) {
				t.Fatalf("%s of %q is not text", encoding, s)
			}
			back := encodeText(text, encoding)
			if encoding != "utf8" && encoding != "ascii" && !bytes.Equal(back, []byte(s)) {
				t.Fatalf("%s: %q came back as %q", encoding, s, back)
			}
			_ = encodeText(s, encoding)
		}
		if want, err := base64.StdEncoding.DecodeString(s); err == nil && !bytes.Equal(want, encodeText(s, "base64")) {
			t.Fatalf("base64 of %q: %q, Go %q", s, encodeText(s, "base64"), want)
		}
		if want, err := hex.DecodeString(s); err == nil && !bytes.Equal(want, encodeText(s, "hex")) {
			t.Fatalf("hex of %q: %q, Go %q", s, encodeText(s, "hex"), want)
		}
		if n := completePrefix([]byte(s), "utf-8"); n > len(s) || decodeUTF8([]byte(s[:n]))+decodeUTF8([]byte(s[n:])) != decodeUTF8([]byte(s)) {
			t.Fatalf("%q is cut at %d, within a character", s, n)
		}
	})
}

func TestReaderStaysBelowItsRoots(t *testing.T) {
	dir := t.TempDir()
	root, secret := filepath.Join(dir, "root"), filepath.Join(dir, "secret.txt")
	for _, d := range []string{root, filepath.Join(root, "sub")} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for path, text := range map[string]string{secret: "secret", filepath.Join(root, "in.txt"): "in", filepath.Join(root, "sub", "deep.txt"): "deep"} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for link, target := range map[string]string{
		"out": secret, "outdir": dir, "loop": "loop", "inside": "in.txt", "absolute": filepath.Join(root, "in.txt"), "relative": "../secret.txt",
	} {
		if err := os.Symlink(target, filepath.Join(root, link)); err != nil {
			t.Skipf("no symbolic links here: %v", err)
		}
	}
	r := newReader(&Env{Dir: root, Roots: []string{root}})
	for path, want := range map[string]string{
		"in.txt": "in", "./sub/../in.txt": "in", "sub/deep.txt": "deep", filepath.Join(root, "in.txt"): "in", "inside": "in", "absolute": "in",
		"../secret.txt": "EACCES", "out": "EACCES", "relative": "EACCES", "outdir/secret.txt": "EACCES", secret: "EACCES", "/etc/passwd": "EACCES",
		"sub/../../secret.txt": "EACCES", "loop": "ELOOP", "nope": "ENOENT", "sub": "EISDIR", "in.txt/x": "ENOTDIR", "a\x00b": "EINVAL",
		"../root/in.txt": "in", "": "ENOENT",
	} {
		got, sys := r.readFile(path)
		switch {
		case sys != nil && sys.Code != want:
			t.Errorf("%q: %v, want %s", path, sys, want)
		case sys == nil && string(got.([]byte)) != want:
			t.Errorf("%q: %q, want %s", path, got, want)
		}
	}
	for _, path := range []string{"out", "outdir", "relative"} {
		if _, sys := r.stat(path); sys == nil || sys.Code != "EACCES" {
			t.Errorf("stat %q: %v", path, sys)
		}
		if _, sys := r.lstat(path); sys != nil {
			t.Errorf("lstat %q: %v", path, sys)
		}
	}
	if _, sys := r.readdir("outdir"); sys == nil || sys.Code != "EACCES" {
		t.Errorf("readdir of a link that leads out: %v", sys)
	}
	if _, sys := newReader(&Env{Dir: root}).readFile("in.txt"); sys == nil || !strings.Contains(sys.Message, "no directory") {
		t.Errorf("without roots: %v", sys)
	}
}

func TestModuleList(t *testing.T) {
	names := map[string]bool{}
	for _, m := range All() {
		if len(m.Names) == 0 || m.Source == "" {
			t.Errorf("%v has no name or no text", m.Names)
		}
		for _, name := range m.Names {
			if names[name] {
				t.Errorf("%s is listed twice", name)
			}
			names[name] = true
			if m.Internal != strings.HasPrefix(name, "internal/") {
				t.Errorf("%s: internal modules are named internal/…, and only those", name)
			}
		}
	}
	files, err := filepath.Glob("js/*.js")
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(text), "\n"); n > 500 {
			t.Errorf("%s has %d lines, at most 500 are allowed", file, n)
		}
	}
}
