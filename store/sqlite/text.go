package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"hash/fnv"
	"slices"
	"strings"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/store/tables"
)

// The text of a build is a line: a hash by which most other projects and types
// are passed over, the mark, then what is searched, in lower case: the ID and
// further fields. An ID that is not in lower case follows as it is.
const (
	mark    = "\x1e"
	lineEnd = "\n"

	blockBits = 5 // 32 builds per block
)

// textOf is what stands in build_texts for b.
func textOf(b *brigade.Build) []byte {
	var line strings.Builder
	line.WriteString(hashOf(b.ProjectID) + hashOf(b.Event.Type) + mark)
	line.Write(tables.Searched(b))
	if strings.ToLower(b.ID) != b.ID {
		line.WriteString(b.ID)
	}
	line.WriteString(lineEnd)
	return []byte(line.String())
}

// hashOf is 4 hexadecimal digits that most other values do not have.
func hashOf(value string) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(value))
	return hex.EncodeToString(h.Sum(nil)[2:])
}

// addText adds the text of a new build to its block.
func (w *writer) addText(seq int64, id string, text []byte) error {
	_, err := w.exec("INSERT INTO build_texts (block, top, data) VALUES (?, ?, ?) ON CONFLICT (block) DO UPDATE SET top = max(top, excluded.top), data = CAST(data || excluded.data AS BLOB)",
		seq>>blockBits, id, text)
	return err
}

// replaceText puts text, which may be nil, in the place of old.
func (w *writer) replaceText(seq int64, old, text []byte) error {
	block := seq >> blockBits
	var data []byte
	if _, err := w.get([]any{&data}, "SELECT data FROM build_texts WHERE block = ?", block); err != nil {
		return err
	}
	data = append(bytes.Replace(data, old, nil, 1), text...)
	var err error
	if len(data) == 0 {
		_, err = w.exec("DELETE FROM build_texts WHERE block = ?", block)
	} else {
		_, err = w.exec("UPDATE build_texts SET data = ? WHERE block = ?", data, block)
	}
	return err
}

// search is ListBuilds with a Text.
func (s *Store) search(ctx context.Context, f brigade.BuildFilter, recent bool) ([]*brigade.Build, error) {
	text, ok := tables.SearchText(f.Text)
	if !ok {
		return []*brigade.Build{}, ctx.Err()
	}
	if !recent && len(f.States) > 0 {
		n := 0
		c := conditionsOf(brigade.BuildFilter{States: f.States})
		query := "SELECT count(*) FROM (SELECT 1 FROM builds INDEXED BY builds_state" + c.where() + " LIMIT ?)"
		if _, err := s.one(ctx, []any{&n}, query, append(c.args, few)...); err != nil {
			return nil, err
		}
		if n < few {
			return s.searchFew(ctx, f, text, false)
		}
	}
	if recent {
		return s.searchFew(ctx, f, text, true)
	}
	return s.searchAll(ctx, f, text)
}

// searchFew looks at the few builds that the rest of the filter leaves.
func (s *Store) searchFew(ctx context.Context, f brigade.BuildFilter, text string, recent bool) ([]*brigade.Build, error) {
	limit := f.Limit
	f.Limit = few
	selection, args := selectionOf(f, recent)
	page, err := s.page(ctx, few, selection, args)
	if err != nil {
		return nil, err
	}
	page = slices.DeleteFunc(page, func(b *brigade.Build) bool {
		_, searched, _ := bytes.Cut(textOf(b), []byte(mark))
		return !bytes.Contains(searched, []byte(text))
	})
	return page[:min(len(page), limit)], nil
}

// searchAll goes through the blocks from the one with the newest builds until
// the page is full and no further block can have a newer one.
func (s *Store) searchAll(ctx context.Context, f brigade.BuildFilter, text string) ([]*brigade.Build, error) {
	rows, err := s.query(ctx, "SELECT top, data FROM build_texts ORDER BY top DESC")
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // Err below tells
	rest := f
	rest.Text, rest.Before = "", ""
	c := conditionsOf(rest)
	var ids []string // newest first once sorted
	for rows.Next() {
		var top string
		var data sql.RawBytes // good until the next row
		if err := rows.Scan(&top, &data); err != nil {
			return nil, s.failed(ctx, "read", err)
		}
		if len(ids) >= f.Limit && top < ids[f.Limit-1] {
			break
		}
		found := matches(data, []byte(text), f)
		if len(found) > 0 && len(c.terms) > 0 {
			if found, err = s.having(ctx, found, c); err != nil {
				return nil, err
			}
		}
		if len(found) > 0 {
			ids = append(ids, found...)
			slices.SortFunc(ids, func(a, b string) int { return strings.Compare(b, a) })
			ids = ids[:min(len(ids), f.Limit)]
		}
	}
	if err := rows.Err(); err != nil {
		return nil, s.failed(ctx, "read", err)
	}
	if len(ids) == 0 {
		return []*brigade.Build{}, nil
	}
	return s.page(ctx, f.Limit, "SELECT value AS id FROM json_each(?)", []any{list(ids)})
}

// matches returns the IDs of the builds in a block that have text, and perhaps
// the project and type that f wants.
func matches(data, text []byte, f brigade.BuildFilter) []string {
	var ids []string
	for len(data) > 0 {
		at := bytes.Index(data, text)
		if at < 0 {
			return ids
		}
		from := bytes.LastIndexByte(data[:at], lineEnd[0]) + 1
		to := bytes.IndexByte(data[at:], lineEnd[0])
		if to < 0 {
			return ids
		}
		line := data[from : at+to]
		data = data[at+to+1:]
		hash, searched, _ := bytes.Cut(line, []byte(mark))
		last := bytes.LastIndexByte(searched, tables.FieldEnd[0])
		if len(hash) < 8 || last < 0 || !bytes.Contains(searched[:last], text) {
			continue // it is only in the hash, or in the ID as it is
		}
		id := string(searched[last+1:])
		if id == "" {
			lower, _, _ := bytes.Cut(searched, []byte(tables.FieldEnd))
			id = string(lower)
		}
		if (f.ProjectID == "" || string(hash[:4]) == hashOf(f.ProjectID)) &&
			(f.Type == "" || string(hash[4:]) == hashOf(f.Type)) && (f.Before == "" || id < f.Before) {
			ids = append(ids, id)
		}
	}
	return ids
}

// having returns those of ids for which c holds.
func (s *Store) having(ctx context.Context, ids []string, c conditions) ([]string, error) {
	var kept []string
	query := "SELECT id FROM builds" + c.where() + " AND id IN (SELECT value FROM json_each(?))"
	err := s.each(ctx, func(scan func(...any) error) error {
		kept = append(kept, "")
		return scan(&kept[len(kept)-1])
	}, query, append(slices.Clone(c.args), list(ids))...)
	return kept, err
}

// list is ids for json_each.
func list(ids []string) string {
	doc, err := json.Marshal(ids)
	if err != nil {
		return "[]" // cannot be: they are strings
	}
	return string(doc)
}
