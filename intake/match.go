package intake

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/intake/filter"
)

// target is a project with the events it gets.
type target struct {
	project *brigade.Project
	named   bool // by the request
	events  []brigade.Event
}

// recipients are the projects a request is for.
type recipients struct {
	named   *brigade.Project // by the request; nil when there is none
	targets []target
	refused error    // why the request is refused, for the delivery log only
	notes   []string // what should be known about subscriptions
}

// recipients finds out for whom a reading is: the project it names, if the
// request authenticates against it, and every project with a subscription
// that matches. A subscription trusts what the named project trusts; else the
// request must authenticate against the subscriber itself.
//
// A request that names no project we have is verified against one that is
// made up, and no answer is given early, so that it takes as long as a wrong
// secret does.
func (in *Intake) recipients(ctx context.Context, r *brigade.Reading, trusted bool) (recipients, error) {
	projects, err := in.catalog.get(ctx)
	if err != nil {
		return recipients{}, err
	}
	named := projects.find(r.Project)
	to := recipients{named: named}
	against := named
	if against == nil {
		stranger := in.madeUp
		against = &stranger
	}
	authentic := error(nil)
	if r.Verify != nil && !trusted {
		authentic = r.Verify(against)
	}
	switch {
	case r.Project != "" && named == nil:
		to.refused = errors.New("there is no such project")
	case authentic != nil:
		to.refused = authentic
	case named != nil:
		to.targets = append(to.targets, target{project: named, named: true, events: r.Events})
	}
	if r.Project == "" && r.Verify != nil && !trusted && to.refused == nil {
		to.refused = errors.New("the request names no project") // nobody made the secret up
	}
	inputs := make([]*filter.Input, len(r.Events)) // shared, so that a payload is parsed once
	for i := range r.Events {
		inputs[i] = filter.NewInput(&r.Events[i])
		if len(to.targets) > 0 {
			inputs[i] = inputs[i].Of(named)
		}
	}
	free := to.refused == nil || r.Verify == nil || trusted
	for _, p := range projects.subscribers {
		if p == named && len(to.targets) > 0 || !subscribes(p, r.Events) {
			continue
		}
		if !free && r.Verify(p) != nil {
			continue
		}
		to.refused = nil
		in.subscribe(ctx, p, r.Events, inputs, &to)
	}
	if len(to.targets) > 0 {
		to.refused = nil
	}
	return to, nil
}

// subscribes reports whether one of the events is of a type that p subscribes
// to. It does not look at filters: those see only what is authentic.
func subscribes(p *brigade.Project, events []brigade.Event) bool {
	for i := range events {
		for j := range p.Subscriptions {
			if ofType(&p.Subscriptions[j], &events[i]) {
				return true
			}
		}
	}
	return false
}

// ofType reports whether the event's provider and type are those of s.
func ofType(s *brigade.Subscription, e *brigade.Event) bool {
	if s.Provider != "" && s.Provider != e.Provider {
		return false
	}
	if len(s.Types) == 0 {
		return true
	}
	for _, pattern := range s.Types {
		prefix, open := strings.CutSuffix(pattern, "*")
		for n := range len(e.Also) + 1 {
			name := e.Type
			if n > 0 {
				name = e.Also[n-1]
			}
			if name == pattern || open && strings.HasPrefix(name, prefix) {
				return true
			}
		}
	}
	return false
}

// subscribe adds p with those of the events that its subscriptions match.
func (in *Intake) subscribe(ctx context.Context, p *brigade.Project, events []brigade.Event, inputs []*filter.Input, to *recipients) {
	var wanted []brigade.Event
	for i := range events {
		e := &events[i]
		for j := range p.Subscriptions {
			s := &p.Subscriptions[j]
			if !ofType(s, e) {
				continue
			}
			match, err := in.filters.Match(ctx, s.Filter, inputs[i], p)
			if err != nil {
				to.notes = append(to.notes, fmt.Sprintf("subscription %d of %s: %v", j+1, p.Name, err))
				in.opt.Log.Warn("a subscription's filter failed", "project", p.Name, "subscription", j+1, "err", err)
			}
			if match {
				wanted = append(wanted, ofOwnFiles(*e, p, to.named))
				break
			}
		}
	}
	if len(wanted) > 0 {
		to.targets = append(to.targets, target{project: p, events: wanted})
	}
}

// ofOwnFiles is the event as a subscriber gets it. A revision of the project
// that the request names says nothing about the subscriber's own repository:
// its build has the head of its own default branch.
func ofOwnFiles(e brigade.Event, p, named *brigade.Project) brigade.Event {
	if named == nil || named.ID == p.ID {
		return e
	}
	e.Revision, e.CloneURL, e.ScriptRef = brigade.Revision{}, "", ""
	return e
}
