package api

import (
	"context"
	"net/http"

	"github.com/brigadecore/brigade/v3"
)

type deliveryPage struct {
	Deliveries []brigade.Delivery `json:"deliveries"`
	Next       string             `json:"next,omitempty"`
}

// listDeliveries answers with requests to gateways, newest first, without
// their bodies.
func listDeliveries(c *call) error {
	if c.a.opt.Deliveries == nil {
		return missing("deliveries")
	}
	before, limit, err := c.page()
	if err != nil {
		return err
	}
	q := c.r.URL.Query()
	own, err := c.ownNames()
	if err != nil {
		return err
	}
	out := deliveryPage{Deliveries: []brigade.Delivery{}}
	for seen := 0; len(out.Deliveries) < limit && seen < maxScan; {
		page, err := c.a.opt.Deliveries.Deliveries(c.r.Context(), before, 100)
		if err != nil {
			return err
		}
		for _, d := range page {
			seen++
			before = d.ID
			if own.has(d.Project) && matches(q.Get("gateway"), d.Gateway) && matches(q.Get("outcome"), string(d.Outcome)) && matches(q.Get("project"), d.Project) {
				d.Body = ""
				out.Deliveries = append(out.Deliveries, d)
			}
			if len(out.Deliveries) == limit {
				break
			}
		}
		if len(page) < 100 && len(out.Deliveries) < limit {
			before = ""
			break
		}
	}
	out.Next = before
	c.linkNext(out.Next)
	return c.json(http.StatusOK, out)
}

// names are those that a request to a gateway may call a visible project by;
// nil are all.
type names map[string]bool

func (n names) has(name string) bool { return n == nil || n[name] }

// ownNames returns the names of the projects that a limited caller may see.
func (c *call) ownNames() (names, error) {
	if !c.who.Limited() {
		return nil, nil
	}
	all, err := c.visible()
	if err != nil {
		return nil, err
	}
	own := names{}
	for _, p := range all {
		own[p.ID], own[p.Name], own[p.Repository] = true, true, true
	}
	delete(own, "")
	return own, nil
}

func (c *call) findDelivery() (brigade.Delivery, error) {
	if c.a.opt.Deliveries == nil {
		return brigade.Delivery{}, missing("deliveries")
	}
	key := c.r.PathValue("delivery")
	d, err := c.a.opt.Deliveries.Delivery(c.r.Context(), key)
	if err != nil {
		return d, err
	}
	own, err := c.ownNames()
	if err != nil {
		return d, err
	}
	if !own.has(d.Project) {
		return d, brigade.NotFound("delivery", key)
	}
	c.project = d.Project
	return d, nil
}

func getDelivery(c *call) error {
	d, err := c.findDelivery()
	if err != nil {
		return err
	}
	ids, err := c.projectsOfDelivery(d)
	if err != nil {
		return err
	}
	return c.masked(http.StatusOK, d, ids...)
}

// projectsOfDelivery are those whose secrets its body might repeat.
func (c *call) projectsOfDelivery(d brigade.Delivery) ([]string, error) {
	if d.Project != "" {
		return c.known(c.r.Context(), d.Project)
	}
	var ids []string
	for _, b := range d.Builds {
		light, err := c.a.lightBuild(c.r.Context(), b)
		if brigade.CodeOf(err) == brigade.CodeNotFound {
			continue
		}
		if err != nil {
			return nil, err
		}
		ids = append(ids, light.ProjectID)
	}
	return ids, nil
}

func (c *call) known(ctx context.Context, name string) ([]string, error) {
	p, err := c.a.opt.Store.Project(ctx, name)
	if brigade.CodeOf(err) == brigade.CodeNotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return []string{p.ID}, nil
}

// redeliver handles a request to a gateway once more.
func redeliver(c *call) error {
	d, err := c.findDelivery()
	if err != nil {
		return err
	}
	again, err := c.a.opt.Deliveries.Redeliver(c.r.Context(), d.ID, c.who.Name)
	if err != nil {
		return err
	}
	again.Body = ""
	c.w.Header().Set("Location", "/api/deliveries/"+again.ID)
	return c.json(http.StatusCreated, again)
}
