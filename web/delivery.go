package web

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/mask"
)

const (
	deliveriesPerPage = 50
	deliveryPage      = 100   // deliveries read at once
	deliveryScan      = 5_000 // deliveries that one page looks at
	ownBuilds         = 500   // builds of a project by which its deliveries are known
)

// outcomes are the filters of lists of deliveries.
var outcomes = []brigade.Outcome{brigade.OutcomeAccepted, brigade.OutcomeRepeat, brigade.OutcomeIgnored, brigade.OutcomeRefused, brigade.OutcomeFailed}

// deliveryRow is a request to a gateway as a list has it.
type deliveryRow struct {
	brigade.Delivery
	URL    string
	Builds []string // those that the caller may see
}

// deliveryList is a page of deliveries.
type deliveryList struct {
	Rows     []deliveryRow
	Outcome  brigade.Outcome
	Outcomes []brigade.Outcome
	Before   string
	Next     string // address of the next page
	Newest   string
	Here     string // address without a filter
	Project  bool
	Kept     bool // deliveries are kept here
}

// deliveries reads a page of those that belong accepts. keep are the fields of
// the address that stay.
func (c *call) deliveries(path string, keep url.Values, belongs func(*brigade.Delivery) bool) (*deliveryList, error) {
	q := c.r.URL.Query()
	l := &deliveryList{Outcomes: outcomes, Outcome: brigade.Outcome(q.Get("outcome")), Before: cut(q.Get("before"), 64), Here: withQuery(path, keep), Kept: c.web.opt.Deliveries != nil}
	if !slices.Contains(outcomes, l.Outcome) {
		l.Outcome = ""
	} else {
		keep.Set("outcome", string(l.Outcome))
	}
	l.Newest = withQuery(path, keep)
	before := l.Before
	for seen := 0; l.Kept && seen < deliveryScan; {
		page, err := c.web.opt.Deliveries.Deliveries(c.ctx(), before, deliveryPage)
		if err != nil {
			return nil, err
		}
		for i := range page {
			d := &page[i]
			if !belongs(d) || l.Outcome != "" && d.Outcome != l.Outcome {
				before = d.ID
				continue
			}
			if len(l.Rows) == deliveriesPerPage {
				l.next(path, keep, before)
				return l, nil
			}
			before = d.ID
			l.Rows = append(l.Rows, deliveryRow{Delivery: *d, URL: "/deliveries/" + url.PathEscape(d.ID), Builds: d.Builds})
		}
		seen += len(page)
		if len(page) < deliveryPage {
			return l, nil
		}
	}
	if l.Kept {
		l.next(path, keep, before)
	}
	return l, nil
}

func (l *deliveryList) next(path string, keep url.Values, before string) {
	keep.Set("before", before)
	l.Next = withQuery(path, keep)
}

// projectDeliveries lists the requests that named a project, or started builds
// of it.
func (c *call) projectDeliveries(p *brigade.Project) (*deliveryList, error) {
	m, err := c.web.hiders.Of(c.ctx(), p.ID)
	if err != nil {
		return nil, err
	}
	builds, err := c.web.opt.Store.ListBuilds(c.ctx(), brigade.BuildFilter{ProjectID: p.ID, Limit: ownBuilds})
	if err != nil {
		return nil, err
	}
	own := make(map[string]bool, len(builds))
	for _, b := range builds {
		own[b.ID] = true
	}
	l, err := c.deliveries(projectURL(p.ID, p.Name), url.Values{"view": {"deliveries"}}, func(d *brigade.Delivery) bool {
		return namesProject(d, p) || slices.ContainsFunc(d.Builds, func(id string) bool { return own[id] })
	})
	if err != nil {
		return nil, err
	}
	l.Project = true
	for i := range l.Rows {
		r := &l.Rows[i]
		hideDelivery(m, &r.Delivery)
		if !namesProject(&r.Delivery, p) { // it went to others, too
			r.Builds = slices.DeleteFunc(slices.Clone(r.Builds), func(id string) bool { return !own[id] })
			if c.who.Sees != nil {
				r.URL = "" // as in the API
			}
		}
	}
	return l, nil
}

func namesProject(d *brigade.Delivery, p *brigade.Project) bool {
	return d.Project != "" && (d.Project == p.ID || d.Project == p.Name || d.Project == p.Repository)
}

// allDeliveries lists all requests, for those who may see all projects.
func allDeliveries(c *call) (*page, error) {
	if c.who.Sees != nil {
		return nil, brigade.Errorf(brigade.CodeDenied, "this is not for a token that is limited to projects").WithHint("look at the deliveries of a project")
	}
	l, err := c.deliveries("/deliveries", url.Values{}, func(*brigade.Delivery) bool { return true })
	if err != nil {
		return nil, err
	}
	for i := range l.Rows {
		if err := c.dressDelivery(&l.Rows[i].Delivery); err != nil {
			return nil, err
		}
	}
	return &page{Title: "Deliveries", Template: "deliveries", Section: "deliveries", Data: map[string]any{"List": l}}, nil
}

