package web_test

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/id"
)

type brigadeBuild = brigade.Build

// demo is what a dashboard of a busy place looks like.
type demo struct{ project, running, failed, large, delivery string }

func (w *world) demo() demo {
	w.t.Helper()
	now := w.now()
	var d demo
	titles := []string{"Checkout: keep the cart when the session ends", "Bump base image", "Search: rank by stock", "Fix a flaky test of the mailer", "Docs"}
	for n, name := range []string{"acme/shop", "acme/infra", "acme/payments", "blog", "tools/brig-lint"} {
		p := brigade.NewProject(name)
		p.Repository = "github.com/" + name
		if n > 2 {
			p.Repository = name
		}
		p.Secrets = map[string]any{"REGISTRY_TOKEN": "hunter2hunter2", "DEPLOY_KEY": "k", "SLACK": map[string]any{"url": "x"}}
		p.SharedSecret = "webhook-s3cret"
		p.Repo.CloneURL = "https://github.com/" + name + ".git"
		p.Limits = brigade.Limits{Builds: 4, Jobs: 20}
		p.Concurrency = &brigade.Concurrency{Key: "event.ref", Limit: 1, Strategy: brigade.StrategyNewestWins}
		p.Schedules = []brigade.Schedule{{Name: "nightly", Cron: "0 3 * * *", TimeZone: "Europe/Berlin", Event: "nightly"}, {Name: "weekly", Cron: "@weekly", Paused: true}}
		p.Subscriptions = []brigade.Subscription{{Provider: "github", Types: []string{"push", "pull_request:*"}, Filter: `payload.repository.private == false`}}
		p.DefaultScript = "const { events, Job } = require(\"brigadier\");\nevents.on(\"push\", () => new Job(\"test\", \"golang:1.26\", [\"make test\"]).run());\n"
		w.project(p)
		for i := range 26 - n*6 {
			at := now.Add(-time.Duration(26-i) * time.Duration(n+1) * 47 * time.Minute)
			state := brigade.StateSucceeded
			if (i+n)%7 == 3 {
				state = brigade.StateFailed
			} else if (i+n)%11 == 5 {
				state = brigade.StateCanceled
			}
			kind, ref := "push", "refs/heads/main"
			if i%3 == 1 {
				kind, ref = "pull_request:opened", "refs/pull/"+fmt.Sprint(200+i)+"/head"
			}
			w.build(&brigade.Build{
				ProjectID: p.ID, Project: p.Name, State: state, Attempt: 1, Created: at, Started: at.Add(2 * time.Second), Ended: at.Add(time.Duration(90+(i*53)%240) * time.Second),
				Event: brigade.Event{Provider: "github", Type: kind, ShortTitle: titles[(i+n)%5], Actor: []string{"grace", "linus", "ada"}[i%3], Revision: brigade.Revision{Ref: ref, Commit: fmt.Sprintf("%08x9d0e35566aa1", i*2654435761%4294967295)}},
			})
		}
		switch n {
		case 0:
			d.project = "/projects/acme/shop"
			d.large = w.large(p, 50).ID
			d.failed = w.failed(p).ID
			d.delivery = w.deliveries(p, d.failed)
		case 1:
			d.running = w.running(p).ID
		case 2:
			for i := range 3 {
				w.build(&brigade.Build{ProjectID: p.ID, Project: p.Name, State: brigade.StatePending, Created: now.Add(-time.Duration(i*40+10) * time.Second), Event: brigade.Event{Provider: "github", Type: "push", ShortTitle: titles[i], Revision: brigade.Revision{Ref: "refs/heads/main"}}})
			}
		}
	}
	return d
}

// deliveries are requests to gateways about a project, and one that started a
// build of it.
func (w *world) deliveries(p *brigade.Project, build string) string {
	w.t.Helper()
	at := w.now().Add(-26 * time.Minute)
	one := func(after time.Duration, outcome brigade.Outcome, status int, kind, reason string, builds ...string) string {
		return w.delivery(brigade.Delivery{
			ID: id.New(at.Add(after)), Time: at.Add(after), Gateway: "github", Route: "POST /events/github", Project: p.Repository, Remote: "192.0.2.7", Status: status, Outcome: outcome, Reason: reason,
			Types: []string{kind}, Builds: builds, Bytes: 73, Body: `{"ref":"refs/heads/keep-the-cart","repository":{"full_name":"acme/shop"}}`,
			Header: map[string][]string{"X-Github-Event": {kind}, "X-Github-Delivery": {"0b989ba4-242f-11e5-81e1-c7b6966d2516"}},
		}).ID
	}
	one(-40*time.Minute, brigade.OutcomeIgnored, 200, "ping", "it is a ping")
	one(-30*time.Minute, brigade.OutcomeRefused, 401, "push", "the signature is wrong")
	one(-20*time.Minute, brigade.OutcomeFailed, 503, "push", "the store is full")
	id := one(0, brigade.OutcomeAccepted, 200, "push", "", build)
	one(time.Minute, brigade.OutcomeRepeat, 200, "push", "", build)
	return id
}

