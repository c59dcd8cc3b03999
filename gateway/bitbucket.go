package gateway

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"strings"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/gateway/forge"
)

// BitbucketOptions shape the Bitbucket gateway.
type BitbucketOptions struct {
	Secret string       // the key of signatures for projects without a SharedSecret
	APIURL string       // of Bitbucket Cloud's API; default https://api.bitbucket.org
	Client forge.Client // completes abbreviated commits, with the project's own token
}

// Bitbucket reads the webhooks of Bitbucket Cloud and of Bitbucket Server and
// Data Center, whose events have other names and shapes.
type Bitbucket struct{ opt BitbucketOptions }

var _ brigade.Gateway = (*Bitbucket)(nil)

// NewBitbucket returns the gateway.
func NewBitbucket(o BitbucketOptions) *Bitbucket {
	if o.APIURL == "" {
		o.APIURL = forge.BitbucketAPI
	}
	return &Bitbucket{opt: o}
}

const providerBitbucket = "bitbucket"

// Name is "bitbucket".
func (*Bitbucket) Name() string { return providerBitbucket }

// Routes is one for both products.
func (*Bitbucket) Routes() []string { return []string{"POST /events/bitbucket"} }

// bitbucketPayload holds what is read of the webhooks of both products.
type bitbucketPayload struct {
	Repository *bitbucketRepo `json:"repository"`
	Actor      bitbucketUser  `json:"actor"`

	// Cloud
	Push *struct {
		Changes []struct {
			New *bitbucketRef `json:"new"`
		} `json:"changes"`
	} `json:"push"`
	Cloud   *bitbucketPull    `json:"pullrequest"`
	Comment *bitbucketComment `json:"comment"`
	Commit  *struct {
		Hash string `json:"hash"`
	} `json:"commit"`

	// Server
	Changes []struct {
		Ref struct {
			ID string `json:"id"`
		} `json:"ref"`
		ToHash string `json:"toHash"`
		Type   string `json:"type"`
	} `json:"changes"`
	Server *bitbucketServerPull `json:"pullRequest"`
}

type bitbucketUser struct {
	Nickname string `json:"nickname"` // Cloud
	Name     string `json:"name"`     // Server
	UUID     string `json:"uuid"`
}

func (u bitbucketUser) login() string {
	if u.Nickname != "" {
		return u.Nickname
	}
	return u.Name
}

type bitbucketRepo struct {
	FullName string         `json:"full_name"` // Cloud
	UUID     string         `json:"uuid"`
	Private  bool           `json:"is_private"`
	Owner    *bitbucketUser `json:"owner"`

	ID      int64  `json:"id"` // Server
	Slug    string `json:"slug"`
	Project *struct {
		Key string `json:"key"`
	} `json:"project"`
	Public *bool `json:"public"`
}

// name is the full name: workspace/repository, or PROJECT/repository.
func (r *bitbucketRepo) name() string {
	switch {
	case r == nil:
		return ""
	case r.FullName != "":
		return r.FullName
	case r.Project != nil && r.Slug != "":
		return r.Project.Key + "/" + r.Slug
	}
	return ""
}

// closed reports whether only members see the repository.
func (r *bitbucketRepo) closed() bool {
	return r != nil && (r.Private || (r.Public != nil && !*r.Public))
}

type bitbucketRef struct {
	Type   string `json:"type"` // branch or tag
	Name   string `json:"name"`
	Target struct {
		Hash    string `json:"hash"`
		Message string `json:"message"`
	} `json:"target"`
}

type bitbucketComment struct {
	Content struct {
		Raw string `json:"raw"`
	} `json:"content"` // Cloud
	Text string `json:"text"` // Server
}

type bitbucketPull struct {
	ID          int               `json:"id"`
	Title       string            `json:"title"`
	Author      bitbucketUser     `json:"author"`
	Source      bitbucketPullSide `json:"source"`
	Destination bitbucketPullSide `json:"destination"`
}

type bitbucketPullSide struct {
	Branch struct {
		Name string `json:"name"`
	} `json:"branch"`
	Commit struct {
		Hash string `json:"hash"` // its first 12 digits
	} `json:"commit"`
	Repository *bitbucketRepo `json:"repository"` // null: the fork was deleted
}

