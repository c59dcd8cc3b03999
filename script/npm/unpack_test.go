package npm

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// small are limits that a test reaches quickly.
var small = Limits{File: 1 << 20, Package: 2 << 20, Files: 50, Ratio: 200}

func unpack(t testing.TB, limits Limits, archive []byte) (string, *Content, error) {
	t.Helper()
	base := t.TempDir()
	dir := filepath.Join(base, "in")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	c, err := Unpack(context.Background(), bytes.NewReader(archive), dir, limits)
	entries, rerr := os.ReadDir(base)
	if rerr != nil || len(entries) != 1 {
		t.Fatalf("something was written outside: %v %v", entries, rerr)
	}
	return dir, c, err
}

func TestUnpackEvil(t *testing.T) {
	many := make([]entry, 60)
	for i := range many {
		many[i] = entry{name: "p/" + strings.Repeat("x", i+1)}
	}
	big := strings.Repeat("0", 1<<20)
	for name, c := range map[string]struct {
		archive []byte
		words   string
	}{
		"parent":             {tgz(t, entry{name: "package/../../evil"}), "not below the package"},
		"parent in between":  {tgz(t, entry{name: "package/a/../../../evil"}), "not below the package"},
		"parent first":       {tgz(t, entry{name: "../evil"}), "not below the package"},
		"absolute":           {tgz(t, entry{name: "/etc/evil"}), "not below the package"},
		"backslash parent":   {tgz(t, entry{name: `package\..\..\evil`}), "not below the package"},
		"drive":              {tgz(t, entry{name: `C:\evil`}), "not below the package"},
		"directory outside":  {tgz(t, entry{name: "package/../../evil/", kind: tar.TypeDir}), "not below the package"},
		"file and directory": {tgz(t, entry{name: "p/a", body: "1"}, entry{name: "p/a/b", body: "2"}), "both as a file and as a directory"},
		"directory and file": {tgz(t, entry{name: "p/a/b", body: "1"}, entry{name: "p/a", body: "2"}), "both as a file and as a directory"},
		"large file":         {tgz(t, entry{name: "p/a", body: big + "0"}), "the limit is 1 MiB"},
		"large package":      {tgz(t, entry{name: "p/a", body: big}, entry{name: "p/b", body: big}, entry{name: "p/c", body: "0"}), "more than 2 MiB"},
		"many files":         {tgz(t, many...), "more than 50 files"},
		"deep":               {tgz(t, entry{name: "p/" + strings.Repeat("d/", 80) + "f"}), "too long"},
		"cut short":          {tgz(t, entry{name: "p/a", body: big})[:600], "damaged"},
		"no gzip":            {[]byte("hello"), "not a gzip"},
		"no tar":             {zip([]byte(strings.Repeat("hello", 400))), "damaged"},
		"empty":              {nil, "not a gzip"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := unpack(t, small, c.archive)
			checkError(t, err, c.words)
		})
	}
	t.Run("bomb", func(t *testing.T) {
		_, _, err := unpack(t, Limits{}, tgz(t, entry{name: "p/a", body: strings.Repeat("0", 40<<20)}))
		checkError(t, err, "200 times its size")
	})
}

func zip(b []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(b)
	_ = w.Close()
	return out.Bytes()
}

func TestUnpackSkipsLinks(t *testing.T) {
	dir, c, err := unpack(t, small, tgz(t,
		entry{name: "package", kind: tar.TypeDir},
		entry{name: "package/out", kind: tar.TypeSymlink, link: "../.."},
		entry{name: "package/out/evil", body: "x"},
		entry{name: "package/hard", kind: tar.TypeLink, link: "/etc/passwd"},
		entry{name: "package/dev", kind: tar.TypeChar},
		entry{name: "package/pipe", kind: tar.TypeFifo},
		entry{name: "package/run.sh", body: "#!", mode: 0o6777},
		entry{name: "package/twice", body: "first"},
		entry{name: "package/twice", body: "second"},
	))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range c.Files {
		got = append(got, f.Path)
		info, err := os.Lstat(filepath.Join(dir, f.Path))
		if err != nil || info.Mode() != 0o444 || info.Size() != f.Size {
			t.Errorf("%s: %v %v", f.Path, info, err)
		}
	}
	if want := "out/evil run.sh twice"; strings.Join(got, " ") != want {
		t.Errorf("%v, want %s", got, want)
	}
	if text, _ := os.ReadFile(filepath.Join(dir, "twice")); string(text) != "second" {
		t.Errorf("twice is %q", text)
	}
}

func TestUnpackFoldsCase(t *testing.T) {
	archive := tgz(t, entry{name: "p/Lib/A.js", body: "1"}, entry{name: "p/lib/a.js", body: "2"}, entry{name: "p/LIB/b.js", body: "3"})
	limits := small
	limits.FoldCase = true
	dir, c, err := unpack(t, limits, archive)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Files) != 2 || c.Files[0].Path != "Lib/a.js" || c.Files[1].Path != "Lib/b.js" {
		t.Errorf("%+v", c.Files)
	}
	if text, _ := os.ReadFile(filepath.Join(dir, "Lib", "a.js")); string(text) != "2" {
		t.Errorf("a.js is %q", text)
	}
	if _, _, err := unpack(t, limits, tgz(t, entry{name: "p/X", body: "1"}, entry{name: "p/x/y", body: "2"})); err == nil {
		t.Error("a file became a directory")
	}
	if runtime.GOOS == "linux" {
		if _, c, err := unpack(t, small, archive); err != nil || len(c.Files) != 3 {
			t.Errorf("%+v %v", c, err)
		}
	}
}

// untar is the archive inside a tgz.
func untar(t testing.TB, entries ...entry) []byte {
	zr, err := gzip.NewReader(bytes.NewReader(tgz(t, entries...)))
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(zr)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func FuzzUnpack(f *testing.F) {
	f.Add(untar(f, entry{name: "package/package.json", body: "{}"}, entry{name: "package/lib/a", body: "x"}))
	f.Add(untar(f, entry{name: "package/../../evil", body: "x"}))
	f.Add(untar(f, entry{name: "p/l", kind: tar.TypeSymlink, link: "/"}, entry{name: "p/l/evil", body: "x"}))
	f.Add(tgz(f, entry{name: "package/index.js", body: "x"}))
	f.Add([]byte("\x1f\x8b\x08"))
	// The fuzzer works on the tar inside, as it cannot guess checksums of gzip.
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, archive := range [][]byte{data, zip(data)} {
			dir, c, err := unpack(t, small, archive)
			if err != nil {
				continue
			}
			var total int64
			err = filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
				if err == nil && !d.IsDir() {
					info, _ := d.Info()
					if !info.Mode().IsRegular() {
						t.Errorf("%s is %v", name, info.Mode())
					}
					total += info.Size()
				}
				return err
			})
			if err != nil || total != c.Bytes || total > small.Package {
				t.Errorf("%d bytes, content says %d; %v", total, c.Bytes, err)
			}
		}
	})
}
