package gateway

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/gateway/forge"
)

// GiteaOptions shape the gateway of Gitea and Forgejo.
type GiteaOptions struct {
	Secret string       // the key of signatures for projects without a SharedSecret
	URL    string       // of the server for projects whose repository names none
	Client forge.Client // asks who an author is, with the project's own token
}

// Gitea reads the webhooks of Gitea and of Forgejo, whose are the same.
type Gitea struct{ opt GiteaOptions }

var _ brigade.Gateway = (*Gitea)(nil)

// NewGitea returns the gateway.
func NewGitea(o GiteaOptions) *Gitea { return &Gitea{opt: o} }

const providerGitea = "gitea"

// Name is "gitea".
func (*Gitea) Name() string { return providerGitea }

// Routes are one for each name.
func (*Gitea) Routes() []string { return []string{"POST /events/gitea", "POST /events/forgejo"} }

// giteaPayload holds what is read of Gitea's webhooks, of all kinds.
type giteaPayload struct {
	Action     string `json:"action"`
	Ref        string `json:"ref"`
	RefType    string `json:"ref_type"`
	SHA        string `json:"sha"`
	After      string `json:"after"`
	HeadCommit *struct {
		ID      string `json:"id"`
		Message string `json:"message"`
	} `json:"head_commit"`
	PullRequest *giteaPull `json:"pull_request"`
	Issue       *struct {
		Number int    `json:"number"`
		Title  string `json:"title"`
	} `json:"issue"`
	IsPull  bool `json:"is_pull"`
	Comment *struct {
		Body string    `json:"body"`
		User giteaUser `json:"user"`
	} `json:"comment"`
	Release *struct {
		TagName string `json:"tag_name"`
		Name    string `json:"name"`
	} `json:"release"`
	Repository struct {
		FullName      string    `json:"full_name"`
		DefaultBranch string    `json:"default_branch"`
		Private       bool      `json:"private"`
		Owner         giteaUser `json:"owner"`
	} `json:"repository"`
	Sender giteaUser `json:"sender"`
}

type giteaUser struct {
	Login string `json:"login"`
}

type giteaPull struct {
	Number int         `json:"number"`
	Title  string      `json:"title"`
	User   giteaUser   `json:"user"`
	Head   giteaBranch `json:"head"`
	Base   giteaBranch `json:"base"`
}

type giteaBranch struct {
	Ref  string `json:"ref"`
	SHA  string `json:"sha"`
	Repo *struct {
		ID       int64  `json:"id"`
		CloneURL string `json:"clone_url"`
	} `json:"repo"`
}

// giteaHook is a hook and what only Gitea knows.
type giteaHook struct {
	hook
	author string // whose permission decides
	owner  string // of the repository
	member bool   // only members see the repository, so the author is one
	pull   int    // number of the pull request that was commented on and has to be looked up
}

// giteaEvents lists the events and how each is read.
var giteaEvents = map[string]func(*giteaPayload, *giteaHook) error{
	"push":                  giteaReadPush,
	"create":                giteaReadCreate,
	"pull_request":          giteaReadPull,
	"pull_request_approved": giteaReadReview,
	"pull_request_rejected": giteaReadReview,
	"pull_request_comment":  giteaReadReview,
	"issue_comment":         giteaReadComment,
	"release":               giteaReadRelease,
}

// giteaHeader returns the first of the headers X-Gitea-…, X-Forgejo-… that is set.
func giteaHeader(h http.Header, name string) string {
	for _, server := range []string{"X-Gitea-", "X-Forgejo-"} {
		if v := h.Get(server + name); v != "" {
			return v
		}
	}
	return ""
}

