package sqlite

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/brigadecore/brigade/v3"
)

func opened(t *testing.T) *Store {
	t.Helper()
	s, err := Open(t.Context(), Options{Path: filepath.Join(t.TempDir(), "store.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func numbered(n int) *brigade.Build {
	return &brigade.Build{ID: fmt.Sprintf("01k%023d", n), ProjectID: "p", State: brigade.StatePending}
}

func count(t *testing.T, s *Store, table string) int {
	t.Helper()
	n := 0
	if _, err := s.one(t.Context(), []any{&n}, "SELECT count(*) FROM "+table); err != nil {
		t.Fatal(err)
	}
	return n
}

// held makes the writer wait within a transaction until release is called, so
// that the writes that come meanwhile are in one batch.
func held(t *testing.T, s *Store) (release func()) {
	t.Helper()
	started, resume := make(chan struct{}), make(chan struct{})
	go func() {
		_ = s.write(context.Background(), true, func(*writer) error {
			close(started)
			<-resume
			return nil
		})
	}()
	<-started
	return sync.OnceFunc(func() { close(resume) })
}

func TestABadWriteDoesNotHarmItsBatch(t *testing.T) {
	s := opened(t)
	if _, err := s.CreateBuild(t.Context(), numbered(0)); err != nil {
		t.Fatal(err)
	}
	release := held(t, s)
	const each = 20
	bad := errors.New("bad")
	var wg sync.WaitGroup
	for n := range each {
		wg.Go(func() {
			if _, err := s.CreateBuild(t.Context(), numbered(n+1)); err != nil {
				t.Errorf("a good write failed: %v", err)
			}
		})
		wg.Go(func() {
			if _, err := s.CreateBuild(t.Context(), numbered(0)); brigade.CodeOf(err) != brigade.CodeConflict {
				t.Errorf("a conflict became %v", err)
			}
		})
		wg.Go(func() {
			err := s.write(t.Context(), true, func(w *writer) error {
				if _, err := w.exec("DELETE FROM builds"); err != nil {
					t.Errorf("delete: %v", err)
				}
				return own{bad}
			})
			if !errors.Is(err, bad) {
				t.Errorf("want the error of the write, got %v", err)
			}
		})
		wg.Go(func() {
			err := s.write(t.Context(), true, func(w *writer) error {
				_, err := w.exec("INSERT INTO build_docs (build, doc) VALUES (-1, x'')") // no such build
				return err
			})
			if brigade.CodeOf(err) != brigade.CodeStore {
				t.Errorf("a broken constraint became %v", err)
			}
		})
	}
	release()
	wg.Wait()
	if n := count(t, s, "builds"); n != each+1 {
		t.Errorf("%d builds, want %d", n, each+1)
	}
}

func TestACanceledWriteIsNotMade(t *testing.T) {
	s := opened(t)
	release := held(t, s)
	defer release()
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() {
		_, err := s.CreateBuild(ctx, numbered(1))
		failed <- err
	}()
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("want context.Canceled, got %v", err)
	}
	release()
	if err := s.PutProject(t.Context(), brigade.NewProject("p")); err != nil {
		t.Fatal(err)
	}
	if n := count(t, s, "builds"); n != 0 {
		t.Errorf("the canceled write was made")
	}
}

func TestDiskFull(t *testing.T) {
	s := opened(t)
	limit := func(pages int) {
		err := s.write(t.Context(), false, func(w *writer) error {
			_, err := w.conn.ExecContext(background, fmt.Sprintf("PRAGMA max_page_count = %d", pages))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	limit(100)
	var wg sync.WaitGroup
	var mu sync.Mutex
	good, full := 0, 0
	for n := range 40 {
		wg.Go(func() {
			b := numbered(n)
			b.Event.Payload = strings.Repeat("x", 50_000)
			_, err := s.CreateBuild(t.Context(), b)
			mu.Lock()
			defer mu.Unlock()
			var e *brigade.Error
			switch {
			case err == nil:
				good++
			case errors.As(err, &e) && e.Code == brigade.CodeStore && strings.Contains(e.Hint, "disk is full"):
				full++
			default:
				t.Errorf("want a full disk, got %v", err)
			}
		})
	}
	wg.Wait()
	if full == 0 || count(t, s, "builds") != good {
		t.Errorf("%d were answered, %d refused, %d are there", good, full, count(t, s, "builds"))
	}
	limit(1 << 20)
	if _, err := s.CreateBuild(t.Context(), numbered(100)); err != nil {
		t.Errorf("with room again: %v", err)
	}
}

func TestAPanicOfAChangeIsAnError(t *testing.T) {
	s := opened(t)
	if _, err := s.CreateBuild(t.Context(), numbered(1)); err != nil {
		t.Fatal(err)
	}
	_, err := s.UpdateBuild(t.Context(), numbered(1).ID, func(*brigade.Build) error { panic("oops") })
	if brigade.CodeOf(err) != brigade.CodeInternal {
		t.Errorf("got %v", err)
	}
	if _, err := s.Build(t.Context(), numbered(1).ID); err != nil {
		t.Error(err)
	}
}

// TestMigrations is not parallel: it changes the list of migrations.
func TestMigrations(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s, err := Open(t.Context(), Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.CreateBuild(t.Context(), numbered(1)); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	before := migrations
	defer func() { migrations = before }()

	migrations = append(before[:len(before):len(before)], "CREATE TABLE half (x) STRICT; nonsense;")
	if _, err := Open(t.Context(), Options{Path: path}); brigade.CodeOf(err) != brigade.CodeStore {
		t.Fatalf("a migration that fails gives %v", err)
	}
	migrations = append(before[:len(before):len(before)],
		"ALTER TABLE jobs ADD COLUMN extra TEXT;", "CREATE TABLE half (x TEXT) STRICT; INSERT INTO half SELECT id FROM builds;")
	if s, err = Open(t.Context(), Options{Path: path}); err != nil {
		t.Fatalf("after a migration that failed: %v", err)
	}
	defer s.Close() //nolint:errcheck // a test
	if n := count(t, s, "half"); n != 1 {
		t.Errorf("the migration saw %d builds", n)
	}
	again, err := Open(t.Context(), Options{Path: path})
	if err != nil {
		t.Fatalf("opened again: %v", err)
	}
	_ = again.Close()
}

// TestWhichRecordsAreFlushed looks at how the transaction of a record was
// committed: only deliveries may be lost with the machine.
func TestWhichRecordsAreFlushed(t *testing.T) {
	s := opened(t)
	for _, c := range []struct {
		kind  string
		flush bool
	}{{"token", true}, {brigade.KindDelivery, false}, {"audit", true}, {"schedule", true}, {brigade.KindDelivery, false}} {
		if err := s.PutRecord(t.Context(), c.kind, "a", nil); err != nil {
			t.Fatal(err)
		}
		if s.w.flushes != c.flush {
			t.Errorf("a record of kind %s was flushed: %t, want %t", c.kind, s.w.flushes, c.flush)
		}
		if _, err := s.DeleteRecords(t.Context(), c.kind, "a", true); err != nil {
			t.Fatal(err)
		}
		if s.w.flushes != c.flush {
			t.Errorf("the end of a record of kind %s was flushed: %t, want %t", c.kind, s.w.flushes, c.flush)
		}
	}
}
