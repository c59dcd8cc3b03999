package dispatch

import (
	"context"
	"fmt"
	"testing"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/feed"
	"github.com/brigadecore/brigade/v3/runner/dummy"
	"github.com/brigadecore/brigade/v3/store/memory"
)

type noFiles struct{}

func (noFiles) Fetch(context.Context, *brigade.Project, *brigade.Build, func(string)) (Tree, error) {
	return Tree{}, nil
}

// patient is a worker whose scripts take until ctx ends.
type patient struct{ started chan string }

func (p patient) RunScript(ctx context.Context, run brigade.ScriptRun, _ brigade.Host) (brigade.ScriptResult, error) {
	p.started <- run.Build.ID
	<-ctx.Done()
	return brigade.ScriptResult{}, context.Cause(ctx)
}

// A build that may start does so however many stand before it that have to
// wait, also when only the front of the queue was to be looked at.
func TestRoundLooksBehindWhatIsBlocked(t *testing.T) {
	ctx := context.Background()
	store := memory.New(memory.Options{})
	busy, free := brigade.NewProject("busy"), brigade.NewProject("free")
	busy.Limits.Builds, busy.DefaultScript, free.DefaultScript = 1, "//", "//"
	for _, p := range []*brigade.Project{busy, free} {
		if err := store.PutProject(ctx, p); err != nil {
			t.Fatal(err)
		}
	}
	put := func(id string, p *brigade.Project, key string) {
		b := &brigade.Build{ID: id, ProjectID: p.ID, Project: p.Name, State: brigade.StatePending, Created: time.Now(), ConcurrencyKey: key, Event: brigade.Event{Type: "exec"}}
		if _, err := store.CreateBuild(ctx, b); err != nil {
			t.Fatal(err)
		}
	}
	for n := range 200 {
		put(fmt.Sprintf("01a%03d", n), busy, fmt.Sprint("key-", n))
	}
	worker := patient{make(chan string, 8)}
	d, err := New(Options{
		Store: store, Feed: feed.New(feed.Options{}), Worker: worker, Runner: dummy.New(dummy.Options{}), Source: noFiles{},
		Owner: "test", MaxBuilds: 3, Grace: time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	rounds := func(want string) {
		t.Helper()
		if err := d.round(ctx, false); err != nil {
			t.Fatal(err)
		}
		if got := <-worker.started; got != want {
			t.Errorf("%s was started, want %s", got, want)
		}
	}
	rounds("01a000")
	put("01b000", free, "")
	rounds("01b000")
	if why := d.WaitsFor("01a001"); why == "" {
		t.Error("nobody knows what 01a001 waits for")
	}
	put("01b001", free, "")
	rounds("01b001")
	if why := d.WaitsFor("01a199"); why == "" {
		t.Error("nobody knows what 01a199 waits for")
	}
	over, cancel := context.WithCancel(ctx)
	cancel()
	d.Shutdown(over)
}
