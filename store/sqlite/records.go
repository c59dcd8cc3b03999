package sqlite

import (
	"context"
	"strconv"

	"github.com/brigadecore/brigade/v3"
)

// deletedAtOnce is how many records go in one write, so that others get their
// turn while many go.
const deletedAtOnce = 500

// PutRecord creates or replaces a record. Those of all kinds but
// brigade.KindDelivery are flushed to the disk.
func (s *Store) PutRecord(ctx context.Context, kind, key string, data []byte) error {
	if kind == "" || key == "" {
		return brigade.Errorf(brigade.CodeInvalid, "a record needs a kind and a key")
	}
	if data == nil {
		data = []byte{} // not NULL
	}
	return s.write(ctx, kind != brigade.KindDelivery, func(w *writer) error {
		_, err := w.exec("INSERT INTO records (kind, key, data) VALUES (?, ?, ?) ON CONFLICT (kind, key) DO UPDATE SET data = excluded.data", kind, []byte(key), data)
		return err
	})
}

// Record returns one.
func (s *Store) Record(ctx context.Context, kind, key string) ([]byte, error) {
	var data []byte
	found, err := s.one(ctx, []any{&data}, "SELECT data FROM records WHERE kind = ? AND key = ?", kind, []byte(key))
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, brigade.NotFound("record", kind+" "+key)
	}
	return data, nil
}

// ListRecords returns records of a kind, highest key first.
func (s *Store) ListRecords(ctx context.Context, kind string, q brigade.RecordQuery) ([]brigade.Record, error) {
	if q.Limit <= 0 {
		q.Limit = defaultLimit
	}
	query, args := "SELECT key, data FROM records WHERE kind = ? ORDER BY key DESC LIMIT ?", []any{kind}
	if q.Before != "" {
		query, args = "SELECT key, data FROM records WHERE kind = ? AND key < ? ORDER BY key DESC LIMIT ?", append(args, []byte(q.Before))
	}
	var page []brigade.Record
	err := s.each(ctx, func(scan func(...any) error) error {
		var key, data []byte
		err := scan(&key, &data)
		page = append(page, brigade.Record{Key: string(key), Data: data})
		return err
	}, query, append(args, min(q.Limit, maxLimit))...)
	if err != nil {
		return nil, err
	}
	return page, nil
}

// DeleteRecords removes one record, or all of a kind below a key. The latter
// is not one step: when it fails, some may be gone.
func (s *Store) DeleteRecords(ctx context.Context, kind, key string, only bool) (int, error) {
	query := "DELETE FROM records WHERE kind = ? AND key = ?"
	if !only {
		query = "DELETE FROM records WHERE seq IN (SELECT seq FROM records WHERE kind = ? AND key < ? ORDER BY key LIMIT " + strconv.Itoa(deletedAtOnce) + ")"
	}
	for all := 0; ; {
		var n int64
		err := s.write(ctx, kind != brigade.KindDelivery, func(w *writer) error {
			done, err := w.exec(query, kind, []byte(key))
			if err != nil {
				return err
			}
			n, err = done.RowsAffected()
			w.vacuum = w.vacuum || n > 0
			return err
		})
		if err != nil {
			return all, err
		}
		all += int(n)
		if only || n < deletedAtOnce {
			return all, nil
		}
	}
}
