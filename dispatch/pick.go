package dispatch

import (
	"fmt"

	brigade "github.com/brigadecore/brigade/v3"
)

// load is what runs.
type load struct {
	total     int
	unclaimed int            // of them, by this process
	projects  map[string]int // by project ID
	keys      map[string]int // by project ID and concurrency key
}

func newLoad() *load { return &load{projects: map[string]int{}, keys: map[string]int{}} }

func (l *load) add(b *brigade.Build) {
	l.total++
	l.projects[b.ProjectID]++
	if b.ConcurrencyKey != "" {
		l.keys[keyOf(b)]++
	}
}

func keyOf(b *brigade.Build) string { return b.ProjectID + "\x00" + b.ConcurrencyKey }

// picker chooses which of the waiting builds start now.
type picker struct {
	most    int // builds at once; 0 is no limit
	load    *load
	project func(id string) *brigade.Project // nil when it is not there
}

// pick returns the builds to start, and of the others what they wait for. The
// highest priority goes first; among equals the project with the fewest
// running builds; then the oldest.
func (p *picker) pick(waiting []*brigade.Build) (start []*brigade.Build, waits map[string]string) {
	waits = map[string]string{}
	left := append([]*brigade.Build{}, waiting...)
	for len(left) > 0 {
		best := -1
		rest := left[:0]
		for _, b := range left {
			if why := p.blocked(b); why != "" {
				waits[b.ID] = why
				continue
			}
			rest = append(rest, b)
			if best < 0 || p.before(b, rest[best]) {
				best = len(rest) - 1
			}
		}
		if best < 0 {
			break
		}
		chosen := rest[best]
		start = append(start, chosen)
		p.load.add(chosen)
		left = append(rest[:best], rest[best+1:]...)
	}
	return start, waits
}

// blocked says what a build has to wait for, or "".
func (p *picker) blocked(b *brigade.Build) string {
	if p.most > 0 && p.load.total >= p.most {
		return serverFull(p.load.total)
	}
	project := p.project(b.ProjectID)
	if project == nil {
		return "" // it starts, and fails for that reason
	}
	if most := project.Limits.Builds; most > 0 && p.load.projects[b.ProjectID] >= most {
		return fmt.Sprintf("%s runs %d builds, as many as it may at once", project.Name, most)
	}
	if project.Concurrency == nil || b.ConcurrencyKey == "" {
		return ""
	}
	if most := max(project.Concurrency.Limit, 1); p.load.keys[keyOf(b)] >= most {
		return fmt.Sprintf("%d with the concurrency key %q run, as many as may at once", most, b.ConcurrencyKey)
	}
	return ""
}

func serverFull(most int) string {
	return fmt.Sprintf("the server runs %d builds, as many as it may at once", most)
}

func (p *picker) before(a, b *brigade.Build) bool {
	if a.Priority != b.Priority {
		return a.Priority > b.Priority
	}
	if la, lb := p.load.projects[a.ProjectID], p.load.projects[b.ProjectID]; la != lb {
		return la < lb
	}
	return a.ID < b.ID
}
