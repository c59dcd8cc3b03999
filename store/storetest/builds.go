package storetest

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/brigadecore/brigade/v3"
)

func fullBuild(n int) *brigade.Build {
	b := build(n)
	b.Event = brigade.Event{
		Provider: "github", Type: "pull_request:opened", Revision: brigade.Revision{Commit: "0a1b2c", Ref: "refs/pull/1/head"},
		CloneURL: "https://example.org/fork.git", Payload: "{}", ShortTitle: "Kurz ü", LongTitle: "long\ntitle \"x\" 世界", LogLevel: brigade.LevelInfo,
		Also: []string{"pull_request"}, ScriptFile: "ci/brigade.ts",
		Script: "const x = '<>&\u2028'", Config: `{"dependencies":{}}`, Key: "delivery-1", Actor: "octocat", Untrusted: true,
		ScriptRef: "main", TraceParent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
	}
	b.State, b.ExitCode, b.Attempt = brigade.StateFailed, 137, largest
	b.Failure = &brigade.Error{Code: brigade.CodeJobTimeout, Message: "too late", Hint: "be faster"}
	b.Started, b.Ended = b.Created.Add(time.Second), b.Created.Add(time.Minute)
	b.RerunOf, b.Runner, b.Script = "01kother", "docker", "console.log(1)\n"
	b.Lease = brigade.Lease{Owner: "host/1", Expires: b.Created.Add(time.Hour)}
	b.Inherit, b.Retries, b.RetriedAt = true, 2, b.Created.Add(time.Second)
	b.Priority, b.ConcurrencyKey, b.NotBefore, b.Pinned, b.Waiting = -7, "main ü\x00", b.Created.Add(time.Minute), true, "for its turn"
	b.Cancel = &brigade.CancelRequest{Time: b.Created, Actor: "me", Reason: "wrong branch"}
	b.History = []brigade.Step{{State: brigade.StatePending, Time: b.Created}, {State: brigade.StateRunning, Time: b.Started, Note: "again"}}
	return b
}

func testBuildRoundTrip(t *testing.T, s brigade.Store) {
	_, err := s.Build(t.Context(), "01knothing")
	wantCode(t, err, brigade.CodeNotFound)
	for n, b := range []*brigade.Build{fullBuild(1), build(2), {ID: "bare"}} {
		create(t, s, b)
		got, err := s.Build(t.Context(), b.ID)
		must(t, err)
		same(t, fmt.Sprintf("build %d", n), got, b)
		if !got.Created.Equal(b.Created) {
			t.Errorf("created at %v, want %v", got.Created, b.Created)
		}
	}
	_, err = s.CreateBuild(t.Context(), &brigade.Build{})
	wantCode(t, err, brigade.CodeInvalid)
}

func testBuildBytes(t *testing.T, s brigade.Store) {
	for n, payload := range []string{"", "a\x00b", "\xff\xfe\x80", "\u2028 🌍 \\u0000", "\x00", strings.Repeat("\xc3", 1000), "NULL"} {
		b := build(n)
		b.Event.Payload, b.Event.Script, b.Event.Config, b.Script = payload, payload+"1", payload+"2", payload+"3"
		create(t, s, b)
		got, err := s.Build(t.Context(), b.ID)
		must(t, err)
		if got.Event.Payload != payload || got.Event.Script != payload+"1" || got.Event.Config != payload+"2" || got.Script != payload+"3" {
			t.Errorf("payload %q came back as %q, script %q", payload, got.Event.Payload, got.Script)
		}
		got, err = s.UpdateBuild(t.Context(), b.ID, func(b *brigade.Build) error {
			b.Script = ""
			return nil
		})
		must(t, err)
		again, err := s.Build(t.Context(), b.ID)
		must(t, err)
		if got.Event.Payload != payload || again.Event.Payload != payload || again.Script != "" || again.Event.Config != payload+"2" {
			t.Errorf("an update changed the payload %q to %q, or kept the script %q", payload, again.Event.Payload, again.Script)
		}
	}
}

