package web

import (
	"cmp"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/id"
)

const buildsPerPage = 50

// stateChoices are the filters of lists of builds.
var stateChoices = []brigade.State{brigade.StatePending, brigade.StateRunning, brigade.StateSucceeded, brigade.StateFailed, brigade.StateCanceled}

// buildList is a page of builds and the filters that lead to it.
type buildList struct {
	Builds  []*brigade.Build
	States  []brigade.State // to choose from
	State   brigade.State
	Type    string
	Text    string
	Since   string // first day, such as 2026-11-20
	Until   string // last day
	Before  string
	Next    string // address of the next page
	Newest  string // address of the first page
	Project bool   // all are of one project, which is not shown
}

// Filtered reports whether not all builds are asked for.
func (l *buildList) Filtered() bool {
	return l.Text != "" || l.State != "" || l.Type != "" || l.Since != "" || l.Until != ""
}

// listed reads the filters from the address and fills the list.
func (c *call) listed(projectID, path string) (*buildList, error) {
	q := c.r.URL.Query()
	l := &buildList{
		States: stateChoices, State: brigade.State(q.Get("state")), Type: cut(q.Get("type"), 256), Text: strings.TrimSpace(cut(q.Get("q"), 256)),
		Before: cut(q.Get("before"), 64), Project: projectID != "",
	}
	f := brigade.BuildFilter{ProjectID: projectID, Type: l.Type, Text: l.Text, Before: l.Before, Limit: buildsPerPage}
	if day, err := time.Parse(time.DateOnly, q.Get("since")); err == nil {
		l.Since, f.Since = day.Format(time.DateOnly), day
	}
	if day, err := time.Parse(time.DateOnly, q.Get("until")); err == nil {
		l.Until = day.Format(time.DateOnly)
		if end := cmp.Or(id.Lowest(day.AddDate(0, 0, 1)), "0"); f.Before == "" || end < f.Before {
			f.Before = end
		}
	}
	if slices.Contains(stateChoices, l.State) {
		f.States = []brigade.State{l.State}
	} else {
		l.State = ""
	}
	var next string
	var err error
	if l.Builds, next, err = c.listBuilds(f); err != nil {
		return nil, err
	}
	keep := url.Values{}
	for name, value := range map[string]string{"state": string(l.State), "type": l.Type, "q": l.Text, "since": l.Since, "until": l.Until} {
		if value != "" {
			keep.Set(name, value)
		}
	}
	l.Newest = withQuery(path, keep)
	if next != "" {
		keep.Set("before", next)
		l.Next = withQuery(path, keep)
	}
	return l, nil
}

