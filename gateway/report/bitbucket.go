package report

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/gateway/forge"
)

// bitbucket reports build statuses to Bitbucket Cloud and Server with the
// project's own token.
type bitbucket struct{ opt Forges }

var _ brigade.Reporter = (*bitbucket)(nil)

// Reports says whether the event is Bitbucket's and about a commit.
func (*bitbucket) Reports(e *brigade.Event) bool { return reportable(e, "bitbucket") }

// Report sets the status of the commit. Bitbucket wants a link; where builds
// cannot be looked at, it leads to the repository.
func (r *bitbucket) Report(ctx context.Context, p *brigade.Project, b *brigade.Build, jobs []*brigade.Job) error {
	at, ok := place(p, b, forge.BitbucketURL)
	if !ok {
		return nil
	}
	server := strings.HasPrefix(b.Event.Type, "pr:") || b.Event.Type == "repo:refs_changed"
	if server == (at.Base == forge.BitbucketURL) {
		return nil // the token is for the other product
	}
	link := r.opt.link(b)
	if link == "" {
		link = at.Base + "/" + forge.EscapePath(at.Repo)
	}
	name := subject(p, b, at.Repo)
	sum := sha256.Sum256([]byte(p.ID + " " + name))
	in := map[string]string{
		"key":   "brigade-" + hex.EncodeToString(sum[:])[:24], // at most 40 characters
		"state": word(b, "INPROGRESS", "SUCCESSFUL", "FAILED", "STOPPED"),
		"name":  forge.StatusPrefix + name, "description": description(b, jobs), "url": link,
	}
	address := strings.TrimSuffix(r.opt.BitbucketAPI, "/") + "/2.0/repositories/" + forge.EscapePath(at.Repo) + "/commit/" + b.Event.Revision.Commit + "/statuses/build"
	if server {
		if b.State == brigade.StateCanceled {
			in["state"] = "FAILED" // Server knows no other word in all its versions
		}
		address = at.Base + "/rest/build-status/1.0/commits/" + b.Event.Revision.Commit
	}
	return r.opt.Client.Do(ctx, http.MethodPost, address, forge.Basic(p.Repo.Token), in, nil)
}
