package sqlite

import (
	"context"
	"database/sql"
	"math"
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
		var (
			found bool
			err   error
		)
		if id == "" {
			found, err = w.get([]any{&id}, "SELECT id FROM builds INDEXED BY builds_open WHERE open = 1 AND lease <= ?1 AND not_before <= ?1 ORDER BY id LIMIT 1", now.UnixNano())
		} else {
			var n int
			found, err = w.get([]any{&n}, "SELECT 1 FROM builds WHERE id = ?1 AND open = 1 AND lease <= ?2 AND not_before <= ?2", id, now.UnixNano())
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

// scanned is how many builds Waiting looks at per wanted one before it turns
// to another way of finding them.
const scanned = 2

// ready holds for open builds that can be claimed at ?1.
const ready = "open = 1 AND lease <= ?1 AND not_before <= ?1"

// inOrder gives the first builds of all lanes, in the order they are wanted.
const inOrder = `SELECT b.project, b.lane, b.owner, b.lease, d.doc
	FROM builds b INDEXED BY builds_first JOIN build_docs d ON d.build = b.seq
	WHERE ` + ready + ` ORDER BY b.priority DESC, b.id LIMIT ?2`

// byLane gives the first builds of every lane. lanes has one build of each; it
// jumps from a lane to the next one in the index instead of reading it.
const byLane = `WITH RECURSIVE lanes (seq) AS (
		SELECT * FROM (SELECT seq FROM builds INDEXED BY builds_lane WHERE open = 1 ORDER BY project, lane LIMIT 1)
		UNION ALL
		SELECT (SELECT n.seq FROM builds n INDEXED BY builds_lane WHERE n.open = 1 AND (n.project, n.lane) > (b.project, b.lane)
			ORDER BY n.project, n.lane LIMIT 1)
		FROM lanes l JOIN builds b ON b.seq = l.seq
	), firsts (seq) AS (
		SELECT b.seq FROM lanes l CROSS JOIN builds o ON o.seq = l.seq CROSS JOIN builds b ON b.seq IN (
			SELECT seq FROM builds i INDEXED BY builds_lane
			WHERE i.project = o.project AND i.lane = o.lane AND ` + ready + ` ORDER BY i.priority DESC, i.id LIMIT ?3)
		ORDER BY b.priority DESC, b.id LIMIT ?2
	)
	SELECT b.project, b.lane, b.owner, b.lease, d.doc
	FROM firsts f CROSS JOIN builds b ON b.seq = f.seq CROSS JOIN build_docs d ON d.build = b.seq ORDER BY b.priority DESC, b.id`

// Waiting returns the first builds that can be claimed now. Mostly they are
// near the start of the queue. When one lane fills that, such as a burst of
// events for one project, they are looked for lane by lane.
func (s *Store) Waiting(ctx context.Context, each, limit int) ([]*brigade.Build, error) {
	if each <= 0 || limit <= 0 {
		return nil, ctx.Err()
	}
	limit = min(limit, math.MaxInt32)
	now := s.now().UnixNano()
	found, seen, err := s.waiting(ctx, each, limit, inOrder, now, scanned*limit)
	if err != nil || len(found) == limit || seen < scanned*limit {
		return found, err
	}
	found, _, err = s.waiting(ctx, each, limit, byLane, now, limit, each)
	return found, err
}

// waiting runs a query and keeps the first each of every lane, up to limit. It
// returns how many it has looked at, too.
func (s *Store) waiting(ctx context.Context, each, limit int, query string, args ...any) ([]*brigade.Build, int, error) {
	rows, err := s.query(ctx, query, args...)
	if err != nil {
		return nil, 0, err
	}
	defer rows.Close() //nolint:errcheck // Err below tells
	type lane struct{ project, key string }
	lanes := map[lane]int{}
	var found []*brigade.Build
	seen := 0
	for ; len(found) < limit && rows.Next(); seen++ {
		var of lane
		var r record
		var doc sql.RawBytes
		if err := rows.Scan(&of.project, &of.key, &r.owner, &r.lease, &doc); err != nil {
			return nil, 0, s.failed(ctx, "read", err)
		}
		if lanes[of]++; lanes[of] > each {
			continue
		}
		r.doc = doc
		b, err := r.build()
		if err != nil {
			return nil, 0, s.failed(ctx, "read", err)
		}
		found = append(found, b)
	}
	if err := rows.Err(); err != nil {
		return nil, 0, s.failed(ctx, "read", err)
	}
	return found, seen, nil
}
