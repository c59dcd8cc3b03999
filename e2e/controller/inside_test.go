package controller_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/brigadecore/brigade/v3/app"
	testcluster "github.com/brigadecore/brigade/v3/e2e/cluster"
	"github.com/brigadecore/brigade/v3/kube/worker"
)

// insidePod runs what runs inside a worker pod, here, with the files and the
// environment that the pod's specification gives it.
type insidePod struct {
	s    *site
	root string
	env  map[string]string
	pod  string
	stop chan os.Signal

	mu  sync.Mutex
	out bytes.Buffer
}

func (p *insidePod) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.Write(b)
}

func (p *insidePod) printed() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

// inside prepares the worker of a build whose pod is there.
func (s *site) inside(kubeconfig, build string) *insidePod {
	s.t.Helper()
	p := &insidePod{s: s, root: s.t.TempDir(), env: map[string]string{}, pod: "brigade-worker-" + build, stop: make(chan os.Signal, 1)}
	p.env["KUBECONFIG"] = kubeconfig
	var spec struct {
		Env []struct{ Name, Value string }
	}
	if err := json.Unmarshal([]byte(s.get("pod", p.pod, ".spec.containers[0]")), &spec); err != nil {
		s.t.Fatal(err)
	}
	for _, e := range spec.Env {
		p.env[e.Name] = e.Value
	}
	for dir, secret := range map[string]string{"etc/brigade": p.pod, "etc/brigade-project": s.p.ID} {
		var data map[string][]byte
		if err := json.Unmarshal([]byte(s.get("secret", secret, ".data")), &data); err != nil {
			s.t.Fatal(err)
		}
		p.file(dir+"/..data/x", "")
		for key, value := range data {
			p.file(dir+"/"+key, string(value))
		}
	}
	return p
}

// file writes one of the pod's files.
func (p *insidePod) file(name, text string) {
	p.s.t.Helper()
	path := filepath.Join(p.root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		p.s.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		p.s.t.Fatal(err)
	}
}

// run returns the exit code.
func (p *insidePod) run() int {
	environ := make([]string, 0, len(p.env))
	for k, v := range p.env {
		environ = append(environ, k+"="+v)
	}
	code, err := app.RunInside(context.Background(), app.InsideOptions{
		Getenv: func(name string) string { return p.env[name] }, Environ: environ, Root: p.root, Pod: p.pod, Temp: filepath.Join(p.root, "tmp"),
		Kubeconfig: p.env["KUBECONFIG"], Message: filepath.Join(p.root, "message"), Version: "test", Stdout: p, Grace: time.Second, Stop: p.stop,
		Log: slog.New(slog.NewTextHandler(testLog{p.s.t}, nil)),
	})
	if err != nil {
		p.s.t.Error(err)
		return -1
	}
	return code
}

// The rights of a worker, as the chart gives them: it never reads Secrets.
const workerRole = `{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"Role","metadata":{"name":"worker"},"rules":[
{"apiGroups":[""],"resources":["secrets"],"verbs":["create"]},
{"apiGroups":[""],"resources":["pods"],"verbs":["get","list","watch","create","patch","delete"]},
{"apiGroups":[""],"resources":["pods/log"],"verbs":["get"]},
{"apiGroups":[""],"resources":["persistentvolumeclaims"],"verbs":["create","get","delete"]}]}`

// workerSite is a site with a build whose worker pod runs, as far as the fake
// node goes, and the kubeconfig of its service account.
func workerSite(t *testing.T, n *node, script string) (s *site, kubeconfig, build string) {
	t.Helper()
	s = newSite(t, testcluster.Shared(t), testcluster.FakeNodeOptions{Run: n.run}, script)
	s.c.Apply(t, s.ns, workerRole)
	s.c.Apply(t, s.ns, `{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"RoleBinding","metadata":{"name":"worker"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"Role","name":"worker"},"subjects":[{"kind":"ServiceAccount","name":"brigade-worker"}]}`)
	opt := s.options()
	opt.InPods, opt.Workers.Image, opt.Workers.Own = true, "brig", true
	c, stop := s.start(opt)
	s.leads(c)
	build = s.build()
	s.runs("brigade-worker-" + build)
	stop() // the worker goes on without it
	return s, s.c.KubeconfigFor(t, "brigade-worker", s.ns), build
}

