package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/gateway/forge"
)

// GitLabOptions shape the GitLab gateway.
type GitLabOptions struct {
	Secret string       // the webhooks' token for projects without a SharedSecret
	URL    string       // of the server for projects whose repository names none; default https://gitlab.com
	Client forge.Client // asks who an author is, with the project's own token
}

// GitLab reads the webhooks of GitLab.
type GitLab struct{ opt GitLabOptions }

var _ brigade.Gateway = (*GitLab)(nil)

// NewGitLab returns the gateway.
func NewGitLab(o GitLabOptions) *GitLab {
	if o.URL == "" {
		o.URL = forge.GitLabURL
	}
	return &GitLab{opt: o}
}

const providerGitLab = "gitlab"

// Name is "gitlab".
func (*GitLab) Name() string { return providerGitLab }

// Routes is one.
func (*GitLab) Routes() []string { return []string{"POST /events/gitlab"} }

// gitlabPayload holds what is read of GitLab's webhooks, of all kinds.
type gitlabPayload struct {
	ObjectKind  string `json:"object_kind"`
	Ref         string `json:"ref"`
	After       string `json:"after"`
	CheckoutSHA string `json:"checkout_sha"`
	UserName    string `json:"user_username"`
	User        struct {
		ID       int64  `json:"id"`
		Username string `json:"username"`
	} `json:"user"`
	Project struct {
		ID            int64  `json:"id"`
		Path          string `json:"path_with_namespace"`
		DefaultBranch string `json:"default_branch"`
		Visibility    *int   `json:"visibility_level"` // 0: only members see it
	} `json:"project"`
	Commits []gitlabCommit `json:"commits"`
	Commit  *gitlabCommit  `json:"commit"`
	Merge   *gitlabMerge   `json:"merge_request"`
	Issue   *struct {
		IID   int    `json:"iid"`
		Title string `json:"title"`
	} `json:"issue"`
	Attributes json.RawMessage `json:"object_attributes"` // what the event is about

	// of a release
	Tag    string `json:"tag"`
	Name   string `json:"name"`
	Action string `json:"action"`
}

type gitlabCommit struct {
	ID      string `json:"id"`
	Message string `json:"message"`
}

type gitlabMerge struct {
	IID          int          `json:"iid"`
	Title        string       `json:"title"`
	AuthorID     int64        `json:"author_id"`
	SourceID     int64        `json:"source_project_id"`
	TargetID     int64        `json:"target_project_id"`
	TargetBranch string       `json:"target_branch"`
	LastCommit   gitlabCommit `json:"last_commit"`
	Action       string       `json:"action"`
	Source       struct {
		CloneURL string `json:"git_http_url"`
	} `json:"source"`
}

type gitlabNote struct {
	Action   string `json:"action"`
	Note     string `json:"note"`
	AuthorID int64  `json:"author_id"`
	System   bool   `json:"system"`
}

type gitlabPipeline struct {
	Ref    string `json:"ref"`
	Tag    bool   `json:"tag"`
	SHA    string `json:"sha"`
	Status string `json:"status"`
	Source string `json:"source"`
}

// gitlabHook is a hook and what only GitLab knows.
type gitlabHook struct {
	hook
	author int64 // whose access to the project decides; 0: nobody's
	member bool  // only members see the project, so the author is one
}

// gitlabEvents lists the events, by object_kind, and how each is read.
var gitlabEvents = map[string]func(*gitlabPayload, *gitlabHook) error{
	"push":          gitlabReadPush,
	"tag_push":      gitlabReadPush,
	"merge_request": gitlabReadMerge,
	"note":          gitlabReadNote,
	"pipeline":      gitlabReadPipeline,
	"release":       gitlabReadRelease,
}

