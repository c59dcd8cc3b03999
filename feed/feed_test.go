package feed_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/feed"
)

func change(build string, n int) brigade.Change {
	return brigade.Change{BuildID: build, Notice: fmt.Sprint(n)}
}

// drain reads ch until it is closed, failing the test if that never happens.
func drain(t *testing.T, ch <-chan brigade.Change) []brigade.Change {
	t.Helper()
	var all []brigade.Change
	deadline := time.After(60 * time.Second)
	for {
		select {
		case c, ok := <-ch:
			if !ok {
				return all
			}
			all = append(all, c)
		case <-deadline:
			t.Fatalf("channel not closed; got %d changes", len(all))
		}
	}
}

func TestOrderAndFilter(t *testing.T) {
	var first, second []string
	f := feed.New(feed.Options{Sinks: []brigade.Watcher{
		func(c brigade.Change) { first = append(first, c.Notice) },
		func(c brigade.Change) {
			second = append(second, c.Notice)
			if len(second) > len(first) {
				t.Error("the second sink was told before the first")
			}
		},
	}})
	ctx := context.Background()
	all, one, other := f.Subscribe(ctx, ""), f.Subscribe(ctx, "a"), f.Subscribe(ctx, "z")
	for i := range 10 {
		f.Publish(change([]string{"a", "b"}[i%2], i))
	}
	f.Close()
	f.Close()
	f.Publish(change("a", 99))
	if got := fmt.Sprint(first); got != "[0 1 2 3 4 5 6 7 8 9]" || fmt.Sprint(second) != got {
		t.Errorf("sinks got %v and %v", first, second)
	}
	for i, c := range drain(t, all) {
		if c.Notice != fmt.Sprint(i) {
			t.Errorf("change %d is %q", i, c.Notice)
		}
	}
	if got := drain(t, one); len(got) != 5 || got[4].Notice != "8" {
		t.Errorf("subscriber of a got %v", got)
	}
	if got := drain(t, other); len(got) != 0 {
		t.Errorf("subscriber of another build got %v", got)
	}
	if got := drain(t, f.Subscribe(ctx, "")); len(got) != 0 {
		t.Errorf("subscriber of a closed feed got %v", got)
	}
}

func TestSlowSubscriberIsClosed(t *testing.T) {
	f := feed.New(feed.Options{Queue: 4})
	defer f.Close()
	slow := f.Subscribe(context.Background(), "")
	for i := range 10 {
		f.Publish(change("a", i))
	}
	got := drain(t, slow)
	if len(got) != 4 || got[3].Notice != "3" {
		t.Errorf("want the first 4 changes, got %v", got)
	}
}

func TestSubscriptionEndsWithItsContext(t *testing.T) {
	f := feed.New(feed.Options{})
	ctx, cancel := context.WithCancel(context.Background())
	ch := f.Subscribe(ctx, "a")
	cancel()
	drain(t, ch)
	drain(t, f.Subscribe(ctx, "a"))
	f.Publish(change("a", 1)) // must not send on the closed channel
	f.Close()
}

func TestConcurrentUseAgreesOnOneOrder(t *testing.T) {
	const publishers, each = 8, 500
	var sunk []string
	f := feed.New(feed.Options{Queue: publishers * each, Sinks: []brigade.Watcher{func(c brigade.Change) { sunk = append(sunk, c.BuildID+c.Notice) }}})
	watched := f.Subscribe(context.Background(), "")
	var wg sync.WaitGroup
	for p := range publishers {
		wg.Go(func() {
			for i := range each {
				f.Publish(change(fmt.Sprintf("build%d-", p), i))
			}
		})
		wg.Go(func() {
			for range each / 10 {
				ctx, cancel := context.WithCancel(context.Background())
				ch := f.Subscribe(ctx, fmt.Sprintf("build%d-", p))
				cancel()
				for range ch { //nolint:revive // reads what is left
				}
			}
		})
	}
	wg.Wait()
	f.Close()
	got := drain(t, watched)
	if len(got) != publishers*each || len(sunk) != len(got) {
		t.Fatalf("subscriber got %d, sink %d of %d", len(got), len(sunk), publishers*each)
	}
	for i, c := range got {
		if c.BuildID+c.Notice != sunk[i] {
			t.Fatalf("orders differ at %d", i)
		}
	}
}

func TestNoGoroutineStays(t *testing.T) {
	before := runtime.NumGoroutine()
	f := feed.New(feed.Options{})
	ctx, cancel := context.WithCancel(context.Background())
	for range 200 {
		f.Subscribe(ctx, "a")
		f.Subscribe(context.Background(), "b")
	}
	f.Publish(change("a", 1))
	cancel()
	f.Close()
	deadline := time.Now().Add(60 * time.Second)
	for runtime.NumGoroutine() > before && time.Now().Before(deadline) {
		runtime.Gosched()
	}
	if now := runtime.NumGoroutine(); now > before {
		t.Errorf("%d goroutines before, %d after", before, now)
	}
}

func BenchmarkPublish(b *testing.B) {
	f := feed.New(feed.Options{Sinks: []brigade.Watcher{func(brigade.Change) {}}})
	defer f.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for range 10 {
		ch := f.Subscribe(ctx, "a")
		go func() {
			for range ch { //nolint:revive // reads as fast as it can
			}
		}()
	}
	for b.Loop() {
		f.Publish(change("a", 1))
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "changes/s")
}
