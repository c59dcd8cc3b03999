package pick

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

func TestMatch(t *testing.T) {
	for _, c := range []struct{ pattern, yes, no string }{
		{"a.txt", "a.txt a.txt/b", "b.txt d/a.txt a.txtx"},
		{"./a.txt", "a.txt", "b"},
		{"dist", "dist dist/a dist/b/c", "dist2 x/dist"},
		{"dist/", "dist/a", "a"},
		{"dist/*", "dist/a dist/.a dist/b/c", "dist a"},
		{"*.txt", "a.txt .txt", "d/a.txt a.text"},
		{"**/*.txt", "a.txt d/a.txt d/e/a.txt d/e.txt/f", "a.text d/a"},
		{"d/**/x", "d/x d/a/x d/a/b/x d/x/y", "x d/y a/d/x"},
		{"**", "a d/a", ""},
		{".", "a d/a", ""},
		{"d/**", "d/a d/a/b d", "e"},
		{"a/**/b/**/c", "a/b/c a/x/b/c a/b/x/y/c", "a/c a/b"},
		{"**/**/**/**/**/**/**/**/**/**/**/**/z", "z " + strings.Repeat("a/", 100) + "z", strings.Repeat("a/", 100) + "y"},
		{"[ab]?.x", "ac.x bd.x", "cc.x a.x"},
		{`\*`, "*", "a"},
		{"/src/out/*.x", "out/a.x", "a.x src/out/a.x"},
		{"/src", "a d/a", ""},
	} {
		s := Compile([]string{c.pattern}, "/src/")
		for _, name := range strings.Fields(c.yes) {
			if !s.Match(name) {
				t.Errorf("%s does not name %.40s", c.pattern, name)
			}
		}
		for _, name := range strings.Fields(c.no) {
			if s.Match(name) {
				t.Errorf("%s names %.40s", c.pattern, name)
			}
		}
	}
}

func TestBadPatterns(t *testing.T) {
	s := Compile([]string{"..", "../a", "a/../../b", "/etc/passwd", "/srcs/a", "[", "a/[b", "", " "}, "/src")
	if len(s.patterns) != 0 || len(s.problems) != 7 {
		t.Errorf("%+v", s)
	}
	if s := Compile([]string{"/a"}, "/"); len(s.patterns) != 1 || !s.Match("a") {
		t.Errorf("below the root directory: %+v", s)
	}
}

func TestBases(t *testing.T) {
	for _, c := range []struct{ patterns, want string }{
		{"a", "a"}, {"a/*.x", "a"}, {"a b", "a b"}, {"a a/b a/*", "a"}, {"**/x a", "."}, {"a/b/**/c a/b2", "a/b a/b2"}, {".", "."},
	} {
		if got := strings.Join(Compile(strings.Fields(c.patterns), "/src").Bases(), " "); got != c.want {
			t.Errorf("bases of %s are %s, want %s", c.patterns, got, c.want)
		}
	}
}

// tree makes a directory with files, links that lead in and out, and more.
func tree(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "src")
	for name, text := range map[string]string{"a.txt": "A", "d/b.txt": "B", "d/e/c.txt": "C", "d/e/c.bin": "bin", ".hidden": "H", "../secret": "S", "empty": ""} {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range map[string]string{
		"in.lnk": "d/b.txt", "d/up.lnk": "../a.txt", "twice.lnk": "in.lnk", "out.lnk": "../secret", "abs.lnk": "/etc/passwd", "dir.lnk": "d", "none.lnk": "nothing", "loop.lnk": "loop.lnk",
	} {
		if err := os.Symlink(filepath.FromSlash(target), filepath.Join(dir, filepath.FromSlash(name))); err != nil {
			t.Skip("no links here:", err)
		}
	}
	return dir
}

