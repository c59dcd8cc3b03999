package kube

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/brigadecore/brigade/v3/e2e/cluster"
	"github.com/brigadecore/brigade/v3/e2e/kubesite"
)

// mode is a way to run scripts, and how much longer a build may take than a bare pod.
type mode struct {
	name      string
	args      func(*testing.B, *cluster.Cluster) []string
	one, many float64
}

var modes = []mode{
	{"controller", func(*testing.B, *cluster.Cluster) []string { return nil }, 1.2, 1.3},
	{"pod", inPods, 2.2, 2.3},
}

// BenchmarkBuild runs builds of one trivial job on a real node, one at a time
// and forty at once, in turns with as many bare pods.
func BenchmarkBuild(b *testing.B) {
	for _, m := range modes {
		b.Run(m.name, func(b *testing.B) {
			c := cluster.SharedNode(b)
			s, project := newSite(b, c)
			ctl := lead(b, s, m.args(b, c)...)
			builds(b, s, project, 1) // the first one
			bare(b, s, 1)
			for b.Loop() {
				b.ReportMetric(beside(b, s, ctl, project, m, 1, 9), "one-ratio")
				b.ReportMetric(beside(b, s, ctl, project, m, 40, 3), "forty-ratio")
			}
		})
	}
}

// beside runs n builds and n bare pods in turns, a number of rounds, and
// returns the ratio of the medians.
func beside(b *testing.B, s *kubesite.Site, ctl *kubesite.Controller, project string, m mode, n, rounds int) float64 {
	b.Helper()
	var ours, pods []time.Duration
	var begun time.Time
	var last []string
	build := func() {
		begun = time.Now()
		took, ids := builds(b, s, project, n)
		ours, last = append(ours, took), ids
	}
	pod := func() { pods = append(pods, bare(b, s, n)) }
	var forBuilds, forPods split
	for i := range rounds {
		if i%2 == 0 {
			forBuilds = forBuilds.plus(build)
			forPods = forPods.plus(pod)
		} else {
			forPods = forPods.plus(pod)
			forBuilds = forBuilds.plus(build)
		}
	}
	took, beside := median(ours), median(pods)
	ratio, most := took.Seconds()/beside.Seconds(), m.one
	if n > 1 {
		most = m.many
	}
	target(fmt.Sprintf("%d builds of one job, mode %s", n, m.name), ratio, "× bare", "≤", most)
	note("  median of %d: builds %.2f s, bare pods %.2f s, load %s", rounds, took.Seconds(), beside.Seconds(), load())
	note("  processor time for each build: %s", forBuilds.each(n*rounds))
	note("  processor time for each bare pod: %s", forPods.each(n*rounds))
	where, err := s.Phases(b.Context(), begun, last)
	if err != nil {
		b.Fatal(err)
	}
	note("  half of them and the last, after the first Secret: %s", where)
	return ratio
}

// BenchmarkThousand runs a thousand builds at once on a node that runs nothing:
// what is left is the controller and the API server.
func BenchmarkThousand(b *testing.B) {
	c := cluster.Start(b, cluster.Options{Audit: true})
	c.FakeNode(b, cluster.FakeNodeOptions{Run: kubesite.Hello})
	s, project := newSite(b, c)
	ctl := lead(b, s)
	builds(b, s, project, 1) // the first one
	bare(b, s, 1)
	for b.Loop() {
		thousand(b, c, s, project, ctl)
	}
}

func thousand(b *testing.B, c *cluster.Cluster, s *kubesite.Site, project string, ctl *kubesite.Controller) {
	b.Helper()
	const n = 1000
	idle, _ := memory(ctl.PID())
	begun := time.Now()
	var took, pods time.Duration
	var ids []string
	forBuilds := split{}.plus(func() { took, ids = builds(b, s, project, n) })
	ended := time.Now()
	now, most := memory(ctl.PID())
	forPods := split{}.plus(func() { pods = bare(b, s, n) })
	perSecond := n / took.Seconds()
	target("1000 builds at once, on a node that runs nothing", perSecond, "/s", "≥", 50)
	note("  %.2f × the time of 1000 bare pods (%.0f/s), load %s", took.Seconds()/pods.Seconds(), n/pods.Seconds(), load())
	target("memory of the controller, at most", most, "MB", "<", 150)
	note("  before %.0f MB, afterwards %.0f MB", idle, now)
	throttled := strings.Count(ctl.Log(), "client-side throttling")
	target("waits of the client for its own limits", float64(throttled), "", "≤", 0)
	where, err := s.Phases(b.Context(), begun, ids)
	if err != nil {
		b.Fatal(err)
	}
	note("  half of them and the last, after the first Secret: %s", where)
	note("  processor time for each build: %s", forBuilds.each(n))
	note("  processor time for each bare pod: %s", forPods.each(n))
	perBuild(b, c, begun, ended, n)
	b.ReportMetric(perSecond, "builds/s")
	b.ReportMetric(most, "MB")
}

// perBuild prints the requests of the controller in a span, for each build.
func perBuild(b *testing.B, c *cluster.Cluster, from, to time.Time, builds int) {
	b.Helper()
	counts, all := map[string]int{}, 0
	for _, r := range requests(b, c) {
		if r.Time.Before(from) || r.Time.After(to) || r.Verb == "watch" || r.Resource == "leases" {
			continue
		}
		what := strings.TrimSuffix(r.Verb+" "+r.Resource+"/"+r.Part, "/")
		if r.Status >= 400 {
			what += fmt.Sprintf(" (%d)", r.Status)
		}
		counts[what]++
		all++
	}
	note("  requests of the controller for each build: %.2f", float64(all)/float64(builds))
	for _, what := range slices.Sorted(maps.Keys(counts)) {
		note("    %-28s %.2f", what, float64(counts[what])/float64(builds))
	}
}

// requests are those of controllers so far.
func requests(b *testing.B, c *cluster.Cluster) []cluster.Request {
	b.Helper()
	all, err := c.Requests()
	if err != nil {
		b.Fatal(err)
	}
	seen := map[cluster.Request]bool{}
	return slices.DeleteFunc(all, func(r cluster.Request) bool {
		twice := seen[r] // a log is there when it begins, and when it has ended
		seen[r] = true
		return twice || !strings.HasPrefix(r.UserAgent, "brigade-controller")
	})
}

// BenchmarkIdle counts what a controller asks for that has nothing to do.
func BenchmarkIdle(b *testing.B) {
	c := cluster.Start(b, cluster.Options{Audit: true})
	c.FakeNode(b, cluster.FakeNodeOptions{Run: kubesite.Hello})
	s, project := newSite(b, c)
	lead(b, s)
	builds(b, s, project, 10)
	for b.Loop() {
		idle(b, c)
	}
}

func idle(b *testing.B, c *cluster.Cluster) {
	b.Helper()
	const span = 20 * time.Second
	time.Sleep(5 * time.Second) // what is left to do after builds
	from := time.Now()
	time.Sleep(span)
	var asked, leases int
	for _, r := range requests(b, c) {
		switch {
		case r.Time.Before(from), r.Verb == "watch":
		case r.Resource == "leases":
			leases++
		default:
			asked++
			note("  %s %s %s", r.Verb, r.Resource, r.Name)
		}
	}
	minute := time.Minute.Seconds() / span.Seconds()
	target("requests of an idle controller in a minute", float64(asked)*minute, "", "≤", 0)
	note("  and %.0f to keep its lease; measured for %s", float64(leases)*minute, span)
	b.ReportMetric(float64(asked)*minute, "requests/min")
}