func withQuery(path string, q url.Values) string {
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

func cut(s string, most int) string {
	if len(s) > most {
		return s[:most]
	}
	return s
}

// allBuilds lists builds of all projects.
func allBuilds(c *call) (*page, error) {
	l, err := c.listed("", "/builds")
	if err != nil {
		return nil, err
	}
	return &page{Title: "Builds", Template: "builds", Section: "builds", Data: map[string]any{"List": l, "URL": "/builds"}, Live: l.Before == ""}, nil
}

// projectPage shows a project: its builds, its settings, or the form that
// runs an event, as the query says.
func projectPage(c *call) (*page, error) {
	p, err := c.findProject(c.r.PathValue("project"))
	if err != nil {
		return nil, err
	}
	at := projectURL(p.ID, p.Name)
	for _, v := range []struct {
		name, title string
		data        func() (any, error)
	}{
		{"script", "Script", func() (any, error) { return c.scriptOf(p) }},
		{"deliveries", "Deliveries", func() (any, error) { return c.deliveriesView(p) }},
		{"settings", "Settings", func() (any, error) { return c.settingsOf(p) }},
		{"run", "Run an event", func() (any, error) { return c.runForm(p) }},
	} {
		if c.r.URL.Query().Get("view") != v.name {
			continue
		}
		data, err := v.data()
		if err != nil {
			return nil, err
		}
		return &page{Title: v.title + " of " + p.Name, Template: "project-" + v.name, Section: "projects", Crumbs: []crumb{{"Projects", "/"}, {p.Name, at}}, Data: data}, nil
	}
	return c.projectBuilds(p, at)
}

// deliveriesView is the view of a project's requests.
func (c *call) deliveriesView(p *brigade.Project) (any, error) {
	l, err := c.projectDeliveries(p)
	return map[string]any{"Name": p.Name, "URL": projectURL(p.ID, p.Name), "View": "deliveries", "List": l}, err
}

// projectBuilds is the view of a project's builds.
func (c *call) projectBuilds(p *brigade.Project, at string) (*page, error) {
	l, err := c.listed(p.ID, at)
	if err != nil {
		return nil, err
	}
	last, err := c.web.opt.Store.ListBuilds(c.ctx(), brigade.BuildFilter{ProjectID: p.ID, Limit: 2 * stripLength})
	if err != nil {
		return nil, err
	}
	m, err := c.web.hiders.Of(c.ctx(), p.ID)
	if err != nil {
		return nil, err
	}
	for _, b := range last {
		hideBuild(m, b)
	}
	state := brigade.State("")
	if len(last) > 0 {
		state = last[0].State
	}
	return &page{Title: p.Name, Template: "project", Section: "projects", Crumbs: []crumb{{"Projects", "/"}}, State: state, Live: l.Before == "", Data: map[string]any{
		"Name": p.Name, "URL": at, "Repository": p.Repository, "Forge": forgeURL(p.Repository), "List": l,
		"Strip": makeStrip(last, c.web.opt.Now()), "View": "builds",
	}}, nil
}

// setting is a line of a project's settings.
type setting struct{ Name, Value string }

// scheduleRow is a schedule and when it is due.
type scheduleRow struct {
	brigade.Schedule
	Next []time.Time
}

type settingsData struct {
	Name, URL, View string
	Groups          []settingGroup
	Secrets         []string // names
	Credentials     []string // names of fields that are set
	Subscriptions   []brigade.Subscription
	Schedules       []scheduleRow
	Problem         string // why it is not known when schedules are due
	Script, Config  string
	Badge, Markdown string // the image, and what shows it
	PublicBadge     bool
}

type settingGroup struct {
	Name     string
	Settings []setting
}

// settingsOf collects what may be shown of a project: of secrets the names.
func (c *call) settingsOf(p *brigade.Project) (*settingsData, error) {
	m, err := c.web.hiders.Of(c.ctx(), p.ID)
	if err != nil {
		return nil, err
	}
	d := &settingsData{
		Name: p.Name, URL: projectURL(p.ID, p.Name), View: "settings",
		Secrets: slices.Sorted(maps.Keys(p.Secrets)), Credentials: credentialsOf(p),
		Subscriptions: p.Subscriptions, Script: m.String(p.DefaultScript), Config: m.String(p.DefaultConfig),
	}
	d.PublicBadge, d.Badge = p.PublicBadge, badgeURL(p.ID, p.Name)
	d.Markdown = badgeMarkdown(c.base(), p.Name, d.Badge, d.URL)
	for i := range d.Subscriptions {
		d.Subscriptions[i].Filter = m.String(d.Subscriptions[i].Filter)
	}
	d.Groups = settingGroups(p)
	for _, g := range d.Groups {
		for i := range g.Settings {
			g.Settings[i].Value = m.String(g.Settings[i].Value)
		}
	}
	var due map[string][]time.Time
	if c.web.opt.Schedules != nil {
		if due, err = c.web.opt.Schedules.Next(p, 3); err != nil {
			d.Problem = "It is not known when they are due: a schedule is wrong."
		}
	}
	for _, s := range p.Schedules {
		s.Payload = m.String(s.Payload)
		d.Schedules = append(d.Schedules, scheduleRow{s, due[s.Name]})
	}
	return d, nil
}

// credentialsOf names the fields of p that hold a secret.
func credentialsOf(p *brigade.Project) []string {
	var set []string
	for _, f := range []setting{
		{"sharedSecret", p.SharedSecret}, {"genericGatewaySecret", p.GenericGatewaySecret}, {"repo.token", p.Repo.Token},
		{"repo.sshKey", p.Repo.SSHKey}, {"repo.sshCert", p.Repo.SSHCert}, {"registryGateway.token", p.Registry.Token},
	} {
		if f.Value != "" {
			set = append(set, f.Name)
		}
	}
	return set
}

func settingGroups(p *brigade.Project) []settingGroup {
	yes := map[bool]string{true: "yes", false: "no"}
	number := func(n int) string {
		if n == 0 {
			return ""
		}
		return strconv.Itoa(n)
	}
	long := func(d brigade.Duration) string {
		if d == 0 {
			return ""
		}
		return duration(time.Duration(d))
	}
	groups := []settingGroup{
		{"Source", []setting{
			{"Repository", p.Repository}, {"Clone address", cleanURL(p.Repo.CloneURL)}, {"Submodules", yes[p.Repo.InitSubmodules]},
			{"Script", p.ScriptPath}, {"Dependencies", p.ConfigPath}, {"GitHub API", cleanURL(p.GitHub.BaseURL)},
		}},
		{"Limits", []setting{
			{"Builds at once", number(p.Limits.Builds)}, {"Jobs at once", number(p.Limits.Jobs)}, {"Events a minute", number(p.Limits.Events)},
			{"Longest build", long(p.Limits.Timeout)},
		}},
		{"Jobs", []setting{{"Privileged", yes[p.AllowPrivilegedJobs]}, {"Host mounts", yes[p.AllowHostMounts]}}},
		{"Pull requests from forks", []setting{
			{"May start builds", strings.Join(p.Forks.Authors, ", ")}, {"Get secrets", yes[p.Forks.Secrets]}, {"Bring their script", yes[p.Forks.Script]},
		}},
		{"In a cluster", []setting{{"Namespace", p.Kubernetes.Namespace}, {"Service account", p.Kubernetes.ServiceAccount}, {"Build storage", p.Kubernetes.BuildStorageSize}}},
	}
	if k := p.Concurrency; k != nil {
		groups[1].Settings = append(groups[1].Settings, setting{"Concurrency key", k.Key},
			setting{"Builds with one key at once", strconv.Itoa(max(1, k.Limit))}, setting{"Beyond that", string(k.Strategy)})
	}
	if r := p.Retry; r != nil {
		groups[1].Settings = append(groups[1].Settings, setting{"Failed builds are repeated", strconv.Itoa(r.Limit) + " times"})
	}
	if r := p.Retention; r != nil {
		groups = append(groups, settingGroup{"Builds are kept", []setting{{"For", long(r.Age)}, {"Failed ones for", long(r.FailedAge)}, {"The newest", number(r.Count)}}})
	}
	for i := range groups {
		groups[i].Settings = slices.DeleteFunc(groups[i].Settings, func(s setting) bool { return s.Value == "" })
	}
	return slices.DeleteFunc(groups, func(g settingGroup) bool { return len(g.Settings) == 0 })
}
