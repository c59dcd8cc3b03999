package web

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/brigadecore/brigade/v3"
)

const (
	logChunk     = 500     // lines read from the store at once
	linesMost    = 2000    // lines of one answer
	linesBytes   = 1 << 20 // bytes of text of one answer, after which it is cut at a line
	firstLines   = 200     // lines of a log that come with its page
	maxHits      = 5000    // lines that a search returns
	maxQuery     = 200     // bytes of what is searched for
	textFlush    = 64 << 10
	searchBudget = 20 * time.Second
)

// logRef is a log of a build.
type logRef struct {
	buildID, jobID string
	ended          bool // nothing will be added
}

func (l *logRef) query() brigade.LogQuery {
	return brigade.LogQuery{BuildID: l.buildID, JobID: l.jobID}
}

// last is the number of the log's last line.
func (l *logRef) last(c *call) (int64, error) {
	q := l.query()
	q.Tail = 1
	page, err := c.web.opt.Store.ReadLog(c.ctx(), q)
	if err != nil || len(page) == 0 {
		return 0, err
	}
	return page[0].Seq, nil
}

// logOwner returns the log that the path names, and what it belongs to: the
// build's script when there is no job.
func (c *call) logOwner() (*logRef, *brigade.Job, *brigade.Build, error) {
	if c.r.PathValue("job") == "" {
		b, err := c.findBuild(false)
		if err != nil {
			return nil, nil, nil, err
		}
		return &logRef{buildID: b.ID, ended: b.State.Ended()}, nil, b, nil
	}
	j, b, err := c.findJob()
	if err != nil {
		return nil, nil, nil, err
	}
	l := &logRef{buildID: b.ID, jobID: j.ID, ended: b.State.Ended()}
	if retry := j.Spec.Retry; j.State.Ended() && (j.State != brigade.StateFailed || retry == nil || j.Retries >= retry.Limit) {
		l.ended = true
	}
	return l, j, b, nil
}

// logLine is a line as it is shown.
type logLine struct {
	N     int64
	Time  time.Time
	Level brigade.LogLevel
	Spans []span
}

// MarshalJSON writes it short: there are many.
func (l logLine) MarshalJSON() ([]byte, error) {
	list := make([][]string, 0, len(l.Spans))
	for _, s := range l.Spans {
		if s.Class == "" {
			list = append(list, []string{s.Text})
		} else {
			list = append(list, []string{s.Text, s.Class})
		}
	}
	return json.Marshal(struct {
		N     int64            `json:"n"`
		T     int64            `json:"t"`
		Level brigade.LogLevel `json:"l,omitempty"`
		S     [][]string       `json:"s"`
	}{l.N, l.Time.UnixMilli(), l.Level, list})
}

// lines reads a part of the log.
func (l *logRef) lines(c *call, after int64, tail, limit int) ([]logLine, error) {
	q := l.query()
	q.After, q.Tail, q.Limit = after, tail, limit
	page, err := c.web.opt.Store.ReadLog(c.ctx(), q)
	if err != nil {
		return nil, err
	}
	list := make([]logLine, 0, len(page))
	size := 0
	for _, line := range page {
		if size += len(line.Text); size > linesBytes && len(list) > 0 {
			break
		}
		list = append(list, logLine{line.Seq, line.Time, line.Level, spans(titled(line.Text))})
	}
	return list, nil
}

// logData is what the page of a log shows.
type logData struct {
	Build           *brigade.Build
	Job             *brigade.Job // nil: the log of the script
	Name, URL       string
	BuildURL        string
	State           brigade.State
	Failure         *brigade.Error
	Notice          string // what goes on
	Started, Ended  time.Time
	Took            time.Duration
	Lines           []logLine
	Last            int64
	Over            bool
	Earlier         string // address of the lines before the first one, for those without a script
	Main            string // what the job runs
	Env             []string
	Artifacts       []artifactRow
	Outputs         *node
	CanCancel       bool
	MayChange       bool
	BuildFailure    bool
	DownloadURL     string
	PhaseWait, Pull time.Duration
}

