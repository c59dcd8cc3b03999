package pods_test

import (
	"archive/tar"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	e2e "github.com/brigadecore/brigade/v3/e2e/cluster"
	"github.com/brigadecore/brigade/v3/kube/cluster"
	"github.com/brigadecore/brigade/v3/kube/pods"
	"github.com/brigadecore/brigade/v3/runner/runnertest"
)

// patience is how long anything may take on a busy machine.
// rawJSON is what a script hands to Kubernetes as it is.
type rawJSON = json.RawMessage

const patience = 3 * time.Minute

// client connects to the namespace.
func client(t testing.TB, c *e2e.Cluster, namespace string) *cluster.Client {
	t.Helper()
	k, err := cluster.Open(cluster.Options{Kubeconfig: c.Kubeconfig(), Namespace: namespace})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// newRunner makes a runner in a namespace of the cluster.
func newRunner(t testing.TB, c *e2e.Cluster, namespace string, change func(*pods.Options)) *pods.Runner {
	t.Helper()
	opt := pods.Options{
		Cluster: client(t, c, namespace), Grace: 10 * time.Second, PullPatience: time.Second, Events: true,
		Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelInfo})),
	}
	if change != nil {
		change(&opt)
	}
	r, err := pods.New(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

// trees serves directories as archives to the sidecars of pods, in place of
// repositories.
type trees struct {
	mu   sync.Mutex
	dirs map[string]string
	url  string
}

// newTrees listens where the pods of the cluster reach it.
func newTrees(t testing.TB, c *e2e.Cluster) *trees {
	t.Helper()
	listener, err := net.Listen("tcp", net.JoinHostPort(c.HostAddress(), "0"))
	if err != nil {
		t.Fatal(err)
	}
	ts := &trees{dirs: map[string]string{}, url: "http://" + listener.Addr().String()}
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: ts}}
	server.Start()
	t.Cleanup(server.Close)
	return ts
}

// ServeHTTP implements http.Handler.
func (ts *trees) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ts.mu.Lock()
	dir := ts.dirs[r.URL.Path]
	ts.mu.Unlock()
	if dir == "" {
		http.NotFound(w, r)
		return
	}
	archive := tar.NewWriter(w)
	if err := archive.AddFS(os.DirFS(dir)); err != nil {
		panic(http.ErrAbortHandler)
	}
	_ = archive.Close()
}

// add returns where the directory is to be had.
func (ts *trees) add(dir string) string {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	path := fmt.Sprintf("/%d", len(ts.dirs)+1)
	ts.dirs[path] = dir
	return ts.url + path
}

// fetches is a sidecar's command that gets such a directory.
func fetches() []string {
	return []string{"sh", "-c", `for i in 1 2 3 4 5; do wget -qO /tmp/tree.tar "$BRIGADE_REMOTE_URL" && exec tar -x -f /tmp/tree.tar -C "$BRIGADE_WORKSPACE"; sleep 1; done; exit 1`}
}

// sourced is a runner whose jobs get JobRun.Source.
type sourced struct {
	*pods.Runner
	trees *trees
}

func (s sourced) Start(ctx context.Context, run brigade.JobRun) (brigade.Execution, error) {
	if run.Source != "" && run.Job.Spec.UseSource {
		project := *run.Project
		project.Repo.CloneURL = s.trees.add(run.Source)
		run.Project = &project
	}
	return s.Runner.Start(ctx, run)
}

func TestContract(t *testing.T) {
	c := e2e.SharedNode(t)
	served := newTrees(t, c)
	has := runnertest.AllFeatures()
	has.Bash, has.RawOutput, has.OutputFile = false, false, false
	has.CacheKeys = false // they are volumes here; see e2e/files
	has.Artifacts = false // without a workspace server; see the tests of app
	ns := c.Namespace(t)
	runner := sourced{trees: served, Runner: newRunner(t, c, ns, func(o *pods.Options) {
		o.VCSImage, o.VCSCommand, o.Grace = e2e.Busybox, fetches(), time.Minute
	})}
	runnertest.Run(t, runnertest.Config{
		New:          func(*testing.T) brigade.Runner { return runner },
		Image:        e2e.Busybox,
		MissingImage: "localhost:1/nobody/nothing:1",
		Has:          has,
		BigOutput:    8 << 20, // more: TestLogOfSeveralFiles
		Jobs:         20,
		Parallel:     true,
		Patience:     8 * time.Minute,
	})
}