// Read decodes a webhook.
func (g *Gitea) Read(in brigade.Inbound) (brigade.Reading, error) {
	var none brigade.Reading
	if err := checkSize(in.Body); err != nil {
		return none, err
	}
	name := giteaHeader(in.Header, "Event")
	if err := checkName("event in the header X-Gitea-Event", name, maxWord); err != nil {
		return none, err
	}
	body, err := formPayload(in.Header, in.Body)
	if err != nil {
		return none, err
	}
	var p giteaPayload
	if err := decode(body, &p); err != nil {
		return none, err
	}
	read, known := giteaEvents[name]
	if !known && p.Repository.FullName == "" {
		return brigade.Reading{Ignored: ignoredEvent(name)}, nil
	}
	h := giteaHook{hook: hook{
		provider: providerGitea, name: name, action: p.Action, delivery: giteaHeader(in.Header, "Delivery"),
		repo: p.Repository.FullName, actor: p.Sender.Login,
	}, owner: p.Repository.Owner.Login, member: p.Repository.Private}
	reading := brigade.Reading{Project: h.repo, Verify: g.verify(in)}
	if !known {
		reading.Ignored = ignoredEvent(name)
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
	reading.Events = h.one(body)
	if h.origin.guarded || h.origin.fork {
		reading.Complete = patient(g.completion(h))
	}
	return reading, nil
}

func (g *Gitea) verify(in brigade.Inbound) func(*brigade.Project) error {
	signature := giteaHeader(in.Header, "Signature")
	if signature == "" {
		signature = cutPrefix(in.Header.Get("X-Hub-Signature-256"), "sha256=")
	}
	return func(p *brigade.Project) error {
		return checkMAC(sha256.New, keyOf(p, g.opt.Secret), in.Body, signature)
	}
}

// completion finds out who the author is and what was commented on, and
// applies the project's fork policy.
func (g *Gitea) completion(h giteaHook) func(context.Context, *brigade.Project, []brigade.Event) ([]brigade.Event, error) {
	return func(ctx context.Context, p *brigade.Project, events []brigade.Event) ([]brigade.Event, error) {
		h := h
		place, known := forge.PlaceOf(p, g.opt.URL)
		ask := known && p.Repo.Token != "" && forge.Owns(p, h.repo)
		switch {
		case h.member:
			h.origin.author = "COLLABORATOR"
		case h.author != "" && strings.EqualFold(h.author, h.owner):
			h.origin.author = "OWNER"
		case ask && h.author != "" && h.origin.guarded:
			var err error
			if h.origin.author, err = g.association(ctx, p, place.Base, h); err != nil {
				return nil, err
			}
		}
		if _, err := h.origin.settle(p, events); err != nil {
			return nil, err // before more is asked for a stranger
		}
		if ask && h.pull != 0 {
			var pull giteaPull
			address := fmt.Sprintf("%s/api/v1/repos/%s/pulls/%d", place.Base, forge.EscapePath(h.repo), h.pull)
			if err := g.opt.Client.Do(ctx, http.MethodGet, address, forge.Token(p.Repo.Token), nil, &pull); err != nil {
				return nil, unavailable("the pull request cannot be looked up", err)
			}
			pull.Number = h.pull
			h.setPull(&pull)
			if err := h.check(); err != nil {
				return nil, err
			}
			events = withRevision(events, h.revision)
		}
		return h.origin.settle(p, events)
	}
}

// association asks what the author may do, and says it in GitHub's words.
func (g *Gitea) association(ctx context.Context, p *brigade.Project, base string, h giteaHook) (string, error) {
	address := fmt.Sprintf("%s/api/v1/repos/%s/collaborators/%s/permission", base, forge.EscapePath(h.repo), url.PathEscape(h.author))
	var out struct {
		Permission string `json:"permission"`
	}
	err := g.opt.Client.Do(ctx, http.MethodGet, address, forge.Token(p.Repo.Token), nil, &out)
	switch {
	case forge.StatusOf(err) == http.StatusNotFound, forge.StatusOf(err) == http.StatusForbidden:
		return "NONE", nil // not a collaborator, or the token may not ask
	case err != nil:
		return "", unavailable("the server does not say who the author is", err)
	}
	switch out.Permission {
	case "owner":
		return "OWNER", nil
	case "admin", "write":
		return "COLLABORATOR", nil
	}
	return "NONE", nil
}

func giteaReadPush(p *giteaPayload, h *giteaHook) error {
	if zeroHash(p.After) {
		h.ignored = "a deleted branch starts nothing"
		return nil
	}
	h.revision = brigade.Revision{Commit: p.After, Ref: p.Ref}
	h.short = shortRef(p.Ref)
	h.long = h.short
	if p.HeadCommit != nil && p.HeadCommit.ID != "" {
		h.revision.Commit = p.HeadCommit.ID
		h.short, h.long = firstLine(p.HeadCommit.Message), strings.TrimSpace(p.HeadCommit.Message)
	}
	return nil
}

func giteaReadCreate(p *giteaPayload, h *giteaHook) error {
	h.revision = brigade.Revision{Commit: p.SHA, Ref: p.Ref}
	h.short, h.long = p.Ref, fmt.Sprintf("New %s %s", p.RefType, p.Ref)
	return nil
}

func giteaReadPull(p *giteaPayload, h *giteaHook) error {
	if p.PullRequest == nil {
		return errMissing("pull request")
	}
	h.setPull(p.PullRequest)
	h.origin.what, h.origin.guarded, h.author = "pull request", h.origin.fork, p.PullRequest.User.Login
	return nil
}

func giteaReadReview(p *giteaPayload, h *giteaHook) error {
	if p.PullRequest == nil {
		return errMissing("pull request")
	}
	h.setPull(p.PullRequest)
	h.origin.what, h.origin.guarded, h.author = "review", true, p.Sender.Login
	return nil
}

// setPull fills in what a pull request says.
func (h *giteaHook) setPull(pr *giteaPull) {
	h.revision = brigade.Revision{Commit: pr.Head.SHA, Ref: fmt.Sprintf("refs/pull/%d/head", pr.Number)}
	h.titles("Pull request", pr.Number, pr.Title)
	h.origin.fork = pr.Head.Repo == nil || pr.Base.Repo == nil || pr.Head.Repo.ID == 0 || pr.Head.Repo.ID != pr.Base.Repo.ID
	h.origin.cloneURL, h.origin.scriptRef = "", ""
	if h.origin.fork {
		h.origin.scriptRef = branchRef(pr.Base.Ref)
		if pr.Head.Repo != nil {
			h.origin.cloneURL = pr.Head.Repo.CloneURL
		}
	}
}

// giteaReadComment reads comments on issues and pull requests. Older servers
// do not send the pull request: until it is looked up, it counts as from a
// fork.
func giteaReadComment(p *giteaPayload, h *giteaHook) error {
	if p.Comment == nil || (p.Issue == nil && p.PullRequest == nil) {
		return errMissing("comment")
	}
	h.origin.what, h.origin.guarded, h.author = "comment", true, p.Comment.User.Login
	if !p.IsPull && p.Issue != nil {
		h.titles("Issue", p.Issue.Number, p.Issue.Title)
		h.origin.mild = true // it runs what is in the default branch
		return nil
	}
	h.command = p.Action == "created" && isRunCommand(p.Comment.Body)
	if p.PullRequest != nil && p.PullRequest.Head.SHA != "" {
		h.setPull(p.PullRequest)
		return nil
	}
	if p.Issue == nil {
		return errMissing("issue")
	}
	h.titles("Pull request", p.Issue.Number, p.Issue.Title)
	h.revision.Ref = fmt.Sprintf("refs/pull/%d/head", p.Issue.Number)
	h.origin.fork, h.origin.scriptRef, h.pull = true, branchRef(p.Repository.DefaultBranch), p.Issue.Number
	return nil
}

func giteaReadRelease(p *giteaPayload, h *giteaHook) error {
	if p.Release == nil {
		return errMissing("release")
	}
	if p.Action != "deleted" { // the tag may be gone then
		h.revision.Ref = p.Release.TagName
	}
	h.short, h.long = p.Release.TagName, "Release "+p.Release.TagName
	if name := firstLine(p.Release.Name); name != "" && name != p.Release.TagName {
		h.long += ": " + name
	}
	return nil
}
