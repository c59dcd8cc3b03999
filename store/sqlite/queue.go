package sqlite

import (
	"context"
	"time"

	"github.com/brigadecore/brigade/v3"
)

// Claim takes a build that nobody runs for owner.
func (s *Store) Claim(ctx context.Context, id, owner string, lease time.Duration) (*brigade.Build, error) {
	if owner == "" {
		return nil, brigade.Errorf(brigade.CodeInvalid, "a claim needs an owner")
	}
	var b *brigade.Build
	err := s.write(ctx, false, func(w *writer) error {
		now := s.now()
		found := true
		var err error
		if id == "" {
			found, err = w.get([]any{&id}, "SELECT id FROM builds INDEXED BY builds_open WHERE open = 1 AND lease <= ? ORDER BY id LIMIT 1", now.UnixNano())
		} else {
			var n int
			found, err = w.get([]any{&n}, "SELECT 1 FROM builds WHERE id = ? AND open = 1 AND lease <= ?", id, now.UnixNano())
		}
		if err != nil || !found {
			return err
		}
		var r record
		if _, err := w.get(r.columns(), fullBuild, id); err != nil {
			return err
		}
		if b, err = r.build(); err != nil {
			return err
		}
		before := *b
		b.Attempt++
		b.Lease = brigade.Lease{Owner: owner, Expires: now.Add(lease).UTC()}
		return w.updateBuild(r.seq, &before, b)
	})
	if err != nil {
		return nil, err
	}
	return b, nil
}

// Renew extends the lease of owner's build.
func (s *Store) Renew(ctx context.Context, id, owner string, lease time.Duration) error {
	return s.write(ctx, false, func(w *writer) error {
		var holder string
		found, err := w.get([]any{&holder}, "SELECT owner FROM builds WHERE id = ?", id)
		if err != nil {
			return err
		}
		if !found {
			return own{brigade.NotFound("build", id)}
		}
		if owner == "" || holder != owner {
			return own{brigade.Errorf(brigade.CodeConflict, "build %s is not run by %s any more", id, owner)}
		}
		_, err = w.exec("UPDATE builds SET lease = ? WHERE id = ?", s.now().Add(lease).UnixNano(), id)
		return err
	})
}
