package store_test

import (
	"context"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/brigadecore/brigade/v3"
	testcluster "github.com/brigadecore/brigade/v3/e2e/cluster"
	"github.com/brigadecore/brigade/v3/kube/cluster"
	"github.com/brigadecore/brigade/v3/kube/store"
	"github.com/brigadecore/brigade/v3/store/memory"
	"github.com/brigadecore/brigade/v3/store/sqlite"
	"github.com/brigadecore/brigade/v3/store/storetest"
)

// limits are where a cluster cannot hold what the contract allows.
var limits = storetest.Limits{Payload: 1000 << 10, ULIDs: true}

func TestContractInMemory(t *testing.T) {
	testcluster.Shared(t)
	storetest.RunWithin(t, limits, func(t *testing.T) brigade.Store {
		return newWorld(t).open(store.Options{})
	})
}

func TestContractInSQLite(t *testing.T) {
	testcluster.Shared(t)
	storetest.RunWithin(t, limits, func(t *testing.T) brigade.Store {
		inner, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "brigade.db")})
		if err != nil {
			t.Fatal(err)
		}
		return newWorld(t).open(store.Options{Inner: inner, Durable: true})
	})
}

// world is a namespace of a real API server.
type world struct {
	t        *testing.T
	cluster  *testcluster.Cluster
	ns       string
	client   *cluster.Client
	requests *requests
}

func newWorld(t *testing.T) *world {
	t.Helper()
	c := testcluster.Shared(t)
	w := &world{t: t, cluster: c, ns: c.Namespace(t), requests: &requests{}}
	w.client = w.connect(w.requests)
	return w
}

// connect is a connection of its own, as another process has it.
func (w *world) connect(count *requests) *cluster.Client {
	w.t.Helper()
	client, err := cluster.Open(cluster.Options{Kubeconfig: w.cluster.Kubeconfig(), Namespace: w.ns, Wrap: count.wrap})
	if err != nil {
		w.t.Fatal(err)
	}
	return client
}

// open opens a store, in memory unless opt says otherwise.
func (w *world) open(opt store.Options) *store.Store {
	w.t.Helper()
	if opt.Client == nil {
		opt.Client = w.client
	}
	if opt.Inner == nil {
		opt.Inner = memory.New(memory.Options{})
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	s, err := store.New(ctx, opt)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if err := s.Close(); err != nil {
			w.t.Error(err)
		}
		opt.Client.Flush()
	})
	return s
}

// patience is how long a condition may take on a busy machine.
const patience = 2 * time.Minute

// requests counts what a connection asks for, by method and the resource.
type requests struct {
	mu    sync.Mutex
	count map[string]int
}

func (r *requests) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(req *http.Request) (*http.Response, error) {
		r.mu.Lock()
		if r.count == nil {
			r.count = map[string]int{}
		}
		what := req.Method
		if req.URL.Query().Get("watch") != "" {
			what = "WATCH"
		}
		parts := strings.Split(req.URL.Path, "/")
		for i, p := range parts {
			if p == "namespaces" && i+2 < len(parts) {
				what += " " + parts[i+2]
			}
		}
		r.count[what]++
		r.mu.Unlock()
		return next.RoundTrip(req)
	})
}

// take returns the counts and starts anew.
func (r *requests) take() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	count := r.count
	r.count = map[string]int{}
	return count
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// until waits for a condition.
func until(t *testing.T, what string, ask func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ask(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it never came about that %s", what)
		}
	}
}
