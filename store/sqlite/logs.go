package sqlite

import (
	"context"
	"slices"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/store/tables"
)

// AppendLog adds lines of one log; those whose Seq is there are ignored. It is
// best called with many lines at once: each call makes at least one row.
func (s *Store) AppendLog(ctx context.Context, lines []brigade.LogLine) error {
	if len(lines) == 0 {
		return ctx.Err()
	}
	of := lines[0]
	if err := tables.CheckLog(lines); err != nil {
		return err
	}
	chunks := tables.Pack(lines)
	return s.write(ctx, false, func(w *writer) error {
		var seq, last int64
		found, err := w.get([]any{&seq, &last}, "SELECT seq, (SELECT coalesce(max(last), 0) FROM logs WHERE build = builds.seq AND job = ?) FROM builds WHERE id = ?", of.JobID, of.BuildID)
		if err != nil {
			return err
		}
		if !found {
			return own{brigade.NotFound("build", of.BuildID)}
		}
		if of.Seq <= last {
			from, _ := slices.BinarySearchFunc(lines, last+1, func(l brigade.LogLine, seq int64) int { return int(min(max(l.Seq-seq, -1), 1)) })
			chunks = tables.Pack(lines[from:])
		}
		for _, c := range chunks {
			if _, err := w.exec("INSERT INTO logs (build, job, first, last, count, data) VALUES (?, ?, ?, ?, ?, ?)", seq, of.JobID, c.First, c.Last, c.Count, c.Data); err != nil {
				return err
			}
		}
		return nil
	})
}

const logOf = " FROM logs WHERE build = (SELECT seq FROM builds WHERE id = ?) AND job = ? AND last > ? ORDER BY last"

// ReadLog returns lines of one log in order. It reads no more chunks than hold
// the lines asked for.
func (s *Store) ReadLog(ctx context.Context, q brigade.LogQuery) ([]brigade.LogLine, error) {
	if q.Tail > 0 {
		return s.readTail(ctx, q)
	}
	var lines []brigade.LogLine
	err := s.chunks(ctx, q, "SELECT data"+logOf, func(data []byte) (bool, error) {
		err := tables.Unpack(data, func(l brigade.LogLine) {
			if l.Seq > q.After {
				l.BuildID, l.JobID = q.BuildID, q.JobID
				lines = append(lines, l)
			}
		})
		return q.Limit <= 0 || len(lines) < q.Limit, err
	})
	return cut(lines, q.Limit), err
}

// readTail reads chunks from the end until there are enough lines.
func (s *Store) readTail(ctx context.Context, q brigade.LogQuery) ([]brigade.LogLine, error) {
	var parts [][]brigade.LogLine // last one first
	n := 0
	err := s.chunks(ctx, q, "SELECT data"+logOf+" DESC", func(data []byte) (bool, error) {
		var part []brigade.LogLine
		err := tables.Unpack(data, func(l brigade.LogLine) {
			if l.Seq > q.After {
				l.BuildID, l.JobID = q.BuildID, q.JobID
				part = append(part, l)
			}
		})
		parts = append(parts, part)
		n += len(part)
		return n < q.Tail, err
	})
	slices.Reverse(parts)
	lines := slices.Concat(parts...)
	return cut(lines[max(0, len(lines)-q.Tail):], q.Limit), err
}

func cut(lines []brigade.LogLine, limit int) []brigade.LogLine {
	if limit > 0 && len(lines) > limit {
		return lines[:limit]
	}
	return lines
}

// chunks calls next for the chunks of a query until it wants no more.
func (s *Store) chunks(ctx context.Context, q brigade.LogQuery, query string, next func(data []byte) (more bool, err error)) error {
	rows, err := s.query(ctx, query, q.BuildID, q.JobID, q.After)
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // Err below tells
	for rows.Next() {
		var data []byte
		if err := rows.Scan(&data); err != nil {
			return s.failed(ctx, "read", err)
		}
		more, err := next(data)
		if err != nil {
			return s.failed(ctx, "read", err)
		}
		if !more {
			return nil
		}
	}
	if err := rows.Err(); err != nil {
		return s.failed(ctx, "read", err)
	}
	return nil
}
