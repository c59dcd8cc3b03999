package report

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/gateway/forge"
)

// gitlab reports commit statuses with the project's own token.
type gitlab struct{ opt Forges }

var _ brigade.Reporter = (*gitlab)(nil)

// Reports says whether the event is GitLab's, about a commit, and not about a
// pipeline: statuses become part of those.
func (*gitlab) Reports(e *brigade.Event) bool {
	return e.Type != "pipeline" && reportable(e, "gitlab")
}

// Report sets the status of the commit.
func (g *gitlab) Report(ctx context.Context, p *brigade.Project, b *brigade.Build, jobs []*brigade.Job) error {
	at, ok := place(p, b, g.opt.GitLabURL)
	if !ok {
		return nil
	}
	state := word(b, "running", "success", "failed", "canceled")
	if b.State == brigade.StatePending {
		state = "pending"
	}
	in := map[string]string{"state": state, "name": forge.StatusPrefix + subject(p, b, at.Repo), "description": description(b, jobs)}
	if link := g.opt.link(b); link != "" {
		in["target_url"] = link
	}
	if branch, found := strings.CutPrefix(b.Event.Revision.Ref, "refs/heads/"); found {
		in["ref"] = branch
	}
	address := at.Base + "/api/v4/projects/" + url.PathEscape(at.Repo) + "/statuses/" + b.Event.Revision.Commit
	err := g.opt.Client.Do(ctx, http.MethodPost, address, forge.Private(p.Repo.Token), in, nil)
	var status *forge.StatusError
	if errors.As(err, &status) && status.Status == http.StatusBadRequest && strings.Contains(status.Message, "annot transition status") {
		return nil // it has that state already
	}
	return err
}
