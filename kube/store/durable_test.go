package store_test

import (
	"context"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/kube/objects"
	"github.com/brigadecore/brigade/v3/kube/store"
	"github.com/brigadecore/brigade/v3/store/memory"
	"github.com/brigadecore/brigade/v3/store/sqlite"
)

// With a database inside, jobs and logs outlive the process, and what others
// did meanwhile is seen at the start.
func TestRestartWithADatabase(t *testing.T) {
	w := newWorld(t)
	path := filepath.Join(t.TempDir(), "brigade.db")
	open := func() *store.Store {
		inner, err := sqlite.Open(t.Context(), sqlite.Options{Path: path})
		must(t, err)
		return w.open(store.Options{Client: w.connect(&requests{}), Inner: inner, Durable: true})
	}
	first := open()
	kept, deleted, asked, pinned := newBuild(1), newBuild(2), newBuild(3), newBuild(4)
	kept.Event.Payload = strings.Repeat("large ", 50_000)
	for _, b := range []*brigade.Build{kept, deleted, asked, pinned} {
		_, err := first.CreateBuild(t.Context(), b)
		must(t, err)
		must(t, first.PutJob(t.Context(), &brigade.Job{ID: "j-" + b.ID, BuildID: b.ID, Name: "j", State: brigade.StateSucceeded, Attempt: 1}))
		must(t, first.AppendLog(t.Context(), []brigade.LogLine{{BuildID: b.ID, Seq: 1, Text: "hello"}}))
	}
	_, err := first.Claim(t.Context(), kept.ID, "me", time.Nanosecond)
	must(t, err)
	must(t, set(t, first, kept.ID, brigade.StateRunning))
	must(t, first.Close())

	w.cluster.Kubectl(t, "-n", w.ns, "delete", "secret", deleted.WorkerID())
	w.cluster.Kubectl(t, "-n", w.ns, "annotate", "secret", asked.WorkerID(), objects.AnnotationCancel+"=too late")
	w.cluster.Apply(t, w.ns, v1Build("meanwhile", "01meanwhile", ""))
	cli := w.open(store.Options{Client: w.connect(&requests{}), Scope: store.ScopeOnce})
	_, err = cli.UpdateBuild(t.Context(), pinned.ID, func(b *brigade.Build) error { b.Pinned = true; return nil })
	must(t, err)

	second := open()
	for id, want := range map[string]string{kept.ID: "running", asked.ID: "pending", pinned.ID: "pending", "01meanwhile": "pending", deleted.ID: ""} {
		b, err := second.Build(t.Context(), id)
		if want == "" {
			if brigade.CodeOf(err) != brigade.CodeNotFound {
				t.Errorf("the deleted build: %+v, %v", b, err)
			}
			continue
		}
		must(t, err)
		if string(b.State) != want || b.Pinned != (id == pinned.ID) || (b.Cancel != nil) != (id == asked.ID) || id == kept.ID && (b.Event.Payload != kept.Event.Payload || b.Attempt != 1) {
			t.Errorf("build %s is %s, %+v", id, b.State, b.Cancel)
		}
	}
	jobs, err := second.ListJobs(t.Context(), kept.ID)
	must(t, err)
	lines, err := second.ReadLog(t.Context(), brigade.LogQuery{BuildID: kept.ID})
	must(t, err)
	if len(jobs) != 1 || len(lines) != 1 || lines[0].Text != "hello" {
		t.Errorf("it has %d jobs and %d lines", len(jobs), len(lines))
	}
	if _, err := second.Job(t.Context(), "j-"+deleted.ID); brigade.CodeOf(err) != brigade.CodeNotFound {
		t.Errorf("the job of a deleted build: %v", err)
	}
}

// refusing is a store that refuses the first builds it is given.
type refusing struct {
	brigade.Store
	left atomic.Int32
}

func (r *refusing) CreateBuild(ctx context.Context, b *brigade.Build) (*brigade.Build, error) {
	if r.left.Add(-1) >= 0 {
		return nil, brigade.Errorf(brigade.CodeStore, "the disk is full")
	}
	return r.Store.CreateBuild(ctx, b)
}

// A build that the inner store refuses is not lost: its Secret is there.
func TestInnerStoreRefuses(t *testing.T) {
	w := newWorld(t)
	inner := &refusing{Store: memory.New(memory.Options{})}
	s := w.open(store.Options{Inner: inner})
	inner.left.Store(2)
	w.cluster.Apply(t, w.ns, v1Build("foreign", "01foreign", ""))
	own := newBuild(1)
	if _, err := s.CreateBuild(t.Context(), own); err != nil && brigade.CodeOf(err) != brigade.CodeStore {
		t.Fatal(err)
	}
	until(t, "both are there", func() bool {
		all, err := s.ListBuilds(t.Context(), brigade.BuildFilter{})
		must(t, err)
		return len(all) == 2
	})
	must(t, set(t, s, own.ID, brigade.StateRunning))
	must(t, s.DeleteBuild(t.Context(), own.ID))
	until(t, "one is left", func() bool {
		all, err := s.ListBuilds(t.Context(), brigade.BuildFilter{})
		must(t, err)
		return len(all) == 1 && all[0].ID == "01foreign"
	})
}
