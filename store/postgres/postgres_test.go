package postgres_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/e2e/pgserver"
	"github.com/brigadecore/brigade/v3/store/postgres"
	"github.com/brigadecore/brigade/v3/store/storetest"
)

var schemas atomic.Int64

// schema makes an empty schema and returns its address.
func schema(t testing.TB, server *pgserver.Server) string {
	t.Helper()
	name := fmt.Sprint("s", schemas.Add(1))
	if err := server.Execute(context.Background(), "CREATE SCHEMA "+name); err != nil {
		t.Fatal(err)
	}
	return server.DSN("postgres") + " search_path=" + name
}

func open(t testing.TB, o postgres.Options) *postgres.Store {
	t.Helper()
	s, err := postgres.Open(context.Background(), o)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

func TestContract(t *testing.T) {
	server := pgserver.For(t)
	storetest.Run(t, func(t *testing.T) brigade.Store {
		return open(t, postgres.Options{DSN: schema(t, server)})
	})
}

// TestSeveralControllers has the stores of several processes on one database.
func TestSeveralControllers(t *testing.T) {
	server := pgserver.For(t)
	dsn := schema(t, server)
	const controllers, builds = 4, 120
	var stores [controllers]*postgres.Store
	var wg sync.WaitGroup
	for n := range stores { // all make the tables at once
		wg.Go(func() {
			s, err := postgres.Open(t.Context(), postgres.Options{DSN: dsn})
			if err != nil {
				t.Errorf("Open: %v", err)
				return
			}
			stores[n] = s
			t.Cleanup(func() { _ = s.Close() })
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	for n := range builds {
		wg.Go(func() {
			b := &brigade.Build{ID: fmt.Sprintf("01k%05d", n), ProjectID: "p", State: brigade.StatePending, Event: brigade.Event{Key: fmt.Sprint(n / 2)}}
			if _, err := stores[n%controllers].CreateBuild(t.Context(), b); err != nil {
				t.Errorf("CreateBuild: %v", err)
			}
		})
	}
	wg.Wait()
	var taken sync.Map
	var done atomic.Int64
	for n, s := range stores {
		wg.Go(func() {
			for {
				b, err := s.Claim(t.Context(), "", fmt.Sprint("controller", n), time.Hour)
				if err != nil {
					t.Errorf("Claim: %v", err)
				}
				if b == nil {
					return
				}
				if other, twice := taken.LoadOrStore(b.ID, n); twice {
					t.Errorf("%s was taken by %d and %v", b.ID, n, other)
				}
				done.Add(1)
			}
		})
	}
	wg.Wait()
	if done.Load() != builds/2 {
		t.Errorf("%d builds were taken, want %d", done.Load(), builds/2)
	}
}

func TestNewerAndForeignDatabases(t *testing.T) {
	server := pgserver.For(t)
	dsn := schema(t, server)
	open(t, postgres.Options{DSN: dsn})
	again := open(t, postgres.Options{DSN: dsn})
	if _, err := again.ListProjects(t.Context()); err != nil {
		t.Errorf("opened again: %v", err)
	}
	name := dsn[strings.LastIndex(dsn, "=")+1:]
	if err := server.Execute(t.Context(), "UPDATE "+name+".brigade_schema SET version = 99"); err != nil {
		t.Fatal(err)
	}
	_, err := postgres.Open(t.Context(), postgres.Options{DSN: dsn})
	refused(t, err, brigade.CodeStore, "newer version", "install the newer")

	foreign := schema(t, server)
	name = foreign[strings.LastIndex(foreign, "=")+1:]
	if err := server.Execute(t.Context(), "CREATE TABLE "+name+".brigade_builds (x int)"); err != nil {
		t.Fatal(err)
	}
	_, err = postgres.Open(t.Context(), postgres.Options{DSN: foreign})
	refused(t, err, brigade.CodeStore, "already exists", "a schema of its own")
}

// refused wants an Error with a hint.
func refused(t *testing.T, err error, code brigade.Code, message, hint string) {
	t.Helper()
	var e *brigade.Error
	if !errors.As(err, &e) || e.Code != code || !strings.Contains(e.Message, message) || !strings.Contains(e.Hint, hint) {
		t.Errorf("want %s with %q and the hint %q, got %#v", code, message, hint, err)
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	server := pgserver.For(t)
	if err := server.Execute(t.Context(), "CREATE ROLE poor LOGIN"); err != nil {
		t.Fatal(err)
	}
	socket := strings.TrimPrefix(strings.Fields(server.DSN("x"))[0], "host=")
	const secret = "s3cr3t-pass"
	for name, c := range map[string]struct {
		dsn, message, hint string
		code               brigade.Code
	}{
		"empty":          {" ", "empty", "postgres://", brigade.CodeUsage},
		"malformed":      {"postgres://u:" + secret + "@h:port/x", "malformed", "postgres://", brigade.CodeUsage},
		"malformed host": {"postgres://u:" + secret + "%zz@h/x", "malformed", "postgres://", brigade.CodeUsage},
		"malformed keys": {"host=x password=" + secret + " 'y", "malformed", "postgres://", brigade.CodeUsage},
		"no certificate": {"host=x password=" + secret + " sslmode=verify-full sslrootcert=/nowhere/ca", "/nowhere/ca", "postgres://", brigade.CodeUsage},
		"no database":    {server.DSN("nothing") + " password=" + secret, "nothing", "createdb", brigade.CodeStore},
		"no user":        {"host=" + socket + " dbname=postgres user=nobody-here password=" + secret, "nobody-here", "", brigade.CodeStore},
		"no right":       {"host=" + socket + " dbname=postgres user=poor password=" + secret, "permission denied", "own the database", brigade.CodeStore},
		"no schema":      {server.DSN("postgres") + " search_path=nothing password=" + secret, "schema", "search_path", brigade.CodeStore},
		"no server":      {"postgres://u:" + secret + "@127.0.0.1:1/x?connect_timeout=5", "127.0.0.1", "PostgreSQL runs", brigade.CodeStore},
		"no socket":      {"host=/nowhere user=u password=" + secret, "/nowhere", "PostgreSQL runs", brigade.CodeStore},
		"odd parameter":  {server.DSN("postgres") + " no_such_thing=1 password=" + secret, "no_such_thing", "parameter", brigade.CodeStore},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			_, err := postgres.Open(t.Context(), postgres.Options{DSN: c.dsn, Patience: 50 * time.Millisecond, Log: slog.New(slog.NewTextHandler(&log, nil))})
			refused(t, err, c.code, c.message, c.hint)
			for chain := err; chain != nil; chain = errors.Unwrap(chain) {
				if text := fmt.Sprintf("%+v %#v", chain, chain); strings.Contains(text, secret) {
					t.Errorf("the error holds the password: %s", text)
				}
			}
			if strings.Contains(log.String(), secret) {
				t.Errorf("the log holds the password: %s", log.String())
			}
		})
	}
}

func TestStatementsEnd(t *testing.T) {
	server := pgserver.For(t)
	dsn := schema(t, server)
	s := open(t, postgres.Options{DSN: dsn + " lock_timeout=100"})
	if _, err := s.CreateBuild(t.Context(), &brigade.Build{ID: "a", State: brigade.StatePending}); err != nil {
		t.Fatal(err)
	}
	release, held := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		_, err := s.UpdateBuild(t.Context(), "a", func(*brigade.Build) error {
			close(held)
			<-release
			return nil
		})
		if err != nil {
			t.Errorf("the update that held the lock: %v", err)
		}
	})
	<-held
	_, err := s.UpdateBuild(t.Context(), "a", func(*brigade.Build) error { return nil })
	refused(t, err, brigade.CodeStore, "lock timeout", "lock")
	close(release)
	wg.Wait()

	_, err = postgres.Open(t.Context(), postgres.Options{DSN: dsn, Timeout: time.Nanosecond, Patience: -1})
	refused(t, err, brigade.CodeStore, "did not answer in time", "PostgreSQL runs")
}
