package postgres

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
	return s.do(ctx, "write to", func(ctx context.Context, _ try) error {
		done, err := s.pool.Exec(ctx, `INSERT INTO brigade_jobs AS j (id, build, created, doc) SELECT $2::bytea, seq, $3::bigint, $4::bytea FROM brigade_builds WHERE id = $1
			ON CONFLICT (id) DO UPDATE SET created = excluded.created, doc = excluded.doc WHERE j.build = excluded.build`,
			[]byte(j.BuildID), []byte(j.ID), tables.Nanos(j.Created), doc)
		if sqlState(err) == codeForeignKey {
			return brigade.NotFound("build", j.BuildID) // it was deleted at this moment
		}
		if err != nil || done.RowsAffected() > 0 {
			return err
		}
		there := false
		if err := s.pool.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM brigade_builds WHERE id = $1)", []byte(j.BuildID)).Scan(&there); err != nil {
			return err
		}
		if !there {
			return brigade.NotFound("build", j.BuildID)
		}
		return brigade.Errorf(brigade.CodeConflict, "job %s belongs to another build", j.ID)
	})
}

// Job finds one by ID.
func (s *Store) Job(ctx context.Context, id string) (*brigade.Job, error) {
	var doc []byte
	found, err := s.one(ctx, []any{&doc}, "SELECT doc FROM brigade_jobs WHERE id = $1", []byte(id))
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, brigade.NotFound("job", id)
	}
	j := &brigade.Job{}
	if err := tables.Decode(doc, j); err != nil {
		return nil, storeError(ctx, s.where, "read from", err)
	}
	return j, nil
}

// ListJobs returns a build's jobs by creation.
func (s *Store) ListJobs(ctx context.Context, buildID string) ([]*brigade.Job, error) {
	return listed[brigade.Job](ctx, s, "SELECT j.doc FROM brigade_jobs j JOIN brigade_builds b ON b.seq = j.build WHERE b.id = $1 ORDER BY j.created, j.seq", []byte(buildID))
}
