package postgres

import (
	"context"
	"strconv"

	"github.com/brigadecore/brigade/v3"
	"github.com/jackc/pgx/v5"
)

const (
	defaultLimit = 50
	maxLimit     = 1000

	// deletedAtOnce is how many records go in one statement, so that each is
	// done well within the statement timeout.
	deletedAtOnce = 5000
)

// relaxed makes the statements after it in a batch answer before they are on
// the server's disk.
const relaxed = "SELECT set_config('synchronous_commit', 'off', true)"

// PutRecord creates or replaces a record. Those of brigade.KindDelivery may be
// lost when the database's machine fails at this moment.
func (s *Store) PutRecord(ctx context.Context, kind, key string, data []byte) error {
	if kind == "" || key == "" {
		return brigade.Errorf(brigade.CodeInvalid, "a record needs a kind and a key")
	}
	if data == nil {
		data = []byte{} // not NULL
	}
	return s.do(ctx, "write to", func(ctx context.Context, _ try) error {
		b := &pgx.Batch{}
		if kind == brigade.KindDelivery {
			b.Queue(relaxed)
		}
		b.Queue("INSERT INTO brigade_records (kind, key, data) VALUES ($1, $2, $3) ON CONFLICT (kind, key) DO UPDATE SET data = excluded.data", []byte(kind), []byte(key), data)
		return s.pool.SendBatch(ctx, b).Close()
	})
}

// Record returns one.
func (s *Store) Record(ctx context.Context, kind, key string) ([]byte, error) {
	var data []byte
	found, err := s.one(ctx, []any{&data}, "SELECT data FROM brigade_records WHERE kind = $1 AND key = $2", []byte(kind), []byte(key))
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
	c := conditions{}
	c.add("kind = ?", []byte(kind))
	if q.Before != "" {
		c.add("key < ?", []byte(q.Before))
	}
	query := "SELECT key, data FROM brigade_records" + c.where() + " ORDER BY key DESC LIMIT " + strconv.Itoa(min(q.Limit, maxLimit))
	var page []brigade.Record
	err := s.each(ctx, func() { page = nil }, func(row pgx.CollectableRow) error {
		var key, data []byte
		err := row.Scan(&key, &data)
		page = append(page, brigade.Record{Key: string(key), Data: data})
		return err
	}, query, c.args...)
	if err != nil {
		return nil, err
	}
	return page, nil
}

// DeleteRecords removes one record, or all of a kind below a key. The latter
// is not one step: when it fails, some may be gone.
func (s *Store) DeleteRecords(ctx context.Context, kind, key string, only bool) (int, error) {
	query := "DELETE FROM brigade_records WHERE kind = $1 AND key = $2"
	if !only {
		query = `DELETE FROM brigade_records WHERE kind = $1 AND key <= (
			SELECT key FROM (SELECT key FROM brigade_records WHERE kind = $1 AND key < $2 ORDER BY key LIMIT ` + strconv.Itoa(deletedAtOnce) + `) AS page ORDER BY key DESC LIMIT 1)`
	}
	for all := 0; ; {
		n, err := s.exec(ctx, "write to", query, []byte(kind), []byte(key))
		if err != nil {
			return all, err
		}
		all += int(n)
		if only || n < deletedAtOnce {
			return all, nil
		}
	}
}
