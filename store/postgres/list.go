package postgres

import (
	"context"
	"strconv"
	"strings"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/store/tables"
	"github.com/jackc/pgx/v5"
)

// conditions is the WHERE of a statement. Parameters are written as question
// marks and numbered as they come.
type conditions struct {
	terms []string
	args  []any
}

func (c *conditions) add(term string, arg any) {
	c.args = append(c.args, arg)
	c.terms = append(c.terms, strings.Replace(term, "?", "$"+strconv.Itoa(len(c.args)), 1))
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
	selection, args, none := selectionOf(f)
	if none {
		return []*brigade.Build{}, ctx.Err()
	}
	query := "SELECT b.owner, b.lease, b.attempt, d.doc FROM (" + selection + ") p JOIN brigade_builds b ON b.seq = p.seq JOIN brigade_build_docs d ON d.build = p.seq ORDER BY b.id DESC LIMIT " + strconv.Itoa(f.Limit)
	var page []*brigade.Build
	err := s.each(ctx, func() { page = []*brigade.Build{} }, func(row pgx.CollectableRow) error {
		var r record
		if err := row.Scan(&r.owner, &r.lease, &r.attempt, &r.doc); err != nil {
			return err
		}
		b, err := r.build()
		page = append(page, b)
		return err
	}, query, args...)
	if err != nil {
		return nil, err
	}
	return page, nil
}

// selectionOf returns a statement that gives the keys of a page, or reports
// that there can be none. With states, the index is read from its end for each
// of them and the pages are merged: there may be millions of builds that ended
// behind the few that run.
func selectionOf(f brigade.BuildFilter) (selection string, args []any, none bool) {
	var c conditions
	if f.Text != "" {
		text, ok := tables.SearchText(f.Text)
		if !ok {
			return "", nil, true
		}
		c.add("position(?::bytea IN search) > 0", []byte(text))
	}
	if f.ProjectID != "" {
		c.add("project = ?", []byte(f.ProjectID))
	}
	if f.Type != "" {
		c.add("type = ?", []byte(f.Type))
	}
	if !f.Since.IsZero() {
		c.add("created >= ?", tables.Nanos(f.Since))
	}
	if f.Before != "" {
		c.add("id < ?", []byte(f.Before))
	}
	var parts []string
	seen := map[brigade.State]bool{}
	for _, state := range f.States {
		if !seen[state] {
			seen[state] = true
			one := c
			one.terms = append([]string(nil), c.terms...)
			one.add("state = ?", []byte(state))
			c.args = one.args
			parts = append(parts, "("+newest(one, f.Limit)+")")
		}
	}
	if len(parts) == 0 {
		return newest(c, f.Limit), c.args, false
	}
	return strings.Join(parts, " UNION ALL "), c.args, false
}

func newest(c conditions, limit int) string {
	return "SELECT seq FROM brigade_builds" + c.where() + " ORDER BY id DESC LIMIT " + strconv.Itoa(limit)
}
