package sqlite

import (
	"context"
	"strings"

	"github.com/brigadecore/brigade/v3"
)

const (
	defaultLimit = 50
	maxLimit     = 1000
	few          = 1000 // so many builds are looked at one by one
	longestText  = 1000 // longer ones are in no build
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
	f.Text = strings.ToLower(f.Text)
	if len(f.Text) > longestText || strings.ContainsAny(f.Text, separator+"\x00") {
		return []*brigade.Build{}, ctx.Err()
	}
	selection, args, err := s.selection(ctx, f)
	if err != nil {
		return nil, err
	}
	query := "SELECT b.owner, b.lease, d.doc FROM (" + selection + ") p JOIN builds b ON b.id = p.id JOIN build_docs d ON d.build = b.seq ORDER BY p.id DESC LIMIT ?"
	page := []*brigade.Build{}
	err = s.each(ctx, func(scan func(...any) error) error {
		var r record
		if err := scan(&r.owner, &r.lease, &r.doc); err != nil {
			return err
		}
		b, err := r.build()
		page = append(page, b)
		return err
	}, query, append(args, f.Limit)...)
	if err != nil {
		return nil, err
	}
	return page, nil
}

// selection returns a statement that gives the IDs of a page. SQLite keeps no
// statistics here, so it is told which index is the right one: one whose order
// is that of the page, so that reading ends with the page.
func (s *Store) selection(ctx context.Context, f brigade.BuildFilter) (string, []any, error) {
	recent, err := s.fewSince(ctx, f)
	if err != nil {
		return "", nil, err
	}
	if f.Text != "" && !recent {
		return byText(f)
	}
	c := conditionsOf(f)
	if recent {
		return newest("builds INDEXED BY builds_created", c, f)
	}
	switch {
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
		c.add("created >= ?", nanos(f.Since))
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
	_, err := s.one(ctx, []any{&n}, "SELECT count(*) FROM (SELECT 1 FROM builds INDEXED BY builds_created WHERE created >= ? LIMIT ?)", nanos(f.Since), few)
	return n < few, err
}

// newest selects from a table or an index, newest first.
func newest(from string, c conditions, f brigade.BuildFilter) (string, []any, error) {
	if f.Text != "" {
		c.add("EXISTS (SELECT 1 FROM build_texts WHERE text >= builds.id || ? AND text < builds.id || ? AND text LIKE ? ESCAPE '\\')", separator, " ", pattern(f.Text))
	}
	return "SELECT builds.id FROM " + from + c.where() + " ORDER BY builds.id DESC LIMIT ?", append(c.args, f.Limit), nil
}

// byState reads one index from its end for every state and merges the pages.
func byState(f brigade.BuildFilter) (string, []any, error) {
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
		part, of, err := newest(index, conditionsOf(one), one)
		if err != nil {
			return "", nil, err
		}
		parts = append(parts, "SELECT id FROM ("+part+")")
		args = append(args, of...)
	}
	return strings.Join(parts, " UNION ALL "), args, nil
}

// byText goes through the texts, newest first, until the page is full.
func byText(f brigade.BuildFilter) (string, []any, error) {
	text := f.Text
	f.Text = ""
	before := f.Before
	f.Before = ""
	c := conditionsOf(f)
	if before != "" {
		c.add("text < ?", before)
	}
	c.add("text LIKE ? ESCAPE '\\'", pattern(text))
	const id = "substr(text, 1, instr(text, char(31)) - 1)"
	if len(c.terms) == 1 || len(c.terms) == 2 && before != "" {
		return "SELECT " + id + " AS id FROM build_texts" + c.where() + " ORDER BY text DESC LIMIT ?", append(c.args, f.Limit), nil
	}
	return "SELECT builds.id FROM build_texts CROSS JOIN builds ON builds.id = " + id + c.where() + " ORDER BY text DESC LIMIT ?", append(c.args, f.Limit), nil
}

var escaped = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

// pattern is text for LIKE.
func pattern(text string) string { return "%" + escaped.Replace(text) + "%" }
