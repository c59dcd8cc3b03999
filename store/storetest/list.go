package storetest

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/brigadecore/brigade/v3"
)

func testListOrderAndPages(t *testing.T, s brigade.Store) {
	ctx := t.Context()
	empty, err := s.ListBuilds(ctx, brigade.BuildFilter{})
	must(t, err)
	if len(empty) != 0 {
		t.Errorf("an empty store lists %d builds", len(empty))
	}
	for n := range 120 {
		create(t, s, build((n*7)%120))
	}
	for limit, want := range map[int]int{0: 50, -1: 50, 1: 1, 70: 70, 1000: 120, 5000: 120} {
		page, err := s.ListBuilds(ctx, brigade.BuildFilter{Limit: limit})
		must(t, err)
		if len(page) != want || page[0].ID != build(119).ID {
			t.Errorf("limit %d gives %d builds from %s", limit, len(page), page[0].ID)
		}
	}
	n, before := 119, ""
	for {
		page, err := s.ListBuilds(ctx, brigade.BuildFilter{Before: before, Limit: 7})
		must(t, err)
		if len(page) == 0 {
			break
		}
		for _, b := range page {
			if b.ID != build(n).ID {
				t.Fatalf("want %s, got %s", build(n).ID, b.ID)
			}
			n--
		}
		before = page[len(page)-1].ID
	}
	if n != -1 {
		t.Errorf("the pages ended at %d", n)
	}
}

func testListWhileInserting(t *testing.T, s brigade.Store) {
	for n := range 60 {
		create(t, s, build(n))
	}
	var wg sync.WaitGroup
	stop := make(chan struct{})
	wg.Go(func() {
		for n := 60; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := s.CreateBuild(t.Context(), build(n)); err != nil {
				t.Errorf("CreateBuild: %v", err)
				return
			}
		}
	})
	want, before := 59, build(60).ID
	for want >= 0 {
		page, err := s.ListBuilds(t.Context(), brigade.BuildFilter{Before: before, Limit: 5})
		if err != nil || len(page) == 0 {
			t.Errorf("page before %s: %d builds, %v", before, len(page), err)
			break
		}
		for _, b := range page {
			if b.ID != build(want).ID {
				t.Errorf("want %s, got %s", build(want).ID, b.ID)
			}
			want--
		}
		before = page[len(page)-1].ID
	}
	close(stop)
	wg.Wait()
}

func testListFilters(t *testing.T, s brigade.Store) {
	ctx := t.Context()
	states := []brigade.State{brigade.StatePending, brigade.StateRunning, brigade.StateSucceeded, brigade.StateFailed, brigade.StateCanceled}
	var all []*brigade.Build
	for n := range 60 {
		b := build(n)
		b.ProjectID = fmt.Sprint("brigade-p", n%3)
		b.State = states[n%5]
		b.Event.Type = []string{"push", "pull_request"}[n%2]
		b.Event.ShortTitle = fmt.Sprint("title", n%4)
		all = append(all, b)
	}
	create(t, s, all...)
	for _, f := range []brigade.BuildFilter{
		{ProjectID: "brigade-p1"}, {ProjectID: "brigade-none"}, {ProjectID: "acme/app"},
		{States: states[:1]}, {States: states[2:]}, {States: []brigade.State{states[1], states[1]}}, {States: []brigade.State{"odd"}},
		{Type: "push"}, {Type: "PUSH"}, {Text: "title3"},
		{Since: all[40].Created}, {Since: all[40].Created.Add(1)}, {Since: all[40].Created.In(time.FixedZone("x", 3600))}, {Since: epoch.AddDate(9, 0, 0)},
		{ProjectID: "brigade-p2", States: states[:2], Type: "pull_request", Since: all[7].Created, Text: "TITLE1"},
		{States: states[1:4], Limit: 3}, {States: states, Limit: 7, Before: all[30].ID}, {ProjectID: "brigade-p0", States: states[:3], Before: all[31].ID},
		{Type: "push", Before: all[9].ID, Limit: 2}, {Before: "0"}, {Before: "zzz"},
	} {
		var want []*brigade.Build
		limit := f.Limit
		if limit == 0 {
			limit = 50
		}
		for n := len(all) - 1; n >= 0 && len(want) < limit; n-- {
			if selects(f, all[n]) {
				want = append(want, all[n])
			}
		}
		got, err := s.ListBuilds(ctx, f)
		must(t, err)
		if ids(got) != ids(want) {
			t.Errorf("%+v:\ngot  %s\nwant %s", f, ids(got), ids(want))
		}
	}
}