// Read decodes a webhook.
func (g *GitLab) Read(in brigade.Inbound) (brigade.Reading, error) {
	var none brigade.Reading
	if err := checkSize(in.Body); err != nil {
		return none, err
	}
	if err := checkName("event in the header X-Gitlab-Event", strings.ReplaceAll(in.Header.Get("X-Gitlab-Event"), " ", ""), maxWord); err != nil {
		return none, err
	}
	var p gitlabPayload
	if err := decode(in.Body, &p); err != nil {
		return none, err
	}
	read, known := gitlabEvents[p.ObjectKind]
	if p.ObjectKind == "" && in.Header.Get("X-Gitlab-Event") != "System Hook" {
		return none, errMissing("object_kind")
	}
	if !known && p.Project.Path == "" { // of a group or of the whole server
		return brigade.Reading{Ignored: ignoredEvent(p.ObjectKind)}, nil
	}
	h := gitlabHook{hook: hook{
		provider: providerGitLab, name: p.ObjectKind, delivery: in.Header.Get("Idempotency-Key"),
		repo: p.Project.Path, actor: p.User.Username,
	}, member: p.Project.Visibility != nil && *p.Project.Visibility == 0}
	if h.delivery == "" {
		h.delivery = in.Header.Get("X-Gitlab-Event-UUID")
	}
	reading := brigade.Reading{Project: h.repo, Verify: func(p *brigade.Project) error {
		return checkToken(keyOf(p, g.opt.Secret), in.Header.Get("X-Gitlab-Token"))
	}}
	if !known {
		reading.Ignored = ignoredEvent(p.ObjectKind)
		return reading, nil
	}
	if err := read(&p, &h); err != nil {
		return none, err
	}
	if err := h.check(); err != nil {
		return none, err
	}
	if h.ignored != "" {
		reading.Ignored = h.ignored
		return reading, nil
	}
	reading.Events = h.one(in.Body)
	if h.origin.guarded || h.origin.fork {
		reading.Complete = patient(g.completion(h))
	}
	return reading, nil
}

// completion finds out who the author is and applies the project's fork policy.
func (g *GitLab) completion(h gitlabHook) func(context.Context, *brigade.Project, []brigade.Event) ([]brigade.Event, error) {
	return func(ctx context.Context, p *brigade.Project, events []brigade.Event) ([]brigade.Event, error) {
		o := h.origin
		switch {
		case h.member:
			o.author = "COLLABORATOR"
		case h.author != 0 && p.Repo.Token != "" && forge.Owns(p, h.repo):
			var err error
			if o.author, err = g.association(ctx, p, h); err != nil {
				return nil, err
			}
		}
		return o.settle(p, events)
	}
}

// association asks GitLab what the author may do, and says it in GitHub's
// words: who may push is a member, who reports is a collaborator.
func (g *GitLab) association(ctx context.Context, p *brigade.Project, h gitlabHook) (string, error) {
	place, ok := forge.PlaceOf(p, g.opt.URL)
	if !ok {
		return "", nil
	}
	address := fmt.Sprintf("%s/api/v4/projects/%s/members/all/%d", place.Base, url.PathEscape(h.repo), h.author)
	var out struct {
		Level int    `json:"access_level"`
		State string `json:"state"`
	}
	err := g.opt.Client.Do(ctx, http.MethodGet, address, forge.Private(p.Repo.Token), nil, &out)
	switch {
	case forge.StatusOf(err) == http.StatusNotFound:
		return "NONE", nil
	case err != nil:
		return "", unavailable("GitLab does not say who the author is", err)
	case out.State != "" && out.State != "active":
		return "NONE", nil
	case out.Level >= 50:
		return "OWNER", nil
	case out.Level >= 30:
		return "MEMBER", nil
	case out.Level >= 20:
		return "COLLABORATOR", nil
	}
	return "NONE", nil
}

func errMissing(what string) error {
	return brigade.Errorf(brigade.CodeInvalid, "there is no %s in the body", what)
}

func gitlabReadPush(p *gitlabPayload, h *gitlabHook) error {
	if p.UserName != "" {
		h.actor = p.UserName
	}
	if zeroHash(p.After) {
		h.ignored = "a deleted branch starts nothing"
		return nil
	}
	h.revision = brigade.Revision{Commit: p.CheckoutSHA, Ref: p.Ref}
	if h.revision.Commit == "" {
		h.revision.Commit = p.After
	}
	for _, c := range p.Commits {
		if c.ID == h.revision.Commit {
			h.short, h.long = firstLine(c.Message), strings.TrimSpace(c.Message)
		}
	}
	if h.short == "" {
		h.short = shortRef(p.Ref)
		h.long = h.short
	}
	return nil
}

