package postgres

import (
	"context"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/store/tables"
	"github.com/jackc/pgx/v5"
)

// Project finds one by ID or by name.
func (s *Store) Project(ctx context.Context, idOrName string) (*brigade.Project, error) {
	var doc []byte
	found, err := s.one(ctx, []any{&doc}, "SELECT doc FROM brigade_projects WHERE id = $1 OR name = $1 ORDER BY id = $1 DESC LIMIT 1", []byte(idOrName))
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, brigade.NotFound("project", idOrName)
	}
	p := &brigade.Project{}
	if err := tables.Decode(doc, p); err != nil {
		return nil, storeError(ctx, s.where, "read from", err)
	}
	return p, nil
}

// ListProjects returns all of them, by name.
func (s *Store) ListProjects(ctx context.Context) ([]*brigade.Project, error) {
	return listed[brigade.Project](ctx, s, "SELECT doc FROM brigade_projects ORDER BY name")
}

// listed returns the documents a query gives.
func listed[T any](ctx context.Context, s *Store, query string, args ...any) ([]*T, error) {
	var all []*T
	err := s.each(ctx, func() { all = []*T{} }, func(row pgx.CollectableRow) error {
		var doc []byte
		if err := row.Scan(&doc); err != nil {
			return err
		}
		one := new(T)
		all = append(all, one)
		return tables.Decode(doc, one)
	}, query, args...)
	if err != nil {
		return nil, err
	}
	return all, nil
}

// PutProject creates p or replaces the one with its ID.
func (s *Store) PutProject(ctx context.Context, p *brigade.Project) error {
	if p.ID == "" || p.Name == "" {
		return brigade.Errorf(brigade.CodeInvalid, "a project needs an ID and a name")
	}
	doc, err := tables.Encode(p)
	if err != nil {
		return err
	}
	return s.do(ctx, "write to", func(ctx context.Context, _ try) error {
		_, err := s.pool.Exec(ctx, "INSERT INTO brigade_projects (id, name, doc) VALUES ($1, $2, $3) ON CONFLICT (id) DO UPDATE SET name = excluded.name, doc = excluded.doc",
			[]byte(p.ID), []byte(p.Name), doc)
		if violates(err, "brigade_projects_name") {
			return s.nameTaken(ctx, p.Name)
		}
		return err
	})
}

func (s *Store) nameTaken(ctx context.Context, name string) error {
	var id []byte
	if err := s.pool.QueryRow(ctx, "SELECT id FROM brigade_projects WHERE name = $1", []byte(name)).Scan(&id); err != nil {
		id = nil // it is gone again; the conflict was there all the same
	}
	return brigade.Errorf(brigade.CodeConflict, "there is another project named %q", name).
		WithHint("its ID is %s; change or delete that one", id)
}

// DeleteProject forgets the project; its builds stay.
func (s *Store) DeleteProject(ctx context.Context, id string) error {
	return s.remove(ctx, brigade.NotFound("project", id), "DELETE FROM brigade_projects WHERE id = $1", []byte(id))
}

// remove runs a statement that removes one thing; missing is the error when
// there is none.
func (s *Store) remove(ctx context.Context, missing error, query string, args ...any) error {
	return s.do(ctx, "write to", func(ctx context.Context, t try) error {
		done, err := s.pool.Exec(ctx, query, args...)
		if err == nil && done.RowsAffected() == 0 && !t.unsure { // an earlier try may have removed it
			return missing
		}
		return err
	})
}