// What runs in a worker pod reads what v1's worker reads, prints what it prints
// and needs no more than a worker's rights. A worker that is told to end hands
// over: the next one finds the job that runs, and repeats none that is done.
func TestInsideAWorkerPod(t *testing.T) {
	n := newNode("long-", "brigade-worker-")
	s, kubeconfig, b := workerSite(t, n, twoJobs)
	first := s.inside(kubeconfig, b)
	first.file("vcs/brigade.js", twoJobs+"\nconsole.log('from the repository', process.env.BRIGADE_EVENT_TYPE);")
	code := make(chan int, 1)
	go func() { code <- first.run() }()
	s.runs("long-" + b)
	first.stop <- syscall.SIGTERM
	if got := <-code; got != worker.ExitHandedOver {
		t.Errorf("exit code %d\n%s", got, first.printed())
	}
	second := s.inside(kubeconfig, b)
	second.file("vcs/brigade.js", twoJobs)
	go func() { code <- second.run() }()
	s.finish("long-"+b, 0)
	if got := <-code; got != 0 {
		t.Errorf("exit code %d\n%s", got, second.printed())
	}
	n.once(t, "first-"+b, "long-"+b)
	for _, line := range []string{
		"[brigade] brigade-worker version: test", "from the repository exec", "[brigade:k8s] Creating pod first-" + b, "[brigade:k8s] " + s.ns + "/first-" + b + " phase Succeeded",
	} {
		if !strings.Contains(first.printed(), line+"\n") {
			t.Errorf("no %q in\n%s", line, first.printed())
		}
	}
	if text, err := os.ReadFile(filepath.Join(second.root, "message")); err != nil || !strings.Contains(string(text), `"handled":true`) {
		t.Errorf("message = %s, %v", text, err)
	}
	if kind := s.get("pod", "first-"+b, ".metadata.annotations.brigade\\.sh/runner} {.metadata.ownerReferences[0].name"); kind != "worker brigade-worker-"+b {
		t.Errorf("the job's pod is run by, and belongs to: %q", kind)
	}
}

// A worker whose build is canceled ends for good, with its jobs.
func TestInsideACanceledWorkerPod(t *testing.T) {
	n := newNode("long-", "brigade-worker-")
	s, kubeconfig, b := workerSite(t, n, twoJobs)
	w := s.inside(kubeconfig, b)
	code := make(chan int, 1)
	go func() { code <- w.run() }()
	s.runs("long-" + b)
	s.kubectl("annotate", "pod", "brigade-worker-"+b, `brigade.sh/cancel={"actor":"ann"}`)
	w.stop <- syscall.SIGTERM
	if got := <-code; got != 130 {
		t.Errorf("exit code %d\n%s", got, w.printed())
	}
	if phase := s.get("pod", "long-"+b, ".status.phase"); phase == "Running" {
		t.Errorf("the job's pod is %s", phase)
	}
}

// A script that fails ends its worker with another code, and says why.
func TestInsideAFailingWorkerPod(t *testing.T) {
	s, kubeconfig, b := workerSite(t, newNode("brigade-worker-"), `throw new Error("oh no")`)
	w := s.inside(kubeconfig, b)
	if code := w.run(); code == 0 {
		t.Errorf("exit code 0\n%s", w.printed())
	}
	text, _ := os.ReadFile(filepath.Join(w.root, "message"))
	if !strings.Contains(string(text), "oh no") || !strings.Contains(w.printed(), "oh no") {
		t.Errorf("message = %s\n%s", text, w.printed())
	}
}
