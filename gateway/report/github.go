package report

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/gateway/forge"
)

// mayCheck is all that the reporter's tokens may do.
var mayCheck = map[string]string{"checks": "write"}

const maxRuns = 10_000 // check runs that are remembered

// github reports check runs as a GitHub App, and commit statuses where there is
// none.
type github struct {
	opt Forges

	mu   sync.Mutex
	runs map[string]int64 // of builds under way, by external ID; 0: one may exist
}

var _ brigade.Reporter = (*github)(nil)

func newGitHub(o Forges) *github { return &github{opt: o, runs: map[string]int64{}} }

// Reports says whether the event is GitHub's, about a commit, and not about a
// status: those follow from our own reports.
func (g *github) Reports(e *brigade.Event) bool {
	switch e.Type {
	case "status", "deployment_status", "deployment_status:created", "check_run:created", "check_run:completed", "check_suite:completed":
		return false
	}
	return reportable(e, "github")
}

// Report makes or changes the build's check run, or its status.
func (g *github) Report(ctx context.Context, p *brigade.Project, b *brigade.Build, jobs []*brigade.Job) error {
	from := senderOf(b.Event.Payload)
	consequence := (b.Event.Type == "check_run" || b.Event.Type == "check_suite") && (from.action == "completed" || from.action == "created")
	if consequence || !forge.Owns(p, from.repo) || strings.Count(from.repo, "/") != 1 {
		return nil
	}
	if g.opt.App.Serves(p) {
		token, err := g.opt.App.Token(ctx, from.repo, mayCheck, 5*time.Minute)
		if err == nil {
			return g.checkRun(ctx, from.repo, forge.Bearer(token.Value), b, jobs)
		}
		if s := forge.StatusOf(err); s != http.StatusNotFound && s != http.StatusUnprocessableEntity {
			return err
		}
		if p.Repo.Token == "" {
			return err // the App is not installed there, or may not report checks
		}
	}
	return g.status(ctx, p, from.repo, b, jobs)
}

// checkRun is GitHub's; of an answer only ID and ExternalID are read.
type checkRun struct {
	ID          int64       `json:"id,omitempty"`
	Name        string      `json:"name"`
	HeadSHA     string      `json:"head_sha,omitempty"`
	ExternalID  string      `json:"external_id"`
	DetailsURL  string      `json:"details_url,omitempty"`
	Status      string      `json:"status"`
	Conclusion  string      `json:"conclusion,omitempty"`
	StartedAt   *time.Time  `json:"started_at,omitempty"`
	CompletedAt *time.Time  `json:"completed_at,omitempty"`
	Output      checkOutput `json:"output"`
}

type checkOutput struct {
	Title   string `json:"title"`
	Summary string `json:"summary"`
}

func (g *github) checkRun(ctx context.Context, repo string, auth forge.Auth, b *brigade.Build, jobs []*brigade.Job) error {
	run := newCheckRun(b, jobs)
	run.DetailsURL = g.opt.link(b)
	address := g.opt.App.Base() + "/repos/" + forge.EscapePath(repo)
	id, err := g.existing(ctx, address, auth, run)
	if err != nil {
		return err
	}
	if id == 0 {
		g.setRun(run.ExternalID, 0) // should the answer be lost
		var made checkRun
		if err := g.opt.Client.Do(ctx, http.MethodPost, address+"/check-runs", auth, run, &made); err != nil {
			return err
		}
		if made.ID == 0 {
			return errors.New("GitHub made a check run without an ID")
		}
		id = made.ID
	} else {
		run.HeadSHA = ""
		err := g.opt.Client.Do(ctx, http.MethodPatch, fmt.Sprintf("%s/check-runs/%d", address, id), auth, run, nil)
		if err != nil {
			return err
		}
	}
	if b.State.Ended() {
		g.mu.Lock()
		delete(g.runs, run.ExternalID)
		g.mu.Unlock()
		return nil
	}
	g.setRun(run.ExternalID, id)
	return nil
}

