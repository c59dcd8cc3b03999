package postgres

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/brigadecore/brigade/v3"
	"github.com/jackc/pgx/v5"
)

// longestLease keeps the end of a lease within what a column holds.
const longestLease = 100 * 365 * 24 * time.Hour

// ready holds for builds that can be claimed.
const ready = "open AND lease <= " + now + " AND not_before <= " + now

const (
	take      = "UPDATE brigade_builds SET owner = $2, lease = " + now + " + $3, attempt = attempt + 1, rev = $4 WHERE "
	takeThis  = take + "id = $5 AND " + ready + " RETURNING id"
	takeFirst = take + "seq = (SELECT seq FROM brigade_builds WHERE " + ready + " ORDER BY id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED) RETURNING id"
	first     = "SELECT id FROM brigade_builds WHERE " + ready + " ORDER BY id LIMIT 1"
	taken     = "SELECT id FROM brigade_builds WHERE open AND rev = $1"
)

// Claim takes a build that nobody runs for owner.
func (s *Store) Claim(ctx context.Context, id, owner string, lease time.Duration) (*brigade.Build, error) {
	if owner == "" {
		return nil, brigade.Errorf(brigade.CodeInvalid, "a claim needs an owner")
	}
	var got string
	err := s.do(ctx, "write to", func(ctx context.Context, t try) (err error) {
		got = ""
		if t.unsure { // an earlier try may have taken one
			if got, err = s.idOf(ctx, taken, t.nonce); got != "" || err != nil {
				return err
			}
		}
		args := []any{s.clock(), []byte(owner), min(lease, longestLease).Nanoseconds(), t.nonce}
		if id != "" {
			got, err = s.idOf(ctx, takeThis, append(args, []byte(id))...)
			return err
		}
		for {
			if got, err = s.idOf(ctx, takeFirst, args...); got != "" || err != nil {
				return err
			}
			// One that somebody had locked, perhaps only to change it, was
			// passed over; that one is worth waiting for.
			next, err := s.idOf(ctx, first, s.clock())
			if next == "" || err != nil {
				return err
			}
			if got, err = s.idOf(ctx, takeThis, append(args, []byte(next))...); got != "" || err != nil {
				return err
			}
		}
	})
	if err != nil || got == "" {
		return nil, err
	}
	b, err := s.exactBuild(ctx, got)
	if brigade.CodeOf(err) == brigade.CodeNotFound {
		return nil, nil // deleted at this moment
	}
	return b, err
}

// idOf runs a query that gives at most one ID; "" when it gives none.
func (s *Store) idOf(ctx context.Context, query string, args ...any) (string, error) {
	var id []byte
	err := s.pool.QueryRow(ctx, query, args...).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil
	}
	return string(id), err
}

// Renew extends the lease of owner's build.
func (s *Store) Renew(ctx context.Context, id, owner string, lease time.Duration) error {
	return s.do(ctx, "write to", func(ctx context.Context, _ try) error {
		done, err := s.pool.Exec(ctx, "UPDATE brigade_builds SET lease = "+now+" + $2 WHERE id = $3 AND owner = $4 AND owner <> ''",
			s.clock(), min(lease, longestLease).Nanoseconds(), []byte(id), []byte(owner))
		if err != nil || done.RowsAffected() > 0 {
			return err
		}
		found, err := s.idOf(ctx, "SELECT id FROM brigade_builds WHERE id = $1", []byte(id))
		if err != nil {
			return err
		}
		if found == "" {
			return brigade.NotFound("build", id)
		}
		return brigade.Errorf(brigade.CodeConflict, "build %s is not run by %s any more", id, owner)
	})
}

// scanned is how many builds Waiting looks at per wanted one before it turns
// to another way of finding them.
const scanned = 2

const waitingColumns = "SELECT b.project, b.lane, b.owner, b.lease, b.attempt, d.doc"

// inOrder gives the first builds of all lanes, in the order they are wanted.
const inOrder = waitingColumns + ` FROM brigade_builds b JOIN brigade_build_docs d ON d.build = b.seq
	WHERE ` + ready + ` ORDER BY b.priority DESC, b.id LIMIT $2`

// byLane gives the first builds of every lane. lanes has every lane once; it
// jumps from one to the next in the index instead of reading all of it.
const byLane = `WITH RECURSIVE lanes AS (
		(SELECT project, lane FROM brigade_builds WHERE open ORDER BY project, lane LIMIT 1)
		UNION ALL
		SELECT n.project, n.lane FROM lanes l CROSS JOIN LATERAL (
			SELECT project, lane FROM brigade_builds WHERE open AND (project, lane) > (l.project, l.lane) ORDER BY project, lane LIMIT 1) n
	), firsts AS (
		SELECT b.* FROM lanes l CROSS JOIN LATERAL (
			SELECT * FROM brigade_builds WHERE project = l.project AND lane = l.lane AND ` + ready + ` ORDER BY priority DESC, id LIMIT $3) b
		ORDER BY b.priority DESC, b.id LIMIT $2
	)
	` + waitingColumns + ` FROM firsts b JOIN brigade_build_docs d ON d.build = b.seq ORDER BY b.priority DESC, b.id`

// Waiting returns the first builds that can be claimed now. Mostly they are
// near the start of the queue. When one lane fills that, such as a burst of
// events for one project, they are looked for lane by lane.
func (s *Store) Waiting(ctx context.Context, each, limit int) ([]*brigade.Build, error) {
	if each <= 0 || limit <= 0 {
		return nil, ctx.Err()
	}
	limit, each = min(limit, math.MaxInt32), min(each, math.MaxInt32)
	found, seen, err := s.waiting(ctx, each, limit, inOrder, s.clock(), scanned*limit)
	if err != nil || len(found) == limit || seen < scanned*limit {
		return found, err
	}
	found, _, err = s.waiting(ctx, each, limit, byLane, s.clock(), limit, each)
	return found, err
}

// waiting runs a query and keeps the first each of every lane, up to limit. It
// returns how many it has looked at, too.
func (s *Store) waiting(ctx context.Context, each, limit int, query string, args ...any) ([]*brigade.Build, int, error) {
	type lane struct{ project, key string }
	var (
		lanes map[lane]int
		found []*brigade.Build
		seen  int
	)
	reset := func() { lanes, found, seen = map[lane]int{}, nil, 0 }
	err := s.each(ctx, reset, func(row pgx.CollectableRow) error {
		seen++
		if len(found) == limit {
			return nil
		}
		var project, key []byte
		var r record
		if err := row.Scan(&project, &key, &r.owner, &r.lease, &r.attempt, &r.doc); err != nil {
			return err
		}
		of := lane{string(project), string(key)}
		if lanes[of]++; lanes[of] > each {
			return nil
		}
		b, err := r.build()
		found = append(found, b)
		return err
	}, query, args...)
	if err != nil {
		return nil, 0, err
	}
	return found, seen, nil
}
