package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

const (
	maxBatch     = 512                   // writes per transaction
	maxBatchTime = 20 * time.Millisecond // after which a transaction takes no more writes
	vacuumPages  = 256                   // given back to the file system per step
)

// op is a write on its way to the writer.
type op struct {
	run    func(*writer) error
	flush  bool // the disk must be flushed before the answer
	state  atomic.Int32
	answer chan error
	err    error
}

// The states of an op. Whoever moves it on from waiting decides its fate.
const (
	waiting int32 = iota
	started
	abandoned
)

// own is an error that is not the driver's; the caller gets it as it is.
type own struct{ error }

// write runs f in a transaction, together with other writes of the moment, and
// returns once it is committed. With flush it is on the disk by then. An error
// undoes what f did but not what others did. When ctx ends before f was
// started, f is not run at all.
func (s *Store) write(ctx context.Context, flush bool, f func(*writer) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	o := &op{run: f, flush: flush && !s.relaxed, answer: make(chan error, 1)}
	select {
	case s.ops <- o:
	case <-s.stopped:
		return closedError()
	case <-ctx.Done():
		return ctx.Err()
	}
	var err error
	select {
	case err = <-o.answer:
	case <-ctx.Done():
		if o.state.CompareAndSwap(waiting, abandoned) {
			return ctx.Err()
		}
		err = <-o.answer
	}
	var as own
	if errors.As(err, &as) {
		return as.error
	}
	if err != nil {
		return s.failed(context.WithoutCancel(ctx), "write to", err)
	}
	return nil
}

// writeLoop is the writer's goroutine.
func (s *Store) writeLoop() {
	defer close(s.stopped)
	w := s.w
	var next *op // came while a transaction ran that could not take it
	for {
		o := next
		if o == nil {
			o = s.nextOp()
		}
		if o == nil {
			return
		}
		next = s.batch(w, o)
	}
}

// nextOp waits for a write; nil means that the store closes. While there is
// nothing to write it gives free pages back to the file system.
func (s *Store) nextOp() *op {
	for s.w.vacuum {
		select {
		case <-s.quit:
			return nil
		case o := <-s.ops:
			return o
		default:
			if err := s.w.giveBack(); err != nil {
				s.log.Warn("the store could not shrink its file", "err", err)
				s.w.vacuum = false
			}
		}
	}
	select {
	case <-s.quit:
		return nil
	case o := <-s.ops:
		return o
	}
}

// batch runs first and the writes that come meanwhile in one transaction, and
// answers them all. It returns a write that has to wait for the next one.
func (s *Store) batch(w *writer, first *op) (next *op) {
	fail := func(ops []*op, err error) {
		for _, o := range ops {
			o.answer <- err
		}
	}
	if err := w.begin(first.flush); err != nil {
		fail([]*op{first}, err)
		return nil
	}
	begun := time.Now()
	ops := make([]*op, 0, 64)
	for o := first; o != nil; {
		ops = append(ops, o)
		if o.state.CompareAndSwap(waiting, started) {
			var err error
			if o.err, err = w.apply(o.run); err != nil {
				fail(ops, err)
				return nil
			}
		}
		o = nil
		if len(ops) < maxBatch && time.Since(begun) < maxBatchTime {
			select {
			case o = <-s.ops:
			default:
			}
		}
		if o != nil && o.flush && !w.flushes {
			next = o
			break
		}
	}
	if err := w.commit(); err != nil {
		fail(ops, err)
		return next
	}
	for _, o := range ops {
		o.answer <- o.err
	}
	return next
}

// writer is the connection that writes. Only the writer's goroutine uses it.
type writer struct {
	db      *sql.DB
	conn    *sql.Conn
	stmts   map[string]*sql.Stmt
	flushes bool // commits flush the disk
	vacuum  bool // there may be pages to give back
}

// background is the context of what is not to be broken off half way.
var background = context.Background()

// exec runs a statement, which is prepared once.
func (w *writer) exec(query string, args ...any) (sql.Result, error) {
	stmt, err := w.prepared(query)
	if err != nil {
		return nil, err
	}
	return stmt.ExecContext(background, args...)
}

// get runs a query of at most one row and reports whether it has one.
func (w *writer) get(to []any, query string, args ...any) (bool, error) {
	stmt, err := w.prepared(query)
	if err != nil {
		return false, err
	}
	err = stmt.QueryRowContext(background, args...).Scan(to...)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

func (w *writer) prepared(query string) (*sql.Stmt, error) {
	if stmt := w.stmts[query]; stmt != nil {
		return stmt, nil
	}
	stmt, err := w.conn.PrepareContext(background, query)
	if err == nil {
		w.stmts[query] = stmt
	}
	return stmt, err
}

// begin starts a transaction whose commit flushes the disk, or does not.
func (w *writer) begin(flush bool) error {
	if flush != w.flushes {
		level := "NORMAL"
		if flush {
			level = "FULL"
		}
		if _, err := w.conn.ExecContext(background, "PRAGMA synchronous = "+level); err != nil {
			return err
		}
		w.flushes = flush
	}
	_, err := w.exec("BEGIN IMMEDIATE")
	return err
}

// apply runs f so that its failure undoes only what it did. broken is the
// error of the whole transaction, which is over by then.
func (w *writer) apply(f func(*writer) error) (failed, broken error) {
	if _, err := w.exec("SAVEPOINT one"); err != nil {
		return nil, w.rollback(err)
	}
	if failed = f(w); failed != nil {
		if _, err := w.exec("ROLLBACK TO one"); err != nil {
			return nil, w.rollback(failed)
		}
	}
	if _, err := w.exec("RELEASE one"); err != nil {
		return nil, w.rollback(err)
	}
	return failed, nil
}

func (w *writer) commit() error {
	if _, err := w.exec("COMMIT"); err != nil {
		return w.rollback(err)
	}
	return nil
}

// rollback ends the transaction because of err, which it returns. SQLite has
// ended it already after some errors, such as a full disk.
func (w *writer) rollback(err error) error {
	_, _ = w.exec("ROLLBACK")
	return err
}

// giveBack gives some free pages of the file back to the file system.
func (w *writer) giveBack() error {
	var free int
	if _, err := w.get([]any{&free}, "PRAGMA freelist_count"); err != nil {
		return err
	}
	if free == 0 {
		w.vacuum = false
		return nil
	}
	_, err := w.conn.ExecContext(background, fmt.Sprintf("PRAGMA incremental_vacuum(%d)", vacuumPages))
	return err
}

func (w *writer) close() error {
	for _, stmt := range w.stmts {
		_ = stmt.Close()
	}
	return errors.Join(w.conn.Close(), w.db.Close())
}
