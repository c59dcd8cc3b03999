package intake

import (
	"strings"
	"testing"
	"time"

	"github.com/brigadecore/brigade/v3"
)

func TestCheck(t *testing.T) {
	good := brigade.NewProject("acme/app")
	good.Concurrency = &brigade.Concurrency{Key: `event.revision.ref + payload.x`, Strategy: brigade.StrategyNewestWins, Limit: 3}
	good.Subscriptions = []brigade.Subscription{{}, {Provider: "github", Types: []string{"push", "pull_*", "*"}, Filter: `payload.a == project.name`}}
	good.Schedules = []brigade.Schedule{
		{Name: "nightly", Cron: "30 2 * * *", TimeZone: "Europe/Berlin", CatchUp: "last", Jitter: brigade.Duration(time.Hour), Event: "nightly"},
		{Name: "hourly", Cron: "@hourly"},
	}
	good.Priorities = map[string]int{"push": -5}
	good.Retry, good.Retention = &brigade.Retry{Limit: 3}, &brigade.Retention{Count: 5}
	if err := Check(good); err != nil {
		t.Fatal(err)
	}
	if err := Check(&brigade.Project{}); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*brigade.Project){
		`concurrency.key: line 1, column 6: undefined field 'tip'`:    func(p *brigade.Project) { p.Concurrency = &brigade.Concurrency{Key: "event.tip"} },
		`concurrency.key: line 1, column 1: the expression gives a l`: func(p *brigade.Project) { p.Concurrency = &brigade.Concurrency{Key: "[event.type]"} },
		`concurrency.strategy: there is no strategy "best"`:           func(p *brigade.Project) { p.Concurrency = &brigade.Concurrency{Strategy: "best"} },
		`concurrency.limit: it cannot be negative`:                    func(p *brigade.Project) { p.Concurrency = &brigade.Concurrency{Limit: -1} },
		`subscriptions[1].filter: line 2, column 2: undeclared`:       func(p *brigade.Project) { p.Subscriptions = []brigade.Subscription{{}, {Filter: "true ||\n x"}} },
		`subscriptions[0].types: "a*b": a * stands only at the end`:   func(p *brigade.Project) { p.Subscriptions = []brigade.Subscription{{Types: []string{"a*b"}}} },
		`subscriptions[0].types: "" is no name`:                       func(p *brigade.Project) { p.Subscriptions = []brigade.Subscription{{Types: []string{""}}} },
		`schedules[0].cron: the schedule "x" has 1 fields`:            func(p *brigade.Project) { p.Schedules = []brigade.Schedule{{Name: "a", Cron: "x"}} },
		`schedules[0].cron: there is no time zone "Mars"`: func(p *brigade.Project) {
			p.Schedules = []brigade.Schedule{{Name: "a", Cron: "@daily", TimeZone: "Mars"}}
		},
		`schedules[1].name: there is another schedule "a"`: func(p *brigade.Project) {
			p.Schedules = []brigade.Schedule{{Name: "a", Cron: "@daily"}, {Name: "a", Cron: "@daily"}}
		},
		`schedules[0].name: "" is no name`: func(p *brigade.Project) { p.Schedules = []brigade.Schedule{{Cron: "@daily"}} },
		`schedules[0].catchUp: there is no policy "some`: func(p *brigade.Project) {
			p.Schedules = []brigade.Schedule{{Name: "a", Cron: "@daily", CatchUp: "some"}}
		},
		`schedules[0].jitter: 25h0m0s is not between`: func(p *brigade.Project) {
			p.Schedules = []brigade.Schedule{{Name: "a", Cron: "@daily", Jitter: brigade.Duration(25 * time.Hour)}}
		},
		`schedules[0].payload: it has 2000000 bytes`: func(p *brigade.Project) {
			p.Schedules = []brigade.Schedule{{Name: "a", Cron: "@daily", Payload: strings.Repeat("x", 2_000_000)}}
		},
		`subscriptions: there are 101`:  func(p *brigade.Project) { p.Subscriptions = make([]brigade.Subscription, 101) },
		`limits.events: it cannot`:      func(p *brigade.Project) { p.Limits.Events = -1 },
		`retry.limit: it cannot`:        func(p *brigade.Project) { p.Retry = &brigade.Retry{Limit: -1} },
		`retention.age: it cannot`:      func(p *brigade.Project) { p.Retention = &brigade.Retention{Age: -1} },
		`priorities: "" is no name`:     func(p *brigade.Project) { p.Priorities = map[string]int{"": 1} },
		`negative; limits.jobs: it can`: func(p *brigade.Project) { p.Limits = brigade.Limits{Builds: -1, Jobs: -1} },
	} {
		p := brigade.NewProject("acme/app")
		change(p)
		err := Check(p)
		if brigade.CodeOf(err) != brigade.CodeInvalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\n   want %s", err, want)
		}
	}
}
