package sqlite

import (
	"context"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/store/tables"
)

// Project finds one by ID or by name.
func (s *Store) Project(ctx context.Context, idOrName string) (*brigade.Project, error) {
	var doc []byte
	for _, query := range []string{"SELECT doc FROM projects WHERE id = ?", "SELECT doc FROM projects WHERE name = ?"} {
		found, err := s.one(ctx, []any{&doc}, query, idOrName)
		if err != nil {
			return nil, err
		}
		if found {
			p := &brigade.Project{}
			if err := tables.Decode(doc, p); err != nil {
				return nil, s.failed(ctx, "read", err)
			}
			return p, nil
		}
	}
	return nil, brigade.NotFound("project", idOrName)
}

// ListProjects returns all of them, by name.
func (s *Store) ListProjects(ctx context.Context) ([]*brigade.Project, error) {
	all := []*brigade.Project{}
	err := s.each(ctx, func(scan func(...any) error) error {
		var doc []byte
		if err := scan(&doc); err != nil {
			return err
		}
		p := &brigade.Project{}
		all = append(all, p)
		return tables.Decode(doc, p)
	}, "SELECT doc FROM projects ORDER BY name")
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
	id, name := p.ID, p.Name
	return s.write(ctx, true, func(w *writer) error {
		var same string
		found, err := w.get([]any{&same}, "SELECT id FROM projects WHERE name = ? AND id <> ?", name, id)
		if err != nil {
			return err
		}
		if found {
			return own{brigade.Errorf(brigade.CodeConflict, "there is another project named %q", name).
				WithHint("its ID is %s; change or delete that one", same)}
		}
		_, err = w.exec("INSERT INTO projects (id, name, doc) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET name = excluded.name, doc = excluded.doc", id, name, doc)
		return err
	})
}

// DeleteProject forgets the project; its builds stay.
func (s *Store) DeleteProject(ctx context.Context, id string) error {
	return s.write(ctx, true, func(w *writer) error {
		done, err := w.exec("DELETE FROM projects WHERE id = ?", id)
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n > 0 {
			return err
		}
		return own{brigade.NotFound("project", id)}
	})
}