// ownersOf returns the projects whose secrets a delivery may repeat.
func (c *call) ownersOf(d *brigade.Delivery) ([]*brigade.Project, error) {
	if c.projects == nil {
		var err error
		if c.projects, err = c.web.opt.Store.ListProjects(c.ctx()); err != nil {
			return nil, err
		}
	}
	ids := map[string]bool{}
	for _, id := range d.Builds {
		page, err := c.web.opt.Store.ListBuilds(c.ctx(), brigade.BuildFilter{Before: id + "\x00", Limit: 1})
		if err != nil {
			return nil, err
		}
		if len(page) == 1 && page[0].ID == id {
			ids[page[0].ProjectID] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(c.projects), func(p *brigade.Project) bool { return !ids[p.ID] && !namesProject(d, p) }), nil
}

// dressDelivery makes a delivery fit to be shown.
func (c *call) dressDelivery(d *brigade.Delivery) error {
	owners, err := c.ownersOf(d)
	if err != nil {
		return err
	}
	for _, p := range owners {
		m, err := c.web.hiders.Of(c.ctx(), p.ID)
		if err != nil {
			return err
		}
		hideDelivery(m, d)
	}
	return nil
}

// hideDelivery replaces secrets in everything that the sender had a hand in.
func hideDelivery(m *mask.Masker, d *brigade.Delivery) {
	d.Body = mask.Payload(d.Body)
	for _, s := range []*string{&d.Project, &d.Reason, &d.Body} {
		*s = m.String(*s)
	}
	d.Types = slices.Clone(d.Types)
	hideAll(m, d.Types)
	d.Path = hideMap(m, d.Path)
	d.Query = url.Values(hideLists(m, d.Query))
	d.Header = http.Header(hideLists(m, d.Header))
}

func hideMap(m *mask.Masker, of map[string]string) map[string]string {
	hidden := make(map[string]string, len(of))
	for k, v := range of {
		hidden[m.String(k)] = m.String(v)
	}
	return hidden
}

func hideLists(m *mask.Masker, of map[string][]string) map[string][]string {
	hidden := make(map[string][]string, len(of))
	for k, list := range of {
		list = slices.Clone(list)
		hideAll(m, list)
		hidden[m.String(k)] = list
	}
	return hidden
}

// findDelivery returns the delivery that the path names, when the caller may
// see a project that it belongs to, and those projects.
func (c *call) findDelivery() (brigade.Delivery, []*brigade.Project, error) {
	var none brigade.Delivery
	if c.web.opt.Deliveries == nil {
		return none, nil, brigade.Errorf(brigade.CodeUnavailable, "deliveries are not kept here")
	}
	id := c.r.PathValue("delivery")
	d, err := c.web.opt.Deliveries.Delivery(c.ctx(), id)
	if err != nil {
		return none, nil, err
	}
	owners, err := c.ownersOf(&d)
	if err != nil {
		return none, nil, err
	}
	// As in the API: who may see some projects only sees requests that name one of them.
	if c.who.Sees != nil && !slices.ContainsFunc(owners, func(p *brigade.Project) bool { return c.who.sees(p.ID, p.Name) && namesProject(&d, p) }) {
		return none, nil, brigade.NotFound("delivery", cut(id, 64))
	}
	c.target = d.ID
	if len(owners) > 0 {
		c.project = owners[0].Name
	}
	return d, owners, nil
}

// deliveryData is a request to a gateway with all that was kept of it.
type deliveryData struct {
	brigade.Delivery
	URL      string
	Fields   []setting // of the path, the query and the header
	Tree     *node
	Lines    []string
	Cut      bool
	Whole    bool // its body was kept
	CanAgain bool
}

// deliveryDetails shows a request.
func deliveryDetails(c *call) (*page, error) {
	d, owners, err := c.findDelivery()
	if err != nil {
		return nil, err
	}
	whole := d.Bytes == len(d.Body)
	for _, p := range owners {
		m, err := c.web.hiders.Of(c.ctx(), p.ID)
		if err != nil {
			return nil, err
		}
		hideDelivery(m, &d)
	}
	data := &deliveryData{Delivery: d, URL: "/deliveries/" + url.PathEscape(d.ID), Whole: whole, CanAgain: c.who.Admin && whole}
	if n, ok := parseNodes(d.Body); ok {
		data.Tree = &n
	} else {
		data.Lines, data.Cut = shownLines(d.Body)
	}
	for k, v := range d.Path {
		data.Fields = append(data.Fields, setting{k, v})
	}
	for _, lists := range []map[string][]string{d.Query, d.Header} {
		for k, list := range lists {
			data.Fields = append(data.Fields, setting{k, strings.Join(list, ", ")})
		}
	}
	slices.SortFunc(data.Fields, func(a, b setting) int { return strings.Compare(a.Name, b.Name) })
	crumbs := []crumb{{"Projects", "/"}}
	section := "projects"
	switch {
	case c.who.Sees == nil:
		crumbs, section = []crumb{{"Deliveries", "/deliveries"}}, "deliveries"
	case len(owners) > 0:
		at := projectURL(owners[0].ID, owners[0].Name)
		crumbs = append(crumbs, crumb{owners[0].Name, at}, crumb{"Deliveries", at + "?view=deliveries"})
	}
	title := "Delivery to " + d.Gateway + ": " + string(d.Outcome) + " " + strconv.Itoa(d.Status)
	return &page{Title: title, Template: "delivery", Section: section, Crumbs: crumbs, Data: data}, nil
}

// redeliver handles a request once more.
func redeliver(c *call) (string, error) {
	d, _, err := c.findDelivery()
	if err != nil {
		return "", err
	}
	if !c.who.Admin {
		return "", brigade.Errorf(brigade.CodeDenied, "%s may not have requests handled again", c.who.Name).WithHint("log in with a token that has the scope admin")
	}
	again, err := c.web.opt.Deliveries.Redeliver(c.ctx(), d.ID, c.who.Name)
	if err != nil {
		return "", err
	}
	return "/deliveries/" + url.PathEscape(again.ID), nil
}