type bitbucketServerPull struct {
	ID      int                 `json:"id"`
	Title   string              `json:"title"`
	FromRef bitbucketServerSide `json:"fromRef"`
	ToRef   bitbucketServerSide `json:"toRef"`
}

type bitbucketServerSide struct {
	ID           string         `json:"id"` // full name of the ref
	LatestCommit string         `json:"latestCommit"`
	Repository   *bitbucketRepo `json:"repository"`
}

// bitbucketHook is a hook and what only Bitbucket knows.
type bitbucketHook struct {
	hook
	changes []bitbucketChange // what a push changed, an event each
	abbrev  string            // an abbreviated commit to be completed
	source  string            // the repository it is in
	author  bitbucketUser     // who decides whether a build may start
}

type bitbucketChange struct {
	revision brigade.Revision
	message  string
}

// bitbucketEvent says how an event is read, and what else it is called.
type bitbucketEvent struct {
	read func(*bitbucketPayload, *bitbucketHook) error
	also []string
}

// bitbucketEvents lists the events by their key and how each is read.
var bitbucketEvents = map[string]bitbucketEvent{
	// Cloud
	"repo:push":                           {bitbucketReadPush, []string{"push"}},
	"repo:commit_comment_created":         {bitbucketReadCommitComment, nil},
	"pullrequest:created":                 {bitbucketReadPull, []string{"pullrequest"}},
	"pullrequest:updated":                 {bitbucketReadPull, []string{"pullrequest"}},
	"pullrequest:fulfilled":               {bitbucketReadPull, []string{"pullrequest"}},
	"pullrequest:rejected":                {bitbucketReadPull, []string{"pullrequest"}},
	"pullrequest:approved":                {bitbucketReadReview, nil},
	"pullrequest:unapproved":              {bitbucketReadReview, nil},
	"pullrequest:changes_request_created": {bitbucketReadReview, nil},
	"pullrequest:comment_created":         {bitbucketReadReview, nil},
	"pullrequest:comment_updated":         {bitbucketReadReview, nil},
	// Server and Data Center
	"repo:refs_changed":     {bitbucketReadServerPush, []string{"push"}},
	"pr:opened":             {bitbucketReadServerPull, []string{"pr"}},
	"pr:from_ref_updated":   {bitbucketReadServerPull, []string{"pr"}},
	"pr:modified":           {bitbucketReadServerPull, []string{"pr"}},
	"pr:merged":             {bitbucketReadServerPull, []string{"pr"}},
	"pr:declined":           {bitbucketReadServerPull, []string{"pr"}},
	"pr:reviewer:approved":  {bitbucketReadServerReview, nil},
	"pr:reviewer:needsWork": {bitbucketReadServerReview, nil},
	"pr:comment:added":      {bitbucketReadServerReview, []string{"pr:comment"}},
	"pr:comment:edited":     {bitbucketReadServerReview, []string{"pr:comment"}},
}

// Read decodes a webhook. Its event is called by the event's key.
func (b *Bitbucket) Read(in brigade.Inbound) (brigade.Reading, error) {
	var none brigade.Reading
	if err := checkSize(in.Body); err != nil {
		return none, err
	}
	name := in.Header.Get("X-Event-Key")
	if err := checkName("event in the header X-Event-Key", name, maxWord); err != nil {
		return none, err
	}
	var p bitbucketPayload
	if err := decode(in.Body, &p); err != nil {
		return none, err
	}
	event, known := bitbucketEvents[name]
	repo := p.Repository
	if repo == nil && p.Server != nil { // Server names it in the pull request only
		repo = p.Server.ToRef.Repository
	}
	if !known && repo.name() == "" {
		return brigade.Reading{Ignored: ignoredEvent(name)}, nil
	}
	h := bitbucketHook{hook: hook{
		provider: providerBitbucket, name: name, also: event.also, delivery: in.Header.Get("X-Request-UUID"),
		repo: repo.name(), actor: p.Actor.login(),
	}}
	if h.delivery == "" {
		h.delivery = in.Header.Get("X-Request-Id")
	}
	reading := brigade.Reading{Project: h.repo, Verify: func(p *brigade.Project) error {
		return checkMAC(sha256.New, keyOf(p, b.opt.Secret), in.Body, cutPrefix(in.Header.Get("X-Hub-Signature"), "sha256="))
	}}
	if !known {
		reading.Ignored = ignoredEvent(name)
		return reading, nil
	}
	if err := event.read(&p, &h); err != nil {
		return none, err
	}
	if err := h.check(); err != nil {
		return none, err
	}
	if h.ignored != "" {
		reading.Ignored = h.ignored
		return reading, nil
	}
	if h.origin.guarded {
		h.origin.author = association(repo, h.author)
	}
	var err error
	if reading.Events, err = h.events(in.Body); err != nil {
		return none, err
	}
	if len(reading.Events) == 0 {
		reading.Ignored = "a deleted branch starts nothing"
		return reading, nil
	}
	if h.origin.guarded || h.origin.fork || h.abbrev != "" {
		reading.Complete = patient(b.completion(h))
	}
	return reading, nil
}

