package fault_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/app"
)

// clock is one that somebody sets.
type clock struct{ off atomic.Int64 }

func (c *clock) now() time.Time { return time.Now().Add(time.Duration(c.off.Load())) }

// set moves the clock by so much from the true time.
func (c *clock) set(off time.Duration) { c.off.Store(int64(off)) }

const flaky = `
const { events, Job } = require("brigadier");
events.on("simpleevent", async (e) => {
  const n = JSON.parse(e.payload).n;
  const job = new Job("job", "alpine:3.20", ["true"]);
  job.env = { DUMMY_SLEEP: "50ms" };
  await job.run();
  const second = new Job("second", "alpine:3.20", ["true"]);
  second.env = { DUMMY_EXIT_CODE: n % 4 === 0 ? "1" : "0" };
  await second.run();
});
`

// A clock that jumps by hours, in both directions, loses no event, and holds
// up no build, not even one that waits for its retry.
func TestClockJumps(t *testing.T) {
	var c clock
	const events = 60
	server, stop := serve(t, &c)
	random := rand.New(rand.NewPCG(*seed, 2))
	jumps := 0
	for n := range events {
		if n%6 == 0 {
			c.set(time.Duration(random.IntN(72)-36) * time.Hour)
			jumps++
		}
		post(t, server, n)
	}
	c.set(-48 * time.Hour) // retries wait for a time two days ahead now
	deadline := time.Now().Add(60 * time.Second)
	var open []*brigade.Build
	for restarted := false; time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		var err error
		open, err = server.Store.ListBuilds(t.Context(), brigade.BuildFilter{States: []brigade.State{brigade.StatePending, brigade.StateRunning}, Limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		if len(open) == 0 {
			break
		}
		if !restarted && len(open) < events/2 {
			restarted = true
			stop()
			c.set(-72 * time.Hour)
			server, stop = serve(t, &c)
		}
	}
	for _, b := range open {
		t.Errorf("build %s is stuck: %s, not before %s, at %s", b.ID, b.State, b.NotBefore, c.now())
	}
	check(t, server, events)
	stop()
	t.Logf("%d events, %d jumps", events, jumps+2)
}

// dirOf is where the server of a test keeps its data.
var dirOf = map[*testing.T]string{}

// serve starts a server in this process, on the same data each time.
func serve(t *testing.T, c *clock) (server *app.Server, stop func()) {
	t.Helper()
	if dirOf[t] == "" {
		dirOf[t] = t.TempDir()
	}
	dir := dirOf[t]
	server, err := app.NewServer(t.Context(), app.ServerOptions{
		Options: app.Options{Dirs: app.Dirs{State: dir, Cache: dir + "/cache", Home: dir}, Runner: "dummy", Now: c.now, Grace: time.Second},
		API:     app.Listener{Address: "127.0.0.1:0"}, Gateways: app.Listener{Address: "127.0.0.1:0"}, Drain: time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	p := brigade.NewProject("clock")
	p.DefaultScript, p.GenericGatewaySecret = flaky, "s"
	p.Retry = &brigade.Retry{Limit: 2, Backoff: brigade.Duration(300 * time.Millisecond)}
	if err := server.Store.PutProject(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan error, 1)
	go func() { over <- server.Run(ctx) }()
	return server, func() {
		cancel()
		if err := <-over; err != nil {
			t.Error(err)
		}
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	}
}

func post(t *testing.T, server *app.Server, n int) {
	t.Helper()
	body := strings.NewReader(fmt.Sprintf(`{"n": %d}`, n))
	resp, err := http.Post("http://"+server.Addresses()["gateways"]+"/simpleevents/v1/clock/s", "application/json", body)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("event %d: %s", n, resp.Status)
	}
}

// check looks how the builds have ended.
func check(t *testing.T, server *app.Server, events int) {
	t.Helper()
	all, err := server.Store.ListBuilds(t.Context(), brigade.BuildFilter{Limit: 1000})
	if err != nil || len(all) != events {
		t.Errorf("%d builds, want %d (%v)", len(all), events, err)
	}
	failed := 0
	for _, b := range all {
		if b.State == brigade.StateFailed {
			failed++
			if b.Retries != 2 {
				t.Errorf("build %s was retried %d times", b.ID, b.Retries)
			}
		}
		jobs, err := server.Store.ListJobs(t.Context(), b.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, j := range jobs {
			want := b.Retries + 1
			if j.Name == "job" {
				want = 1 // it had succeeded the first time
			}
			if j.Attempt > want+b.Attempt-1-b.Retries {
				t.Errorf("job %s of build %s ran %d times: %+v", j.Name, b.ID, j.Attempt, j.History)
			}
			if j.Name == "second" && b.State == brigade.StateFailed && j.Attempt < want {
				t.Errorf("job %s of the retried build %s ran %d times only", j.Name, b.ID, j.Attempt)
			}
		}
	}
	if failed != events/4 {
		t.Errorf("%d builds failed, want %d", failed, events/4)
	}
}
