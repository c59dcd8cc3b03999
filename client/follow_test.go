package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/brigadecore/brigade/v3"
)

// cutting cuts every stream after some bytes.
func cutting(after int, cuts *atomic.Int32) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(&cutter{ResponseWriter: rw, left: after, cuts: cuts}, r)
		})
	}
}

type cutter struct {
	http.ResponseWriter
	left   int
	cuts   *atomic.Int32
	stream bool
}

func (c *cutter) Unwrap() http.ResponseWriter { return c.ResponseWriter }

func (c *cutter) WriteHeader(status int) {
	c.stream = c.Header().Get("Content-Type") == "text/event-stream"
	c.ResponseWriter.WriteHeader(status)
}

func (c *cutter) Write(p []byte) (int, error) {
	if c.stream && c.left < len(p) {
		_, _ = c.ResponseWriter.Write(p[:c.left])
		_ = http.NewResponseController(c.ResponseWriter).Flush()
		c.cuts.Add(1)
		panic(http.ErrAbortHandler)
	}
	c.left -= len(p)
	return c.ResponseWriter.Write(p)
}

func TestFollowLogTakesUpWhereItWasCutOff(t *testing.T) {
	w := newWorld(t)
	b := w.build(w.project("p"), brigade.StateRunning)
	var cuts atomic.Int32
	w.stand(cutting(1500, &cuts))
	const n = 300
	for i := int64(1); i <= n; i++ {
		w.log(b.ID, "", i, false, fmt.Sprint("line ", i))
	}
	got := []int64{}
	c := w.client()
	state, err := c.FollowLog(t.Context(), brigade.LogQuery{BuildID: b.ID, After: 2}, func(l brigade.LogLine) error {
		got = append(got, l.Seq)
		if l.Seq == n {
			w.log(b.ID, "", n+1, true, "last")
			w.end(b.ID, brigade.StateFailed)
		}
		return nil
	})
	if err != nil || state != "failed" || len(got) != n-1 || !slices.IsSorted(got) || got[0] != 3 || got[len(got)-1] != n+1 {
		t.Errorf("state %q, %d lines, %v", state, len(got), err)
	}
	if cuts.Load() < 3 {
		t.Errorf("only %d cuts", cuts.Load())
	}
	stop := errors.New("enough")
	if _, err := c.FollowLog(t.Context(), brigade.LogQuery{BuildID: b.ID}, func(brigade.LogLine) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("stopped: %v", err)
	}
}

func TestFollowBuild(t *testing.T) {
	for name, cut := range map[string]bool{"steady": false, "cut": true} {
		t.Run(name, func(t *testing.T) {
			for tries := 1; followBuild(t, cut) == 0 && cut; tries++ { // all may be over before the stream is long enough
				if tries == 50 {
					t.Fatal("nothing was cut")
				}
			}
		})
	}
}

// followBuild follows a build to its end, and returns how often the stream was
// cut meanwhile.
func followBuild(t *testing.T, cut bool) int32 {
	t.Helper()
	w := newWorld(t)
	p := w.project("p")
	b := w.build(p, brigade.StatePending)
	var cuts atomic.Int32
	if cut {
		w.stand(cutting(2500, &cuts))
	}
	jobID := "test-" + b.ID
	w.log(b.ID, "", 1, false, "before")
	lines := map[string][]int64{}
	var states []brigade.State
	var jobStates []brigade.State
	begun := false
	ended, err := w.client().FollowBuild(t.Context(), b.ID[:20], func(c brigade.Change) {
		switch {
		case c.Build != nil:
			states = append(states, c.Build.State)
		case c.Job != nil:
			jobStates = append(jobStates, c.Job.State)
		}
		for _, l := range c.Lines {
			lines[l.JobID] = append(lines[l.JobID], l.Seq)
		}
		if !begun {
			begun = true
			go w.play(b.ID, jobID)
		}
	})
	if err != nil || ended.State != brigade.StateSucceeded {
		t.Fatalf("%v %v", ended, err)
	}
	if states[0] != brigade.StatePending || states[len(states)-1] != brigade.StateSucceeded || jobStates[len(jobStates)-1] != brigade.StateSucceeded {
		t.Errorf("states %v, of the job %v", states, jobStates)
	}
	for log, want := range map[string]int64{"": 101, jobID: 200} {
		got := lines[log]
		if int64(len(got)) != want || got[0] != 1 || got[want-1] != want || !slices.IsSorted(got) {
			t.Errorf("log %q: %d lines, want %d", log, len(got), want)
		}
	}
	return cuts.Load()
}

