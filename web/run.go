package web

import (
	"strings"
	"unicode"

	"github.com/brigadecore/brigade/v3"
)

const (
	maxFormPayload = 1 << 20  // bytes of a payload in the form
	maxOffered     = 64 << 10 // bytes of a payload that the form starts from
	recentEvents   = 200      // builds in which kinds of events are looked for
)

// runData is the form that runs an event.
type runData struct {
	Name, URL, View string
	Act             bool
	Recent          []*brigade.Build // the last one of each kind of event
	From            *brigade.Build   // whose event the form starts from
	Problem         string           // why it does not
	Type, Payload   string
	Ref, Commit     string
	Nonce           string // makes the same form sent twice one build
}

func (c *call) runForm(p *brigade.Project) (*runData, error) {
	d := &runData{Name: p.Name, URL: projectURL(p.ID, p.Name), View: "run", Act: c.who.Act, Type: "exec", Nonce: newNonce()}
	page, err := c.web.opt.Store.ListBuilds(c.ctx(), brigade.BuildFilter{ProjectID: p.ID, Limit: recentEvents})
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, b := range page {
		if seen[b.Event.Type] || len(d.Recent) == 12 {
			continue
		}
		seen[b.Event.Type] = true
		if err := c.dress(b); err != nil {
			return nil, err
		}
		d.Recent = append(d.Recent, b)
	}
	if kind := c.r.URL.Query().Get("type"); kind != "" && plainText(kind, 256) {
		d.Type = kind
	}
	from := c.r.URL.Query().Get("from")
	if from == "" {
		return d, nil
	}
	b, err := c.web.opt.Store.Build(c.ctx(), from)
	if err != nil || b.ID != from || b.ProjectID != p.ID {
		return nil, brigade.NotFound("build", from)
	}
	plain := b.Event.Payload
	if err := c.dress(b); err != nil {
		return nil, err
	}
	d.From, d.Type, d.Ref, d.Commit = b, b.Event.Type, b.Event.Revision.Ref, b.Event.Revision.Commit
	switch {
	case len(plain) > maxOffered:
		d.Problem = "Its payload is too large to be changed here: rerun the build, or send it with brig event create."
	case plain != b.Event.Payload:
		d.Problem = "Secrets in its payload are not shown; the script will get *** in their place."
		fallthrough
	default:
		d.Payload = b.Event.Payload
	}
	return d, nil
}

// runEvent starts a build for the event in the form.
func runEvent(c *call) (string, error) {
	p, err := c.findProject(c.r.PathValue("project"))
	if err != nil {
		return "", err
	}
	c.project = p.Name
	f := c.r.PostForm
	e := brigade.Event{
		Provider: "web", Type: strings.TrimSpace(f.Get("type")), Payload: strings.ReplaceAll(f.Get("payload"), "\r\n", "\n"), Actor: c.who.Name,
		Revision: brigade.Revision{Ref: strings.TrimSpace(f.Get("ref")), Commit: strings.TrimSpace(f.Get("commit"))},
		LogLevel: brigade.LogLevel(f.Get("level")), Key: c.repeatKey(),
	}
	switch {
	case !plainText(e.Type, 256) || e.Type == "":
		return "", brigade.Errorf(brigade.CodeInvalid, "an event needs a type of at most 256 characters").WithHint("such as exec or push")
	case !plainText(e.Revision.Ref, 1024) || !plainText(e.Revision.Commit, 256):
		return "", brigade.Errorf(brigade.CodeInvalid, "the branch or commit is malformed")
	case !e.LogLevel.Valid():
		return "", brigade.Errorf(brigade.CodeInvalid, "there is no log level %q", e.LogLevel)
	case len(e.Payload) > maxFormPayload:
		return "", brigade.Errorf(brigade.CodeTooLarge, "the payload has more than %d bytes", maxFormPayload).WithHint("send it with: brig event create")
	}
	return c.submit(p, e, brigade.Submission{Actor: c.who.Name})
}

func (c *call) submit(p *brigade.Project, e brigade.Event, s brigade.Submission) (string, error) {
	b, _, err := c.web.opt.Control.Submit(c.ctx(), p, e, s)
	if err != nil {
		return "", err
	}
	c.target = b.ID
	return buildURL(b.ID), nil
}

// repeatKey recognises a form that is sent twice.
func (c *call) repeatKey() string {
	if n := c.r.PostForm.Get("nonce"); n != "" && len(n) <= 64 {
		return "web:" + n
	}
	return ""
}

// plainText reports whether s is short and has no control characters.
func plainText(s string, most int) bool {
	return len(s) <= most && strings.IndexFunc(s, unicode.IsControl) < 0
}

// rerunBuild starts a build's event once more. What was not to be trusted then
// is not now.
func rerunBuild(c *call) (string, error) {
	b, err := c.rawBuild(true)
	if err != nil {
		return "", err
	}
	inherit := c.r.PostForm.Get("only") == "failed"
	if inherit && !b.State.Ended() {
		return "", brigade.Errorf(brigade.CodeConflict, "build %s has not ended: it is not known what failed", b.ID)
	}
	p, err := c.findProject(b.ProjectID)
	if err != nil {
		return "", err
	}
	e := b.Event
	e.Actor, e.TraceParent, e.Key = c.who.Name, "", c.repeatKey()
	return c.submit(p, e, brigade.Submission{RerunOf: b.ID, Inherit: inherit, Actor: c.who.Name})
}

func cancelBuild(c *call) (string, error) {
	b, err := c.rawBuild(false)
	if err != nil {
		return "", err
	}
	return buildURL(b.ID), c.web.opt.Control.Cancel(c.ctx(), b.ID, c.cancelRequest())
}

func cancelJob(c *call) (string, error) {
	j, b, err := c.findJob()
	if err != nil {
		return "", err
	}
	c.target = j.ID
	return buildURL(b.ID), c.web.opt.Control.CancelJob(c.ctx(), b.ID, j.ID, c.cancelRequest())
}

func (c *call) cancelRequest() brigade.CancelRequest {
	return brigade.CancelRequest{Time: c.web.opt.Now(), Actor: c.who.Name, Reason: "canceled in the dashboard"}
}