// failed is a build of a pipeline, of which one job failed.
func (w *world) failed(p *brigade.Project) *brigade.Build {
	from := w.now().Add(-25 * time.Minute)
	b := w.build(&brigade.Build{
		ProjectID: p.ID, Project: p.Name, State: brigade.StateFailed, Attempt: 1, Created: from, Started: from.Add(3 * time.Second), Ended: from.Add(5*time.Minute + 14*time.Second), Runner: "docker", ExitCode: 1,
		Failure: brigade.Errorf(brigade.CodeBuildFailed, "job integration(integration-01k): exit code 2").WithHint("its log says more; run it here with: brig run -e push"),
		Event: brigade.Event{Provider: "github", Type: "push", Actor: "grace", ShortTitle: "Checkout: keep the cart when the session ends", Revision: brigade.Revision{Ref: "refs/heads/keep-the-cart", Commit: "4f2a9b1c77d0e35566aa4f2a9b1c77d0e35566aa"},
			Payload: `{"ref":"refs/heads/keep-the-cart","forced":false,"head_commit":{"id":"4f2a9b1c","message":"Checkout: keep the cart\n\nIt was lost.","added":["cart/keep.go"],"modified":["cart/cart.go","cart/cart_test.go"],"author":{"name":"Grace","email":"grace@example.org"}},"repository":{"id":4711,"full_name":"acme/shop","private":false,"topics":[]},"size":3}`},
		Script:  "const { events, Job, Group } = require(\"brigadier\");\n\nevents.on(\"push\", async (e, p) => {\n  const build = new Job(\"build\", \"golang:1.26\", [\"make build\"]);\n  await build.run();\n  await Group.runAll([test, lint, integration]);\n});\n\nevents.on(\"pull_request:opened\", check);\nevents.on(\"nightly\", sweep);\n",
		History: []brigade.Step{{State: brigade.StatePending, Time: from}, {State: brigade.StateRunning, Time: from.Add(3 * time.Second), Note: "started by host-1"}, {State: brigade.StateFailed, Time: from.Add(5*time.Minute + 14*time.Second)}},
	})
	j := w.ran(b, "build", brigade.StateSucceeded, time.Second, 2*time.Second, 11*time.Second, 64*time.Second)
	j.Outputs = map[string]any{"image": "registry.acme.example/shop:4f2a9b1c", "digest": "sha256:77d0e355"}
	j.Artifacts = []brigade.Artifact{{Name: "dist/shop-linux-amd64", Size: 23451234}, {Name: "dist/shop.sbom.json", Size: 82344}}
	w.job(j)
	w.ran(b, "unit-tests", brigade.StateSucceeded, 80*time.Second, time.Second, 0, 92*time.Second)
	w.ran(b, "lint", brigade.StateSucceeded, 80*time.Second, 4*time.Second, 22*time.Second, 31*time.Second)
	i := w.ran(b, "integration", brigade.StateFailed, 80*time.Second, 20*time.Second, 15*time.Second, 190*time.Second)
	w.ran(b, "license-check", brigade.StateSucceeded, 80*time.Second, time.Second, 0, 12*time.Second)
	w.ran(b, "docs", brigade.StateCanceled, 175*time.Second, 30*time.Second, 0, 60*time.Second)
	i.Spec.Tasks = []string{"set -x", "make dependencies", "make integration-tests"}
	w.job(i)
	var lines []string
	for n := range 140 {
		switch {
		case n == 0:
			lines = append(lines, "+ make dependencies")
		case n == 31:
			lines = append(lines, "+ make integration-tests")
		case n%20 == 7:
			lines = append(lines, fmt.Sprintf("\x1b[33mwarning\x1b[0m: cart %d was slow: \x1b[1m%d ms\x1b[0m", n, n*13))
		case n == 122:
			lines = append(lines, "\x1b[1;31m--- FAIL: TestCartSurvivesLogout (3.21s)\x1b[0m")
		case n == 123:
			lines = append(lines, "    cart_test.go:88: \x1b[31mwant 3 items, got 0\x1b[0m")
		default:
			lines = append(lines, fmt.Sprintf("\x1b[32mok\x1b[0m   \x1b[36macme/shop/cart\x1b[0m  case %d  \x1b[2m%d.%02ds\x1b[0m", n, n%4, n%100))
		}
	}
	w.log(b.ID, i.ID, 1, i.Started, lines...)
	w.log(b.ID, "", 1, b.Started, "building 4f2a9b1c", "build is done, 3 jobs at once now")
	return b
}

