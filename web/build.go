package web

import (
	"crypto/rand"
	"net/http"
	"time"

	"github.com/brigadecore/brigade/v3"
)

// buildData is what the page of a build shows.
type buildData struct {
	*brigade.Build
	URL, ProjectURL string
	Commit, Ref     string // their addresses at the forge, when those are known
	Took            time.Duration
	Queued          time.Duration
	Timeline        *timeline
	Jobs            []*brigade.Job
	Artifacts       []artifactRow
	Outputs         []outputRow
	Failed          int  // jobs
	CanCancel       bool // somebody who may has not yet
	CanRerun        bool
	Nonce           string
	Notice          string // what goes on
}

type artifactRow struct {
	brigade.Artifact
	Job, URL string
}

type outputRow struct {
	Job, URL string
	Node     node
}

// buildPage shows a build as a waterfall of its jobs.
func buildPage(c *call) (*page, error) {
	b, err := c.findBuild(false)
	if err != nil {
		return nil, c.wholeID(err)
	}
	jobs, err := c.jobsOf(b)
	if err != nil {
		return nil, err
	}
	now := c.web.opt.Now()
	d := &buildData{
		Build: b, URL: buildURL(b.ID), ProjectURL: projectURL(b.ProjectID, b.Project), Jobs: jobs, Took: took(now, b),
		Timeline: makeTimeline(b, jobs, now), CanRerun: c.who.Act, Nonce: c.nonce,
	}
	if d.Nonce == "" {
		d.Nonce = newNonce()
	}
	if err := c.tellNotices(d); err != nil {
		return nil, err
	}
	d.Queued = sinceUntil(b.Created, b.Started, now)
	d.CanCancel = c.who.Act && !b.State.Ended() && b.Cancel == nil
	for _, j := range jobs {
		if j.State == brigade.StateFailed {
			d.Failed++
		}
		for _, a := range j.Artifacts {
			d.Artifacts = append(d.Artifacts, artifactRow{a, j.Name, artifactURL(b.ID, j.Name, a.Name)})
		}
		if len(j.Outputs) > 0 {
			d.Outputs = append(d.Outputs, outputRow{j.Name, jobURL(b.ID, j.Name), valueNode("", j.Outputs)})
		}
	}
	if p, err := c.web.opt.Store.Project(c.ctx(), b.ProjectID); err == nil {
		d.Commit, d.Ref = revisionURLs(p.Repository, b.Event.Provider, b.Event.Revision)
	}
	crumbs := []crumb{{"Projects", "/"}, {b.Project, d.ProjectURL}}
	title := b.Event.Type + " of " + b.Project + " " + stateWord(b.State)
	return &page{Title: title, Template: "build", Section: "builds", Crumbs: crumbs, Data: d, State: b.State, Live: !b.State.Ended(), Build: b.ID}, nil
}

// tellNotices puts what goes on beside what it is about.
func (c *call) tellNotices(d *buildData) error {
	if len(c.notices) == 0 || d.State.Ended() {
		return nil
	}
	m, err := c.web.hiders.Of(c.ctx(), d.ProjectID)
	if err != nil {
		return err
	}
	d.Notice = m.String(c.notices[""])
	for _, r := range d.Timeline.Rows {
		if r.Job != nil && !r.State.Ended() {
			r.Notice = m.String(c.notices[r.Job.ID])
		}
	}
	return nil
}

// wholeID sends those who have the start of an ID on to the build, unless
// that would tell them more than they may know.
func (c *call) wholeID(notFound error) error {
	prefix := c.r.PathValue("build")
	if brigade.CodeOf(notFound) != brigade.CodeNotFound || len(prefix) < 6 || len(prefix) >= 26 {
		return notFound
	}
	b, err := c.web.opt.Store.Build(c.ctx(), prefix)
	if err != nil || b.ID == prefix || !c.who.sees(b.ProjectID, b.Project) {
		return notFound
	}
	c.begun = true
	http.Redirect(c.w, c.r, buildURL(b.ID), http.StatusFound)
	return nil
}

func sinceUntil(from, to, now time.Time) time.Duration {
	if to.IsZero() {
		to = now
	}
	return max(0, to.Sub(from))
}

func newNonce() string { return rand.Text() }
