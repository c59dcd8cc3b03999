package gateway

import (
	"fmt"
	"strings"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/gateway/forge"
)

// githubPayload holds what is read of GitHub's webhooks, of all kinds.
type githubPayload struct {
	Action     string `json:"action"`
	Ref        string `json:"ref"`
	RefType    string `json:"ref_type"`
	After      string `json:"after"`
	Deleted    bool   `json:"deleted"`
	SHA        string `json:"sha"`
	Context    string `json:"context"`
	State      string `json:"state"`
	HeadCommit *struct {
		ID      string `json:"id"`
		Message string `json:"message"`
	} `json:"head_commit"`
	Commit *struct {
		Commit struct {
			Message string `json:"message"`
		} `json:"commit"`
	} `json:"commit"`
	PullRequest *githubPull    `json:"pull_request"`
	Issue       *githubIssue   `json:"issue"`
	Comment     *githubComment `json:"comment"`
	Review      *struct {
		AuthorAssociation string `json:"author_association"`
	} `json:"review"`
	Release *struct {
		TagName string `json:"tag_name"`
		Name    string `json:"name"`
	} `json:"release"`
	Deployment *struct {
		SHA         string `json:"sha"`
		Ref         string `json:"ref"`
		Environment string `json:"environment"`
	} `json:"deployment"`
	DeploymentStatus *struct {
		State string `json:"state"`
	} `json:"deployment_status"`
	CheckRun   *githubCheckRun   `json:"check_run"`
	CheckSuite *githubCheckSuite `json:"check_suite"`
	Repository struct {
		FullName      string `json:"full_name"`
		DefaultBranch string `json:"default_branch"`
	} `json:"repository"`
	Sender struct {
		Login string `json:"login"`
	} `json:"sender"`
}

type githubPull struct {
	Number            int          `json:"number"`
	Title             string       `json:"title"`
	AuthorAssociation string       `json:"author_association"`
	Head              githubBranch `json:"head"`
	Base              githubBranch `json:"base"`
}

type githubBranch struct {
	Ref  string `json:"ref"`
	SHA  string `json:"sha"`
	Repo *struct {
		ID       int64  `json:"id"`
		CloneURL string `json:"clone_url"`
	} `json:"repo"` // null: the fork was deleted
}

type githubIssue struct {
	Number      int       `json:"number"`
	Title       string    `json:"title"`
	PullRequest *struct{} `json:"pull_request"` // it is one
}

type githubComment struct {
	Body              string `json:"body"`
	CommitID          string `json:"commit_id"`
	AuthorAssociation string `json:"author_association"`
}

type githubCheckRun struct {
	Name       string           `json:"name"`
	HeadSHA    string           `json:"head_sha"`
	ExternalID string           `json:"external_id"`
	CheckSuite githubCheckSuite `json:"check_suite"`
}

type githubCheckSuite struct {
	HeadSHA    string `json:"head_sha"`
	HeadBranch string `json:"head_branch"` // null: not of this repository
	App        struct {
		ID int64 `json:"id"`
	} `json:"app"`
}

// githubHook is a hook and what only GitHub knows.
type githubHook struct {
	hook
	wrapped bool   // the payload is to carry a token
	branch  string // of the head, for that payload
	pull    int    // number of the pull request that was commented on and has to be looked up
	app     int64  // whose check it is; 0: unknown
	suite   bool   // the pull request is to have a check suite as well
	missing string // what the body should have and has not
}

// githubEvents lists the events and how each is read. All others are ignored.
var githubEvents = map[string]func(*githubPayload, *githubHook){
	"check_run":                   githubReadCheckRun,
	"check_suite":                 githubReadCheckSuite,
	"commit_comment":              githubReadCommitComment,
	"create":                      githubReadCreate,
	"deployment":                  githubReadDeployment,
	"deployment_status":           githubReadDeployment,
	"issue_comment":               githubReadIssueComment,
	"pull_request":                githubReadPull,
	"pull_request_review":         githubReadPull,
	"pull_request_review_comment": githubReadPull,
	"push":                        githubReadPush,
	"release":                     githubReadRelease,
	"status":                      githubReadStatus,
}

func githubReadPush(p *githubPayload, h *githubHook) {
	if p.Deleted || zeroHash(p.After) {
		h.ignored = "a deleted branch starts nothing"
		return
	}
	h.revision = brigade.Revision{Commit: p.After, Ref: p.Ref}
	if p.HeadCommit != nil { // an annotated tag's After is the tag, not the commit
		h.revision.Commit = p.HeadCommit.ID
		h.short, h.long = firstLine(p.HeadCommit.Message), strings.TrimSpace(p.HeadCommit.Message)
	}
}

func githubReadPull(p *githubPayload, h *githubHook) {
	if p.PullRequest == nil {
		h.missing = "pull request"
		return
	}
	h.setPull(p.PullRequest)
	h.origin.what, h.origin.author, h.origin.guarded = "pull request", p.PullRequest.AuthorAssociation, h.origin.fork
	switch {
	case p.Review != nil:
		h.origin.what, h.origin.author, h.origin.guarded = "review", p.Review.AuthorAssociation, true
	case p.Comment != nil:
		h.origin.what, h.origin.author, h.origin.guarded = "comment", p.Comment.AuthorAssociation, true
	}
}