// selects is the filter, written for clarity; Text only looks at ShortTitle.
func selects(f brigade.BuildFilter, b *brigade.Build) bool {
	state := len(f.States) == 0
	for _, s := range f.States {
		state = state || s == b.State
	}
	return state && (f.ProjectID == "" || f.ProjectID == b.ProjectID) && (f.Type == "" || f.Type == b.Event.Type) &&
		strings.Contains(b.Event.ShortTitle, strings.ToLower(f.Text)) && !b.Created.Before(f.Since) && (f.Before == "" || b.ID < f.Before)
}

func (limits Limits) testListText(t *testing.T, s brigade.Store) {
	b := build(1)
	b.ID, b.Project = "01kabcdef", "Acme/Rocket"
	b.Event = brigade.Event{
		Provider: "GitHub", Type: "Pull_Request", ShortTitle: "ÄRGER 100%", LongTitle: "a\\b 'quoted' _x",
		Revision: brigade.Revision{Ref: "refs/heads/Feature", Commit: "DEADbeef"}, Payload: "payload-only", Actor: "nobody",
	}
	upper := build(3)
	upperID := "01KUPPER"
	if limits.ULIDs {
		upperID = "01akupper"
	}
	upper.ID, upper.ProjectID, upper.Event.Type = upperID, "brigade-other", "other"
	create(t, s, b, build(2), upper)
	for f, want := range map[*brigade.BuildFilter]string{
		{Text: "kupper"}: upperID, {Text: "KUPPER"}: upperID, {Text: "acme", Type: "other"}: upperID,
		{Text: "acme", ProjectID: "brigade-other"}: upperID, {Text: "acme", Before: "01k", Limit: 9}: upperID,
		{Text: "acme", Limit: 1}: "01kabcdef", {Text: "rocket", States: []brigade.State{brigade.StatePending}}: "01kabcdef",
	} {
		got, err := s.ListBuilds(t.Context(), *f)
		must(t, err)
		if len(got) != 1 || got[0].ID != want {
			t.Errorf("%+v finds %d builds, want %s", *f, len(got), want)
		}
	}
	must(t, s.DeleteBuild(t.Context(), upper.ID))
	for text, want := range map[string]int{
		"kabc": 1, "KABC": 1, "rocket": 1, "GITHUB": 2, "pull_request": 1, "ärger": 1, "Ärger": 1, "100%": 1, "a\\b": 1, "'quoted'": 1,
		"_x": 1, "heads/feature": 1, "deadBEEF": 1, "payload-only": 0, "%": 1, "_": 1, "*": 0, "?": 0, "xyz": 0, "\x00": 0, "\xff": 0, "": 2,
	} {
		got, err := s.ListBuilds(t.Context(), brigade.BuildFilter{Text: text})
		must(t, err)
		if len(got) != want {
			t.Errorf("text %q finds %d builds, want %d", text, len(got), want)
		}
	}
}

func testListWithoutLargeThings(t *testing.T, s brigade.Store) {
	b := create(t, s, fullBuild(1))
	got, err := s.ListBuilds(t.Context(), brigade.BuildFilter{})
	must(t, err)
	b.Script, b.Event.Payload, b.Event.Script, b.Event.Config = "", "", "", ""
	same(t, "a listed build", got, []*brigade.Build{b})
}
