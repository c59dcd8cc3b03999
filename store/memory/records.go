package memory

import (
	"context"
	"slices"
	"strings"

	"github.com/brigadecore/brigade/v3"
)

// place returns where the record with that key is, or would be.
func place(records []brigade.Record, key string) (int, bool) {
	return slices.BinarySearchFunc(records, key, func(r brigade.Record, key string) int { return strings.Compare(r.Key, key) })
}

// PutRecord creates or replaces a record.
func (s *Store) PutRecord(ctx context.Context, kind, key string, data []byte) error {
	if kind == "" || key == "" {
		return brigade.Errorf(brigade.CodeInvalid, "a record needs a kind and a key")
	}
	if err := s.write(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	records, r := s.records[kind], brigade.Record{Key: key, Data: slices.Clone(data)}
	at, there := place(records, key)
	if there {
		records[at] = r
		return nil
	}
	s.records[kind] = slices.Insert(records, at, r)
	return nil
}

// Record returns one.
func (s *Store) Record(ctx context.Context, kind, key string) ([]byte, error) {
	if err := s.read(ctx); err != nil {
		return nil, err
	}
	defer s.mu.RUnlock()
	at, there := place(s.records[kind], key)
	if !there {
		return nil, brigade.NotFound("record", kind+" "+key)
	}
	return slices.Clone(s.records[kind][at].Data), nil
}

// ListRecords returns records of a kind, highest key first.
func (s *Store) ListRecords(ctx context.Context, kind string, q brigade.RecordQuery) ([]brigade.Record, error) {
	if err := s.read(ctx); err != nil {
		return nil, err
	}
	defer s.mu.RUnlock()
	if q.Limit <= 0 {
		q.Limit = defaultLimit
	}
	records := s.records[kind]
	if q.Before != "" {
		end, _ := place(records, q.Before)
		records = records[:end]
	}
	records = records[max(0, len(records)-min(q.Limit, maxLimit)):]
	var page []brigade.Record
	for _, r := range slices.Backward(records) {
		page = append(page, brigade.Record{Key: r.Key, Data: slices.Clone(r.Data)})
	}
	return page, nil
}

// DeleteRecords removes one record, or all of a kind below a key.
func (s *Store) DeleteRecords(ctx context.Context, kind, key string, only bool) (int, error) {
	if err := s.write(ctx); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	records := s.records[kind]
	from, to := 0, 0
	at, there := place(records, key)
	switch {
	case !only:
		to = at
	case there:
		from, to = at, at+1
	}
	s.records[kind] = slices.Delete(records, from, to)
	return to - from, nil
}
