// Package sqlite keeps everything in one SQLite file, the default store. It is
// the only importer of the driver, which is pure Go.
//
// All writes of a process go through one goroutine, which puts those that come
// at the same time into one transaction (group commit), so that many builds
// share one flush of the disk. Reads run beside it on connections of their
// own. Several processes may use one file at once.
//
// Every answered write survives a crash of the process. What must not be lost
// with the machine either is flushed to the disk before it is answered: new
// builds, projects, jobs that ended, builds that ended, deletions; and with
// them everything that was written before.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/brigadecore/brigade/v3"
	driver "modernc.org/sqlite"
)

// Options shape a Store. Path is required.
type Options struct {
	// Path is the file. It is made with its directory when it is missing,
	// both for the user alone: it holds the projects' secrets.
	Path string
	// Relaxed leaves flushing to the operating system: a write survives a
	// crash of the process, but perhaps not one of the machine. Right for
	// builds that a person watches.
	Relaxed bool
	// Now tells the time by which leases end; nil means time.Now.
	Now func() time.Time
	// Log is told of what nobody waits for; nil means nowhere.
	Log *slog.Logger
}

// Store implements brigade.Store.
type Store struct {
	path    string
	relaxed bool
	now     func() time.Time
	log     *slog.Logger

	ops     chan *op      // to the writer, which takes one only to answer it
	quit    chan struct{} // closed by Close
	stopped chan struct{} // closed by the writer when it takes no more
	closing sync.Once
	closed  atomic.Bool
	closeOf error

	w     *writer
	reads *sql.DB
	mu    sync.Mutex
	stmts map[string]*sql.Stmt // of reads
}

var _ brigade.Store = (*Store)(nil)

// Open opens the store and brings an older file up to date. It fails with
// CodeStore and a hint: the file is not a store, is damaged, or was made by a
// newer version; the disk is full; the place cannot be written.
func Open(ctx context.Context, o Options) (*Store, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	w, reads, err := openFile(ctx, o.Path)
	if err != nil {
		return nil, storeError(ctx, o.Path, "open the store", err)
	}
	s := &Store{
		path: o.Path, relaxed: o.Relaxed, now: o.Now, log: o.Log,
		ops: make(chan *op), quit: make(chan struct{}), stopped: make(chan struct{}),
		w: w, reads: reads, stmts: map[string]*sql.Stmt{},
	}
	go s.writeLoop()
	return s, nil
}

// Close waits for the writes under way and closes the file. Calls that come
// later, or that nobody has started on, fail. Calling it again does nothing.
func (s *Store) Close() error {
	s.closing.Do(func() {
		s.closed.Store(true)
		close(s.quit)
		<-s.stopped
		s.closeOf = errors.Join(s.reads.Close(), s.w.close())
	})
	return s.closeOf
}

// query prepares sql once and runs it on a connection for reading.
func (s *Store) query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if s.closed.Load() {
		return nil, closedError()
	}
	stmt, err := s.prepared(ctx, query)
	if err != nil {
		return nil, s.failed(ctx, "read", err)
	}
	rows, err := stmt.QueryContext(ctx, args...)
	if err != nil {
		return nil, s.failed(ctx, "read", err)
	}
	return rows, nil
}

func (s *Store) prepared(ctx context.Context, query string) (*sql.Stmt, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if stmt := s.stmts[query]; stmt != nil {
		return stmt, nil
	}
	stmt, err := s.reads.PrepareContext(ctx, query)
	if err == nil {
		s.stmts[query] = stmt
	}
	return stmt, err
}

// each runs a query and calls row for every row of its answer.
func (s *Store) each(ctx context.Context, row func(scan func(...any) error) error, query string, args ...any) error {
	rows, err := s.query(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // Err below tells
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return s.failed(ctx, "read", err)
		}
	}
	if err := rows.Err(); err != nil {
		return s.failed(ctx, "read", err)
	}
	return nil
}

// one runs a query that has at most one row and reports whether it has.
func (s *Store) one(ctx context.Context, to []any, query string, args ...any) (bool, error) {
	found := false
	err := s.each(ctx, func(scan func(...any) error) error {
		found = true
		return scan(to...)
	}, query, args...)
	return found, err
}

// failed makes an Error of what the driver said.
func (s *Store) failed(ctx context.Context, doing string, err error) error {
	return storeError(ctx, s.path, doing+" the store", err)
}

func closedError() error {
	return brigade.Errorf(brigade.CodeStore, "the store is closed")
}

// SQLite's primary result codes, see https://www.sqlite.org/rescode.html.
const (
	codeBusy       = 5
	codeReadOnly   = 8
	codeCorrupt    = 11
	codeFull       = 13
	codeCannotOpen = 14
	codeConstraint = 19
	codeNotADB     = 26
)

func primaryCode(err error) int {
	var e *driver.Error
	if errors.As(err, &e) {
		return e.Code() & 0xff
	}
	return 0
}

// storeError makes an Error with a hint of what the driver or the file system
// said. Errors of the context and of ours stay what they are.
func storeError(ctx context.Context, path, doing string, err error) error {
	var ours *brigade.Error
	if errors.As(err, &ours) {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.Is(err, sql.ErrConnDone) || errors.Is(err, sql.ErrTxDone) {
		return closedError()
	}
	e := brigade.Errorf(brigade.CodeStore, "cannot %s %s: %w", doing, path, err)
	var ofPath *fs.PathError
	if errors.As(err, &ofPath) {
		return e.WithHint("check that its directory exists and can be written by you")
	}
	switch primaryCode(err) {
	case codeFull:
		return e.WithHint("the disk is full: make room, or delete old builds")
	case codeBusy:
		return e.WithHint("another program holds the file; end it, or try again")
	case codeReadOnly, codeCannotOpen:
		return e.WithHint("check that the file and its directory can be written by you")
	case codeNotADB:
		return e.WithHint("the file is not a store; name another one, or move it away")
	case codeCorrupt:
		return e.WithHint("the file is damaged: restore it from a backup, or move it away to start with an empty one")
	}
	return e
}
