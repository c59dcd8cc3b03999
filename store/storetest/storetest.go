// Package storetest holds the contract of brigade.Store as tests. Every store
// runs it; a store that passes can stand for any other.
package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/brigadecore/brigade/v3"
)

// Limits are those of stores that keep builds in something with limits of its
// own.
type Limits struct {
	// Payload is the most bytes an event may have; 0 is no limit but the root's.
	// What is larger must be refused as CodeTooLarge, with a hint.
	Payload int
	// ULIDs says that builds can only have IDs that names of a cluster's
	// objects can hold, as the ULIDs of the program do.
	ULIDs bool
}

// Run tests the stores that open returns. Each call must give an empty store
// that reads the real clock; open closes it with t.Cleanup where needed.
func Run(t *testing.T, open func(t *testing.T) brigade.Store) {
	t.Helper()
	RunWithin(t, Limits{}, open)
}

// RunWithin is Run for stores that have limits.
func RunWithin(t *testing.T, limits Limits, open func(t *testing.T) brigade.Store) {
	t.Helper()
	for _, c := range []struct {
		name string
		test func(*testing.T, brigade.Store)
	}{
		{"Projects", testProjects},
		{"ProjectNames", testProjectNames},
		{"BuildRoundTrip", testBuildRoundTrip},
		{"BuildBytes", testBuildBytes},
		{"BuildLargePayload", limits.testBuildLargePayload},
		{"BuildConflict", testBuildConflict},
		{"EventKey", testEventKey},
		{"EventKeyRace", testEventKeyRace},
		{"EventKeyAfterDelete", testEventKeyAfterDelete},
		{"BuildPrefix", limits.testBuildPrefix},
		{"ListOrderAndPages", testListOrderAndPages},
		{"ListWhileInserting", testListWhileInserting},
		{"ListFilters", testListFilters},
		{"ListText", limits.testListText},
		{"ListWithoutLargeThings", testListWithoutLargeThings},
		{"Update", testUpdate},
		{"UpdateRace", testUpdateRace},
		{"Delete", testDelete},
		{"Ownership", testOwnership},
		{"Jobs", testJobs},
		{"JobsOfMissingBuild", testJobsOfMissingBuild},
		{"LogQueries", testLogQueries},
		{"LogRepeats", testLogRepeats},
		{"LogBytes", testLogBytes},
		{"LogLarge", testLogLarge},
		{"LogFollow", testLogFollow},
		{"LogInvalid", testLogInvalid},
		{"Claim", testClaim},
		{"ClaimOrder", testClaimOrder},
		{"ClaimRace", testClaimRace},
		{"ClaimNotBefore", testClaimNotBefore},
		{"Renew", testRenew},
		{"Waiting", testWaiting},
		{"WaitingReady", testWaitingReady},
		{"WaitingBurst", testWaitingBurst},
		{"WaitingRace", testWaitingRace},
		{"Records", testRecords},
		{"RecordPages", testRecordPages},
		{"RecordDeletes", testRecordDeletes},
		{"RecordRace", testRecordRace},
		{"Canceled", testCanceled},
		{"Closed", testClosed},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(t, open(t))
		})
	}
}

// epoch is a time with nanoseconds, which stores must keep.
var epoch = time.Date(2026, 3, 4, 5, 6, 7, 123456789, time.UTC)

// build returns a pending build. Its ID sorts by n.
func build(n int) *brigade.Build {
	return &brigade.Build{
		ID:        fmt.Sprintf("01k%023d", n),
		ProjectID: "brigade-p1",
		Project:   "acme/app",
		State:     brigade.StatePending,
		Created:   epoch.Add(time.Duration(n) * time.Minute),
		Event:     brigade.Event{Provider: "github", Type: "push", Payload: fmt.Sprintf(`{"n":%d}`, n)},
	}
}

func job(b *brigade.Build, name string, n int) *brigade.Job {
	return &brigade.Job{
		ID: name + "-" + b.ID, BuildID: b.ID, Name: name, State: brigade.StatePending,
		Spec:    brigade.JobSpec{Name: name, Image: "alpine:3.20", Tasks: []string{"echo hi"}},
		Created: epoch.Add(time.Duration(n) * time.Second),
	}
}

func lines(buildID, jobID string, from, to int) []brigade.LogLine {
	var all []brigade.LogLine
	for n := from; n <= to; n++ {
		all = append(all, brigade.LogLine{
			BuildID: buildID, JobID: jobID, Seq: int64(n),
			Time: epoch.Add(time.Duration(n) * time.Millisecond), Text: fmt.Sprintf("line %d", n),
		})
	}
	return all
}

// must ends the test when err is there.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("unexpected error: %v", err)
	}
}

// create stores the builds and returns the first.
func create(t *testing.T, s brigade.Store, builds ...*brigade.Build) *brigade.Build {
	t.Helper()
	for _, b := range builds {
		got, err := s.CreateBuild(t.Context(), b)
		must(t, err)
		if got.ID != b.ID {
			t.Fatalf("CreateBuild(%s) returned %s", b.ID, got.ID)
		}
	}
	return builds[0]
}

