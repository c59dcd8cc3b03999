package api

import (
	"net/http"
	"time"

	"github.com/brigadecore/brigade/v3"
)

// scheduleView is a schedule and when it starts builds next.
type scheduleView struct {
	ProjectID string `json:"projectID"`
	Project   string `json:"project"`
	brigade.Schedule
	Next []time.Time `json:"next"`
}

func (c *call) schedulesOf(projects ...*brigade.Project) error {
	n, err := c.number("n", 3, 0, 100)
	if err != nil {
		return err
	}
	if c.a.opt.Schedules == nil {
		return missing("schedules")
	}
	views := []scheduleView{}
	ids := make([]string, 0, len(projects))
	for _, p := range projects {
		if len(p.Schedules) == 0 {
			continue
		}
		next, err := c.a.opt.Schedules.Next(p, int(n))
		if err != nil {
			return err
		}
		ids = append(ids, p.ID)
		for _, s := range p.Schedules {
			times := next[s.Name]
			if times == nil {
				times = []time.Time{}
			}
			views = append(views, scheduleView{p.ID, p.Name, s, times})
		}
	}
	return c.masked(http.StatusOK, map[string]any{"schedules": views}, ids...)
}

func projectSchedules(c *call) error {
	p, err := c.findProject()
	if err != nil {
		return err
	}
	return c.schedulesOf(p)
}

func listSchedules(c *call) error {
	all, err := c.visible()
	if err != nil {
		return err
	}
	return c.schedulesOf(all...)
}
