package workspace_test

import (
	"context"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/workspace"
)

var key = []byte("an installation's key of 32 bytes or more")

// house is a server, and the pods that reach it.
type house struct {
	*testing.T
	dir    string
	limits workspace.Limits
	caches workspace.Caches // nil: those of the directory
	kept   kept             // artifacts of worker pods
	server *workspace.Server
	front  *httptest.Server

	mu      sync.Mutex
	handler http.Handler
}

func newHouse(t *testing.T, limits workspace.Limits) *house {
	h := &house{T: t, dir: t.TempDir(), limits: limits, kept: kept{}}
	h.front = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		handler := h.handler
		h.mu.Unlock()
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(h.front.Close)
	h.restart()
	return h
}

// restart opens the directory anew, as another process would.
func (h *house) restart() {
	h.Helper()
	server, err := workspace.New(workspace.Options{Dir: h.dir, Key: key, URL: h.front.URL, Limits: h.limits, Caches: h.caches, Artifacts: h.kept})
	if err != nil {
		h.Fatal(err)
	}
	h.serve(server)
	h.server = server
}

func (h *house) serve(handler http.Handler) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.handler = handler
}

// kept are artifacts that were kept for good, by build, job and name.
type kept map[string]string

func (k kept) PutArtifact(_ context.Context, buildID, jobID, name string, content io.Reader) error {
	text, err := io.ReadAll(content)
	if err == nil && strings.HasPrefix(name, "refused") {
		return brigade.Errorf(brigade.CodeStore, "there is no room")
	}
	k[buildID+" "+jobID+" "+name] = string(text)
	return err
}

// run is a job of a build.
func run(build, name string, change ...func(*brigade.JobRun)) brigade.JobRun {
	p := brigade.NewProject("acme/app")
	r := brigade.JobRun{
		Build: &brigade.Build{ID: build}, Project: p,
		Job: &brigade.Job{ID: name + "-" + build, Name: name, BuildID: build, Attempt: 1, Spec: brigade.JobSpec{Name: name, Image: "x", UseSource: true}},
	}
	for _, f := range change {
		f(&r)
	}
	return r
}

func storage(r *brigade.JobRun) { r.Job.Spec.Storage.Enabled = true }

func cached(size string) func(r *brigade.JobRun) {
	return func(r *brigade.JobRun) { r.Job.Spec.Cache = brigade.JobCache{Enabled: true, Size: size} }
}

// pod is what kubelet makes of a workspace.Pod.
type pod struct {
	*house
	run     brigade.JobRun
	told    workspace.Pod
	volumes string // directory with one for each volume
	client  *workspace.Client
}

func (h *house) pod(r brigade.JobRun) *pod {
	h.Helper()
	told, err := h.server.Prepare(h.Context(), r, workspace.Wants(r))
	if err != nil {
		h.Fatal(err)
	}
	p := &pod{house: h, run: r, told: told, volumes: h.TempDir()}
	for _, v := range told.Volumes {
		if err := os.Mkdir(filepath.Join(p.volumes, v.Name), 0o777); err != nil {
			h.Fatal(err)
		}
	}
	p.client = h.client(told.Token)
	return p
}

func (h *house) client(token string) *workspace.Client {
	h.Helper()
	c, err := workspace.NewClient(workspace.ClientOptions{URL: h.front.URL, Token: token, Pause: time.Millisecond})
	if err != nil {
		h.Fatal(err)
	}
	return c
}

// flags reads the arguments of a container as the program does.
func (p *pod) flags(c *workspace.Container) map[string]string {
	at := map[string]string{}
	for _, m := range c.Mounts {
		at[m.Path] = filepath.Join(p.volumes, m.Volume)
	}
	flags := map[string]string{}
	for i := 2; i < len(c.Args); i += 2 {
		flags[c.Args[i]] = c.Args[i+1]
		if dir := at[c.Args[i+1]]; dir != "" {
			flags[c.Args[i]] = dir
		}
	}
	return flags
}

func (p *pod) fetch() {
	p.Helper()
	f := p.flags(p.told.Init)
	err := p.client.Fetch(p.Context(), workspace.Fetched{Source: f["--source"], Share: f["--share"], Cache: f["--cache"], State: f["--state"]})
	if err != nil {
		p.Fatal(err)
	}
}

func (p *pod) saved() workspace.Saved {
	f := p.flags(p.told.Sidecar)
	return workspace.Saved{Share: f["--share"], Cache: f["--cache"], Artifacts: f["--artifacts"], Outputs: f["--outputs"], State: f["--state"], Job: p.told.Env[workspace.JobEnv]}
}

func (p *pod) save() workspace.Result {
	p.Helper()
	if err := p.client.Save(p.Context(), p.saved()); err != nil {
		p.Fatal(err)
	}
	result, err := p.server.Collect(p.Context(), p.run)
	if err != nil {
		p.Fatal(err)
	}
	return result
}

// path is where the job sees a file, on this machine.
func (p *pod) path(name string) string {
	p.Helper()
	best := ""
	for _, m := range p.told.Mounts {
		if rest, ok := strings.CutPrefix(name, m.Path+"/"); ok {
			best = filepath.Join(p.volumes, m.Volume, rest)
		}
	}
	if best == "" {
		p.Fatalf("nothing is mounted at %s", name)
	}
	return best
}

func (p *pod) write(name, text string) {
	p.Helper()
	path := p.path(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		p.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		p.Fatal(err)
	}
}

func (p *pod) remove(name string) {
	p.Helper()
	if err := os.RemoveAll(p.path(name)); err != nil {
		p.Fatal(err)
	}
}

// tree is what a directory holds: files with their text, links with ->, directories with /.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		switch {
		case d.IsDir():
			all[name+"/"] = ""
		case d.Type() == fs.ModeSymlink:
			to, err := os.Readlink(path)
			all[name] = "->" + to
			return err
		default:
			text, err := os.ReadFile(path)
			all[name] = string(text)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func (p *pod) share() map[string]string { return tree(p.T, filepath.Join(p.volumes, "brigade-share")) }

func same(t *testing.T, what string, got, want map[string]string) {
	t.Helper()
	if !maps.Equal(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}
