// Package postgres keeps everything in a PostgreSQL database (14 or newer), for
// a cluster whose controllers come and go. It is the only importer of the
// driver.
//
// Any number of processes may use one database at once. Leases end by the
// database's clock, so that the clocks of those processes need not agree. The
// tables are made and brought up to date when the store is opened, by one
// process at a time; their names start with brigade_, so that they can share a
// database with others.
//
// When the database cannot be reached for a while, every call tries again
// until Options.Patience is over. A call whose connection broke finds out
// whether it was done before it does it again, so that nothing is lost and
// nothing happens twice.
package postgres

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/brigadecore/brigade/v3"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Options shape a Store. DSN is required.
type Options struct {
	// DSN says where the database is, as a URL
	// (postgres://user:password@host:5432/brigade?sslmode=verify-full) or as
	// key=value pairs; all parameters of libpq and pgxpool are known
	// (search_path and pool_max_conns are useful ones). It holds a password
	// and is never written anywhere.
	DSN string
	// Patience is how long a call goes on trying while the database cannot be
	// reached; 0 means 15 s, less than 0 not at all.
	Patience time.Duration
	// Timeout ends a call that the database does not answer; 0 means 60 s.
	// It starts anew with every try.
	Timeout time.Duration
	// Now tells the time by which leases end; nil means the database's clock.
	Now func() time.Time
	// Log is told of what nobody waits for; nil means nowhere.
	Log *slog.Logger
}

// Store implements brigade.Store.
type Store struct {
	opt    Options
	pool   *pgxpool.Pool
	where  string // the database, for people: no password
	closed atomic.Bool
}

var _ brigade.Store = (*Store)(nil)

const (
	defaultPatience = 15 * time.Second
	defaultTimeout  = 60 * time.Second
	firstPause      = 20 * time.Millisecond
	longestPause    = time.Second
)

// Open connects to the database and brings its tables up to date. Like every
// call it is patient. It fails with CodeUsage when the DSN is malformed, and
// with CodeStore and a hint when the database cannot be used.
func Open(ctx context.Context, o Options) (*Store, error) {
	if o.Patience == 0 {
		o.Patience = defaultPatience
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	config, where, err := parse(o.DSN)
	if err != nil {
		return nil, err
	}
	o.DSN = ""
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, storeError(ctx, where, "open", err)
	}
	s := &Store{opt: o, pool: pool, where: where}
	if err := s.migrate(ctx); err != nil {
		pool.Close()
		return nil, err
	}
	return s, nil
}

// Close waits for the calls under way and closes the connections. Calls that
// come later fail. Calling it again does nothing.
func (s *Store) Close() error {
	if !s.closed.Swap(true) {
		s.pool.Close()
	}
	return nil
}

// try is one of the tries of a call.
type try struct {
	// unsure is set when an earlier try may have been done although it failed.
	unsure bool
	// nonce is the same for all tries of a call and differs from that of every
	// other call.
	nonce int64
}

// own is an error that is not the driver's; the caller gets it as it is.
type own struct{ error }

// do runs f until it does not fail because of the connection, or patience is
// over. Errors of ours come back as they are.
func (s *Store) do(ctx context.Context, doing string, f func(ctx context.Context, t try) error) error {
	t := try{nonce: rand.Int64()}
	begun, pause := time.Now(), firstPause
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		if s.closed.Load() {
			return closedError()
		}
		err := s.once(ctx, t, f)
		if err == nil {
			return nil
		}
		if theirs, ok := errors.AsType[own](err); ok {
			return theirs.error
		}
		if s.closed.Load() {
			return closedError()
		}
		again, unsure := worthRetrying(err)
		if !again || ctx.Err() != nil || time.Since(begun)+pause > s.opt.Patience {
			return storeError(ctx, s.where, doing, err)
		}
		if pause == firstPause {
			s.opt.Log.Warn("the database does not answer, trying again", "database", s.where, "error", plain(err))
		}
		t.unsure = t.unsure || unsure
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
		pause = min(2*pause, longestPause)
	}
}

func (s *Store) once(ctx context.Context, t try, f func(context.Context, try) error) error {
	limited, cancel := context.WithTimeout(ctx, s.opt.Timeout)
	defer cancel()
	err := f(limited, t)
	if err != nil && ctx.Err() == nil && limited.Err() != nil {
		return errTimeout
	}
	return err
}

// each runs a query and calls row for every row of its answer. reset, if there
// is one, is called before every try.
func (s *Store) each(ctx context.Context, reset func(), row func(pgx.CollectableRow) error, query string, args ...any) error {
	return s.do(ctx, "read from", func(ctx context.Context, _ try) error {
		if reset != nil {
			reset()
		}
		rows, err := s.pool.Query(ctx, query, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			if err := row(rows); err != nil {
				return err
			}
		}
		return rows.Err()
	})
}

// one runs a query that has at most one row and reports whether it has.
func (s *Store) one(ctx context.Context, to []any, query string, args ...any) (bool, error) {
	found := false
	err := s.do(ctx, "read from", func(ctx context.Context, _ try) error {
		err := s.pool.QueryRow(ctx, query, args...).Scan(to...)
		found = err == nil
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		return err
	})
	return found, err
}

// exec runs a statement and returns how many rows it changed.
func (s *Store) exec(ctx context.Context, doing, query string, args ...any) (int64, error) {
	var n int64
	err := s.do(ctx, doing, func(ctx context.Context, _ try) error {
		done, err := s.pool.Exec(ctx, query, args...)
		n = done.RowsAffected()
		return err
	})
	return n, err
}

// clock is the time for the statements that ask for it: nil, which they take
// for the database's own, or what Options.Now says.
func (s *Store) clock() any {
	if s.opt.Now == nil {
		return nil
	}
	return s.opt.Now().UnixNano()
}

// now is the time in statements whose first parameter is Store.clock.
const now = "coalesce($1::bigint, (extract(epoch FROM statement_timestamp()) * 1000000000)::bigint)"
