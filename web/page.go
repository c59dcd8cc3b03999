package web

import (
	"bytes"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"time"

	"github.com/brigadecore/brigade/v3"
)

// page is what a handler shows. Its template is the content of the page; what
// changes while somebody looks is in a template of the same name with -live at
// the end, which streams send again and again.
type page struct {
	Title    string
	Status   int
	Template string
	Data     any
	State    brigade.State // shown in the browser's tab
	Section  string        // of the navigation: projects or builds
	Crumbs   []crumb
	Styles   []string // further style sheets
	Scripts  []string // further scripts
	Onward   string   // where the browser goes by itself, a path of ours

	Live  bool    // there is a stream of changes
	Build string  // whose changes these are; "": those of all builds
	Log   *logRef // whose lines are counted in the stream
}

// crumb is a step of the way to a page.
type crumb struct{ Name, URL string }

type pageFunc func(*call) (*page, error)

// view is what the templates see.
type view struct {
	*page
	Who *Identity
	// Deliveries says that the caller may see those of all projects.
	Deliveries bool
	Session    bool // there is something to log out of
	CSRF       string
	Path       string
	Now        time.Time
	Version    string
	Body       template.HTML // made by a template
}

// page serves a page, and a stream of its changes to those who ask for that.
func (w *Web) page(make pageFunc) http.Handler {
	return w.known(func(c *call) error {
		if strings.Contains(c.r.Header.Get("Accept"), "text/event-stream") {
			return c.stream(make)
		}
		p, err := make(c)
		if err != nil || p == nil { // nil: it was answered
			return err
		}
		return c.render(p)
	})
}

func (c *call) view(p *page) *view {
	v := &view{page: p, Who: c.who, Session: c.session != "", Path: c.r.URL.RequestURI(), Now: c.web.opt.Now(), Version: c.web.opt.Version}
	if c.who != nil {
		v.CSRF = c.formToken()
		v.Deliveries = c.who.Sees == nil && c.web.opt.Deliveries != nil
	}
	return v
}

// render answers with a page. With the header X-Fragment it is only the
// content, for pages that show another one within them.
func (c *call) render(p *page) error {
	if p.Status == 0 {
		p.Status = http.StatusOK
	}
	v := c.view(p)
	var body, whole bytes.Buffer
	if err := c.web.templates.ExecuteTemplate(&body, p.Template, v); err != nil {
		return fmt.Errorf("render %s: %w", p.Template, err)
	}
	if c.r.Header.Get("X-Fragment") != "" {
		return c.send(p.Status, "text/html; charset=utf-8", body.Bytes())
	}
	v.Body = template.HTML(body.String()) //nolint:gosec // html/template made it
	if err := c.web.templates.ExecuteTemplate(&whole, "layout", v); err != nil {
		return fmt.Errorf("render %s: %w", p.Template, err)
	}
	return c.send(p.Status, "text/html; charset=utf-8", whole.Bytes())
}

// renderLive returns the part of a page that changes.
func (c *call) renderLive(p *page) (string, error) {
	var b bytes.Buffer
	if err := c.web.templates.ExecuteTemplate(&b, p.Template+"-live", c.view(p)); err != nil {
		return "", fmt.Errorf("render %s: %w", p.Template, err)
	}
	return b.String(), nil
}

func (w *Web) parseTemplates() (*template.Template, error) {
	t := template.New("").Funcs(template.FuncMap{
		"asset": w.assets.path,
		"icon":  func(s brigade.State) string { return w.assets.path(iconOf(s)) },
		"ago":   ago, "dur": duration, "stamp": stamp, "iso": iso, "title": eventTitle, "ref": shortRef, "sha": shortCommit,
		"projectURL": projectURL, "buildURL": buildURL, "jobURL": jobURL, "bytes": bytesOf, "word": stateWord, "took": took,
		"artifactURL": artifactURL, "hasPrefix": strings.HasPrefix, "join": strings.Join, "shortID": shortID, "agent": agentName, "next": func(n int64) int64 { return n + 1 }, "inc": func(i int) int { return i + 1 }, "bytes64": func(n int) string { return bytesOf(int64(n)) },
	})
	return t.ParseFS(files, "templates/*.html")
}

func iconOf(s brigade.State) string {
	switch s {
	case "":
		return "icon.svg"
	case brigade.StatePulling:
		s = brigade.StateRunning
	}
	return "icon-" + string(s) + ".svg"
}