// shortRef is the name of a branch or tag, for people.
func shortRef(ref string) string {
	return strings.TrimPrefix(strings.TrimPrefix(ref, "refs/heads/"), "refs/tags/")
}

func gitlabReadMerge(p *gitlabPayload, h *gitlabHook) error {
	var m gitlabMerge
	if len(p.Attributes) == 0 {
		return errMissing("merge request")
	}
	if err := decode(p.Attributes, &m); err != nil {
		return err
	}
	h.action = m.Action
	h.setMerge(&m)
	h.origin.what, h.origin.guarded, h.author = "merge request", h.origin.fork, m.AuthorID
	return nil
}

// setMerge fills in what a merge request says. GitLab keeps the head of every
// one in the target project, too.
func (h *gitlabHook) setMerge(m *gitlabMerge) {
	h.revision = brigade.Revision{Commit: m.LastCommit.ID, Ref: fmt.Sprintf("refs/merge-requests/%d/head", m.IID)}
	h.short, h.long = fmt.Sprintf("!%d %s", m.IID, firstLine(m.Title)), fmt.Sprintf("Merge request !%d: %s", m.IID, firstLine(m.Title))
	h.origin.fork = m.SourceID == 0 || m.SourceID != m.TargetID
	if h.origin.fork {
		h.origin.cloneURL, h.origin.scriptRef = m.Source.CloneURL, branchRef(m.TargetBranch)
	}
}

func gitlabReadNote(p *gitlabPayload, h *gitlabHook) error {
	var n gitlabNote
	if len(p.Attributes) == 0 {
		return errMissing("note")
	}
	if err := decode(p.Attributes, &n); err != nil {
		return err
	}
	h.action = n.Action
	switch {
	case n.System:
		h.ignored = "it is a note that GitLab wrote itself"
	case p.Merge != nil:
		h.setMerge(p.Merge)
		h.command = n.Action != "update" && isRunCommand(n.Note)
	case p.Commit != nil:
		h.revision.Commit = p.Commit.ID
		h.short, h.long = firstLine(p.Commit.Message), "Comment on a commit: "+firstLine(p.Commit.Message)
	case p.Issue != nil:
		h.titles("Issue", p.Issue.IID, p.Issue.Title)
		h.origin.mild = true // it runs what is in the default branch
	default:
		h.ignored = "comments on other things start nothing"
	}
	h.origin.what, h.origin.guarded, h.author = "comment", true, n.AuthorID
	if h.author == 0 {
		h.author = p.User.ID
	}
	return nil
}

func gitlabReadPipeline(p *gitlabPayload, h *gitlabHook) error {
	var l gitlabPipeline
	if len(p.Attributes) == 0 {
		return errMissing("pipeline")
	}
	if err := decode(p.Attributes, &l); err != nil {
		return err
	}
	if l.Source == "external" { // made of commit statuses, ours among them
		h.ignored = "pipelines made of commit statuses start nothing"
		return nil
	}
	if p.Merge != nil {
		h.setMerge(p.Merge)
	}
	if h.origin.fork {
		h.origin.what = "merge request"
	} else {
		h.revision.Ref = branchRef(l.Ref)
		if l.Tag {
			h.revision.Ref = "refs/tags/" + l.Ref
		}
	}
	h.action, h.revision.Commit = l.Status, l.SHA
	h.short, h.long = shortRef(h.revision.Ref)+": "+l.Status, "Pipeline of "+shortRef(h.revision.Ref)+": "+l.Status
	return nil
}

func gitlabReadRelease(p *gitlabPayload, h *gitlabHook) error {
	if p.Tag == "" {
		return errMissing("tag")
	}
	h.action = p.Action
	h.revision.Ref = "refs/tags/" + p.Tag
	if p.Action == "delete" {
		h.revision.Ref = "" // the tag may be gone
	}
	if p.Commit != nil && p.Action != "delete" {
		h.revision.Commit = p.Commit.ID
	}
	h.short, h.long = p.Tag, "Release "+p.Tag
	if name := firstLine(p.Name); name != "" && name != p.Tag {
		h.long += ": " + name
	}
	return nil
}
