package controller_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/app"
	testcluster "github.com/brigadecore/brigade/v3/e2e/cluster"
	"github.com/brigadecore/brigade/v3/internal/id"
	"github.com/brigadecore/brigade/v3/kube/cluster"
)

// site is a namespace with a project and a fake node, in which controllers run.
type site struct {
	t  *testing.T
	c  *testcluster.Cluster
	ns string
	p  *brigade.Project
}

func newSite(t *testing.T, c *testcluster.Cluster, node testcluster.FakeNodeOptions, script string) *site {
	t.Helper()
	s := &site{t: t, c: c, ns: c.Namespace(t), p: brigade.NewProject("acme/app")}
	c.FakeNode(t, node)
	c.Kubectl(t, "-n", s.ns, "create", "serviceaccount", "brigade-worker")
	s.project(map[string]string{"defaultScript": script})
	return s
}

// project applies the project's Secret as v1 has it.
func (s *site) project(data map[string]string) {
	s.t.Helper()
	s.apply("Secret", "brigade.sh/project", s.p.ID, map[string]string{"app": "brigade", "heritage": "brigade", "component": "project"},
		map[string]string{"projectName": s.p.Name}, data)
}

// build applies a build's Secret as any gateway of v1 makes it, and returns its
// ID.
func (s *site) build() string {
	s.t.Helper()
	b := id.New(time.Now())
	s.apply("Secret", "brigade.sh/build", "brigade-worker-"+b, map[string]string{"heritage": "brigade", "component": "build", "project": s.p.ID, "build": b},
		nil, map[string]string{"build_id": b, "event_type": "exec", "event_provider": "test", "project_id": s.p.ID, "payload": "{}"})
	return b
}

func (s *site) apply(kind, typ, name string, labels, annotations, data map[string]string) {
	s.t.Helper()
	text, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": kind, "type": typ, "stringData": data,
		"metadata": map[string]any{"name": name, "labels": labels, "annotations": annotations},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.c.Apply(s.t, s.ns, string(text))
}

// options are those of a controller of the site.
func (s *site) options() app.ControllerOptions {
	var opt app.ControllerOptions
	opt.Dirs = app.Dirs{State: s.t.TempDir(), Cache: s.t.TempDir(), Home: s.t.TempDir()}
	opt.API.Address, opt.Health.Address = "127.0.0.1:0", "127.0.0.1:0"
	opt.Grace, opt.Drain = time.Second, time.Nanosecond
	opt.Kube = cluster.Options{Kubeconfig: s.c.Kubeconfig(), Namespace: s.ns, UserAgent: "controller"}
	opt.Log = slog.New(slog.NewTextHandler(testLog{s.t}, nil))
	return opt
}

// testLog writes into a test's log, until the test is over.
type testLog struct{ t *testing.T }

func (l testLog) Write(p []byte) (int, error) {
	defer func() { _ = recover() }() // what a test left behind may still log
	l.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

// start runs a controller until the test ends or stop is called, which waits
// for its end.
func (s *site) start(opt app.ControllerOptions) (c *app.Controller, stop func()) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	c, err := app.NewController(ctx, opt)
	if err != nil {
		cancel()
		s.t.Fatal(err)
	}
	over := make(chan error, 1)
	go func() { over <- c.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-over; err != nil {
			s.t.Errorf("the controller ended: %v", err)
		}
		if err := c.Close(); err != nil && !errors.Is(err, http.ErrServerClosed) {
			s.t.Error(err)
		}
	})
	s.t.Cleanup(stop)
	return c, stop
}

// leads waits until the controller leads.
func (s *site) leads(c *app.Controller) {
	s.t.Helper()
	select {
	case <-c.Leading():
	case <-time.After(3 * time.Minute):
		s.t.Fatal("the controller does not lead")
	}
}

// get is a field of an object, "" when the object is not there.
func (s *site) get(kind, name, path string) string {
	s.t.Helper()
	return s.c.Kubectl(s.t, "-n", s.ns, "get", kind, name, "--ignore-not-found", "-o", "jsonpath={"+path+"}")
}

// state waits until the build's Secret says that the build is in that state,
// and returns its status.
func (s *site) state(build string, want brigade.State) map[string]any {
	s.t.Helper()
	var status map[string]any
	testcluster.Until(s.t, fmt.Sprintf("build %s is %s", build, want), func() error {
		status = nil
		text := s.get("secret", "brigade-worker-"+build, ".metadata.annotations.brigade\\.sh/status")
		if text == "" {
			return errors.New("it has no status")
		}
		if err := json.Unmarshal([]byte(text), &status); err != nil {
			return err
		}
		if status["state"] != string(want) {
			return errors.New(text)
		}
		return nil
	})
	return status
}

// runs waits until the pod runs and returns its UID.
func (s *site) runs(pod string) string {
	s.t.Helper()
	uid := ""
	testcluster.Until(s.t, "pod "+pod+" runs", func() error {
		phase, found, _ := strings.Cut(s.get("pod", pod, ".status.phase} {.metadata.uid"), " ")
		if uid = found; phase != "Running" {
			return fmt.Errorf("it is %q", phase)
		}
		return nil
	})
	return uid
}

func (s *site) kubectl(args ...string) string {
	s.t.Helper()
	return s.c.Kubectl(s.t, append([]string{"-n", s.ns}, args...)...)
}

// logs is a node whose pods print text and end after a nap.
func logs(text string, nap time.Duration) func(*corev1.Pod) testcluster.Fate {
	return func(*corev1.Pod) testcluster.Fate { return testcluster.Fate{Log: text, Nap: nap} }
}

// ask sends a request to one of the controller's parts.
func (s *site) ask(c *app.Controller, opt app.ControllerOptions, part, path string) string {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, "http://"+c.Addresses()[part]+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	if part == "api" {
		token, err := os.ReadFile(filepath.Join(opt.Dirs.State, "token"))
		if err != nil {
			s.t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(text)
}

// node counts the pods that are started on a fake node, by name, and has some
// run until the test ends them.
type node struct {
	hold []string // beginnings of names

	mu     sync.Mutex
	starts map[string]int
}

func newNode(hold ...string) *node { return &node{hold: hold, starts: map[string]int{}} }

func (n *node) run(pod *corev1.Pod) testcluster.Fate {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.starts[pod.Name]++
	fate := testcluster.FateOf(pod)
	for _, name := range n.hold {
		if strings.HasPrefix(pod.Name, name) {
			fate.Nap = testcluster.Forever
		}
	}
	return fate
}

// once checks that each of the pods was started once.
func (n *node) once(t *testing.T, pods ...string) {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, name := range pods {
		if n.starts[name] != 1 {
			t.Errorf("%s was started %d times", name, n.starts[name])
		}
	}
}

// finish ends a pod that the node would run for ever.
func (s *site) finish(pod string, exit int) {
	s.t.Helper()
	container := s.get("pod", pod, ".spec.containers[0].name")
	phase, now := "Succeeded", time.Now().UTC().Format(time.RFC3339)
	if exit != 0 {
		phase = "Failed"
	}
	s.kubectl("patch", "pod", pod, "--subresource=status", "--type=merge", "-p", fmt.Sprintf(
		`{"status":{"phase":%q,"containerStatuses":[{"name":%q,"image":"x","imageID":"x","ready":false,"restartCount":0,"state":{"terminated":{"exitCode":%d,"reason":"Completed","startedAt":%q,"finishedAt":%q}}}]}}`,
		phase, container, exit, now, now))
}