// wantCode wants an *Error of that code with a message.
func wantCode(t *testing.T, err error, code brigade.Code) *brigade.Error {
	t.Helper()
	var e *brigade.Error
	if !errors.As(err, &e) || e.Code != code || e.Message == "" {
		t.Fatalf("want an error of code %s, got %v", code, err)
	}
	return e
}

// same compares what a store may write down: the JSON of both.
func same(t *testing.T, what string, got, want any) {
	t.Helper()
	g, err := json.Marshal(got)
	must(t, err)
	w, err := json.Marshal(want)
	must(t, err)
	if string(g) != string(w) {
		t.Errorf("%s:\ngot  %.2000s\nwant %.2000s", what, g, w)
	}
}

// ids writes the numbers of the builds, each with a dot.
func ids(builds []*brigade.Build) string {
	var all []string
	for _, b := range builds {
		all = append(all, strings.TrimLeft(strings.TrimPrefix(b.ID, "01k"), "0")+".")
	}
	return strings.Join(all, " ")
}

func testProjects(t *testing.T, s brigade.Store) {
	ctx := t.Context()
	_, err := s.Project(ctx, "acme/app")
	wantCode(t, err, brigade.CodeNotFound)
	wantCode(t, s.DeleteProject(ctx, "brigade-nope"), brigade.CodeNotFound)
	all, err := s.ListProjects(ctx)
	must(t, err)
	if len(all) != 0 {
		t.Errorf("an empty store lists %d projects", len(all))
	}

	p := brigade.NewProject("acme/app")
	p.Secrets = map[string]any{"token": "geheim ü", "nested": map[string]any{"list": []any{"a", 1.5, true, nil}}}
	p.Repo = brigade.Repo{CloneURL: "https://example.org/a.git", SSHKey: "-----BEGIN\nx\n", Token: "t"}
	p.ImagePullSecrets = []string{"one", "two"}
	p.DefaultScript = "console.log('\u2028')"
	must(t, s.PutProject(ctx, p))
	for _, name := range []string{p.ID, p.Name} {
		got, err := s.Project(ctx, name)
		must(t, err)
		same(t, "project by "+name, got, p)
	}
	p.DefaultScript, p.Name = "changed", "acme/renamed"
	must(t, s.PutProject(ctx, p))
	got, err := s.Project(ctx, "acme/renamed")
	must(t, err)
	same(t, "replaced project", got, p)
	_, err = s.Project(ctx, "acme/app")
	wantCode(t, err, brigade.CodeNotFound)

	create(t, s, build(1))
	must(t, s.DeleteProject(ctx, p.ID))
	_, err = s.Project(ctx, p.ID)
	wantCode(t, err, brigade.CodeNotFound)
	if _, err := s.Build(ctx, build(1).ID); err != nil {
		t.Errorf("the builds of a deleted project must stay: %v", err)
	}
	wantCode(t, s.PutProject(ctx, &brigade.Project{Name: "x"}), brigade.CodeInvalid)
	wantCode(t, s.PutProject(ctx, &brigade.Project{ID: "x"}), brigade.CodeInvalid)
}

func testProjectNames(t *testing.T, s brigade.Store) {
	ctx := t.Context()
	for _, name := range []string{"zeta/z", "acme/app", "m", "Acme/app"} {
		must(t, s.PutProject(ctx, brigade.NewProject(name)))
	}
	all, err := s.ListProjects(ctx)
	must(t, err)
	var names []string
	for _, p := range all {
		names = append(names, p.Name)
	}
	if !slices.Equal(names, []string{"Acme/app", "acme/app", "m", "zeta/z"}) {
		t.Errorf("projects are not by name: %q", names)
	}
	other := brigade.NewProject("m")
	other.ID = "brigade-other"
	if e := wantCode(t, s.PutProject(ctx, other), brigade.CodeConflict); e.Hint == "" {
		t.Error("the conflict of two names has no hint")
	}
	// An ID goes before a name.
	trick := brigade.NewProject("x")
	trick.Name = brigade.ProjectID("zeta/z")
	must(t, s.PutProject(ctx, trick))
	got, err := s.Project(ctx, brigade.ProjectID("zeta/z"))
	must(t, err)
	if got.Name != "zeta/z" {
		t.Errorf("the project %q was found by the ID of zeta/z", got.Name)
	}
}

