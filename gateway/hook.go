package gateway

import (
	"net/url"
	"slices"
	"strings"

	brigade "github.com/brigadecore/brigade/v3"
)

// hook is a forge's webhook in the words that all forges share.
type hook struct {
	provider string
	name     string // of the event, in the forge's words
	action   string // what happened to its subject; may be empty
	delivery string // the forge's ID of the request; may be empty
	repo     string // the full name of the repository, by which the project is found
	actor    string
	revision brigade.Revision
	short    string // titles
	long     string
	also     []string // further names of the event
	ignored  string   // why nothing is started
	origin   origin
	command  bool // it is a new comment "/brig run"
}

// origin says who wrote what happened, and where the files come from.
type origin struct {
	what      string // "pull request", "comment" …, for people
	guarded   bool   // only authors whom the project allows start a build
	mild      bool   // others start one, too, but it gets no secrets
	author    string // association with the repository, in GitHub's words; empty: unknown
	fork      bool   // the files come from elsewhere, or nobody knows
	cloneURL  string // of the fork
	scriptRef string // the ref of the project's repository that a fork's script is taken from
}

// runCommand is the comment that asks for a build.
const runCommand = "/brig run"

// runEvent is the further name of the event of such a comment.
const runEvent = "brig:run"

func isRunCommand(text string) bool { return strings.TrimSpace(text) == runCommand }

// associations that may start builds when a project does not say who may.
var defaultAuthors = []string{"COLLABORATOR", "OWNER", "MEMBER"}

// allowed reports whether p lets authors with that association start builds.
// "*" in the project's list allows everybody.
func allowed(p *brigade.Project, association string) bool {
	authors := p.Forks.Authors
	if len(authors) == 0 {
		authors = defaultAuthors
	}
	if association == "" {
		association = "NONE"
	}
	return slices.ContainsFunc(authors, func(a string) bool {
		a = strings.TrimSpace(a)
		return a == "*" || strings.EqualFold(a, association)
	})
}

// settle applies the project's fork policy to events.
func (o origin) settle(p *brigade.Project, events []brigade.Event) ([]brigade.Event, error) {
	known := !o.guarded || allowed(p, o.author)
	if !known && !o.mild {
		association := o.author
		if association == "" {
			association = "NONE"
		}
		return nil, &brigade.IgnoredError{Reason: "the author of the " + o.what + " (" + association + ") may not start builds of this project"}
	}
	settled := slices.Clone(events)
	for i := range settled {
		e := &settled[i]
		e.Untrusted = !known || (o.fork && !p.Forks.Secrets)
		e.CloneURL = o.cloneURL
		e.ScriptRef = ""
		if o.fork && !p.Forks.Script {
			e.ScriptRef = o.scriptRef
		}
	}
	return settled, nil
}

// check refuses a hook that no event can be made of.
func (h hook) check() error {
	if err := checkName("repository", h.repo, maxRef); err != nil {
		return err
	}
	if err := checkName("event", h.name, maxWord); err != nil {
		return err
	}
	if h.action != "" {
		if err := checkName("action", h.action, maxWord); err != nil {
			return err
		}
	}
	if err := checkRevision(h.revision); err != nil {
		return err
	}
	if u := h.origin.cloneURL; u != "" && !webAddress(u) {
		return brigade.Errorf(brigade.CodeInvalid, "the clone URL of the fork is not an address on the web")
	}
	return checkRevision(brigade.Revision{Ref: h.origin.scriptRef})
}

// webAddress refuses what git would take for an option or run as a program.
func webAddress(address string) bool {
	u, err := url.Parse(address)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && checkName("", address, 2*maxRef) == nil
}

// event is the hook's event of that type. Until settle has asked the project,
// it is trusted with nothing.
func (h hook) event(kind, payload string) brigade.Event {
	e := brigade.Event{
		Provider: h.provider, Type: kind, Revision: h.revision, Payload: payload,
		ShortTitle: cut(h.short, maxShortTitle), LongTitle: cut(h.long, maxLongTitle), Actor: cut(h.actor, maxShortTitle),
		Untrusted: h.origin.fork || h.origin.guarded, CloneURL: h.origin.cloneURL, ScriptRef: h.origin.scriptRef,
		Also: slices.Clone(h.also),
	}
	if h.delivery != "" && len(h.delivery) <= maxRef {
		e.Key = h.provider + ":" + h.delivery + ":" + kind
	}
	return e
}

// one is the hook's single event: it is called by its name, and as well by
// name:action.
func (h hook) one(payload []byte) []brigade.Event {
	e := h.event(h.name, string(payload))
	if h.action != "" {
		e.Also = append([]string{h.name + ":" + h.action}, e.Also...)
	}
	if h.command {
		e.Also = append(e.Also, runEvent)
	}
	return []brigade.Event{e}
}
