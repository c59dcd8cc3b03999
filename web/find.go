package web

import (
	"fmt"

	"github.com/brigadecore/brigade/v3"
)

// findProject returns the project of that name or ID, when the caller may see
// it. It carries secrets: only its settings are shown.
func (c *call) findProject(name string) (*brigade.Project, error) {
	p, err := c.web.opt.Store.Project(c.ctx(), name)
	if err != nil {
		return nil, err
	}
	if !c.who.sees(p.ID, p.Name) {
		return nil, brigade.NotFound("project", name)
	}
	return p, nil
}

// findBuild returns the build that the path names, without what may be large
// unless whole is set. Secrets in it are hidden.
func (c *call) findBuild(whole bool) (*brigade.Build, error) {
	b, err := c.rawBuild(whole)
	if err != nil {
		return nil, err
	}
	return b, c.dress(b)
}

// rawBuild does the same for a build that is used and not shown.
func (c *call) rawBuild(whole bool) (*brigade.Build, error) {
	id := c.r.PathValue("build")
	page, err := c.web.opt.Store.ListBuilds(c.ctx(), brigade.BuildFilter{Before: id + "\x00", Limit: 1})
	if err != nil {
		return nil, err
	}
	if id == "" || len(page) == 0 || page[0].ID != id || !c.who.sees(page[0].ProjectID, page[0].Project) {
		return nil, brigade.NotFound("build", id)
	}
	c.project, c.target = page[0].Project, id
	if !whole {
		return page[0], nil
	}
	return c.web.opt.Store.Build(c.ctx(), id)
}

// dress makes a build fit to be shown.
func (c *call) dress(b *brigade.Build) error {
	m, err := c.web.hiders.Of(c.ctx(), b.ProjectID)
	if err != nil {
		return err
	}
	if b.State == brigade.StatePending {
		if why := c.web.opt.Control.WaitsFor(b.ID); why != "" {
			b.Waiting = why
		}
	}
	hideBuild(m, b)
	return nil
}

// listBuilds returns a page of the builds that the caller may see, fit to be
// shown, and the ID after which the next page begins, "" if this is the last.
func (c *call) listBuilds(f brigade.BuildFilter) (list []*brigade.Build, next string, err error) {
	want := f.Limit
	for rounds := 0; len(list) < want; rounds++ {
		f.Limit = want + 1
		page, err := c.web.opt.Store.ListBuilds(c.ctx(), f)
		if err != nil {
			return nil, "", err
		}
		for _, b := range page {
			if len(list) == want {
				return list, f.Before, nil
			}
			f.Before = b.ID
			if !c.who.sees(b.ProjectID, b.Project) {
				continue
			}
			if err := c.dress(b); err != nil {
				return nil, "", err
			}
			list = append(list, b)
		}
		if len(page) <= want {
			return list, "", nil
		}
		if rounds == 20 { // they see next to nothing of what is there
			break
		}
	}
	return list, f.Before, nil
}

// jobsOf returns a build's jobs, fit to be shown.
func (c *call) jobsOf(b *brigade.Build) ([]*brigade.Job, error) {
	m, err := c.web.hiders.Of(c.ctx(), b.ProjectID)
	if err != nil {
		return nil, err
	}
	jobs, err := c.web.opt.Store.ListJobs(c.ctx(), b.ID)
	if err != nil {
		return nil, err
	}
	for _, j := range jobs {
		if err := hideJob(m, j); err != nil {
			return nil, fmt.Errorf("show job %s: %w", j.ID, err)
		}
	}
	return jobs, nil
}

// findJob returns the job that the path names and its build. Nothing in the
// job is hidden yet.
func (c *call) findJob() (*brigade.Job, *brigade.Build, error) {
	b, err := c.findBuild(false)
	if err != nil {
		return nil, nil, err
	}
	name := c.r.PathValue("job")
	j, err := c.web.opt.Store.Job(c.ctx(), name+"-"+b.ID)
	if err == nil && j.BuildID != b.ID {
		err = brigade.NotFound("job", name)
	}
	if brigade.CodeOf(err) != brigade.CodeNotFound {
		return j, b, err
	}
	jobs, err := c.web.opt.Store.ListJobs(c.ctx(), b.ID) // a runner may name it otherwise
	if err != nil {
		return nil, nil, err
	}
	for _, j := range jobs {
		if j.Name == name {
			return j, b, nil
		}
	}
	return nil, nil, brigade.NotFound("job", name)
}