func (limits Limits) testBuildLargePayload(t *testing.T, s brigade.Store) {
	b := build(1)
	b.Event.Payload = strings.Repeat("0123456789abcdef", brigade.MaxPayloadBytes/16)
	if limits.Payload > 0 {
		b.Event.Key = "large"
		_, err := s.CreateBuild(t.Context(), b)
		if e := wantCode(t, err, brigade.CodeTooLarge); e.Hint == "" || !strings.Contains(e.Message, fmt.Sprint(len(b.Event.Payload))) {
			t.Errorf("the refusal of %d bytes does not help: %v, %q", len(b.Event.Payload), e, e.Hint)
		}
		_, err = s.Build(t.Context(), b.ID)
		wantCode(t, err, brigade.CodeNotFound)
		b.Event.Payload = b.Event.Payload[:limits.Payload] // with the same key: it was not used up
	}
	create(t, s, b)
	_, err := s.UpdateBuild(t.Context(), b.ID, func(b *brigade.Build) error {
		b.State = brigade.StateRunning
		return nil
	})
	must(t, err)
	got, err := s.Build(t.Context(), b.ID)
	must(t, err)
	if got.Event.Payload != b.Event.Payload || got.State != brigade.StateRunning {
		t.Errorf("a payload of %d bytes came back with %d", len(b.Event.Payload), len(got.Event.Payload))
	}
	must(t, s.DeleteBuild(t.Context(), b.ID))
}

func testBuildConflict(t *testing.T, s brigade.Store) {
	create(t, s, build(1))
	again := build(1)
	again.Event.Payload, again.Project = "other", "other"
	_, err := s.CreateBuild(t.Context(), again)
	wantCode(t, err, brigade.CodeConflict)
	got, err := s.Build(t.Context(), again.ID)
	must(t, err)
	same(t, "the build that was there first", got, build(1))
}

func keyed(n int, projectID, key string) *brigade.Build {
	b := build(n)
	b.ProjectID, b.Event.Key = projectID, key
	return b
}

func testEventKey(t *testing.T, s brigade.Store) {
	ctx := t.Context()
	first := create(t, s, keyed(1, "p", "k"), keyed(2, "p", ""), keyed(3, "p", ""), keyed(4, "q", "k"), keyed(5, "p", "K"))
	for _, repeat := range []*brigade.Build{keyed(6, "p", "k"), keyed(1, "p", "k")} {
		got, err := s.CreateBuild(ctx, repeat)
		must(t, err)
		same(t, "the build of a repeated event", got, first)
	}
	_, err := s.Build(ctx, keyed(6, "p", "k").ID)
	wantCode(t, err, brigade.CodeNotFound)
	// A taken ID with a new key is still a conflict, and the key is not used up.
	_, err = s.CreateBuild(ctx, keyed(1, "p", "new"))
	wantCode(t, err, brigade.CodeConflict)
	create(t, s, keyed(7, "p", "new"))
	// After the first build is gone, which is old, its event may come again.
	must(t, s.DeleteBuild(ctx, first.ID))
	create(t, s, keyed(8, "p", "k"))
}

// testEventKeyAfterDelete is about what is left of a build that was deleted.
func testEventKeyAfterDelete(t *testing.T, s brigade.Store) {
	ctx := t.Context()
	young := func(n int, projectID, key string) *brigade.Build {
		b := keyed(n, projectID, key)
		b.Created = time.Now().UTC().Truncate(time.Second)
		return b
	}
	first := create(t, s, young(1, "p", "k"), young(2, "q", "k"), young(3, "p", ""))
	_, err := s.UpdateBuild(ctx, first.ID, func(b *brigade.Build) error { b.State, b.Ended = brigade.StateSucceeded, time.Now(); return nil })
	must(t, err)
	for n := range 3 {
		must(t, s.DeleteBuild(ctx, young(n+1, "", "").ID))
	}
	for n := range 2 { // and it stays so
		got, err := s.CreateBuild(ctx, young(4+n, "p", "k"))
		must(t, err)
		if got.ID != first.ID || got.ProjectID != "p" || got.Event.Key != "k" || got.State != brigade.StateSucceeded || got.Created.IsZero() {
			t.Errorf("the event of a deleted build makes %+v", got)
		}
		_, err = s.Build(ctx, young(4+n, "", "").ID)
		wantCode(t, err, brigade.CodeNotFound)
	}
	_, err = s.Build(ctx, first.ID)
	wantCode(t, err, brigade.CodeNotFound)
	create(t, s, young(6, "p", "K"), young(7, "p", ""), young(8, "r", "k"))
	create(t, s, first) // the same build may come back
	must(t, s.DeleteBuild(ctx, first.ID))
	// What is too old to be known is not, also when it is deleted again and again.
	for n := range 3 {
		old := young(10+n, "p", "old")
		old.Created = old.Created.Add(-brigade.KeyMemory - time.Hour)
		create(t, s, old)
		must(t, s.DeleteBuild(ctx, old.ID))
	}
	got, err := s.CreateBuild(ctx, young(20, "p", "k"))
	must(t, err)
	if got.ID != first.ID {
		t.Errorf("after others were deleted the event of a deleted build makes %+v", got)
	}
}

