package web

import (
	"net/url"
	"slices"
	"strings"

	"github.com/brigadecore/brigade/v3"
)

// scriptLooks is in how many of the last builds a script is looked for.
const scriptLooks = 10

// handlerRow is an event that a project's script takes, or takes not.
type handlerRow struct {
	handlerCall
	Last *brigade.Build // its last build; nil when there was none lately
	Run  string         // address of the form that runs it
}

// projectScript is what is known of a project's script.
type projectScript struct {
	Name, URL, View string
	Lines           []string
	Cut             bool
	From            *brigade.Build // that it ran in; nil: it is the project's default script
	Handlers        []handlerRow
	Computed        []handlerCall // registered under a name that the script computes
	Missing         []handlerRow  // came lately and has no handler
	Act             bool
}

// scriptOf finds the script that a project ran last, without those of
// strangers, and what it handles.
func (c *call) scriptOf(p *brigade.Project) (*projectScript, error) {
	m, err := c.web.hiders.Of(c.ctx(), p.ID)
	if err != nil {
		return nil, err
	}
	builds, err := c.web.opt.Store.ListBuilds(c.ctx(), brigade.BuildFilter{ProjectID: p.ID, Limit: recentEvents})
	if err != nil {
		return nil, err
	}
	d := &projectScript{Name: p.Name, URL: projectURL(p.ID, p.Name), View: "script", Act: c.who.Act}
	text := p.DefaultScript
	looks := 0
	for _, b := range builds {
		if b.Event.Untrusted || b.Event.ScriptFile != "" && b.Event.Provider == "brigade-cli" {
			continue
		}
		if looks++; looks > scriptLooks {
			break
		}
		whole, err := c.web.opt.Store.Build(c.ctx(), b.ID)
		if err != nil && brigade.CodeOf(err) != brigade.CodeNotFound {
			return nil, err
		}
		if err == nil && whole.Script != "" && whole.Event.Script == "" {
			text = whole.Script
			d.From = b
			break
		}
	}
	for _, b := range builds {
		if err := c.dress(b); err != nil {
			return nil, err
		}
	}
	d.handlers(handlersIn(m.String(text)), builds)
	d.Lines, d.Cut = shownLines(m.String(text))
	return d, nil
}

// handlers brings together what the script handles and what came lately.
func (d *projectScript) handlers(calls []handlerCall, builds []*brigade.Build) {
	last := map[string]*brigade.Build{}
	var types []string
	for _, b := range builds { // newest first
		for _, name := range append([]string{b.Event.Type}, b.Event.Also...) {
			if last[name] == nil {
				last[name] = b
				types = append(types, name)
			}
		}
	}
	row := func(c handlerCall) handlerRow {
		r := handlerRow{handlerCall: c, Last: last[c.Event], Run: d.URL + "?view=run&type=" + url.QueryEscape(c.Event)}
		if r.Last != nil && r.Last.Event.Type == c.Event {
			r.Run = d.URL + "?view=run&from=" + r.Last.ID
		}
		return r
	}
	handled := map[string]bool{}
	for _, c := range calls {
		switch {
		case c.Event == "":
			d.Computed = append(d.Computed, c)
		case !handled[c.Event]:
			handled[c.Event] = true
			d.Handlers = append(d.Handlers, row(c))
		}
	}
	if len(d.Handlers) == 0 || len(d.Computed) > 0 {
		return // nobody knows what is missing
	}
	for _, name := range types {
		b := last[name]
		family, _, _ := strings.Cut(name, ":")
		if !handled[name] && !handled[family] && b.Event.Type == name && !slices.ContainsFunc(b.Event.Also, func(also string) bool { return handled[also] }) {
			d.Missing = append(d.Missing, row(handlerCall{Event: name}))
		}
	}
}