func testOwnership(t *testing.T, s brigade.Store) {
	ctx := t.Context()
	p := brigade.NewProject("acme/app")
	p.Secrets = map[string]any{"a": map[string]any{"b": "c"}}
	p.Schedules = []brigade.Schedule{{Name: "nightly"}}
	p.Retention = &brigade.Retention{Count: 1}
	must(t, s.PutProject(ctx, p))
	p.Secrets["a"].(map[string]any)["b"] = "changed"
	p.Schedules[0].Name, p.Retention.Count = "changed", 2
	p, err := s.Project(ctx, p.ID)
	must(t, err)
	p.Secrets["a"].(map[string]any)["b"] = "changed"
	p, err = s.Project(ctx, p.ID)
	must(t, err)
	if p.Secrets["a"].(map[string]any)["b"] != "c" || p.Schedules[0].Name != "nightly" || p.Retention.Count != 1 {
		t.Error("a change of a project outside changed the store")
	}

	b := build(1)
	b.Failure = &brigade.Error{Code: brigade.CodeCanceled, Message: "as stored"}
	b.Cancel = &brigade.CancelRequest{Reason: "as stored"}
	b.History = []brigade.Step{{Note: "as stored"}}
	create(t, s, b)
	b.Failure.Message, b.Cancel.Reason, b.History[0].Note = "changed", "changed", "changed"
	got, err := s.UpdateBuild(ctx, b.ID, func(*brigade.Build) error { return nil })
	must(t, err)
	got.Failure.Message, got.Cancel.Reason, got.History[0].Note = "changed", "changed", "changed"
	waiting, err := s.Waiting(ctx, 1, 1)
	must(t, err)
	waiting[0].Failure.Message, waiting[0].Cancel.Reason, waiting[0].History[0].Note = "changed", "changed", "changed"
	listed, err := s.ListBuilds(ctx, brigade.BuildFilter{})
	must(t, err)
	if l := listed[0]; l.Failure.Message != "as stored" || l.Cancel.Reason != "as stored" || l.History[0].Note != "as stored" {
		t.Error("a change of a build outside changed the store")
	}

	j := job(b, "test", 1)
	j.Outputs = map[string]any{"a": []any{"b"}}
	j.Spec.Env = map[string]brigade.EnvValue{"K": {Value: "v"}}
	j.Artifacts = []brigade.Artifact{{Name: "a.txt"}}
	must(t, s.PutJob(ctx, j))
	j.Artifacts[0].Name = "changed"
	j.Outputs["a"].([]any)[0], j.Spec.Tasks[0], j.Spec.Env["K"] = "changed", "changed", brigade.EnvValue{}
	stored, err := s.Job(ctx, j.ID)
	must(t, err)
	if stored.Outputs["a"].([]any)[0] != "b" || stored.Spec.Tasks[0] != "echo hi" || stored.Spec.Env["K"].Value != "v" || stored.Artifacts[0].Name != "a.txt" {
		t.Errorf("a change of a job outside changed the store: %+v", stored)
	}
}

func testCanceled(t *testing.T, s brigade.Store) {
	b := create(t, s, build(1))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, project := s.Project(ctx, "x")
	_, projects := s.ListProjects(ctx)
	_, created := s.CreateBuild(ctx, build(2))
	_, found := s.Build(ctx, b.ID)
	_, listed := s.ListBuilds(ctx, brigade.BuildFilter{})
	_, updated := s.UpdateBuild(ctx, b.ID, func(*brigade.Build) error {
		t.Error("change was called although the context is over")
		return nil
	})
	_, jobbed := s.Job(ctx, "x")
	_, jobs := s.ListJobs(ctx, b.ID)
	_, read := s.ReadLog(ctx, brigade.LogQuery{BuildID: b.ID})
	_, claimed := s.Claim(ctx, "", "me", time.Minute)
	_, waiting := s.Waiting(ctx, 1, 1)
	_, record := s.Record(ctx, "token", "a")
	_, records := s.ListRecords(ctx, "token", brigade.RecordQuery{})
	_, deleted := s.DeleteRecords(ctx, "token", "a", true)
	for i, err := range []error{
		project, projects, created, found, listed, updated, jobbed, jobs, read, claimed, waiting, record, records, deleted,
		s.PutRecord(ctx, "token", "a", nil),
		s.PutProject(ctx, brigade.NewProject("p")), s.DeleteProject(ctx, "x"), s.DeleteBuild(ctx, b.ID),
		s.PutJob(ctx, job(b, "a", 1)), s.AppendLog(ctx, lines(b.ID, "", 1, 1)), s.Renew(ctx, b.ID, "me", time.Minute),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("call %d: want context.Canceled, got %v", i, err)
		}
	}
	all, err := s.ListBuilds(t.Context(), brigade.BuildFilter{})
	must(t, err)
	if len(all) != 1 || all[0].Attempt != 0 {
		t.Errorf("calls with a context that is over changed something: %v", ids(all))
	}
}

func testClosed(t *testing.T, s brigade.Store) {
	create(t, s, build(1))
	must(t, s.Close())
	must(t, s.Close())
	_, err := s.CreateBuild(t.Context(), build(2))
	wantCode(t, err, brigade.CodeStore)
	_, err = s.Build(t.Context(), build(1).ID)
	wantCode(t, err, brigade.CodeStore)
	wantCode(t, s.AppendLog(t.Context(), lines(build(1).ID, "", 1, 1)), brigade.CodeStore)
	wantCode(t, s.PutRecord(t.Context(), "token", "a", nil), brigade.CodeStore)
	_, err = s.Waiting(t.Context(), 1, 1)
	wantCode(t, err, brigade.CodeStore)
}

// largest is a number that a store must not turn into another one.
const largest = math.MaxInt32
