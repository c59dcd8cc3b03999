package postgres

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/store/tables"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// columns are the values of a build's row, in the order of columnNames.
func columns(b *brigade.Build, rev int64) []any {
	var key any // nil without one
	if b.Event.Key != "" {
		key = []byte(b.Event.Key)
	}
	return []any{
		[]byte(b.ID), []byte(b.ProjectID), []byte(b.State), []byte(b.Event.Type), key, tables.Nanos(b.Created), !b.State.Ended(),
		[]byte(b.Lease.Owner), tables.Nanos(b.Lease.Expires), b.Attempt, b.Priority, []byte(b.ConcurrencyKey), tables.NotBefore(b),
		rev, tables.Searched(b),
	}
}

const (
	columnNames = "(id, project, state, type, event_key, created, open, owner, lease, attempt, priority, lane, not_before, rev, search)"
	parameters  = "($1::bytea, $2::bytea, $3::bytea, $4::bytea, $5::bytea, $6::bigint, $7::boolean, $8::bytea, $9::bigint, $10::bigint, $11::bigint, $12::bytea, $13::bigint, $14::bigint, $15::bytea)"

	insertBuild = "WITH b AS (INSERT INTO brigade_builds " + columnNames + " SELECT * FROM (VALUES " + parameters + `) AS v
		WHERE $5::bytea IS NULL OR NOT EXISTS (SELECT 1 FROM brigade_departed WHERE project = $2 AND event_key = $5 AND id <> $1 AND created > $21)
		ON CONFLICT (project, event_key) WHERE event_key IS NOT NULL DO NOTHING RETURNING seq)
		INSERT INTO brigade_build_docs (build, doc, payload, event_script, config, script)
		SELECT seq, $16::bytea, $17::bytea, $18::bytea, $19::bytea, $20::bytea FROM b`

	// deleteBuild keeps something of a build that is deleted, if its event has
	// a key, and forgets what was kept for long enough.
	deleteBuild = `WITH gone AS (DELETE FROM brigade_builds WHERE id = $1 RETURNING project, event_key, id, state, created),
		kept AS (INSERT INTO brigade_departed (project, event_key, id, state, created)
			SELECT project, event_key, id, state, created FROM gone WHERE event_key IS NOT NULL AND created > $2
			ON CONFLICT (project, event_key) DO UPDATE SET id = excluded.id, state = excluded.state, created = excluded.created),
		old AS (DELETE FROM brigade_departed d WHERE created <= $2
			AND NOT EXISTS (SELECT 1 FROM gone WHERE gone.project = d.project AND gone.event_key = d.event_key))
		SELECT 1 FROM gone`

	updateBuild = "UPDATE brigade_builds SET " + columnNames + " = " + parameters + " WHERE id = $1"
	updateDoc   = "UPDATE brigade_build_docs SET doc = $2 WHERE build = $1"
	updateAll   = "UPDATE brigade_build_docs SET doc = $2, payload = $3, event_script = $4, config = $5, script = $6 WHERE build = $1"
)

func large(of tables.Large) []any {
	return []any{[]byte(of[tables.Payload]), []byte(of[tables.EventScript]), []byte(of[tables.Config]), []byte(of[tables.Script])}
}

// CreateBuild stores b, or returns the build of the same project whose event
// has the same key.
func (s *Store) CreateBuild(ctx context.Context, b *brigade.Build) (*brigade.Build, error) {
	if b.ID == "" {
		return nil, brigade.Errorf(brigade.CodeInvalid, "a build needs an ID")
	}
	small, rest := tables.Split(b)
	doc, err := tables.Encode(small)
	if err != nil {
		return nil, err
	}
	same := ""
	var gone *brigade.Build
	err = s.do(ctx, "write to", func(ctx context.Context, t try) error {
		args := append(append(append(columns(b, t.nonce), doc), large(rest)...), s.forgotten())
		for {
			done, err := s.pool.Exec(ctx, insertBuild, args...)
			if violates(err, "brigade_builds_id") {
				return s.idTaken(ctx, b.ID, t)
			}
			if err != nil || done.RowsAffected() > 0 {
				return err
			}
			var id []byte
			err = s.pool.QueryRow(ctx, "SELECT id FROM brigade_builds WHERE project = $1 AND event_key = $2", args[1], args[4]).Scan(&id)
			if !errors.Is(err, pgx.ErrNoRows) {
				same = string(id)
				return err
			}
			if gone, err = s.departed(ctx, b); gone != nil || err != nil { // else it was deleted at this moment
				return err
			}
		}
	})
	if err != nil {
		return nil, err
	}
	switch {
	case gone != nil:
		return gone, nil
	case same != "":
		return s.exactBuild(ctx, same)
	}
	return b, nil
}