// running is a build half-way through, with jobs in every state.
func (w *world) running(p *brigade.Project) *brigade.Build {
	from := w.now().Add(-3 * time.Minute)
	b := w.build(&brigade.Build{
		ProjectID: p.ID, Project: p.Name, State: brigade.StateRunning, Attempt: 1, Created: from, Started: from.Add(4 * time.Second), Runner: "docker",
		Event: brigade.Event{Provider: "github", Type: "pull_request:synchronize", Actor: "linus", ShortTitle: "Move the cluster to the new network", Payload: `{"number":812}`, Revision: brigade.Revision{Ref: "refs/pull/812/head", Commit: "9d0e35566aa14f2a9b1c77d0e35566aa14f2a9b1"}},
	})
	w.ran(b, "plan", brigade.StateSucceeded, time.Second, time.Second, 8*time.Second, 30*time.Second)
	w.ran(b, "validate", brigade.StateSucceeded, time.Second, time.Second, 3*time.Second, 12*time.Second)
	w.ran(b, "smoke", brigade.StateFailed, 45*time.Second, time.Second, 0, 25*time.Second)
	spec := brigade.JobSpec{Image: "acme/loadtest:7"}
	w.job(&brigade.Job{Name: "load", BuildID: b.ID, State: brigade.StateRunning, Attempt: 1, Spec: spec, Created: from.Add(50 * time.Second), Started: from.Add(70 * time.Second), History: steps(from.Add(50*time.Second), 5*time.Second, 15*time.Second)})
	w.job(&brigade.Job{Name: "e2e", BuildID: b.ID, State: brigade.StatePulling, Attempt: 1, Spec: spec, Created: from.Add(100 * time.Second), History: steps(from.Add(100*time.Second), 20*time.Second, time.Second)[:2]})
	w.job(&brigade.Job{Name: "report", BuildID: b.ID, State: brigade.StatePending, Attempt: 1, Spec: spec, Created: from.Add(120 * time.Second)})
	return b
}

const (
	attack          = `"'></textarea></script><script>window.pwned=1</script><img src=x onerror=window.pwned=1>{{.}}`
	hostileProject  = "/projects/brigade-hostile"
	hostileDelivery = "01hostile"
)

var (
	hostileJob   = url.PathEscape(attack)
	hostileQuery = url.QueryEscape(attack)
	attackScript = "events.on(" + strconv.Quote(attack) + ", f) // " + attack
)

// hostile is a build in which everything that comes from outside is an attack.
func (w *world) hostile() string {
	now := w.now()
	p := brigade.NewProject(attack)
	p.ID = "brigade-hostile"
	p.Repository = "javascript:window.pwned=1//" + attack
	p.Repo.CloneURL = "javascript:window.pwned=1"
	p.DefaultScript, p.DefaultConfig = attack, attack
	p.PublicBadge = true
	p.Secrets = map[string]any{attack: "x"}
	p.Schedules = []brigade.Schedule{{Name: attack, Cron: attack, Event: attack, Ref: attack, TimeZone: attack}}
	p.Subscriptions = []brigade.Subscription{{Provider: attack, Types: []string{attack}, Filter: attack}}
	p.Concurrency = &brigade.Concurrency{Key: attack}
	w.project(p)
	failure := brigade.Errorf(brigade.CodeBuildFailed, "%s", attack).WithHint("%s", attack)
	b := w.build(&brigade.Build{
		ProjectID: p.ID, Project: attack, State: brigade.StateFailed, Attempt: 2, Created: now, Started: now, Ended: now.Add(time.Second), Failure: failure, Runner: attack, Script: attackScript, RerunOf: attack,
		Event:   brigade.Event{Provider: attack, Type: attack, Also: []string{attack}, ShortTitle: attack, LongTitle: attack, Actor: attack, CloneURL: attack, ScriptFile: attack, ScriptRef: attack, Payload: `{` + fmt.Sprintf("%q:%q", attack, attack) + `}`, Revision: brigade.Revision{Ref: attack, Commit: attack}},
		History: []brigade.Step{{State: brigade.StateFailed, Time: now, Note: attack}}, Cancel: &brigade.CancelRequest{Time: now, Actor: attack, Reason: attack},
	})
	j := w.job(&brigade.Job{
		Name: attack, BuildID: b.ID, State: brigade.StateFailed, Attempt: 1, Created: now, Started: now, Ended: now.Add(time.Second), Failure: failure, Inherited: attack,
		Spec:    brigade.JobSpec{Name: attack, Image: attack, Tasks: []string{attack}, Env: map[string]brigade.EnvValue{attack: {Value: attack}}},
		Outputs: map[string]any{attack: attack}, Artifacts: []brigade.Artifact{{Name: attack, Size: 3}, {Name: "../../" + attack, Size: 3}},
		History: []brigade.Step{{State: brigade.StateRunning, Time: now, Note: attack}},
	})
	lines := []string{attack, "\x1b[31m" + attack + "\x1b[0m", "\x1b]8;;javascript:window.pwned=1\x07link\x1b]8;;\x07", strings.Repeat("a", 20000) + attack}
	w.log(b.ID, j.ID, 1, now, lines...)
	w.log(b.ID, "", 1, now, lines...)
	w.delivery(brigade.Delivery{
		ID: hostileDelivery, Time: now, Gateway: attack, Route: attack, Project: p.ID, Remote: attack, Status: 200, Outcome: brigade.Outcome(attack), Reason: attack, Types: []string{attack}, Builds: []string{b.ID, attack},
		Path: map[string]string{attack: attack}, Query: url.Values{attack: {attack}}, Header: map[string][]string{attack: {attack}}, Bytes: len(attack), Body: attack,
	})
	return b.ID
}
