package dir

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/artifact"
	"github.com/brigadecore/brigade/v3/artifact/artifacttest"
)

func open(t *testing.T) *Store {
	t.Helper()
	s, err := Open(filepath.Join(t.TempDir(), "not there", "artifacts"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestContract(t *testing.T) {
	artifacttest.Run(t, func(t *testing.T) artifact.Store { return open(t) })
}

func TestFilesAreForTheUserAlone(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no modes")
	}
	s := open(t)
	if err := s.PutArtifact(t.Context(), "01k", "job-01k", "X", strings.NewReader("x")); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(s.root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestLeftoversAreNotArtifacts(t *testing.T) {
	s := open(t)
	if err := s.PutArtifact(t.Context(), "01k", "job", "a", strings.NewReader("x")); err != nil {
		t.Fatal(err)
	}
	job := filepath.Join(s.root, "01k", "job")
	for _, name := range []string{"t.123", "f.B", "f.%zz", "f.%6", "f.!", "d.x", "other", "f.%61"} {
		if err := os.WriteFile(filepath.Join(job, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	all, err := s.ListArtifacts(t.Context(), "01k")
	if err != nil || len(all) != 1 || all[0].Name != "a" {
		t.Errorf("listed %+v, %v", all, err)
	}
	if err := s.DeleteArtifacts(t.Context(), "01k"); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(s.root); err != nil || len(left) != 0 {
		t.Errorf("left over: %v, %v", left, err)
	}
}

func TestFullDiskIsSaid(t *testing.T) {
	s := open(t)
	full := "/dev/full"
	if _, err := os.Stat(full); err != nil {
		t.Skip("there is no /dev/full")
	}
	f, err := os.OpenFile(full, os.O_WRONLY, 0)
	if err != nil {
		t.Skip("/dev/full cannot be opened")
	}
	defer f.Close() //nolint:errcheck // a test
	_, err = f.WriteString("x")
	var e *brigade.Error
	if err = failed("keep a", err); !errors.As(err, &e) || e.Code != brigade.CodeStore || !strings.Contains(e.Hint, "full") {
		t.Errorf("a full disk gives %v", err)
	}
	// A file where the build's directory goes.
	if err := os.WriteFile(filepath.Join(s.root, "01k"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.PutArtifact(t.Context(), "01k", "job", "a", strings.NewReader("x")); brigade.CodeOf(err) != brigade.CodeStore {
		t.Errorf("a directory that cannot be made gives %v", err)
	}
}

func FuzzNames(f *testing.F) {
	for _, name := range []string{"a", "A.b", "..", "a...b", "%2f", strings.Repeat("ü.", 100)} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		path := pathOf(name)
		if back, ours := nameOf(path); back != name || !ours {
			t.Errorf("%q became %q and then %q", name, path, back)
		}
		if strings.ToLower(path) != path || name != "" && !filepath.IsLocal(path) {
			t.Errorf("%q became %q", name, path)
		}
		for part := range strings.SplitSeq(path, "/") {
			if len(part) > 200 || len(part) < 2 || strings.ContainsAny(part, `\:*?"<>| `) || name != "" && strings.HasSuffix(part, ".") {
				t.Errorf("%q has the part %q", name, part)
			}
		}
	})
}
