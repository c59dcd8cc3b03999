package api

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/mask"
)

var states = []brigade.State{
	brigade.StatePending, brigade.StatePulling, brigade.StateRunning,
	brigade.StateSucceeded, brigade.StateFailed, brigade.StateCanceled,
}

type buildPage struct {
	Builds []*brigade.Build `json:"builds"`
	Next   string           `json:"next,omitempty"`
}

// listBuilds answers with a page of builds, newest first.
func listBuilds(c *call) error {
	f, ids, err := c.buildFilter()
	if err != nil {
		return err
	}
	page, err := c.listOf(f, ids)
	if err != nil {
		return err
	}
	out := buildPage{Builds: make([]*brigade.Build, 0, len(page))}
	var of []string
	for _, b := range page {
		out.Builds = append(out.Builds, c.a.show(b))
		if !slices.Contains(of, b.ProjectID) {
			of = append(of, b.ProjectID)
		}
	}
	if len(page) == f.Limit {
		out.Next = page[len(page)-1].ID
	}
	c.linkNext(out.Next)
	return c.masked(http.StatusOK, out, of...)
}

// buildFilter reads the query. ids are the projects to look at; nil are all.
func (c *call) buildFilter() (f brigade.BuildFilter, ids []string, err error) {
	q := c.r.URL.Query()
	f.Type, f.Text = q.Get("type"), q.Get("text")
	if len(f.Type) > 256 || len(f.Text) > 256 {
		return f, nil, usage("type and text have at most 256 bytes")
	}
	for _, part := range q["state"] {
		for s := range strings.SplitSeq(part, ",") {
			if !slices.Contains(states, brigade.State(s)) {
				return f, nil, usage("there is no state %q", s).WithHint("the states are %v", states)
			}
			f.States = append(f.States, brigade.State(s))
		}
	}
	if f.Since, err = c.moment("since"); err != nil {
		return f, nil, err
	}
	if f.Before, f.Limit, err = c.page(); err != nil {
		return f, nil, err
	}
	if name := q.Get("project"); name != "" {
		id, err := c.projectID(name)
		return f, []string{id}, err
	}
	if !c.who.Limited() {
		return f, nil, nil
	}
	ids = []string{} // of projects that are gone, too: their builds are there
	for _, name := range c.who.Projects {
		id := brigade.ProjectID(name)
		if p, err := c.a.opt.Store.Project(c.r.Context(), name); err == nil {
			id = p.ID
		}
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return f, ids, nil
}

// projectID finds the project of that name, or one that is gone and has left
// builds behind.
func (c *call) projectID(name string) (string, error) {
	p, err := c.projectOf(c.r.Context(), name)
	if err == nil {
		return p.ID, nil
	}
	id := brigade.ProjectID(name)
	if brigade.CodeOf(err) != brigade.CodeNotFound || !c.who.Sees(id, name) {
		return "", err
	}
	left, listErr := c.a.opt.Store.ListBuilds(c.r.Context(), brigade.BuildFilter{ProjectID: id, Limit: 1})
	if listErr != nil || len(left) == 0 {
		return "", cmp.Or(listErr, err)
	}
	return id, nil
}

// listOf returns a page of the builds of several projects.
func (c *call) listOf(f brigade.BuildFilter, ids []string) ([]*brigade.Build, error) {
	if ids == nil {
		return c.a.opt.Store.ListBuilds(c.r.Context(), f)
	}
	var all []*brigade.Build
	for _, id := range ids {
		f.ProjectID = id
		page, err := c.a.opt.Store.ListBuilds(c.r.Context(), f)
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
	}
	slices.SortFunc(all, func(x, y *brigade.Build) int { return strings.Compare(y.ID, x.ID) })
	return all[:min(len(all), f.Limit)], nil
}

// show returns a copy of b as clients see it.
func (a *API) show(b *brigade.Build) *brigade.Build {
	v := *b
	v.Lease = brigade.Lease{}
	v.Event.CloneURL = cleanURL(v.Event.CloneURL)
	v.Event.Payload = mask.Payload(v.Event.Payload)
	if v.State == brigade.StatePending {
		if why := a.opt.Control.WaitsFor(v.ID); why != "" {
			v.Waiting = why
		}
	}
	return &v
}

// light returns a copy of b without what may be large, as lists have it.
func light(b *brigade.Build) *brigade.Build {
	v := *b
	v.Script, v.Event.Payload, v.Event.Script, v.Event.Config = "", "", "", ""
	return &v
}

// lightBuild returns a build by its whole ID without what may be large.
func (a *API) lightBuild(ctx context.Context, id string) (*brigade.Build, error) {
	page, err := a.opt.Store.ListBuilds(ctx, brigade.BuildFilter{Before: id + "\x00", Limit: 1})
	if err != nil {
		return nil, err
	}
	if id == "" || len(page) == 0 || page[0].ID != id {
		return nil, brigade.NotFound("build", id)
	}
	return page[0], nil
}

// findBuild returns the build that the path names, without what may be large.
func (c *call) findBuild(name string) (*brigade.Build, error) {
	key := c.r.PathValue(name)
	b, err := c.a.lightBuild(c.r.Context(), key)
	if brigade.CodeOf(err) == brigade.CodeNotFound && !c.who.Limited() && len(key) < 26 {
		// The start of an ID will do, for those who may know of all builds.
		var full *brigade.Build
		if full, err = c.a.opt.Store.Build(c.r.Context(), key); err == nil {
			b = light(full)
		}
	}
	if err != nil {
		return nil, err
	}
	if err := c.sees(b.ProjectID, b.Project, "build", key); err != nil {
		return nil, err
	}
	c.project, c.target = b.Project, b.ID
	return b, nil
}

func getBuild(c *call) error {
	b, err := c.findBuild("build")
	if err != nil {
		return err
	}
	small, err := c.flag("light")
	if err != nil {
		return err
	}
	if !small {
		if b, err = c.a.opt.Store.Build(c.r.Context(), b.ID); err != nil {
			return err
		}
	}
	return c.answerBuild(http.StatusOK, b)
}

func (c *call) answerBuild(status int, b *brigade.Build) error {
	return c.masked(status, c.a.show(b), b.ProjectID)
}

// deleteBuild removes a build that has ended with its jobs and logs.
func deleteBuild(c *call) error {
	b, err := c.findBuild("build")
	if err != nil {
		return err
	}
	if !b.State.Ended() {
		return brigade.Errorf(brigade.CodeConflict, "build %s has not ended", b.ID).WithHint("cancel it first")
	}
	if err := c.a.opt.Store.DeleteBuild(c.r.Context(), b.ID); err != nil {
		return err
	}
	return c.none()
}

type cancelRequest struct {
	Reason string `json:"reason"`
}

// cancelRequest reads why something is to end; the body may be missing.
func (c *call) cancelRequest() (brigade.CancelRequest, error) {
	var in cancelRequest
	if c.r.ContentLength != 0 {
		if err := c.body(&in); err != nil {
			return brigade.CancelRequest{}, err
		}
	}
	if in.Reason != "" && !plain(in.Reason, 1024) {
		return brigade.CancelRequest{}, usage("reason has at most 1024 bytes, on one line")
	}
	return brigade.CancelRequest{Time: c.a.opt.Now().UTC(), Actor: c.who.Name, Reason: in.Reason}, nil
}

func cancelBuild(c *call) error {
	b, err := c.findBuild("build")
	if err != nil {
		return err
	}
	req, err := c.cancelRequest()
	if err != nil {
		return err
	}
	if b.State.Ended() {
		return brigade.Errorf(brigade.CodeConflict, "build %s has ended already: %s", b.ID, b.State)
	}
	if err := c.a.opt.Control.Cancel(c.r.Context(), b.ID, req); err != nil {
		return err
	}
	if b, err = c.a.lightBuild(c.r.Context(), b.ID); err != nil {
		return err
	}
	return c.answerBuild(http.StatusAccepted, b)
}

func pinBuild(c *call) error   { return c.setPin(true) }
func unpinBuild(c *call) error { return c.setPin(false) }

// setPin keeps a build from being removed by age or number, or lets go of it.
func (c *call) setPin(pinned bool) error {
	b, err := c.findBuild("build")
	if err != nil {
		return err
	}
	b, err = c.a.opt.Store.UpdateBuild(c.r.Context(), b.ID, func(b *brigade.Build) error {
		b.Pinned = pinned
		return nil
	})
	if err != nil {
		return err
	}
	c.a.opt.Feed.Publish(brigade.Change{Time: c.a.opt.Now(), BuildID: b.ID, Build: b})
	return c.answerBuild(http.StatusOK, light(b))
}
