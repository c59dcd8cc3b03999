package report

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/gateway/forge"
	"github.com/brigadecore/brigade/v3/internal/lazyregexp"
)

const (
	maxDescription = 140 // characters, GitHub's limit for a status
	maxFailure     = 4 << 10
	maxJobs        = 200 // in a table
)

var fullHash = lazyregexp.New(`^([0-9a-f]{40}|[0-9a-f]{64})$`)

// reportable reports whether the event came from that provider and is about a
// commit.
func reportable(e *brigade.Event, provider string) bool {
	return e.Provider == provider && fullHash.MatchString(e.Revision.Commit)
}

// sender is what a webhook says about where it came from.
type sender struct {
	repo   string // full name
	action string
}

type senderRepo struct {
	FullName string `json:"full_name"`
	Path     string `json:"path_with_namespace"` // of GitLab's project
	Slug     string `json:"slug"`
	Project  struct {
		Key string `json:"key"`
	} `json:"project"`
}

func (r senderRepo) name() string {
	switch {
	case r.FullName != "":
		return r.FullName
	case r.Path != "":
		return r.Path
	case r.Slug != "":
		return r.Project.Key + "/" + r.Slug
	}
	return ""
}

// senderOf reads the webhook that is a payload, or is in one that carries a
// token.
func senderOf(payload string) sender {
	type webhook struct {
		Action      string     `json:"action"`
		Repository  senderRepo `json:"repository"`
		Project     senderRepo `json:"project"`
		PullRequest struct {
			ToRef struct {
				Repository senderRepo `json:"repository"`
			} `json:"toRef"`
		} `json:"pullRequest"` // of Bitbucket Server
	}
	var outer struct {
		webhook
		Type string          `json:"type"`
		Body json.RawMessage `json:"body"`
	}
	if json.Unmarshal([]byte(payload), &outer) != nil {
		// Fields of another type do not matter here, those before were read.
		outer.Body = nil
	}
	hook := outer.webhook
	if outer.Type != "" && len(outer.Body) > 0 && outer.Body[0] == '{' {
		hook = webhook{}
		_ = json.Unmarshal(outer.Body, &hook)
	}
	s := sender{action: hook.Action}
	for _, r := range []senderRepo{hook.Project, hook.Repository, hook.PullRequest.ToRef.Repository} {
		if name := r.name(); name != "" && s.repo == "" {
			s.repo = name
		}
	}
	return s
}

// description says in a line how the build is.
func description(b *brigade.Build, jobs []*brigade.Job) string {
	var text string
	switch b.State {
	case brigade.StatePending:
		text = "Waiting"
	case brigade.StateSucceeded:
		text = "Succeeded" + took(b)
	case brigade.StateCanceled:
		text = "Canceled" + took(b)
	case brigade.StateFailed:
		text = "Failed" + took(b)
		if b.Failure != nil && b.Failure.Message != "" {
			text = b.Failure.Message
		}
	default:
		text = "Running"
	}
	if n := count(jobs); n != "" && b.State != brigade.StateFailed {
		text += ": " + n
	}
	return shorten(strings.Join(strings.Fields(text), " "), maxDescription)
}

func took(b *brigade.Build) string {
	if b.Started.IsZero() || b.Ended.IsZero() {
		return ""
	}
	return " in " + duration(b.Ended.Sub(b.Started))
}

// count says how many jobs there are and how many of them succeeded.
func count(jobs []*brigade.Job) string {
	if len(jobs) == 0 {
		return ""
	}
	good := 0
	for _, j := range jobs {
		if j.State == brigade.StateSucceeded {
			good++
		}
	}
	return fmt.Sprintf("%d of %d jobs succeeded", good, len(jobs))
}

// duration is d for people: 0.4s, 12s, 3m20s.
func duration(d time.Duration) string {
	switch {
	case d < 0:
		return "0s"
	case d < 10*time.Second:
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

func shorten(text string, characters int) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if utf8.RuneCountInString(text) <= characters {
		return text
	}
	runes := []rune(text)
	return string(runes[:characters-1]) + "…"
}

// summary says in Markdown how the build and its jobs are.
func summary(b *brigade.Build, jobs []*brigade.Job) string {
	var text strings.Builder
	if b.Failure != nil && b.Failure.Message != "" && b.State.Ended() {
		message := strings.ReplaceAll(shorten(b.Failure.Message, maxFailure), "```", "'''")
		fmt.Fprintf(&text, "```text\n%s\n```\n\n", message)
	}
	if len(jobs) > 0 {
		text.WriteString("| job | result | time |\n|---|---|---:|\n")
	}
	for i, j := range jobs {
		if i == maxJobs {
			fmt.Fprintf(&text, "| … and %d more | | |\n", len(jobs)-maxJobs)
			break
		}
		fmt.Fprintf(&text, "| %s | %s | %s |\n", j.Name, jobResult(j), jobTime(j))
	}
	fmt.Fprintf(&text, "\nBuild `%s` of %s\n", b.ID, "`"+strings.ReplaceAll(b.Project, "`", "'")+"`")
	return text.String()
}

func jobResult(j *brigade.Job) string {
	text := string(j.State)
	switch {
	case j.Inherited != "":
		text += " before"
	case j.State == brigade.StateFailed && j.Failure != nil && j.Failure.Code == brigade.CodeJobTimeout:
		text = "timed out"
	case j.State == brigade.StateFailed && j.ExitCode != 0:
		text += fmt.Sprintf(" (%d)", j.ExitCode)
	}
	if j.Attempt > 1 {
		text += fmt.Sprintf(", attempt %d", j.Attempt)
	}
	return text
}

func jobTime(j *brigade.Job) string {
	if j.Started.IsZero() || j.Ended.IsZero() {
		return ""
	}
	return duration(j.Ended.Sub(j.Started))
}

// subject is what a status is called: the event's name, and the project's when
// that is not the repository's, so that two projects do not overwrite each
// other's. What happened to a pull request of Bitbucket or GitLab makes no
// difference, so that a status can be required.
func subject(p *brigade.Project, b *brigade.Build, repo string) string {
	name := b.Event.Type
	if len(b.Event.Also) > 0 && strings.HasPrefix(name, b.Event.Also[0]+":") {
		name = b.Event.Also[0]
	}
	if !strings.EqualFold(p.Name, repo) && !strings.HasSuffix(strings.ToLower(p.Name), "/"+strings.ToLower(repo)) {
		name = p.Name + "/" + name
	}
	return name
}

// link leads to the build; "" when nobody knows where.
func (o Forges) link(b *brigade.Build) string {
	if o.BaseURL == "" {
		return ""
	}
	return o.BaseURL + "/builds/" + b.ID
}

// place is where a status of the build goes; ok is false when the project has
// no token or is not the one the event came from.
func place(p *brigade.Project, b *brigade.Build, fallback string) (at forge.Place, ok bool) {
	from := senderOf(b.Event.Payload).repo
	if p.Repo.Token == "" || !forge.Owns(p, from) {
		return forge.Place{}, false
	}
	at, ok = forge.PlaceOf(p, fallback)
	at.Repo = from
	return at, ok
}
