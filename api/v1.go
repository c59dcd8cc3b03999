package api

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"

	"github.com/brigadecore/brigade/v3"
)

// v1JSON answers as v1 did: indented by one space, without a line end.
func (c *call) v1JSON(v any) error {
	data, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err
	}
	return c.send(http.StatusOK, data)
}

// hide returns what replaces the secrets of a project in a text.
func (c *call) hide(ctx context.Context, projectID string) (func(string) string, error) {
	m, err := c.a.maskers.Of(ctx, projectID)
	if err != nil {
		return nil, err
	}
	return m.String, nil
}

// v1Sentence is what v1's clients are told about something that is missing.
func v1Sentence(err error, noun string) error {
	if brigade.CodeOf(err) == brigade.CodeNotFound {
		return notFound("There is no %s with that ID.", noun)
	}
	return err
}

func v1Health(c *call) error { return c.v1JSON(http.StatusText(http.StatusOK)) }

// v1View is a project in which nothing repeats one of its secrets.
func (c *call) v1View(p *brigade.Project) (v v1ProjectShape, err error) {
	v = toV1Project(p)
	hide, err := c.hide(c.r.Context(), p.ID)
	if err != nil {
		return v, err
	}
	for _, text := range []*string{&v.DefaultScript, &v.DefaultConfig, &v.WorkerCommand, &v.Repo.CloneURL, &v.Repo.Name, &v.GitHub.BaseURL, &v.GitHub.UploadURL} {
		*text = hide(*text)
	}
	return v, nil
}

func v1Projects(c *call) error {
	all, err := c.visible()
	if err != nil {
		return err
	}
	views := make([]v1ProjectShape, 0, len(all))
	for _, p := range all {
		v, err := c.v1View(p)
		if err != nil {
			return err
		}
		views = append(views, v)
	}
	return c.v1JSON(views)
}

func v1Project(c *call) error {
	p, err := c.projectOf(c.r.Context(), c.r.PathValue("id"))
	if err != nil {
		return v1Sentence(err, "project")
	}
	v, err := c.v1View(p)
	if err != nil {
		return err
	}
	return c.v1JSON(v)
}

// v1LastBuilds answers with every project and its newest build, or null.
func v1LastBuilds(c *call) error {
	all, err := c.visible()
	if err != nil {
		return err
	}
	out := make([]v1Summary, 0, len(all))
	for _, p := range all {
		s := v1Summary{}
		if s.Project, err = c.v1View(p); err != nil {
			return err
		}
		last, err := c.a.opt.Store.ListBuilds(c.r.Context(), brigade.BuildFilter{ProjectID: p.ID, Limit: 1})
		if err != nil {
			return err
		}
		if len(last) > 0 {
			if s.LastBuild, err = c.v1FullBuild(c.r.Context(), last[0].ID); err != nil {
				return err
			}
		}
		out = append(out, s)
	}
	return c.v1JSON(out)
}

// v1FullBuild returns a build in v1's shape, nil when it is gone.
func (c *call) v1FullBuild(ctx context.Context, id string) (*v1BuildShape, error) {
	b, err := c.a.opt.Store.Build(ctx, id)
	if brigade.CodeOf(err) == brigade.CodeNotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	hide, err := c.hide(ctx, b.ProjectID)
	if err != nil {
		return nil, err
	}
	return toV1Build(b, hide), nil
}

