package sqlite

import (
	"bytes"
	"context"
	"strings"
	"time"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/store/tables"
)

// columns is what of a build stands in the table builds.
type columns struct {
	id, project, state, typ string
	key                     any // nil without one
	created                 int64
	open                    int
	owner                   string
	lease                   int64
	priority                int
	lane                    string // the concurrency key
	notBefore               int64  // 0 unless it is pending
}

func columnsOf(b *brigade.Build) columns {
	c := columns{
		id: b.ID, project: b.ProjectID, state: string(b.State), typ: b.Event.Type, created: tables.Nanos(b.Created),
		owner: b.Lease.Owner, lease: tables.Nanos(b.Lease.Expires), priority: b.Priority, lane: b.ConcurrencyKey, notBefore: tables.NotBefore(b),
	}
	if b.Event.Key != "" {
		c.key = b.Event.Key
	}
	if !b.State.Ended() {
		c.open = 1
	}
	return c
}

// CreateBuild stores b, or returns the build of the same project whose event
// has the same key.
func (s *Store) CreateBuild(ctx context.Context, b *brigade.Build) (*brigade.Build, error) {
	if b.ID == "" || strings.ContainsAny(b.ID, tables.Separators) {
		return nil, brigade.Errorf(brigade.CodeInvalid, "a build needs an ID")
	}
	small, large := tables.Split(b)
	doc, err := tables.Encode(small)
	if err != nil {
		return nil, err
	}
	c, text := columnsOf(b), textOf(b)
	same := ""
	var gone *brigade.Build
	err = s.write(ctx, true, func(w *writer) (err error) {
		if c.key != nil {
			if found, err := w.get([]any{&same}, "SELECT id FROM builds WHERE project = ? AND key = ?", c.project, c.key); found || err != nil {
				return err
			}
			if gone, err = w.departed(c, s.now()); gone != nil || err != nil {
				return err
			}
		}
		return w.insertBuild(c, doc, text, large)
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

// departed is what is kept of a deleted build that had the key of c, which
// is another one; nil when nothing is, or not any more.
func (w *writer) departed(c columns, now time.Time) (*brigade.Build, error) {
	b, created := &brigade.Build{ProjectID: c.project}, int64(0)
	found, err := w.get([]any{&b.ID, &b.State, &b.Event.Key, &created}, "SELECT id, state, key, created FROM departed WHERE project = ? AND key = ? AND id <> ? AND created > ?",
		c.project, c.key, c.id, tables.Nanos(now.Add(-brigade.KeyMemory)))
	if !found || err != nil {
		return nil, err
	}
	b.Created = tables.Time(created)
	return b, nil
}

// depart keeps something of a build that is deleted, if its event has a key, and
// forgets what was kept for long enough.
func (w *writer) depart(b *brigade.Build, now time.Time) error {
	if b.Event.Key == "" {
		return nil
	}
	c, oldest := columnsOf(b), tables.Nanos(now.Add(-brigade.KeyMemory))
	if c.created > oldest {
		if _, err := w.exec("INSERT OR REPLACE INTO departed (project, key, id, state, created) VALUES (?, ?, ?, ?, ?)", c.project, c.key, c.id, c.state, c.created); err != nil {
			return err
		}
	}
	_, err := w.exec("DELETE FROM departed WHERE created <= ?", oldest)
	return err
}

func (w *writer) insertBuild(c columns, doc []byte, text []byte, large tables.Large) error {
	done, err := w.exec("INSERT INTO builds (id, project, state, type, key, created, open, owner, lease, priority, lane, not_before) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		c.id, c.project, c.state, c.typ, c.key, c.created, c.open, c.owner, c.lease, c.priority, c.lane, c.notBefore)
	if primaryCode(err) == codeConstraint {
		return own{brigade.Errorf(brigade.CodeConflict, "there is a build %s already", c.id)}
	}
	if err != nil {
		return err
	}
	seq, err := done.LastInsertId()
	if err != nil {
		return err
	}
	if _, err := w.exec("INSERT INTO build_docs (build, doc) VALUES (?, ?)", seq, doc); err != nil {
		return err
	}
	if err := w.addText(seq, c.id, text); err != nil {
		return err
	}
	return w.putBlobs(seq, tables.Large{}, large)
}

// putBlobs writes those of the large things that differ from before.
func (w *writer) putBlobs(seq int64, before, after tables.Large) error {
	for kind, data := range after {
		if data == before[kind] {
			continue
		}
		id := seq*8 + int64(kind)
		var err error
		if data == "" {
			_, err = w.exec("DELETE FROM build_blobs WHERE id = ?", id)
		} else {
			_, err = w.exec("INSERT OR REPLACE INTO build_blobs (id, data) VALUES (?, ?)", id, []byte(data))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// fullBuild reads a whole build in one statement, so that all of it is of the
// same moment.
const fullBuild = `SELECT b.seq, b.owner, b.lease, d.doc,
	(SELECT data FROM build_blobs WHERE id = b.seq * 8), (SELECT data FROM build_blobs WHERE id = b.seq * 8 + 1),
	(SELECT data FROM build_blobs WHERE id = b.seq * 8 + 2), (SELECT data FROM build_blobs WHERE id = b.seq * 8 + 3)
	FROM builds b JOIN build_docs d ON d.build = b.seq WHERE b.id = ?`

// record is a row of fullBuild.
type record struct {
	seq   int64
	owner string
	lease int64
	doc   []byte
	data  [tables.LargeKinds][]byte
}

func (r *record) columns() []any {
	return []any{&r.seq, &r.owner, &r.lease, &r.doc, &r.data[0], &r.data[1], &r.data[2], &r.data[3]}
}

func (r *record) build() (*brigade.Build, error) {
	b := &brigade.Build{}
	if err := tables.Decode(r.doc, b); err != nil {
		return nil, err
	}
	var large tables.Large
	for i, data := range r.data {
		large[i] = string(data)
	}
	tables.Join(b, large, r.owner, r.lease)
	return b, nil
}

func (s *Store) exactBuild(ctx context.Context, id string) (*brigade.Build, error) {
	var r record
	found, err := s.one(ctx, r.columns(), fullBuild, id)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, brigade.NotFound("build", id).WithHint("list the builds to see their IDs")
	}
	b, err := r.build()
	if err != nil {
		return nil, s.failed(ctx, "read", err)
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
	listErr := s.each(ctx, func(scan func(...any) error) error {
		found = append(found, "")
		return scan(&found[len(found)-1])
	}, "SELECT id FROM builds WHERE id >= ? ORDER BY id LIMIT 2", prefix)
	if listErr != nil {
		return nil, listErr
	}
	for len(found) > 0 && !strings.HasPrefix(found[len(found)-1], prefix) {
		found = found[:len(found)-1]
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
	var b *brigade.Build
	err := s.write(ctx, true, func(w *writer) error {
		var r record
		found, err := w.get(r.columns(), fullBuild, id)
		if err != nil {
			return err
		}
		if !found {
			return own{brigade.NotFound("build", id)}
		}
		if b, err = r.build(); err != nil {
			return err
		}
		before := *b
		if err := tables.Change(change, b); err != nil {
			return own{err}
		}
		return w.updateBuild(r.seq, &before, b)
	})
	if err != nil {
		return nil, err
	}
	return b, nil
}

// updateBuild writes what differs between before and after.
func (w *writer) updateBuild(seq int64, before, after *brigade.Build) error {
	_, had := tables.Split(before)
	small, large := tables.Split(after)
	doc, err := tables.Encode(small)
	if err != nil {
		return own{err}
	}
	if _, err := w.exec("UPDATE build_docs SET doc = ? WHERE build = ?", doc, seq); err != nil {
		return err
	}
	if err := w.putBlobs(seq, had, large); err != nil {
		return err
	}
	if old, text := textOf(before), textOf(after); !bytes.Equal(old, text) {
		if err := w.replaceText(seq, old, text); err != nil {
			return err
		}
	}
	return w.updateColumns(seq, columnsOf(before), columnsOf(after))
}

// updateColumns leaves alone the columns that stay, and so their indexes.
func (w *writer) updateColumns(seq int64, old, c columns) error {
	if old == c {
		return nil
	}
	var err error
	fixed := old
	fixed.state, fixed.open, fixed.owner, fixed.lease, fixed.notBefore = c.state, c.open, c.owner, c.lease, c.notBefore
	switch {
	case fixed != c:
		_, err = w.exec("UPDATE builds SET project = ?, type = ?, key = ?, created = ?, priority = ?, lane = ?, state = ?, open = ?, owner = ?, lease = ?, not_before = ? WHERE seq = ?",
			c.project, c.typ, c.key, c.created, c.priority, c.lane, c.state, c.open, c.owner, c.lease, c.notBefore, seq)
	case old.state != c.state || old.notBefore != c.notBefore:
		_, err = w.exec("UPDATE builds SET state = ?, open = ?, owner = ?, lease = ?, not_before = ? WHERE seq = ?", c.state, c.open, c.owner, c.lease, c.notBefore, seq)
	default:
		_, err = w.exec("UPDATE builds SET owner = ?, lease = ? WHERE seq = ?", c.owner, c.lease, seq)
	}
	if primaryCode(err) == codeConstraint {
		return own{brigade.Errorf(brigade.CodeConflict, "another build of the project has the event key %v", c.key)}
	}
	return err
}

// DeleteBuild removes the build with its jobs and logs.
func (s *Store) DeleteBuild(ctx context.Context, id string) error {
	return s.write(ctx, true, func(w *writer) error {
		var r record
		found, err := w.get(r.columns(), fullBuild, id)
		if err != nil {
			return err
		}
		if !found {
			return own{brigade.NotFound("build", id)}
		}
		b, err := r.build()
		if err != nil {
			return err
		}
		if err := w.replaceText(r.seq, textOf(b), nil); err != nil {
			return err
		}
		if _, err := w.exec("DELETE FROM build_blobs WHERE id BETWEEN ? AND ?", r.seq*8, r.seq*8+7); err != nil {
			return err
		}
		if err := w.depart(b, s.now()); err != nil {
			return err
		}
		w.vacuum = true
		_, err = w.exec("DELETE FROM builds WHERE seq = ?", r.seq) // jobs, logs and document go with it
		return err
	})
}