// newCheckRun says how the build is. A build that is retried as a whole gets a
// new check run each time, because a completed one stays completed.
func newCheckRun(b *brigade.Build, jobs []*brigade.Job) checkRun {
	run := checkRun{
		Name: "Brigade: " + b.Event.Type, HeadSHA: b.Event.Revision.Commit, ExternalID: forge.ReportPrefix + b.ID,
		Status: "in_progress", Output: checkOutput{Title: description(b, jobs), Summary: summary(b, jobs)},
	}
	if b.Retries > 0 {
		run.ExternalID += fmt.Sprintf(".%d", b.Retries)
	}
	if !b.Started.IsZero() {
		started := b.Started.UTC().Truncate(time.Second)
		run.StartedAt = &started
	}
	switch b.State {
	case brigade.StatePending:
		run.Status = "queued"
	case brigade.StateSucceeded:
		run.Conclusion = "success"
	case brigade.StateCanceled:
		run.Conclusion = "cancelled"
	case brigade.StateFailed:
		run.Conclusion = "failure"
		if b.Failure != nil && b.Failure.Code == brigade.CodeJobTimeout {
			run.Conclusion = "timed_out"
		}
	}
	if run.Conclusion != "" {
		run.Status = "completed"
		ended := b.Ended.UTC().Truncate(time.Second)
		if !b.Ended.IsZero() {
			run.CompletedAt = &ended
		}
	}
	return run
}

// existing returns the ID of the check run that was made before, even by
// another process, and 0 when there is none.
func (g *github) existing(ctx context.Context, address string, auth forge.Auth, run checkRun) (int64, error) {
	g.mu.Lock()
	id := g.runs[run.ExternalID]
	g.mu.Unlock()
	if id != 0 {
		return id, nil
	}
	var list struct {
		Runs []checkRun `json:"check_runs"`
	}
	query := url.Values{"check_name": {run.Name}, "filter": {"all"}, "per_page": {"100"}}
	err := g.opt.Client.Do(ctx, http.MethodGet, address+"/commits/"+run.HeadSHA+"/check-runs?"+query.Encode(), auth, nil, &list)
	if err != nil {
		return 0, err
	}
	for _, r := range list.Runs {
		if r.ExternalID == run.ExternalID {
			return r.ID, nil
		}
	}
	return 0, nil
}

func (g *github) setRun(externalID string, id int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.runs) >= maxRuns {
		clear(g.runs) // they are found again
	}
	g.runs[externalID] = id
}

// status reports a commit status with the project's own token.
func (g *github) status(ctx context.Context, p *brigade.Project, repo string, b *brigade.Build, jobs []*brigade.Job) error {
	base := forge.GitHubBase(p, g.opt.App.Base())
	if p.Repo.Token == "" || !forge.TokenFits(p, base) {
		return nil
	}
	return g.opt.Client.Do(ctx, http.MethodPost, base+"/repos/"+forge.EscapePath(repo)+"/statuses/"+b.Event.Revision.Commit, forge.Bearer(p.Repo.Token), commitStatus{
		State: word(b, "pending", "success", "failure", "error"), Context: forge.StatusPrefix + subject(p, b, repo),
		Description: description(b, jobs), TargetURL: g.opt.link(b),
	}, nil)
}

// commitStatus is a status at GitHub, Gitea and Forgejo.
type commitStatus struct {
	State       string `json:"state"`
	Context     string `json:"context"`
	Description string `json:"description"`
	TargetURL   string `json:"target_url,omitempty"`
}

// word picks the forge's word for the build's state.
func word(b *brigade.Build, running, succeeded, failed, canceled string) string {
	switch b.State {
	case brigade.StateSucceeded:
		return succeeded
	case brigade.StateFailed:
		return failed
	case brigade.StateCanceled:
		return canceled
	}
	return running
}
