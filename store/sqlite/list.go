package sqlite

import (
	"context"
	"strings"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/store/tables"
)

const (
	defaultLimit = 50
	maxLimit     = 1000
	few          = 500 // so many builds are looked at one by one
)

// conditions is the WHERE of a statement.
type conditions struct {
	terms []string
	args  []any
}

func (c *conditions) add(term string, args ...any) {
	c.terms = append(c.terms, term)
	c.args = append(c.args, args...)
}

func (c *conditions) where() string {
	if len(c.terms) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(c.terms, " AND ")
}

// ListBuilds returns a page, newest first, without payloads and scripts.
func (s *Store) ListBuilds(ctx context.Context, f brigade.BuildFilter) ([]*brigade.Build, error) {
	if f.Limit <= 0 {
		f.Limit = defaultLimit
	}
	f.Limit = min(f.Limit, maxLimit)
	recent, err := s.fewSince(ctx, f)
	if err != nil {
		return nil, err
	}
	if f.Text != "" {
		return s.search(ctx, f, recent)
	}
	selection, args := selectionOf(f, recent)
	return s.page(ctx, f.Limit, selection, args)
}

// page reads the builds whose IDs a selection gives.
func (s *Store) page(ctx context.Context, limit int, selection string, args []any) ([]*brigade.Build, error) {
	query := "SELECT b.owner, b.lease, d.doc FROM (" + selection + ") p JOIN builds b ON b.id = p.id JOIN build_docs d ON d.build = b.seq ORDER BY p.id DESC LIMIT ?"
	page := []*brigade.Build{}
	err := s.each(ctx, func(scan func(...any) error) error {
		var r record
		if err := scan(&r.owner, &r.lease, &r.doc); err != nil {
			return err
		}
		b, err := r.build()
		page = append(page, b)
		return err
	}, query, append(args, limit)...)
	if err != nil {
		return nil, err
	}
	return page, nil
}

// selectionOf returns a statement that gives the IDs of a page. SQLite keeps no
// statistics here, so it is told which index is the right one: one whose order
// is that of the page, so that reading ends with the page.
func selectionOf(f brigade.BuildFilter, recent bool) (string, []any) {
	c := conditionsOf(f)
	switch {
	case recent:
		return newest("builds INDEXED BY builds_created", c, f)
	case len(f.States) > 0:
		return byState(f)
	case f.ProjectID != "":
		return newest("builds INDEXED BY builds_project", c, f)
	case f.Type != "":
		return newest("builds INDEXED BY builds_type", c, f)
	}
	return newest("builds", c, f)
}

// conditionsOf holds for the builds of f, apart from its Text.
func conditionsOf(f brigade.BuildFilter) conditions {
	var c conditions
	if f.ProjectID != "" {
		c.add("project = ?", f.ProjectID)
	}
	if len(f.States) > 0 {
		c.add("state IN (?" + strings.Repeat(", ?", len(f.States)-1) + ")")
		for _, state := range f.States {
			c.args = append(c.args, string(state))
		}
	}
	if f.Type != "" {
		c.add("type = ?", f.Type)
	}
	if !f.Since.IsZero() {
		c.add("created >= ?", tables.Nanos(f.Since))
	}
	if f.Before != "" {
		c.add("builds.id < ?", f.Before)
	}
	return c
}

// fewSince reports whether so few builds are as new as f wants them that it is
// best to look at just these.
func (s *Store) fewSince(ctx context.Context, f brigade.BuildFilter) (bool, error) {
	if f.Since.IsZero() {
		return false, nil
	}
	n := 0
	_, err := s.one(ctx, []any{&n}, "SELECT count(*) FROM (SELECT 1 FROM builds INDEXED BY builds_created WHERE created >= ? LIMIT ?)", tables.Nanos(f.Since), few)
	return n < few, err
}

// newest selects from a table or an index, newest first.
func newest(from string, c conditions, f brigade.BuildFilter) (string, []any) {
	return "SELECT builds.id FROM " + from + c.where() + " ORDER BY builds.id DESC LIMIT ?", append(c.args, f.Limit)
}

// byState reads one index from its end for every state and merges the pages.
func byState(f brigade.BuildFilter) (string, []any) {
	index := "builds INDEXED BY builds_state"
	if f.ProjectID != "" {
		index = "builds INDEXED BY builds_project_state"
	}
	var parts []string
	var args []any
	seen := map[brigade.State]bool{}
	for _, state := range f.States {
		if seen[state] {
			continue
		}
		seen[state] = true
		one := f
		one.States = []brigade.State{state}
		part, of := newest(index, conditionsOf(one), one)
		parts = append(parts, "SELECT id FROM ("+part+")")
		args = append(args, of...)
	}
	return strings.Join(parts, " UNION ALL "), args
}
