package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/store/sqlite"
)

func TestOnlyTheUserCanRead(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no such permissions there")
	}
	dir := filepath.Join(t.TempDir(), "state", "brigade")
	path := filepath.Join(dir, "store.db")
	s := open(t, path)
	if err := s.PutProject(t.Context(), brigade.NewProject("p")); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]os.FileMode{dir: 0o700, filepath.Dir(dir): 0o700, path: 0o600, path + "-wal": 0o600, path + "-shm": 0o600} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, want %o", filepath.Base(name), got, want)
		}
	}
}

// refused wants a CodeStore error with a hint and no build made by Open.
func refused(t *testing.T, path, words string) {
	t.Helper()
	s, err := sqlite.Open(t.Context(), sqlite.Options{Path: path})
	if err == nil {
		_, err = s.ListBuilds(t.Context(), brigade.BuildFilter{})
		_ = s.Close()
	}
	var e *brigade.Error
	if !errors.As(err, &e) || e.Code != brigade.CodeStore || e.Hint == "" || !strings.Contains(e.Message+" "+e.Hint, words) {
		t.Errorf("want a store error with a hint and %q, got %#v", words, err)
	}
}

// raw runs SQL on a file without this package.
func raw(t *testing.T, path, query string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // a test
	if _, err := db.Exec(query); err != nil {
		t.Fatal(err)
	}
}

func TestFilesThatAreNoStore(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	refused(t, write("text", strings.Repeat("this is not a database\n", 100)), "not a store")
	refused(t, write("short", "x"), "not a store")
	refused(t, dir, "not a file")
	refused(t, filepath.Join(write("file", ""), "below"), "open the store")

	foreign := filepath.Join(dir, "foreign.db")
	raw(t, foreign, "CREATE TABLE t (x)")
	refused(t, foreign, "another program")
	marked := filepath.Join(dir, "marked.db")
	raw(t, marked, "PRAGMA application_id = 77")
	refused(t, marked, "another program")

	path := filepath.Join(dir, "newer.db")
	if err := open(t, path).Close(); err != nil {
		t.Fatal(err)
	}
	raw(t, path, "PRAGMA user_version = 1000")
	refused(t, path, "newer version")

	// An empty file becomes a store.
	if err := open(t, write("empty", "")).Close(); err != nil {
		t.Fatal(err)
	}
}

func TestDamagedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := open(t, path)
	for n := range 300 {
		if _, err := s.CreateBuild(t.Context(), realistic(n)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := 8192; i < len(data); i++ {
		data[i] = byte(i)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	refused(t, path, "damaged")
}

func TestTwoStoresInOneProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	one, two := open(t, path), open(t, path)
	for n := range 50 {
		if _, err := one.CreateBuild(t.Context(), realistic(n*2)); err != nil {
			t.Fatal(err)
		}
		if _, err := two.CreateBuild(t.Context(), realistic(n*2+1)); err != nil {
			t.Fatal(err)
		}
		if _, err := one.Build(t.Context(), realistic(n*2+1).ID); err != nil {
			t.Fatalf("what another store of the file answered is not there: %v", err)
		}
	}
	if err := one.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := two.CreateBuild(t.Context(), realistic(1000)); err != nil {
		t.Errorf("closing one store broke the other: %v", err)
	}
}

func TestTheFileShrinks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := open(t, path)
	for n := range 20 {
		b := realistic(n)
		b.Event.Payload = strings.Repeat("0123456789", 100_000)
		if _, err := s.CreateBuild(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	for n := range 20 {
		if err := s.DeleteBuild(t.Context(), realistic(n).ID); err != nil {
			t.Fatal(err)
		}
	}
	sqlite.Settled(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() > 1<<20 {
		t.Errorf("after the deletion of 20 MB the file still has %d KB", info.Size()>>10)
	}
}

func TestOpenIsCanceled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := sqlite.Open(ctx, sqlite.Options{Path: filepath.Join(t.TempDir(), "s.db")}); !errors.Is(err, context.Canceled) {
		t.Errorf("want context.Canceled, got %v", err)
	}
}

// A file of before deleted builds were remembered goes on with all that is in it.
func TestFileOfBefore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := open(t, path)
	b := realistic(1)
	b.Created, b.Event.Key = time.Now(), "k"
	if _, err := s.CreateBuild(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	raw(t, path, "DROP TABLE departed; PRAGMA user_version = 1")
	s = open(t, path)
	if err := s.DeleteBuild(t.Context(), b.ID); err != nil {
		t.Fatal(err)
	}
	again := realistic(2)
	again.ProjectID, again.Event.Key = b.ProjectID, "k"
	if got, err := s.CreateBuild(t.Context(), again); err != nil || got.ID != b.ID {
		t.Errorf("the event of a deleted build became %+v, %v", got, err)
	}
}