// association says in GitHub's words what the webhook tells of its author: who
// sees a closed repository is one of its people; of an open one only the owner
// is known.
func association(repo *bitbucketRepo, author bitbucketUser) string {
	switch {
	case repo.closed():
		return "COLLABORATOR"
	case repo != nil && repo.Owner != nil && author.UUID != "" && author.UUID == repo.Owner.UUID:
		return "OWNER"
	}
	return ""
}

// events makes an event of the hook, or one of each thing that was pushed.
func (h bitbucketHook) events(body []byte) ([]brigade.Event, error) {
	if h.changes == nil {
		return h.one(body), nil
	}
	payload := string(body)
	events := []brigade.Event{}
	seen := map[string]bool{}
	for _, c := range h.changes {
		if seen[c.revision.Ref] {
			continue // said twice
		}
		seen[c.revision.Ref] = true
		if err := checkRevision(c.revision); err != nil {
			return nil, err
		}
		pushed := h.hook
		pushed.revision = c.revision
		pushed.short, pushed.long = firstLine(c.message), strings.TrimSpace(c.message)
		if pushed.short == "" {
			pushed.short = shortRef(c.revision.Ref)
			pushed.long = pushed.short
		}
		e := pushed.event(h.name, payload)
		if e.Key != "" {
			e.Key += ":" + c.revision.Ref
		}
		events = append(events, e)
	}
	return events, nil
}

func (b *Bitbucket) completion(h bitbucketHook) func(context.Context, *brigade.Project, []brigade.Event) ([]brigade.Event, error) {
	return func(ctx context.Context, p *brigade.Project, events []brigade.Event) ([]brigade.Event, error) {
		events, err := h.origin.settle(p, events)
		if err != nil || h.abbrev == "" || p.Repo.Token == "" || !forge.Owns(p, h.repo) {
			return events, err
		}
		var commit struct {
			Hash string `json:"hash"`
		}
		address := fmt.Sprintf("%s/2.0/repositories/%s/commit/%s", strings.TrimSuffix(b.opt.APIURL, "/"), forge.EscapePath(h.source), h.abbrev)
		err = b.opt.Client.Do(ctx, http.MethodGet, address, forge.Basic(p.Repo.Token), nil, &commit)
		if err != nil || !fullHash.MatchString(commit.Hash) || !strings.HasPrefix(commit.Hash, h.abbrev) {
			if again, _ := forge.Again(err); again {
				return nil, unavailable("Bitbucket does not complete the commit", err)
			}
			return events, nil // the branch will do
		}
		r := h.revision
		r.Commit = commit.Hash
		return withRevision(events, r), nil
	}
}

func bitbucketReadPush(p *bitbucketPayload, h *bitbucketHook) error {
	if p.Push == nil {
		return errMissing("push")
	}
	h.changes = []bitbucketChange{}
	for _, c := range p.Push.Changes {
		if c.New == nil || zeroHash(c.New.Target.Hash) {
			continue // deleted
		}
		ref := "refs/heads/" + c.New.Name
		if strings.HasSuffix(c.New.Type, "tag") {
			ref = "refs/tags/" + c.New.Name
		}
		h.changes = append(h.changes, bitbucketChange{brigade.Revision{Commit: c.New.Target.Hash, Ref: ref}, c.New.Target.Message})
	}
	return nil
}