func testEventKeyRace(t *testing.T, s brigade.Store) {
	const rounds, racers = 20, 8
	var wg sync.WaitGroup
	var made atomic.Int32
	answers := make([][racers]string, rounds)
	for r := range racers {
		wg.Go(func() {
			for round := range rounds {
				b := keyed(round*racers+r+1, "p", fmt.Sprint("key", round))
				got, err := s.CreateBuild(t.Context(), b)
				if err != nil {
					t.Errorf("CreateBuild: %v", err)
					return
				}
				if got.ID == b.ID {
					made.Add(1)
				}
				answers[round][r] = got.ID
			}
		})
	}
	wg.Wait()
	if made.Load() != rounds {
		t.Errorf("%d builds were made for %d events", made.Load(), rounds)
	}
	for round, of := range answers {
		for _, id := range of {
			if id != of[0] {
				t.Errorf("event %d was answered with %q", round, of)
				break
			}
		}
	}
	all, err := s.ListBuilds(t.Context(), brigade.BuildFilter{Limit: 1000})
	must(t, err)
	if len(all) != rounds {
		t.Errorf("%d builds are stored for %d events", len(all), rounds)
	}
}

func (limits Limits) testBuildPrefix(t *testing.T, s brigade.Store) {
	ctx := t.Context()
	for _, id := range []string{"01kaaa1", "01kaaa2", "01kb", "01kbx", "01k%", "01k_"} {
		b := build(0)
		b.ID = id
		if limits.ULIDs && strings.ContainsAny(id, "%_") {
			_, err := s.CreateBuild(ctx, b)
			wantCode(t, err, brigade.CodeInvalid)
			continue
		}
		create(t, s, b)
	}
	for prefix, want := range map[string]string{
		"01kaaa1": "01kaaa1", "01kaaa2": "01kaaa2", "01kb": "01kb", "01kbx": "01kbx", "01KBX": "01kbx", "01k%": "01k%", "01k_": "01k_",
	} {
		if limits.ULIDs && strings.ContainsAny(prefix, "%_") {
			_, err := s.Build(ctx, prefix)
			wantCode(t, err, brigade.CodeNotFound)
			continue
		}
		got, err := s.Build(ctx, prefix)
		if err != nil || got.ID != want {
			t.Errorf("Build(%q) = %v, %v; want %s", prefix, got, err, want)
		}
	}
	for _, prefix := range []string{"01k", "0", "01kaaa", "01KAAA"} {
		_, err := s.Build(ctx, prefix)
		if e := wantCode(t, err, brigade.CodeConflict); e.Hint == "" {
			t.Errorf("an ambiguous prefix %q has no hint", prefix)
		}
	}
	for _, prefix := range []string{"", "01kaaa11", "x", "1ka", "%", "01k*", "\xff", "01k\x00"} {
		_, err := s.Build(ctx, prefix)
		wantCode(t, err, brigade.CodeNotFound)
	}
	wantCode(t, s.DeleteBuild(ctx, "01kbx1"), brigade.CodeNotFound)
	wantCode(t, s.DeleteBuild(ctx, "01kaaa"), brigade.CodeNotFound) // never by prefix
}