// sources are both ways to look at the same tree.
func sources(t *testing.T, dir string) map[string]func(s Set, keep Keep) []string {
	return map[string]func(s Set, keep Keep) []string{
		"dir": func(s Set, keep Keep) []string {
			root, err := os.OpenRoot(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer root.Close() //nolint:errcheck // a test
			return s.Dir(root, keep)
		},
		"tar": func(s Set, keep Keep) []string {
			return s.Tar("/src", func(name string) (io.ReadCloser, error) { return packed(t, dir, name) }, keep)
		},
	}
}

// packed makes the archive of a path as engines do.
func packed(t *testing.T, dir, name string) (io.ReadCloser, error) {
	t.Helper()
	at := filepath.Join(dir, filepath.FromSlash(name))
	if _, err := os.Lstat(at); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	err := filepath.WalkDir(at, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		link, _ := os.Readlink(file)
		h, err := tar.FileInfoHeader(info, filepath.ToSlash(link))
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(at, file)
		if err != nil {
			return err
		}
		h.Name = path.Join(filepath.Base(at), filepath.ToSlash(rel))
		if err := w.WriteHeader(h); err != nil || !info.Mode().IsRegular() {
			return err
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		_, err = w.Write(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return io.NopCloser(&b), w.Close()
}

func TestDirAndTar(t *testing.T) {
	dir := tree(t)
	for how, pick := range sources(t, dir) {
		for _, c := range []struct{ patterns, want, problems string }{
			{"**/*.txt", "a.txt=A d/b.txt=B d/e/c.txt=C", ""},
			{"d", "d/b.txt=B d/e/c.bin=bin d/e/c.txt=C d/up.lnk=A", ""},
			{"a.txt .hidden empty a.*", ".hidden=H a.txt=A empty=", ""},
			{"d/e/*.bin d/e", "d/e/c.bin=bin d/e/c.txt=C", ""},
			{"in.lnk twice.lnk", "in.lnk=B twice.lnk=B", ""},
			{"out.lnk", "", "leads to nothing here"},
			{"abs.lnk", "", "leads to nothing here"},
			{"none.lnk", "", "leads to nothing here"},
			{"loop.lnk", "", "leads to nothing here"},
			{"nothing* missing/x", "", "nothing below mountPath is named by nothing*|nothing below mountPath is named by missing/x"},
			{"../secret a.txt", "a.txt=A", "leads out of /src"},
			{"/src/a.txt", "a.txt=A", ""},
		} {
			var got []string
			problems := pick(Compile(strings.Fields(c.patterns), "/src"), func(name string, size int64, content io.Reader) error {
				text, err := io.ReadAll(content)
				got = append(got, fmt.Sprintf("%s=%s", name, text))
				if int64(len(text)) != size {
					t.Errorf("%s has %d bytes and is said to have %d", name, len(text), size)
				}
				return err
			})
			slices.Sort(got)
			if strings.Join(got, " ") != c.want {
				t.Errorf("%s: %s picks %q, want %q", how, c.patterns, got, c.want)
			}
			for _, want := range strings.FieldsFunc(c.problems, func(r rune) bool { return r == '|' }) {
				if !slices.ContainsFunc(problems, func(p string) bool { return strings.Contains(p, want) }) {
					t.Errorf("%s: %s has the problems %q, want %q", how, c.patterns, problems, want)
				}
			}
			if c.problems == "" && len(problems) > 0 {
				t.Errorf("%s: %s has the problems %q", how, c.patterns, problems)
			}
		}
	}
}

func TestFailuresEndIt(t *testing.T) {
	dir := t.TempDir()
	for n := range 20 {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(n)), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for how, pick := range sources(t, dir) {
		calls := 0
		problems := pick(Compile([]string{"**"}, "/src"), func(string, int64, io.Reader) error {
			calls++
			return errors.New("no room")
		})
		if calls != maxFailures || !strings.Contains(strings.Join(problems, "\n"), "no room") {
			t.Errorf("%s: %d calls, problems %q", how, calls, problems)
		}
	}
}

func TestOddThings(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such names")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "\xff"), nil, 0o600); err != nil {
		t.Skip("no such names here:", err)
	}
	deep := dir
	for range maxDepth + 5 {
		deep = filepath.Join(deep, "d")
	}
	if err := os.MkdirAll(deep, 0o700); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close() //nolint:errcheck // a test
	problems := strings.Join(Compile([]string{"**"}, "/src").Dir(root, func(name string, _ int64, _ io.Reader) error {
		t.Errorf("%q was kept", name)
		return nil
	}), "\n")
	if !strings.Contains(problems, "UTF-8") || !strings.Contains(problems, "too deep") {
		t.Errorf("problems: %s", problems)
	}
}

func FuzzMatch(f *testing.F) {
	f.Add("**/a*/[b]", "x/ab/b")
	f.Add("..", "..")
	f.Fuzz(func(t *testing.T, pattern, name string) {
		s := Compile([]string{pattern}, "/src")
		matched := s.Match(name)
		if bases := s.Bases(); matched && !slices.ContainsFunc(bases, func(b string) bool {
			return b == "." || name == b || strings.HasPrefix(name, b+"/")
		}) {
			t.Errorf("%q names %q, which is not below %q", pattern, name, bases)
		}
	})
}
