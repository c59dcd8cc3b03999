package dispatch

import (
	"strings"
	"testing"

	brigade "github.com/brigadecore/brigade/v3"
)

func TestPick(t *testing.T) {
	projects := map[string]*brigade.Project{
		"a": {ID: "a", Name: "a"},
		"b": {ID: "b", Name: "b", Limits: brigade.Limits{Builds: 1}},
		"k": {ID: "k", Name: "k", Concurrency: &brigade.Concurrency{Limit: 2}},
	}
	build := func(id string, priority int, key string) *brigade.Build {
		return &brigade.Build{ID: id, ProjectID: id[:1], Priority: priority, ConcurrencyKey: key}
	}
	for name, c := range map[string]struct {
		most    int
		running []*brigade.Build
		waiting []*brigade.Build
		start   string
		waits   map[string]string
	}{
		"oldest first":          {waiting: []*brigade.Build{build("a2", 0, ""), build("a1", 0, "")}, start: "a1 a2"},
		"priority wins":         {waiting: []*brigade.Build{build("a1", 0, ""), build("a2", 5, "")}, start: "a2 a1"},
		"fair between projects": {most: 3, running: []*brigade.Build{build("a0", 0, "")}, waiting: []*brigade.Build{build("a1", 0, ""), build("a2", 0, ""), build("x9", 0, "")}, start: "x9 a1", waits: map[string]string{"a2": "the server runs 3 builds"}},
		"limit of the project":  {waiting: []*brigade.Build{build("b1", 0, ""), build("b2", 0, "")}, start: "b1", waits: map[string]string{"b2": "b runs 1 builds"}},
		"concurrency key":       {running: []*brigade.Build{build("k0", 0, "main")}, waiting: []*brigade.Build{build("k1", 0, "main"), build("k2", 0, "main"), build("k3", 0, "dev"), build("k4", 0, "")}, start: "k1 k3 k4", waits: map[string]string{"k2": `concurrency key "main"`}},
		"a missing project":     {waiting: []*brigade.Build{build("z1", 0, "")}, start: "z1"},
	} {
		t.Run(name, func(t *testing.T) {
			p := picker{most: c.most, load: newLoad(), project: func(id string) *brigade.Project { return projects[id] }}
			for _, b := range c.running {
				p.load.add(b)
			}
			start, waits := p.pick(c.waiting)
			var ids []string
			for _, b := range start {
				ids = append(ids, b.ID)
			}
			if got := strings.Join(ids, " "); got != c.start {
				t.Errorf("started %q, want %q", got, c.start)
			}
			if len(waits) != len(c.waits) {
				t.Errorf("waits = %v", waits)
			}
			for id, want := range c.waits {
				if !strings.Contains(waits[id], want) {
					t.Errorf("%s waits for %q, want %q", id, waits[id], want)
				}
			}
		})
	}
}
