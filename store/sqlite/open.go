package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/brigadecore/brigade/v3"
	driver "modernc.org/sqlite"
)

const (
	busyTimeout = 10 * time.Second // how long to wait for another process
	maxReaders  = 4
	readerCache = "cache_size(-1000)" // KiB, of each
	smallest    = 512                 // bytes of a file of SQLite that is not empty
)

// openFile opens path for one writer and several readers, makes it when it is
// missing, and brings it up to date.
func openFile(ctx context.Context, path string) (*writer, *sql.DB, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, nil, fmt.Errorf("find the directory of %s: %w", path, err)
	}
	if err := makeFile(path); err != nil {
		return nil, nil, err
	}
	db, err := pool(path, 1, "foreign_keys(1)")
	if err != nil {
		return nil, nil, err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	w := &writer{db: db, conn: conn, stmts: map[string]*sql.Stmt{}}
	if err := w.setUp(ctx, path); err != nil {
		return nil, nil, errors.Join(err, w.close())
	}
	reads, err := pool(path, maxReaders, "query_only(1)", readerCache)
	if err != nil {
		return nil, nil, errors.Join(err, w.close())
	}
	return w, reads, nil
}

// makeFile makes an empty file for the user alone, unless it is there. An
// existing one must not be opened here: closing it would take the locks away
// that SQLite holds on it elsewhere in this process.
func makeFile(path string) error {
	info, err := os.Stat(path)
	if err == nil {
		if !info.Mode().IsRegular() {
			return brigade.Errorf(brigade.CodeStore, "%s is not a file", path).WithHint("name a file for the store")
		}
		if 0 < info.Size() && info.Size() < smallest { // SQLite would take it for an empty one
			return brigade.Errorf(brigade.CodeStore, "%s is not a store", path).WithHint("name another file, or move this one away")
		}
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("find the file: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("make the directory: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("make the file: %w", err)
	}
	return f.Close()
}

func pool(path string, conns int, pragmas ...string) (*sql.DB, error) {
	path = filepath.ToSlash(path)
	if path[0] != '/' {
		path = "/" + path // C:/… of Windows
	}
	uri := url.URL{Scheme: "file", Path: path, RawQuery: url.Values{
		"mode":          {"rw"},
		"_busy_timeout": {fmt.Sprint(busyTimeout.Milliseconds())},
		"_pragma":       pragmas,
	}.Encode()}
	connector, err := driver.NewConnector(uri.String())
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db, nil
}

// setUp checks that the file is ours and brings it up to date.
func (w *writer) setUp(ctx context.Context, path string) error {
	application, version, mode, err := w.versions(ctx)
	if err != nil {
		return err
	}
	if mode != "wal" || version != len(migrations) || application != applicationID {
		if err := w.migrate(ctx, path); err != nil {
			return err
		}
	}
	_, err = w.conn.ExecContext(ctx, "PRAGMA synchronous = NORMAL; PRAGMA journal_size_limit = 16777216; PRAGMA temp_store = MEMORY") // savepoints without a file
	return err
}

func (w *writer) versions(ctx context.Context) (application, version int, mode string, err error) {
	err = w.conn.QueryRowContext(ctx, "SELECT application_id, user_version, journal_mode FROM pragma_application_id, pragma_user_version, pragma_journal_mode").
		Scan(&application, &version, &mode)
	return application, version, mode, err
}

// migrate makes the tables of an empty file, or brings those of an older one
// up to date, each step in a transaction of its own. Several processes may do
// so at once.
func (w *writer) migrate(ctx context.Context, path string) error {
	application, err := w.look(ctx, path)
	if err != nil {
		return err
	}
	if application == 0 {
		// Before the first table is made; later it changes nothing.
		if _, err := w.conn.ExecContext(ctx, "PRAGMA auto_vacuum = INCREMENTAL"); err != nil {
			return err
		}
	}
	if err := w.useWAL(ctx, path); err != nil {
		return err
	}
	for {
		done, err := w.step(ctx, path)
		if done || err != nil {
			return err
		}
	}
}

// look recognises the file as it is at one moment: another process may be
// making its tables.
func (w *writer) look(ctx context.Context, path string) (application int, err error) {
	if _, err := w.conn.ExecContext(ctx, "BEGIN"); err != nil {
		return 0, err
	}
	defer func() { _, _ = w.conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK") }()
	application, version, _, err := w.versions(ctx)
	if err != nil {
		return 0, err
	}
	return application, w.recognise(ctx, path, application, version)
}

// recognise fails unless the file is empty or a store this program can read.
func (w *writer) recognise(ctx context.Context, path string, application, version int) error {
	if application == 0 && version == 0 {
		var tables int
		if err := w.conn.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&tables); err != nil {
			return err
		}
		if tables == 0 {
			return nil
		}
	}
	if application != applicationID {
		return brigade.Errorf(brigade.CodeStore, "%s is the database of another program", path).
			WithHint("name another file for the store")
	}
	if version > len(migrations) {
		return brigade.Errorf(brigade.CodeStore, "%s was written by a newer version of this program (schema %d, this one knows %d)", path, version, len(migrations)).
			WithHint("install the newer version again, or name another file for the store")
	}
	return nil
}

// useWAL switches the file to write-ahead logging. SQLite does not wait by
// itself when another process does the same at this moment.
func (w *writer) useWAL(ctx context.Context, path string) error {
	deadline := time.Now().Add(busyTimeout)
	for {
		var mode string
		err := w.conn.QueryRowContext(ctx, "PRAGMA journal_mode = WAL").Scan(&mode)
		if err == nil && mode != "wal" {
			return brigade.Errorf(brigade.CodeStore, "the file system of %s does not allow several programs to share the store", path).
				WithHint("put the store on a local disk")
		}
		if primaryCode(err) != codeBusy || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// step makes the next migration and reports whether there was none.
func (w *writer) step(ctx context.Context, path string) (done bool, err error) {
	if _, err := w.conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return false, err
	}
	defer func() {
		if err != nil {
			_, _ = w.conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
		}
	}()
	application, version, _, err := w.versions(ctx) // another process may have been faster
	if err != nil {
		return false, err
	}
	if err := w.recognise(ctx, path, application, version); err != nil {
		return false, err
	}
	if done = version == len(migrations); !done {
		mark := fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d", applicationID, version+1)
		if _, err := w.conn.ExecContext(ctx, migrations[version]+mark); err != nil {
			return false, fmt.Errorf("migrate to schema %d: %w", version+1, err)
		}
	}
	_, err = w.conn.ExecContext(ctx, "COMMIT")
	return done, err
}