// forgotten is the time before which nothing is kept of deleted builds.
func (s *Store) forgotten() int64 {
	now := time.Now
	if s.opt.Now != nil {
		now = s.opt.Now
	}
	return tables.Nanos(now().Add(-brigade.KeyMemory))
}

// departed is what is kept of a deleted build that had the event key of b, and
// is another one; nil when nothing is.
func (s *Store) departed(ctx context.Context, b *brigade.Build) (*brigade.Build, error) {
	var id, state []byte
	var created int64
	err := s.pool.QueryRow(ctx, "SELECT id, state, created FROM brigade_departed WHERE project = $1 AND event_key = $2 AND id <> $3 AND created > $4",
		[]byte(b.ProjectID), []byte(b.Event.Key), []byte(b.ID), s.forgotten()).Scan(&id, &state, &created)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &brigade.Build{ID: string(id), ProjectID: b.ProjectID, Created: tables.Time(created), State: brigade.State(state), Event: brigade.Event{Key: b.Event.Key}}, nil
}

// idTaken says that there is such a build, unless this very call made it.
func (s *Store) idTaken(ctx context.Context, id string, t try) error {
	if t.unsure {
		var rev int64
		err := s.pool.QueryRow(ctx, "SELECT rev FROM brigade_builds WHERE id = $1", []byte(id)).Scan(&rev)
		if err == nil && rev == t.nonce {
			return nil
		}
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
	}
	return brigade.Errorf(brigade.CodeConflict, "there is a build %s already", id)
}

// fullBuild reads a whole build in one statement, so that all of it is of the
// same moment.
const fullBuild = `SELECT b.seq, b.rev, b.owner, b.lease, b.attempt, d.doc, d.payload, d.event_script, d.config, d.script
	FROM brigade_builds b JOIN brigade_build_docs d ON d.build = b.seq WHERE b.id = $1`

// record is a row of fullBuild.
type record struct {
	seq, rev int64
	owner    []byte
	lease    int64
	attempt  int
	doc      []byte
	data     [tables.LargeKinds][]byte
}

func (r *record) columns() []any {
	return []any{&r.seq, &r.rev, &r.owner, &r.lease, &r.attempt, &r.doc, &r.data[0], &r.data[1], &r.data[2], &r.data[3]}
}

func (r *record) build() (*brigade.Build, error) {
	b := &brigade.Build{}
	if err := tables.Decode(r.doc, b); err != nil {
		return nil, err
	}
	var rest tables.Large
	for i, data := range r.data {
		rest[i] = string(data)
	}
	tables.Join(b, rest, string(r.owner), r.lease)
	b.Attempt = r.attempt
	return b, nil
}

func (s *Store) exactBuild(ctx context.Context, id string) (*brigade.Build, error) {
	var r record
	found, err := s.one(ctx, r.columns(), fullBuild, []byte(id))
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, brigade.NotFound("build", id).WithHint("list the builds to see their IDs")
	}
	b, err := r.build()
	if err != nil {
		return nil, storeError(ctx, s.where, "read from", err)
	}
	return b, nil
}

// Build finds one by its ID, or by a prefix of it that only one build has.
func (s *Store) Build(ctx context.Context, id string) (*brigade.Build, error) {
	b, err := s.exactBuild(ctx, id)
	if brigade.CodeOf(err) != brigade.CodeNotFound || id == "" {
		return b, err
	}
	prefix := strings.ToLower(id)
	var found []string
	listErr := s.each(ctx, func() { found = nil }, func(row pgx.CollectableRow) error {
		var next []byte
		err := row.Scan(&next)
		if strings.HasPrefix(string(next), prefix) {
			found = append(found, string(next))
		}
		return err
	}, "SELECT id FROM brigade_builds WHERE id >= $1 ORDER BY id LIMIT 2", []byte(prefix))
	if listErr != nil {
		return nil, listErr
	}
	switch len(found) {
	case 0:
		return nil, err
	case 1:
		return s.exactBuild(ctx, found[0])
	}
	return nil, brigade.Errorf(brigade.CodeConflict, "more than one build has an ID that starts with %q", id).
		WithHint("give more of it: %s, %s …", found[0], found[1])
}