// logPage shows a log, and of a job what it ran and left behind.
func logPage(c *call) (*page, error) {
	l, j, b, err := c.logOwner()
	if err != nil {
		return nil, err
	}
	now := c.web.opt.Now()
	d := &logData{
		Build: b, Job: j, Name: "script", URL: buildURL(b.ID) + "/log", BuildURL: buildURL(b.ID), State: b.State, Failure: b.Failure,
		Started: b.Started, Ended: b.Ended, Took: took(now, b), Over: l.ended, MayChange: c.who.Act,
	}
	if j != nil {
		if err := c.describeJob(d, b, j, now); err != nil {
			return nil, err
		}
	}
	d.DownloadURL = d.URL + "/text"
	if notice := c.notices[l.jobID]; notice != "" && !d.State.Ended() {
		m, err := c.web.hiders.Of(c.ctx(), b.ProjectID)
		if err != nil {
			return nil, err
		}
		d.Notice = m.String(notice)
	}
	if d.Last, err = l.last(c); err != nil {
		return nil, err
	}
	if !c.streaming {
		if err := c.firstLines(d, l); err != nil {
			return nil, err
		}
	}
	title := d.Name + " of " + b.Project + " #" + shortID(b.ID) + " " + stateWord(d.State)
	return &page{
		Title: title, Template: "log", Section: "builds", State: d.State, Crumbs: buildCrumbs(b), Data: d, Live: !l.ended, Build: b.ID, Log: l,
		Styles: []string{"colors.css"}, Scripts: []string{"log.js"},
	}, nil
}

// firstLines puts the lines into the page that are seen without a script.
func (c *call) firstLines(d *logData, l *logRef) error {
	from, _ := strconv.ParseInt(c.r.URL.Query().Get("from"), 10, 64)
	var err error
	if from > 0 {
		d.Lines, err = l.lines(c, from-1, 0, firstLines)
	} else {
		d.Lines, err = l.lines(c, 0, firstLines, 0)
	}
	if err == nil && len(d.Lines) > 0 && d.Lines[0].N > 1 {
		d.Earlier = d.URL + "?from=" + strconv.FormatInt(max(1, d.Lines[0].N-firstLines), 10)
	}
	return err
}

func (c *call) describeJob(d *logData, b *brigade.Build, j *brigade.Job, now time.Time) error {
	m, err := c.web.hiders.Of(c.ctx(), b.ProjectID)
	if err != nil {
		return err
	}
	if err := hideJob(m, j); err != nil {
		return err
	}
	d.Name, d.URL, d.State, d.Failure = j.Name, jobURL(b.ID, j.Name), j.State, j.Failure
	d.Started, d.Ended, d.Took = j.Started, j.Ended, 0
	if !j.Started.IsZero() {
		d.Took = sinceUntil(j.Started, j.Ended, now)
	}
	d.Main = j.Spec.Main()
	for name := range j.Spec.Env {
		d.Env = append(d.Env, m.String(name))
	}
	slices.Sort(d.Env)
	for _, a := range j.Artifacts {
		d.Artifacts = append(d.Artifacts, artifactRow{a, j.Name, artifactURL(b.ID, j.Name, a.Name)})
	}
	if len(j.Outputs) > 0 {
		n := valueNode("", j.Outputs)
		d.Outputs = &n
	}
	d.CanCancel = c.who.Act && !j.State.Ended() && !b.State.Ended()
	return nil
}

// logLines answers with a part of a log as JSON.
func logLines(c *call) error {
	l, _, _, err := c.logOwner()
	if err != nil {
		return err
	}
	q := c.r.URL.Query()
	after, err := strconv.ParseInt(q.Get("after"), 10, 64)
	if err != nil || after < 0 {
		after = 0
	}
	limit, err := strconv.Atoi(q.Get("limit"))
	if err != nil || limit <= 0 {
		limit = logChunk
	}
	list, err := l.lines(c, after, 0, min(limit, linesMost))
	if err != nil {
		return err
	}
	return c.json(map[string]any{"lines": list})
}

func (c *call) json(v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return c.send(http.StatusOK, "application/json", data)
}