func bitbucketReadServerPush(p *bitbucketPayload, h *bitbucketHook) error {
	if p.Changes == nil {
		return errMissing("changes")
	}
	h.changes = []bitbucketChange{}
	for _, c := range p.Changes {
		if c.Type == "DELETE" || zeroHash(c.ToHash) {
			continue
		}
		h.changes = append(h.changes, bitbucketChange{revision: brigade.Revision{Commit: c.ToHash, Ref: c.Ref.ID}})
	}
	return nil
}

func bitbucketReadCommitComment(p *bitbucketPayload, h *bitbucketHook) error {
	if p.Comment == nil || p.Commit == nil {
		return errMissing("comment on a commit")
	}
	h.revision.Commit = p.Commit.Hash
	text := firstLine(p.Comment.Content.Raw)
	h.short, h.long = text, "Comment on a commit: "+text
	h.origin.what, h.origin.guarded, h.author = "comment", true, p.Actor
	return nil
}

// bitbucketReadPull reads pull requests of Cloud. It keeps no ref for them and
// abbreviates commits, so the source's branch is the ref.
func bitbucketReadPull(p *bitbucketPayload, h *bitbucketHook) error {
	pr := p.Cloud
	if pr == nil {
		return errMissing("pull request")
	}
	h.titles("Pull request", pr.ID, pr.Title)
	h.revision.Ref = branchRef(pr.Source.Branch.Name)
	switch hash := pr.Source.Commit.Hash; {
	case fullHash.MatchString(hash):
		h.revision.Commit = hash
	case anyHash.MatchString(hash) && pr.Source.Repository != nil:
		h.abbrev, h.source = hash, pr.Source.Repository.name()
	case hash != "" && !anyHash.MatchString(hash):
		return brigade.Errorf(brigade.CodeInvalid, "the commit is not the hash of one")
	}
	from, to := pr.Source.Repository, pr.Destination.Repository
	h.origin.fork = from == nil || to == nil || from.name() != to.name()
	if h.origin.fork {
		h.origin.scriptRef = branchRef(pr.Destination.Branch.Name)
		if from == nil {
			h.ignored = "the repository of the pull request is gone"
			return nil
		}
		h.origin.cloneURL = forge.BitbucketURL + "/" + forge.EscapePath(from.name()) + ".git"
	}
	h.origin.what, h.origin.guarded, h.author = "pull request", h.origin.fork, pr.Author
	return nil
}

func bitbucketReadReview(p *bitbucketPayload, h *bitbucketHook) error {
	if err := bitbucketReadPull(p, h); err != nil {
		return err
	}
	h.origin.what, h.origin.guarded, h.author = "review", true, p.Actor
	if p.Comment != nil {
		h.origin.what = "comment"
		h.command = h.name == "pullrequest:comment_created" && isRunCommand(p.Comment.Content.Raw)
	}
	return nil
}

// bitbucketReadServerPull reads pull requests of Server, which keeps the head
// of every one in the target repository, too.
func bitbucketReadServerPull(p *bitbucketPayload, h *bitbucketHook) error {
	pr := p.Server
	if pr == nil {
		return errMissing("pull request")
	}
	h.titles("Pull request", pr.ID, pr.Title)
	h.revision = brigade.Revision{Commit: pr.FromRef.LatestCommit, Ref: fmt.Sprintf("refs/pull-requests/%d/from", pr.ID)}
	from, to := pr.FromRef.Repository, pr.ToRef.Repository
	h.origin.fork = from == nil || to == nil || from.ID == 0 || from.ID != to.ID
	if h.origin.fork {
		h.origin.scriptRef = pr.ToRef.ID
		if h.origin.scriptRef == "" {
			h.origin.scriptRef = "HEAD"
		}
	}
	h.origin.what, h.origin.guarded = "pull request", h.origin.fork
	return nil
}

func bitbucketReadServerReview(p *bitbucketPayload, h *bitbucketHook) error {
	if err := bitbucketReadServerPull(p, h); err != nil {
		return err
	}
	h.origin.what, h.origin.guarded, h.author = "review", true, p.Actor
	if p.Comment != nil {
		h.origin.what = "comment"
		h.command = h.name == "pr:comment:added" && isRunCommand(p.Comment.Text)
	}
	return nil
}
