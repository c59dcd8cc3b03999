package report

import (
	"context"
	"net/http"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/gateway/forge"
)

// gitea reports commit statuses to Gitea and Forgejo with the project's own
// token.
type gitea struct{ opt Forges }

var _ brigade.Reporter = (*gitea)(nil)

// Reports says whether the event is Gitea's and about a commit.
func (*gitea) Reports(e *brigade.Event) bool { return reportable(e, "gitea") }

// Report sets the status of the commit.
func (g *gitea) Report(ctx context.Context, p *brigade.Project, b *brigade.Build, jobs []*brigade.Job) error {
	at, ok := place(p, b, g.opt.GiteaURL)
	if !ok {
		return nil
	}
	address := at.Base + "/api/v1/repos/" + forge.EscapePath(at.Repo) + "/statuses/" + b.Event.Revision.Commit
	return g.opt.Client.Do(ctx, http.MethodPost, address, forge.Token(p.Repo.Token), commitStatus{
		State: word(b, "pending", "success", "failure", "error"), Context: forge.StatusPrefix + subject(p, b, at.Repo),
		Description: description(b, jobs), TargetURL: g.opt.link(b),
	}, nil)
}
