package sqlite

import (
	"context"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/store/tables"
)

// PutJob creates or replaces the job with j's ID.
func (s *Store) PutJob(ctx context.Context, j *brigade.Job) error {
	if j.ID == "" || j.BuildID == "" {
		return brigade.Errorf(brigade.CodeInvalid, "a job needs an ID and a build")
	}
	doc, err := tables.Encode(j)
	if err != nil {
		return err
	}
	id, buildID, created := j.ID, j.BuildID, tables.Nanos(j.Created)
	return s.write(ctx, j.State.Ended(), func(w *writer) error {
		seq, err := w.seq(buildID)
		if err != nil {
			return err
		}
		done, err := w.exec("INSERT INTO jobs (id, build, created, doc) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET created = excluded.created, doc = excluded.doc WHERE build = excluded.build",
			id, seq, created, doc)
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n > 0 {
			return err
		}
		return own{brigade.Errorf(brigade.CodeConflict, "job %s belongs to another build", id)}
	})
}

// seq returns the key of a build in the other tables.
func (w *writer) seq(buildID string) (int64, error) {
	var seq int64
	found, err := w.get([]any{&seq}, "SELECT seq FROM builds WHERE id = ?", buildID)
	if err == nil && !found {
		err = own{brigade.NotFound("build", buildID)}
	}
	return seq, err
}

// Job finds one by ID.
func (s *Store) Job(ctx context.Context, id string) (*brigade.Job, error) {
	var doc []byte
	found, err := s.one(ctx, []any{&doc}, "SELECT doc FROM jobs WHERE id = ?", id)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, brigade.NotFound("job", id)
	}
	j := &brigade.Job{}
	if err := tables.Decode(doc, j); err != nil {
		return nil, s.failed(ctx, "read", err)
	}
	return j, nil
}

// ListJobs returns a build's jobs by creation.
func (s *Store) ListJobs(ctx context.Context, buildID string) ([]*brigade.Job, error) {
	all := []*brigade.Job{}
	err := s.each(ctx, func(scan func(...any) error) error {
		var doc []byte
		if err := scan(&doc); err != nil {
			return err
		}
		j := &brigade.Job{}
		all = append(all, j)
		return tables.Decode(doc, j)
	}, "SELECT doc FROM jobs WHERE build = (SELECT seq FROM builds WHERE id = ?) ORDER BY created, seq", buildID)
	if err != nil {
		return nil, err
	}
	return all, nil
}
