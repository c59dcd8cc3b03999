package client

import (
	"context"
	"encoding/json"
	"net/url"
	"strconv"
	"time"

	"github.com/brigadecore/brigade/v3"
)

// maxLines is how many lines of a log, and how long a tail, one answer holds.
const maxLines = 10_000

// AppendLog is refused: who runs the build keeps its logs.
func (c *Client) AppendLog(context.Context, []brigade.LogLine) error {
	return notHere("write logs", "its scripts and jobs do")
}

// line is a line of a log as the API shows it.
type line struct {
	Seq   int64            `json:"seq"`
	Time  time.Time        `json:"time"`
	Level brigade.LogLevel `json:"level"`
	Text  string           `json:"text"`
}

func (l line) of(q brigade.LogQuery) brigade.LogLine {
	return brigade.LogLine{BuildID: q.BuildID, JobID: q.JobID, Seq: l.Seq, Time: l.Time, Level: l.Level, Text: l.Text}
}

func logPath(q brigade.LogQuery) []string {
	if q.JobID != "" {
		return []string{"api", "jobs", q.JobID, "logs"}
	}
	return []string{"api", "builds", q.BuildID, "logs"}
}

// ReadLog returns lines in order. An unknown log is empty, not an error. Of
// what After leaves, Tail takes the end, and Limit the start of that.
func (c *Client) ReadLog(ctx context.Context, q brigade.LogQuery) ([]brigade.LogLine, error) {
	if q.Tail > maxLines { // lines are numbered without gaps
		last, err := c.readPage(ctx, brigade.LogQuery{BuildID: q.BuildID, JobID: q.JobID, After: q.After, Tail: 1}, 1)
		if err != nil || len(last.Lines) == 0 {
			return nil, unlessMissing(err)
		}
		q.After, q.Tail = max(q.After, last.Lines[0].Seq-int64(q.Tail)), 0
	}
	var all []brigade.LogLine
	for {
		want := maxLines
		if q.Limit > 0 {
			want = min(want, q.Limit-len(all))
		}
		page, err := c.readPage(ctx, q, want)
		if err != nil {
			return nil, unlessMissing(err)
		}
		for _, l := range page.Lines {
			all = append(all, l.of(q))
			q.After = l.Seq
		}
		tail := q.Tail > 0 && len(page.Lines) >= min(q.Tail, want)
		q.Tail = 0
		if len(page.Lines) == 0 || page.Ended || tail || q.Limit > 0 && len(all) >= q.Limit {
			return all, nil
		}
	}
}

func unlessMissing(err error) error {
	if brigade.CodeOf(err) == brigade.CodeNotFound {
		return nil
	}
	return err
}

type logPage struct {
	Lines []line `json:"lines"`
	Ended bool   `json:"ended"`
}

func (c *Client) readPage(ctx context.Context, q brigade.LogQuery, limit int) (logPage, error) {
	query := logQuery(q)
	query.Set("limit", strconv.Itoa(limit))
	var page logPage
	_, err := c.call(ctx, get(logPath(q)...).with(query), &page)
	return page, err
}

func logQuery(q brigade.LogQuery) url.Values {
	query := url.Values{}
	if q.After > 0 {
		query.Set("after", strconv.FormatInt(q.After, 10))
	}
	if q.Tail > 0 {
		query.Set("tail", strconv.Itoa(q.Tail))
	}
	return query
}

// FollowLog calls f for each line of a log, those that are there and those
// that come, in order and once, until nothing more will come. It takes the log
// up again where it was cut off. It returns the state in which its owner
// ended, or "deleted". An error of f ends it and is returned.
func (c *Client) FollowLog(ctx context.Context, q brigade.LogQuery, f func(brigade.LogLine) error) (state string, err error) {
	query := logQuery(q)
	query.Set("follow", "true")
	at := q.After
	err = c.stream(ctx, logPath(q), query, func(e sent) error {
		switch e.name {
		case "line":
			var l line
			if err := json.Unmarshal(e.data, &l); err != nil {
				return c.broken(err).err
			}
			if l.Seq <= at {
				return nil
			}
			at = l.Seq
			return f(l.of(q))
		case "end":
			var end struct {
				State string `json:"state"`
			}
			if err := json.Unmarshal(e.data, &end); err != nil {
				return c.broken(err).err
			}
			state = end.State
			return errDone
		}
		return nil
	})
	return state, err
}
