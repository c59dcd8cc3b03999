package api

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/feed"
	"github.com/brigadecore/brigade/v3/store/memory"
	"github.com/brigadecore/brigade/v3/store/sqlite"
)

// BenchmarkManyBuilds asks for pages, builds and the ends of logs among
// 100,000 builds, and prints how much longer that takes than the store alone.
func BenchmarkManyBuilds(b *testing.B) {
	ctx := context.Background()
	store, err := sqlite.Open(ctx, sqlite.Options{Path: filepath.Join(b.TempDir(), "brigade.db"), Relaxed: true})
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	p, _ := secretProject()
	if err := store.PutProject(ctx, p); err != nil {
		b.Fatal(err)
	}
	const count = 100_000
	id := func(n int) string { return fmt.Sprintf("01k%023d", n) }
	var group = make(chan struct{}, 64) // writers share commits
	for n := range count {
		group <- struct{}{}
		go func() {
			defer func() { <-group }()
			_, err := store.CreateBuild(ctx, &brigade.Build{
				ID: id(n), ProjectID: p.ID, Project: p.Name, State: brigade.StateSucceeded, Created: epoch.Add(time.Duration(n) * time.Second), Attempt: 1,
				Event: brigade.Event{Provider: "github", Type: "push", Payload: `{"n":1}`, ShortTitle: fmt.Sprint("change ", n), Revision: brigade.Revision{Ref: "refs/heads/main"}},
			})
			if err != nil {
				b.Error(err)
			}
		}()
	}
	for range cap(group) {
		group <- struct{}{}
	}
	target := id(count / 2)
	for from := int64(1); from < 10_000; from += 500 {
		var lines []brigade.LogLine
		for i := range int64(500) {
			lines = append(lines, brigade.LogLine{BuildID: target, Seq: from + i, Time: epoch, Text: "a line of a log as they are, of some length"})
		}
		if err := store.AppendLog(ctx, lines); err != nil {
			b.Fatal(err)
		}
	}
	records := memory.New(memory.Options{})
	a, err := New(Options{Store: store, Records: records, Feed: feed.New(feed.Options{}), Control: &control{store: records}})
	if err != nil {
		b.Fatal(err)
	}
	_, token, err := NewToken(ctx, records, Token{Name: "bench", Scopes: []Scope{ScopeRead}}, time.Now())
	if err != nil {
		b.Fatal(err)
	}
	server := httptest.NewServer(a.Handler())
	defer server.Close()
	get := func(path string) {
		r, _ := http.NewRequest("GET", server.URL+path, nil)
		r.Header.Set("Authorization", "Bearer "+token)
		resp, err := http.DefaultClient.Do(r)
		if err != nil || resp.StatusCode != http.StatusOK {
			b.Fatal(err, resp)
		}
		buf := make([]byte, 64<<10)
		for err == nil {
			_, err = resp.Body.Read(buf)
		}
		resp.Body.Close()
	}
	for _, c := range []struct {
		name, path string
		raw        func() error
	}{
		{"page", "/api/builds?before=" + target, func() error { _, err := store.ListBuilds(ctx, brigade.BuildFilter{Before: target}); return err }},
		{"pageOfProjectAndState", "/api/builds?project=acme/app&state=succeeded", func() error {
			_, err := store.ListBuilds(ctx, brigade.BuildFilter{ProjectID: p.ID, States: []brigade.State{brigade.StateSucceeded}})
			return err
		}},
		{"build", "/api/builds/" + target, func() error { _, err := store.Build(ctx, target); return err }},
		{"tail", "/api/builds/" + target + "/logs?tail=100", func() error { _, err := store.ReadLog(ctx, brigade.LogQuery{BuildID: target, Tail: 100}); return err }},
		{"follow", "/api/builds/" + target + "/logs?follow&tail=100", func() error { _, err := store.ReadLog(ctx, brigade.LogQuery{BuildID: target, Tail: 100}); return err }},
		{"v1LastBuilds", "/v1/projects-build", func() error {
			_, err := store.ListBuilds(ctx, brigade.BuildFilter{ProjectID: p.ID, Limit: 1})
			return err
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			const rounds = 101
			var whole, raw []time.Duration
			for range rounds {
				begun := time.Now()
				get(c.path)
				whole = append(whole, time.Since(begun))
				begun = time.Now()
				if err := c.raw(); err != nil {
					b.Fatal(err)
				}
				raw = append(raw, time.Since(begun))
			}
			slices.Sort(whole)
			slices.Sort(raw)
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(whole[rounds/2].Microseconds())/1000, "ms/p50")
			b.ReportMetric(float64(whole[rounds-2].Microseconds())/1000, "ms/p99")
			b.ReportMetric(float64(whole[rounds/2])/float64(max(raw[rounds/2], 1)), "x/store")
		})
	}
}
