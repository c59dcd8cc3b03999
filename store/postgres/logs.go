package postgres

import (
	"context"
	"slices"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/store/tables"
	"github.com/jackc/pgx/v5"
)

// appendLines moves the log's head on, unless it is not before the new lines,
// and adds them. The head is locked from then on until all is done.
const appendLines = `WITH head AS (
		INSERT INTO brigade_log_heads AS h (build, job, last) SELECT seq, $2::bytea, $4::bigint FROM brigade_builds WHERE id = $1
		ON CONFLICT (build, job) DO UPDATE SET last = excluded.last WHERE h.last < $3::bigint RETURNING build
	)
	INSERT INTO brigade_logs (build, job, first, last, count, data)
	SELECT head.build, $2::bytea, c.first, c.last, c.count, c.data
	FROM head, unnest($5::bigint[], $6::bigint[], $7::integer[], $8::bytea[]) AS c (first, last, count, data)`

// AppendLog adds lines of one log; those whose Seq is there are ignored. It is
// best called with many lines at once: each call makes at least one row.
func (s *Store) AppendLog(ctx context.Context, lines []brigade.LogLine) error {
	if len(lines) == 0 {
		return ctx.Err()
	}
	if err := tables.CheckLog(lines); err != nil {
		return err
	}
	return s.do(ctx, "write to", func(ctx context.Context, _ try) error {
		for rest := lines; len(rest) > 0; {
			added, err := s.append(ctx, rest)
			if err != nil || added {
				return err
			}
			last, err := s.lastLine(ctx, rest[0].BuildID, rest[0].JobID)
			if err != nil {
				return err
			}
			from, _ := slices.BinarySearchFunc(rest, last+1, func(l brigade.LogLine, seq int64) int { return int(min(max(l.Seq-seq, -1), 1)) })
			rest = rest[from:]
		}
		return nil
	})
}

// append adds lines unless some of them are there, or there is no such build.
func (s *Store) append(ctx context.Context, lines []brigade.LogLine) (added bool, err error) {
	chunks := tables.Pack(lines)
	n := len(chunks)
	first, last, count, data := make([]int64, n), make([]int64, n), make([]int32, n), make([][]byte, n)
	for i, c := range chunks {
		first[i], last[i], count[i], data[i] = c.First, c.Last, int32(c.Count), c.Data
	}
	done, err := s.pool.Exec(ctx, appendLines, []byte(lines[0].BuildID), []byte(lines[0].JobID), lines[0].Seq, lines[len(lines)-1].Seq, first, last, count, data)
	if sqlState(err) == codeForeignKey {
		return false, brigade.NotFound("build", lines[0].BuildID) // it was deleted at this moment
	}
	return done.RowsAffected() > 0, err
}

// lastLine is the Seq of the last line of a log; 0 when it is empty.
func (s *Store) lastLine(ctx context.Context, buildID, jobID string) (int64, error) {
	var seqs []int64
	rows, err := s.pool.Query(ctx, `SELECT coalesce(h.last, 0) FROM brigade_builds b LEFT JOIN brigade_log_heads h ON h.build = b.seq AND h.job = $2 WHERE b.id = $1`, []byte(buildID), []byte(jobID))
	if err == nil {
		seqs, err = pgx.CollectRows(rows, pgx.RowTo[int64])
	}
	if err == nil && len(seqs) == 0 {
		return 0, brigade.NotFound("build", buildID)
	}
	if err != nil {
		return 0, err
	}
	return seqs[0], nil
}

// logOf gives the chunks of a log, some at a time: the lines of a call are read
// no further than they are wanted, and held at the server no longer.
const logOf = `SELECT l.last, l.data FROM brigade_logs l JOIN brigade_builds b ON b.seq = l.build WHERE b.id = $1 AND l.job = $2 AND l.last > $3`

const (
	forward  = logOf + " ORDER BY l.last LIMIT $4"
	backward = logOf + " AND l.last < $5 ORDER BY l.last DESC LIMIT $4"

	fewChunks  = 8
	manyChunks = 64
)

// chunk is a row of a log.
type chunk struct {
	last  int64
	lines []brigade.LogLine // those after q.After
}

// chunks reads a page of a log.
func (s *Store) chunks(ctx context.Context, q brigade.LogQuery, query string, args ...any) ([]chunk, error) {
	var page []chunk
	err := s.each(ctx, func() { page = nil }, func(row pgx.CollectableRow) error {
		var c chunk
		var data []byte
		if err := row.Scan(&c.last, &data); err != nil {
			return err
		}
		err := tables.Unpack(data, func(l brigade.LogLine) {
			if l.Seq > q.After {
				l.BuildID, l.JobID = q.BuildID, q.JobID
				c.lines = append(c.lines, l)
			}
		})
		page = append(page, c)
		return err
	}, query, args...)
	return page, err
}

// ReadLog returns lines of one log in order.
func (s *Store) ReadLog(ctx context.Context, q brigade.LogQuery) ([]brigade.LogLine, error) {
	if q.Tail > 0 {
		return s.readTail(ctx, q)
	}
	var lines []brigade.LogLine
	after, size := q.After, fewChunks
	for {
		page, err := s.chunks(ctx, q, forward, []byte(q.BuildID), []byte(q.JobID), after, size)
		if err != nil {
			return nil, err
		}
		for _, c := range page {
			lines = append(lines, c.lines...)
			after = c.last
		}
		if len(page) < size || q.Limit > 0 && len(lines) >= q.Limit {
			return cut(lines, q.Limit), nil
		}
		size = manyChunks
	}
}

// readTail reads chunks from the end until there are enough lines.
func (s *Store) readTail(ctx context.Context, q brigade.LogQuery) ([]brigade.LogLine, error) {
	var parts [][]brigade.LogLine // last one first
	n, before, size := 0, int64(1<<63-1), fewChunks
	for {
		page, err := s.chunks(ctx, q, backward, []byte(q.BuildID), []byte(q.JobID), q.After, size, before)
		if err != nil {
			return nil, err
		}
		for _, c := range page {
			parts = append(parts, c.lines)
			n += len(c.lines)
			before = c.last
		}
		if len(page) < size || n >= q.Tail {
			break
		}
		size = manyChunks
	}
	slices.Reverse(parts)
	lines := slices.Concat(parts...)
	return cut(lines[max(0, len(lines)-q.Tail):], q.Limit), nil
}

func cut(lines []brigade.LogLine, limit int) []brigade.LogLine {
	if limit > 0 && len(lines) > limit {
		return lines[:limit]
	}
	return lines
}