// play is what a dispatcher would do.
func (w *world) play(buildID, jobID string) {
	ctx := context.Background()
	b, err := w.store.UpdateBuild(ctx, buildID, func(b *brigade.Build) error { b.State, b.Attempt = brigade.StateRunning, 1; return nil })
	w.must(err)
	w.feed.Publish(brigade.Change{Time: epoch, BuildID: buildID, Build: b})
	put := func(state brigade.State) {
		j := &brigade.Job{ID: jobID, BuildID: buildID, Name: "test", State: state, Created: epoch, Attempt: 1}
		w.must(w.store.PutJob(ctx, j))
		w.feed.Publish(brigade.Change{Time: epoch, BuildID: buildID, JobID: jobID, Job: j})
	}
	put(brigade.StateRunning)
	for i := int64(0); i < 100; i++ {
		w.log(buildID, "", i+2, i%7 != 0, "worker")
		w.log(buildID, jobID, 2*i+1, i%5 != 0, "a", "b")
	}
	put(brigade.StateSucceeded)
	w.end(buildID, brigade.StateSucceeded)
}

func TestWatch(t *testing.T) {
	w := newWorld(t)
	p := w.project("p")
	b := w.build(p, brigade.StateRunning)
	stop := errors.New("enough")
	synced := false
	err := w.client().Watch(t.Context(), WatchOptions{Project: "p", Synced: func() error { synced = true; go w.end(b.ID, brigade.StateFailed); return nil }}, func(c brigade.Change) error {
		if c.Build != nil && c.Build.State == brigade.StateFailed {
			return stop
		}
		return nil
	})
	if !errors.Is(err, stop) || !synced {
		t.Errorf("%v, synced %v", err, synced)
	}
	if err := w.client().Watch(t.Context(), WatchOptions{BuildID: "nope"}, nil); brigade.CodeOf(err) != brigade.CodeNotFound {
		t.Errorf("no build: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := w.client().Watch(ctx, WatchOptions{}, func(brigade.Change) error { return nil }); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("its context ended: %v", err)
	}
}

func TestASilentStreamIsTakenUpAnew(t *testing.T) {
	w := newWorld(t)
	b := w.build(w.project("p"), brigade.StateRunning)
	var n atomic.Int32
	w.stand(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if n.Add(1) > 1 {
				next.ServeHTTP(rw, r)
				return
			}
			rw.Header().Set("Content-Type", "text/event-stream")
			rw.WriteHeader(200)
			_ = http.NewResponseController(rw).Flush()
			<-r.Context().Done()
		})
	})
	w.log(b.ID, "", 1, false, "hello")
	w.end(b.ID, brigade.StateSucceeded)
	state, err := w.client(func(o *Options) { o.Idle = 2 * time.Second }).FollowLog(t.Context(), brigade.LogQuery{BuildID: b.ID}, func(brigade.LogLine) error { return nil })
	if err != nil || state != "succeeded" || n.Load() < 2 {
		t.Errorf("%q %v after %d requests", state, err, n.Load())
	}
}

func TestReadEvents(t *testing.T) {
	var got []string
	in := ": hi\n\nid: 7\nevent: a\ndata: 1\ndata:2\n\nevent: b\r\ndata:  x\r\n\r\ndata: c\r\r\nevent: cut\ndata: off"
	err := readEvents(io.MultiReader(strings.NewReader(in[:20]), strings.NewReader(in[20:])), func(e sent) error {
		got = append(got, fmt.Sprintf("%s/%s/%s", e.id, e.name, e.data))
		return nil
	})
	want := []string{"7/a/1\n2", "7/b/ x", "7//c"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%q %v", got, err)
	}
}

func FuzzReadEvents(f *testing.F) {
	f.Add([]byte("id: 1\nevent: line\ndata: {}\n\n"))
	f.Add([]byte("\r\r\n\n:\ndata\n\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		whole, parts := 0, 0
		_ = readEvents(strings.NewReader(string(data)), func(sent) error { whole++; return nil })
		_ = readEvents(io.MultiReader(strings.NewReader(string(data[:len(data)/2])), strings.NewReader(string(data[len(data)/2:]))), func(sent) error { parts++; return nil })
		if whole != parts {
			t.Errorf("%d events, in two parts %d", whole, parts)
		}
	})
}
