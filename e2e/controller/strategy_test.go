package controller_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	testcluster "github.com/brigadecore/brigade/v3/e2e/cluster"
	"github.com/brigadecore/brigade/v3/internal/id"
)

const longJob = `
const { events, Job } = require("brigadier");
for (const type of ["simpleevent", "exec"]) events.on(type, () => new Job("long", "busybox", ["sleep 1000"]).run());`

// strategies is a site whose project has that strategy for one build at a time,
// with two gateways that know nothing of each other, and a controller.
type strategies struct {
	*site
	addresses []string
	all       []string
}

func newStrategies(t *testing.T, strategy brigade.Strategy) *strategies {
	s := &strategies{site: newSite(t, testcluster.Shared(t), testcluster.FakeNodeOptions{Run: newNode("long-").run}, longJob)}
	own, err := json.Marshal(map[string]any{"concurrency": brigade.Concurrency{Limit: 1, Strategy: strategy}})
	if err != nil {
		t.Fatal(err)
	}
	s.project(map[string]string{"genericGatewaySecret": "hush", "defaultScript": longJob, "brigade.v3": string(own)})
	s.addresses = []string{s.gateways(), s.gateways()}
	c, _ := s.start(s.options())
	s.leads(c)
	return s
}

// send sends an event to a gateway and returns its build.
func (s *strategies) send(gateway int) string {
	s.t.Helper()
	if status, answer := s.post(s.addresses[gateway], "/simpleevents/v1/"+s.p.ID+"/hush", "{}", nil); status != http.StatusOK {
		s.t.Fatalf("%d %v", status, answer)
	}
	return s.added()
}

// added is the build that is new in the list.
func (s *strategies) added() string {
	s.t.Helper()
	list := strings.Fields(s.kubectl("get", "secrets", "-l", "component=build", "-o", "jsonpath={.items[*].metadata.name}"))
	for _, name := range list {
		if b := strings.TrimPrefix(name, "brigade-worker-"); !slices.Contains(s.all, b) {
			s.all = append(s.all, b)
			return b
		}
	}
	s.t.Fatalf("there is no new build in %v", list)
	return ""
}

func (s *strategies) reason(b string) string {
	return fmt.Sprint(s.state(b, brigade.StateCanceled)["failure"])
}

// Which builds make room for others is decided by who runs them, who sees all:
// no gateway knows what others have taken in, nor what has ended.
func TestStrategyRejectOfSeveralGateways(t *testing.T) {
	s := newStrategies(t, brigade.StrategyReject)
	for range 2 { // gateways do not remember what has ended
		first := s.send(0)
		s.runs("long-" + first)
		for _, gateway := range []int{1, 0} {
			if why := s.reason(s.send(gateway)); !strings.Contains(why, "it was not started") || !strings.Contains(why, first) {
				t.Errorf("rejected: %s", why)
			}
		}
		shell := s.build() // as a shell script does
		s.all = append(s.all, shell)
		if why := s.reason(shell); !strings.Contains(why, "it was not started") {
			t.Errorf("rejected: %s", why)
		}
		s.finish("long-"+first, 0)
		s.state(first, brigade.StateSucceeded)
	}
}

func TestStrategyNewestWinsOfSeveralGateways(t *testing.T) {
	s := newStrategies(t, brigade.StrategyNewestWins)
	first := s.send(0)
	s.runs("long-" + first)
	second := s.send(0)
	third := s.send(1)
	if why := s.reason(second); !strings.Contains(why, "superseded") || !strings.Contains(why, third) {
		t.Errorf("canceled: %s", why)
	}
	s.finish("long-"+first, 0)
	s.state(first, brigade.StateSucceeded)
	s.runs("long-" + third)
	s.finish("long-"+third, 0)
	s.state(third, brigade.StateSucceeded)
}

func TestStrategyCancelOldestOfSeveralGateways(t *testing.T) {
	s := newStrategies(t, brigade.StrategyCancelOldest)
	first := s.send(0)
	s.runs("long-" + first)
	second := s.send(1)
	if why := s.reason(first); !strings.Contains(why, "make room") || !strings.Contains(why, second) {
		t.Errorf("canceled: %s", why)
	}
	s.runs("long-" + second)
	s.finish("long-"+second, 0)
	s.state(second, brigade.StateSucceeded)
}

// Builds that came while no controller was there are decided about when one is.
func TestStrategyWhileNobodyLeads(t *testing.T) {
	s := &strategies{site: newSite(t, testcluster.Shared(t), testcluster.FakeNodeOptions{Run: newNode("long-").run}, longJob)}
	s.project(map[string]string{"defaultScript": longJob, "brigade.v3": `{"concurrency":{"limit":1,"strategy":"reject"}}`})
	var builds []string
	for at := range 3 {
		b := id.New(time.Now().Add(time.Duration(at) * time.Minute))
		s.apply("Secret", "brigade.sh/build", "brigade-worker-"+b, map[string]string{"heritage": "brigade", "component": "build", "project": s.p.ID, "build": b},
			nil, map[string]string{"build_id": b, "event_type": "exec", "event_provider": "test", "project_id": s.p.ID})
		builds = append(builds, b)
	}
	c, _ := s.start(s.options())
	s.leads(c)
	s.runs("long-" + builds[0])
	for _, b := range builds[1:] {
		if why := s.reason(b); !strings.Contains(why, "it was not started") {
			t.Errorf("rejected: %s", why)
		}
	}
	s.finish("long-"+builds[0], 0)
	s.state(builds[0], brigade.StateSucceeded)
}