// UpdateBuild reads the build, applies change and writes it back as one step.
func (s *Store) UpdateBuild(ctx context.Context, id string, change func(*brigade.Build) error) (*brigade.Build, error) {
	u := update{id: id, change: change}
	err := s.do(ctx, "write to", func(ctx context.Context, t try) error {
		return s.pool.AcquireFunc(ctx, func(conn *pgxpool.Conn) error {
			err := u.run(ctx, conn.Conn(), t)
			if err != nil && conn.Conn().PgConn().TxStatus() != 'I' && ctx.Err() == nil {
				_, _ = conn.Exec(ctx, "ROLLBACK") // when it fails, the pool throws the connection away
			}
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return u.after, nil
}

// update is a call of UpdateBuild, over all its tries.
type update struct {
	id     string
	change func(*brigade.Build) error

	found record         // as it was when change was called
	after *brigade.Build // nil until then
	args  []any          // of updateBuild
	doc   string         // updateDoc or updateAll
	docs  []any
}

// run reads in one round trip and writes in another. The row is locked in a
// statement of its own: only the one after it sees what others wrote while it
// waited for the lock.
func (u *update) run(ctx context.Context, conn *pgx.Conn, t try) error {
	var r record
	missing := false
	b := &pgx.Batch{}
	b.Queue("BEGIN")
	b.Queue("SELECT 1 FROM brigade_builds WHERE id = $1 FOR NO KEY UPDATE", []byte(u.id))
	b.Queue(fullBuild, []byte(u.id)).QueryRow(func(row pgx.Row) error {
		err := row.Scan(r.columns()...)
		if missing = errors.Is(err, pgx.ErrNoRows); missing {
			return nil
		}
		return err
	})
	if err := conn.SendBatch(ctx, b).Close(); err != nil {
		return err
	}
	if missing {
		return brigade.NotFound("build", u.id)
	}
	if done, err := u.prepare(r, t); done || err != nil {
		if err == nil {
			_, err = conn.Exec(ctx, "COMMIT")
		}
		return err
	}
	b = &pgx.Batch{}
	b.Queue(updateBuild, u.args...)
	b.Queue(u.doc, u.docs...)
	b.Queue("COMMIT")
	err := conn.SendBatch(ctx, b).Close()
	if violates(err, "brigade_builds_key") {
		return brigade.Errorf(brigade.CodeConflict, "another build of the project has the event key %s", u.after.Event.Key)
	}
	return err
}

// prepare calls change, unless an earlier try has done that, and reports
// whether that one's write was done, so that there is nothing left to do.
func (u *update) prepare(r record, t try) (done bool, err error) {
	switch {
	case u.after == nil:
	case r.rev == t.nonce:
		return true, nil
	case r.rev == u.found.rev:
		return false, nil
	default:
		return false, brigade.Errorf(brigade.CodeStore, "the connection broke while build %s was written, and somebody else has changed it since", u.id).
			WithHint("look at the build, and do it again if it is still needed")
	}
	b, err := r.build()
	if err != nil {
		return false, err
	}
	_, had := tables.Split(b)
	if err := tables.Change(u.change, b); err != nil {
		return false, own{err}
	}
	small, has := tables.Split(b)
	doc, err := tables.Encode(small)
	if err != nil {
		return false, err
	}
	u.found, u.after, u.args = r, b, columns(b, t.nonce)
	u.doc, u.docs = updateDoc, []any{r.seq, doc}
	if had != has {
		u.doc, u.docs = updateAll, append(u.docs, large(has)...)
	}
	return false, nil
}

// DeleteBuild removes the build with its jobs and logs.
func (s *Store) DeleteBuild(ctx context.Context, id string) error {
	return s.remove(ctx, brigade.NotFound("build", id), deleteBuild, []byte(id), s.forgotten())
}
