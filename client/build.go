package client

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/brigadecore/brigade/v3"
)

const maxPage = 1000 // builds of one answer

// notHere is the answer of methods of the root's interfaces that only who runs
// builds may call.
func notHere(what, instead string) error {
	return usage("a server does not let its clients %s", what).WithHint("%s", instead)
}

// Build finds one by its ID, or by a prefix of it that only one build has.
func (c *Client) Build(ctx context.Context, id string) (*brigade.Build, error) {
	return c.build(ctx, get("api", "builds", id))
}

func (c *Client) build(ctx context.Context, r request) (*brigade.Build, error) {
	var b brigade.Build
	if _, err := c.call(ctx, r, &b); err != nil {
		return nil, err
	}
	return &b, nil
}

// lightBuild is Build without what may be large.
func (c *Client) lightBuild(ctx context.Context, id string) (*brigade.Build, error) {
	return c.build(ctx, get("api", "builds", id).with(url.Values{"light": {"true"}}))
}

// ListBuilds returns a page, newest first. A project that does not exist and
// has left no builds behind is CodeNotFound.
func (c *Client) ListBuilds(ctx context.Context, f brigade.BuildFilter) ([]*brigade.Build, error) {
	q := url.Values{}
	set := func(name, value string) {
		if value != "" {
			q.Set(name, value)
		}
	}
	set("project", f.ProjectID)
	set("type", f.Type)
	set("text", f.Text)
	set("before", f.Before)
	states := make([]string, len(f.States))
	for i, s := range f.States {
		states[i] = string(s)
	}
	set("state", strings.Join(states, ","))
	if !f.Since.IsZero() {
		q.Set("since", f.Since.UTC().Format(time.RFC3339Nano))
	}
	if f.Limit > 0 {
		q.Set("limit", strconv.Itoa(min(f.Limit, maxPage)))
	}
	var page struct {
		Builds []*brigade.Build `json:"builds"`
	}
	_, err := c.call(ctx, get("api", "builds").with(q), &page)
	return page.Builds, err
}

// CreateBuild is refused: a server makes builds of events, see Submit.
func (c *Client) CreateBuild(context.Context, *brigade.Build) (*brigade.Build, error) {
	return nil, notHere("store builds", "create an event: brig event create PROJECT")
}

// UpdateBuild is refused: see Cancel and Pin.
func (c *Client) UpdateBuild(context.Context, string, func(*brigade.Build) error) (*brigade.Build, error) {
	return nil, notHere("change builds", "cancel, pin or rerun them")
}

// DeleteBuild removes a build that has ended with its jobs and logs.
func (c *Client) DeleteBuild(ctx context.Context, id string) error {
	_, err := c.call(ctx, request{method: http.MethodDelete, path: []string{"api", "builds", id}}, nil)
	return err
}

// Submit makes a build of an event. The request may be repeated on the way,
// which starts no second build: when e.Key is empty, a random one is sent.
// repeat says that e.Key had started the build before.
func (c *Client) Submit(ctx context.Context, project string, e brigade.Event) (b *brigade.Build, repeat bool, err error) {
	if !utf8.ValidString(e.Payload) {
		return nil, false, brigade.Errorf(brigade.CodeInvalid, "the payload is not UTF-8 text").WithHint("encode it, for example as base64")
	}
	body := map[string]any{"type": e.Type, "payload": e.Payload, "revision": e.Revision, "untrusted": e.Untrusted}
	for name, value := range map[string]string{
		"provider": e.Provider, "shortTitle": e.ShortTitle, "longTitle": e.LongTitle, "logLevel": string(e.LogLevel),
		"cloneURL": e.CloneURL, "script": e.Script, "scriptFile": e.ScriptFile, "config": e.Config,
	} {
		if value != "" {
			body[name] = value
		}
	}
	if len(e.Also) > 0 {
		body["also"] = e.Also
	}
	r := post("api", "projects", project, "events")
	r.body = body
	if e.TraceParent != "" {
		r.header = map[string]string{"Traceparent": e.TraceParent}
	}
	return c.start(ctx, r, e.Key)
}

// start sends a request that starts a build, under a key so that it may be
// repeated.
func (c *Client) start(ctx context.Context, r request, key string) (*brigade.Build, bool, error) {
	if key == "" {
		key = rand.Text()
	}
	if r.header == nil {
		r.header = map[string]string{}
	}
	r.header["Idempotency-Key"], r.repeat = key, true
	var b brigade.Build
	header, err := c.call(ctx, r, &b)
	if err != nil {
		return nil, false, err
	}
	return &b, header.Get("Idempotency-Replayed") == "true", nil
}

// Overrides say what is different when a build is run again; nil leaves it as
// it was.
type Overrides struct {
	Type       *string `json:"type,omitempty"`
	Payload    *string `json:"payload,omitempty"`
	Ref        *string `json:"ref,omitempty"` // without Commit the head of that ref
	Commit     *string `json:"commit,omitempty"`
	LogLevel   *string `json:"logLevel,omitempty"`
	Script     *string `json:"script,omitempty"`
	ScriptFile *string `json:"scriptFile,omitempty"`
	Config     *string `json:"config,omitempty"`
}

// Apply changes an event as the server does when its build is run again. The
// event has no key and no trace of its own any more.
func (o Overrides) Apply(e *brigade.Event) {
	set := func(to *string, value *string) {
		if value != nil {
			*to = *value
		}
	}
	if o.Type != nil {
		e.Also = nil
	}
	if o.Ref != nil { // the commit was that of another ref
		e.Revision = brigade.Revision{}
	}
	if o.LogLevel != nil {
		e.LogLevel = brigade.LogLevel(*o.LogLevel)
	}
	set(&e.Type, o.Type)
	set(&e.Payload, o.Payload)
	set(&e.Revision.Ref, o.Ref)
	set(&e.Revision.Commit, o.Commit)
	set(&e.Script, o.Script)
	set(&e.ScriptFile, o.ScriptFile)
	set(&e.Config, o.Config)
	e.Key, e.TraceParent = "", ""
}

// Rerun starts the build's event once more. With failed, jobs that succeeded
// then are not run again.
func (c *Client) Rerun(ctx context.Context, id string, failed bool, o Overrides) (*brigade.Build, error) {
	only := "all"
	if failed {
		only = "failed"
	}
	r := post("api", "builds", id, "rerun")
	r.body = struct {
		Only string `json:"only"`
		Overrides
	}{only, o}
	b, _, err := c.start(ctx, r, "")
	return b, err
}

// Cancel asks for a build's end. Its script may clean up, so it may take a
// while. CodeConflict says that it has ended.
func (c *Client) Cancel(ctx context.Context, id, reason string) (*brigade.Build, error) {
	r := post("api", "builds", id, "cancel")
	r.body = map[string]string{"reason": reason}
	return c.build(ctx, r)
}

// CancelJob asks for the end of the job with that ID; its build goes on.
func (c *Client) CancelJob(ctx context.Context, jobID, reason string) (*brigade.Job, error) {
	r := post("api", "jobs", jobID, "cancel")
	r.body = map[string]string{"reason": reason}
	var j brigade.Job
	if _, err := c.call(ctx, r, &j); err != nil {
		return nil, err
	}
	return &j, nil
}

// Pin keeps a build from being removed by age or number, or lets go of it.
func (c *Client) Pin(ctx context.Context, id string, pinned bool) (*brigade.Build, error) {
	method := http.MethodDelete
	if pinned {
		method = http.MethodPut
	}
	return c.build(ctx, request{method: method, path: []string{"api", "builds", id, "pin"}})
}