func testUpdate(t *testing.T, s brigade.Store) {
	ctx := t.Context()
	b := create(t, s, fullBuild(1), build(2))
	_, err := s.UpdateBuild(ctx, "01knothing", func(*brigade.Build) error { return nil })
	wantCode(t, err, brigade.CodeNotFound)

	refused := errors.New("refused")
	_, err = s.UpdateBuild(ctx, b.ID, func(b *brigade.Build) error {
		b.State, b.Failure.Message, b.Event.Payload = brigade.StateRunning, "changed", "changed"
		return refused
	})
	if err != refused { //nolint:errorlint // the contract: as it is
		t.Errorf("the error of change came back as %v", err)
	}
	_, err = s.UpdateBuild(ctx, b.ID, func(b *brigade.Build) error {
		b.ID = "other"
		return nil
	})
	wantCode(t, err, brigade.CodeInvalid)
	got, err := s.Build(ctx, b.ID)
	must(t, err)
	same(t, "build after a refused change", got, b)

	change := func(b *brigade.Build) error {
		b.State, b.Failure, b.ExitCode = brigade.StateSucceeded, nil, 0
		b.Script, b.Event.Revision.Commit, b.Runner = "new script", "ffff", "process"
		return nil
	}
	must(t, change(b))
	got, err = s.UpdateBuild(ctx, b.ID, change)
	must(t, err)
	same(t, "answer of UpdateBuild", got, b)
	got, err = s.Build(ctx, b.ID)
	must(t, err)
	same(t, "build after an update", got, b)
	for filter, want := range map[*brigade.BuildFilter]string{
		{States: []brigade.State{brigade.StateSucceeded}}: "1.",
		{States: []brigade.State{brigade.StateFailed}}:    "",
		{Text: "FFFF"}:   "1.",
		{Text: "0a1b2c"}: "",
	} {
		listed, err := s.ListBuilds(ctx, *filter)
		must(t, err)
		if ids(listed) != want {
			t.Errorf("after the update %+v lists %q", *filter, ids(listed))
		}
	}
}

func testUpdateRace(t *testing.T, s brigade.Store) {
	const racers, each = 8, 25
	b := create(t, s, build(1))
	refused := errors.New("refused")
	var wg sync.WaitGroup
	for range racers {
		wg.Go(func() {
			for n := range each {
				_, err := s.UpdateBuild(t.Context(), b.ID, func(b *brigade.Build) error {
					b.Attempt++
					if n%5 == 4 {
						return refused
					}
					b.Event.LongTitle += "x"
					return nil
				})
				if err != nil && !errors.Is(err, refused) {
					t.Errorf("UpdateBuild: %v", err)
				}
			}
		})
	}
	wg.Wait()
	got, err := s.Build(t.Context(), b.ID)
	must(t, err)
	if want := racers * each * 4 / 5; got.Attempt != want || len(got.Event.LongTitle) != want {
		t.Errorf("%d updates were made, %d and %d are there", want, got.Attempt, len(got.Event.LongTitle))
	}
}

func testDelete(t *testing.T, s brigade.Store) {
	ctx := t.Context()
	b := create(t, s, fullBuild(1), build(2))
	other := build(2)
	for _, of := range []*brigade.Build{b, other} {
		must(t, s.PutJob(ctx, job(of, "test", 1)))
		must(t, s.AppendLog(ctx, lines(of.ID, "", 1, 3)))
		must(t, s.AppendLog(ctx, lines(of.ID, "test-"+of.ID, 1, 3)))
	}
	must(t, s.DeleteBuild(ctx, b.ID))
	wantCode(t, s.DeleteBuild(ctx, b.ID), brigade.CodeNotFound)
	_, err := s.Build(ctx, b.ID)
	wantCode(t, err, brigade.CodeNotFound)
	_, err = s.Job(ctx, "test-"+b.ID)
	wantCode(t, err, brigade.CodeNotFound)
	for _, jobID := range []string{"", "test-"} {
		read, err := s.ReadLog(ctx, brigade.LogQuery{BuildID: b.ID, JobID: jobID + strings.Repeat(b.ID, len(jobID)/5)})
		must(t, err)
		kept, err := s.ReadLog(ctx, brigade.LogQuery{BuildID: other.ID, JobID: jobID + strings.Repeat(other.ID, len(jobID)/5)})
		must(t, err)
		if len(read) != 0 || len(kept) != 3 {
			t.Errorf("after the deletion the log has %d lines, that of the other build %d", len(read), len(kept))
		}
	}
	// The same build again starts from nothing.
	create(t, s, build(1))
	jobs, err := s.ListJobs(ctx, b.ID)
	must(t, err)
	read, err := s.ReadLog(ctx, brigade.LogQuery{BuildID: b.ID})
	must(t, err)
	got, err := s.Build(ctx, b.ID)
	must(t, err)
	if len(jobs) != 0 || len(read) != 0 || got.Script != "" || got.Event.Config != "" {
		t.Errorf("a new build with a deleted one's ID has %d jobs, %d lines, script %q", len(jobs), len(read), got.Script)
	}
}
