package store

import (
	"context"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
)

// Claim takes a build for owner: only the process that leads asks for that, so
// it needs no request. A pending build whose end somebody has asked for in its
// Secret is ended instead.
func (s *Store) Claim(ctx context.Context, id, owner string, lease time.Duration) (*brigade.Build, error) {
	if err := s.open(ctx); err != nil {
		return nil, err
	}
	for {
		b, err := s.inner.Claim(ctx, id, owner, lease)
		if b == nil || err != nil {
			return nil, err
		}
		s.mu.Lock()
		e := s.entries[b.ID]
		asked := e != nil && e.asked
		s.mu.Unlock()
		if !asked || b.Cancel == nil || b.State != brigade.StatePending {
			return s.whole(ctx, b)
		}
		if err := s.endPending(ctx, b.ID); err != nil {
			return nil, err
		}
		if id != "" {
			return nil, nil
		}
	}
}

// endPending ends a build that has not started, as somebody wanted.
func (s *Store) endPending(ctx context.Context, id string) error {
	b, err := s.UpdateBuild(ctx, id, func(b *brigade.Build) error {
		now := s.opt.Now()
		b.State, b.Ended, b.ExitCode, b.Lease = brigade.StateCanceled, now, brigade.ExitCanceled, brigade.Lease{}
		b.Attempt = max(b.Attempt-1, 0) // it was not started
		b.Failure = brigade.Errorf(brigade.CodeCanceled, "the build was canceled before it started")
		b.History = append(b.History, brigade.Step{State: b.State, Time: now})
		return nil
	})
	if err == nil {
		s.changed(brigade.Change{BuildID: b.ID, Build: withoutLarge(b)})
	}
	return err
}

// Renew extends the lease of owner's build.
func (s *Store) Renew(ctx context.Context, id, owner string, lease time.Duration) error {
	if err := s.open(ctx); err != nil {
		return err
	}
	return s.inner.Renew(ctx, id, owner, lease)
}

// Waiting returns the first builds that can be claimed now.
func (s *Store) Waiting(ctx context.Context, each, limit int) ([]*brigade.Build, error) {
	if err := s.open(ctx); err != nil {
		return nil, err
	}
	return s.inner.Waiting(ctx, each, limit)
}

// PutRecord creates or replaces a record.
func (s *Store) PutRecord(ctx context.Context, kind, key string, data []byte) error {
	if err := s.open(ctx); err != nil {
		return err
	}
	return s.inner.PutRecord(ctx, kind, key, data)
}

// Record returns one.
func (s *Store) Record(ctx context.Context, kind, key string) ([]byte, error) {
	if err := s.open(ctx); err != nil {
		return nil, err
	}
	return s.inner.Record(ctx, kind, key)
}

// ListRecords returns records of a kind, highest key first.
func (s *Store) ListRecords(ctx context.Context, kind string, q brigade.RecordQuery) ([]brigade.Record, error) {
	if err := s.open(ctx); err != nil {
		return nil, err
	}
	return s.inner.ListRecords(ctx, kind, q)
}

// DeleteRecords removes one record, or all of a kind below a key.
func (s *Store) DeleteRecords(ctx context.Context, kind, key string, only bool) (int, error) {
	if err := s.open(ctx); err != nil {
		return 0, err
	}
	return s.inner.DeleteRecords(ctx, kind, key, only)
}