// logSearch answers with the numbers of the lines that hold a text, ignoring
// case and colors.
func logSearch(c *call) error {
	l, _, _, err := c.logOwner()
	if err != nil {
		return err
	}
	want := strings.ToLower(cut(c.r.URL.Query().Get("q"), maxQuery))
	hits := []int64{}
	more := false
	if want == "" {
		return c.json(map[string]any{"hits": hits, "more": more})
	}
	ctx, cancel := context.WithTimeout(c.ctx(), searchBudget)
	defer cancel()
	err = l.each(ctx, c.web.opt.Store, func(line brigade.LogLine) error {
		if !strings.Contains(strings.ToLower(plain(line.Text)), want) {
			return nil
		}
		if len(hits) == maxHits {
			more = true
			return errEnough
		}
		hits = append(hits, line.Seq)
		return nil
	})
	switch {
	case errors.Is(err, errEnough):
	case errors.Is(err, context.DeadlineExceeded) && c.ctx().Err() == nil:
		more = true
	case err != nil:
		return err
	}
	return c.json(map[string]any{"hits": hits, "more": more})
}

var errEnough = errors.New("enough")

// each calls f for every line, reading a chunk at a time.
func (l *logRef) each(ctx context.Context, store Store, f func(brigade.LogLine) error) error {
	q := l.query()
	q.Limit = logChunk
	for {
		page, err := store.ReadLog(ctx, q)
		if err != nil {
			return err
		}
		for _, line := range page {
			if err := f(line); err != nil {
				return err
			}
			q.After = line.Seq
		}
		if len(page) < logChunk {
			return nil
		}
	}
}

// logText sends a whole log to be saved; with times=1 each line has its time.
func logText(c *call) error {
	l, j, b, err := c.logOwner()
	if err != nil {
		return err
	}
	name := "script"
	if j != nil {
		name = j.Name
	}
	h := c.w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Content-Disposition", attachment(name+"-"+b.ID+".log"))
	c.begun = true
	if c.r.Method == http.MethodHead {
		return nil
	}
	times := c.r.URL.Query().Get("times") == "1"
	out := bufio.NewWriterSize(&moving{c}, textFlush)
	err = l.each(c.ctx(), c.web.opt.Store, func(line brigade.LogLine) error {
		if times {
			if _, err := out.WriteString(line.Time.UTC().Format("2006-01-02T15:04:05.000Z ")); err != nil {
				return err
			}
		}
		_, err := out.WriteString(plain(line.Text) + "\n")
		return err
	})
	return errors.Join(err, out.Flush())
}

// moving is an answer that may take long, as long as the client takes a part
// of it now and then.
type moving struct{ c *call }

// Write gives the client time anew.
func (m *moving) Write(p []byte) (int, error) {
	_ = m.c.control.SetWriteDeadline(time.Now().Add(m.c.web.opt.Limits.Write))
	return m.c.w.Write(p)
}

// artifactFile sends a file that a job left behind. It is never shown by the
// browser, only saved: what is in it came from a job.
func artifactFile(c *call) error {
	j, _, err := c.findJob()
	if err != nil {
		return err
	}
	name := c.r.PathValue("name")
	for _, a := range j.Artifacts {
		if a.Name != name {
			continue
		}
		if c.web.opt.Artifacts == nil {
			return brigade.Errorf(brigade.CodeUnavailable, "artifacts are not kept here")
		}
		content, err := c.web.opt.Artifacts.OpenArtifact(c.ctx(), j, a)
		if err != nil {
			return err
		}
		defer content.Close()
		h := c.w.Header()
		h.Set("Content-Type", "application/octet-stream")
		h.Set("Content-Disposition", attachment(name))
		h.Set("Content-Length", strconv.FormatInt(a.Size, 10))
		h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
		c.begun = true
		if c.r.Method == http.MethodHead {
			return nil
		}
		n, err := io.Copy(&moving{c}, io.LimitReader(content, a.Size))
		if err == nil && n != a.Size {
			panic(http.ErrAbortHandler) // it is not whole: the client must see that
		}
		return err
	}
	return brigade.NotFound("artifact", name)
}

// attachment tells a browser to save a file under the last part of its name.
func attachment(name string) string {
	base := path.Base(strings.ReplaceAll(name, `\`, "/"))
	if base == "." || base == "/" || base == ".." {
		base = "artifact"
	}
	if v := mime.FormatMediaType("attachment", map[string]string{"filename": base}); v != "" {
		return v
	}
	return "attachment"
}