// setPull fills in what a pull request says.
func (h *githubHook) setPull(pr *githubPull) {
	h.revision = brigade.Revision{Commit: pr.Head.SHA, Ref: fmt.Sprintf("refs/pull/%d/head", pr.Number)}
	h.branch = pr.Head.Ref
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

// titles says which pull request or issue it is about.
func (h *hook) titles(what string, number int, title string) {
	h.short = fmt.Sprintf("#%d %s", number, firstLine(title))
	h.long = fmt.Sprintf("%s #%d: %s", what, number, firstLine(title))
}

// branchRef is the full ref of a branch; without one it is the default
// branch's.
func branchRef(name string) string {
	if name == "" {
		return "HEAD"
	}
	return "refs/heads/" + name
}

// githubReadIssueComment reads comments on issues and pull requests. The
// webhook does not tell a pull request's commit or whether it is from a fork:
// until that is looked up, it counts as from one.
func githubReadIssueComment(p *githubPayload, h *githubHook) {
	if p.Issue == nil || p.Comment == nil {
		h.missing = "comment"
		return
	}
	h.origin.what, h.origin.author, h.origin.guarded = "comment", p.Comment.AuthorAssociation, true
	if p.Issue.PullRequest == nil {
		h.titles("Issue", p.Issue.Number, p.Issue.Title)
		h.origin.mild = true // it runs what is in the default branch
		return
	}
	h.titles("Pull request", p.Issue.Number, p.Issue.Title)
	h.revision.Ref = fmt.Sprintf("refs/pull/%d/head", p.Issue.Number)
	h.origin.fork, h.origin.scriptRef = true, branchRef(p.Repository.DefaultBranch)
	h.pull, h.wrapped = p.Issue.Number, true
	h.command = p.Action == "created" && isRunCommand(p.Comment.Body)
}

// githubReadCommitComment reads comments on commits. Who may comment may do
// so on a commit that only a fork has, so the author decides.
func githubReadCommitComment(p *githubPayload, h *githubHook) {
	if p.Comment == nil {
		h.missing = "comment"
		return
	}
	h.origin.what, h.origin.author, h.origin.guarded = "comment", p.Comment.AuthorAssociation, true
	h.revision.Commit = p.Comment.CommitID
	h.short, h.long = firstLine(p.Comment.Body), "Comment on a commit: "+firstLine(p.Comment.Body)
}

func githubReadCreate(p *githubPayload, h *githubHook) {
	h.revision.Ref = p.Ref
	h.short, h.long = p.Ref, fmt.Sprintf("New %s %s", p.RefType, p.Ref)
}

func githubReadRelease(p *githubPayload, h *githubHook) {
	if p.Release == nil {
		h.missing = "release"
		return
	}
	h.revision.Ref = p.Release.TagName
	h.short, h.long = p.Release.TagName, "Release "+p.Release.TagName
	if name := firstLine(p.Release.Name); name != "" && name != p.Release.TagName {
		h.long += ": " + name
	}
}

func githubReadDeployment(p *githubPayload, h *githubHook) {
	if p.Deployment == nil {
		h.missing = "deployment"
		return
	}
	h.revision = brigade.Revision{Commit: p.Deployment.SHA, Ref: p.Deployment.Ref}
	h.short = p.Deployment.Environment
	h.long = "Deployment to " + p.Deployment.Environment
	if p.DeploymentStatus != nil {
		h.long += ": " + p.DeploymentStatus.State
	}
}

func githubReadStatus(p *githubPayload, h *githubHook) {
	if strings.HasPrefix(p.Context, forge.StatusPrefix) {
		h.ignored = "it is about a build's own status"
		return
	}
	h.revision.Commit = p.SHA
	h.short, h.long = p.Context+": "+p.State, p.Context+": "+p.State
	if p.Commit != nil {
		h.long += "\n\n" + strings.TrimSpace(p.Commit.Commit.Message)
	}
}

func githubReadCheckRun(p *githubPayload, h *githubHook) {
	run := p.CheckRun
	if run == nil {
		h.missing = "check run"
		return
	}
	if strings.HasPrefix(run.ExternalID, forge.ReportPrefix) && p.Action != "rerequested" && p.Action != "requested_action" {
		h.ignored = "it is about a build's own check run"
		return
	}
	h.short, h.long = run.Name, "Check run "+run.Name
	h.setCheck(run.HeadSHA, &run.CheckSuite, p)
}

func githubReadCheckSuite(p *githubPayload, h *githubHook) {
	if p.CheckSuite == nil {
		h.missing = "check suite"
		return
	}
	h.short, h.long = "Check suite", "Check suite of "+p.CheckSuite.HeadSHA
	if b := p.CheckSuite.HeadBranch; b != "" {
		h.short, h.long = h.short+" "+b, h.long+" on "+b
	}
	h.setCheck(p.CheckSuite.HeadSHA, p.CheckSuite, p)
}

// setCheck fills in what checks have. GitHub names no branch when the commit
// is not on one of this repository: then it is a fork's.
func (h *githubHook) setCheck(sha string, s *githubCheckSuite, p *githubPayload) {
	h.revision = brigade.Revision{Commit: sha, Ref: s.HeadBranch}
	h.branch, h.wrapped, h.app = s.HeadBranch, true, s.App.ID
	if s.HeadBranch == "" {
		h.origin.what, h.origin.fork, h.origin.scriptRef = "check", true, branchRef(p.Repository.DefaultBranch)
	}
}