// v1ProjectBuilds answers with all builds of a project, oldest first as v1
// did. They hold their payloads, so they are sent one by one.
func v1ProjectBuilds(c *call) error {
	ctx := c.r.Context()
	p, err := c.projectOf(ctx, c.r.PathValue("id"))
	if err != nil {
		return v1Sentence(err, "project")
	}
	var ids []string // newest first
	f := brigade.BuildFilter{ProjectID: p.ID, Limit: 1000}
	for more := true; more; {
		page, err := c.a.opt.Store.ListBuilds(ctx, f)
		if err != nil {
			return err
		}
		for _, b := range page {
			ids = append(ids, b.ID)
			f.Before = b.ID
		}
		more = len(page) == f.Limit
	}
	c.w.Header().Set("Content-Type", "application/json")
	if len(ids) == 0 || c.r.Method == http.MethodHead {
		_, err := io.WriteString(c.w, "[]")
		return c.unlessGone(err)
	}
	out := bufio.NewWriterSize(&moving{c: c}, flushFrom)
	sep := "[\n "
	for i := len(ids) - 1; i >= 0; i-- {
		v, err := c.v1FullBuild(ctx, ids[i])
		if err != nil {
			return err
		}
		if v == nil {
			continue
		}
		data, err := json.MarshalIndent(v, " ", " ")
		if err != nil {
			return err
		}
		_, _ = out.WriteString(sep) // Flush tells whether one of them failed
		_, _ = out.Write(data)
		sep = ",\n "
	}
	if sep[0] == '[' {
		_, _ = out.WriteString("[")
	}
	_, _ = out.WriteString("\n]")
	return c.unlessGone(out.Flush())
}

func v1Build(c *call) error {
	b, err := c.findBuild("id")
	if err != nil {
		return v1Sentence(err, "build")
	}
	v, err := c.v1FullBuild(c.r.Context(), b.ID)
	if err != nil {
		return err
	}
	if v == nil {
		return v1Sentence(brigade.NotFound("build", b.ID), "build")
	}
	return c.v1JSON(v)
}

func v1Jobs(c *call) error {
	b, err := c.findBuild("id")
	if err != nil {
		return v1Sentence(err, "build")
	}
	jobs, err := c.a.opt.Store.ListJobs(c.r.Context(), b.ID)
	if err != nil {
		return err
	}
	hide, err := c.hide(c.r.Context(), b.ProjectID)
	if err != nil {
		return err
	}
	out := make([]v1JobShape, 0, len(jobs))
	for _, j := range jobs {
		out = append(out, toV1Job(j, hide))
	}
	return c.v1JSON(out)
}

func v1Job(c *call) error {
	j, b, err := c.findJob("id")
	if err != nil {
		return v1Sentence(err, "job")
	}
	hide, err := c.hide(c.r.Context(), b.ProjectID)
	if err != nil {
		return err
	}
	return c.v1JSON(toV1Job(j, hide))
}

func v1BuildLog(c *call) error {
	b, err := c.findBuild("id")
	if err != nil {
		return v1Sentence(err, "build")
	}
	return c.v1Log(brigade.LogQuery{BuildID: b.ID})
}

func v1JobLog(c *call) error {
	j, b, err := c.findJob("id")
	if err != nil {
		return v1Sentence(err, "job")
	}
	return c.v1Log(brigade.LogQuery{BuildID: b.ID, JobID: j.ID})
}

// v1Log answers with what is in the log now: as plain text with stream=true,
// else as a JSON string, and with 204 when that would be empty.
func (c *call) v1Log(q brigade.LogQuery) error {
	if c.r.URL.Query().Get("stream") == "true" {
		return c.logText(q, 0)
	}
	first := q
	first.Limit = 1
	begin, err := c.a.opt.Store.ReadLog(c.r.Context(), first)
	if err != nil {
		return err
	}
	if len(begin) == 0 {
		return c.none()
	}
	c.w.Header().Set("Content-Type", "application/json")
	if c.r.Method == http.MethodHead {
		return nil
	}
	out := bufio.NewWriterSize(&moving{c: c}, flushFrom)
	_ = out.WriteByte('"')
	err = c.a.eachLine(c.r.Context(), q, 0, func(l brigade.LogLine) error {
		data, err := json.Marshal(l.Text + "\n")
		if err != nil {
			return err
		}
		_, err = out.Write(data[1 : len(data)-1])
		return err
	})
	if err != nil {
		return err
	}
	_ = out.WriteByte('"')
	return c.unlessGone(out.Flush())
}
