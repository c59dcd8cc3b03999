// Package files_test brings files to jobs' pods on a real node, and home again.
package files_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/app"
	"github.com/brigadecore/brigade/v3/e2e/brigimage"
	"github.com/brigadecore/brigade/v3/e2e/cluster"
	"github.com/brigadecore/brigade/v3/e2e/gitrepo"
	kube "github.com/brigadecore/brigade/v3/kube/cluster"
	"github.com/brigadecore/brigade/v3/kube/pods"
	"github.com/brigadecore/brigade/v3/workspace"
)

// busybox is on every node of a test cluster.
const busybox = "docker.io/library/alpine:3.8"

// place is a namespace on a real node and a runner that uses it.
type place struct {
	*testing.T
	runner *pods.Runner
	build  *brigade.Build
	p      *brigade.Project
	source string

	mu   sync.Mutex
	kept map[string]string
	runs int
}

func newPlace(t *testing.T, c *cluster.Cluster, opt pods.Options) *place {
	t.Helper()
	client, err := kube.Open(kube.Options{Kubeconfig: c.Kubeconfig(), Namespace: c.Namespace(t)})
	if err != nil {
		t.Fatal(err)
	}
	opt.Cluster = client
	runner, err := pods.New(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(runner.Close)
	return &place{T: t, runner: runner, build: &brigade.Build{ID: "b1"}, p: brigade.NewProject("acme/app"), kept: map[string]string{}}
}

// serve serves handler where pods reach it, and returns the address.
func serve(t *testing.T, c *cluster.Cluster, handler http.Handler) string {
	t.Helper()
	listener, err := net.Listen("tcp", net.JoinHostPort(c.HostAddress(), "0"))
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewUnstartedServer(handler)
	_ = front.Listener.Close()
	front.Listener = listener
	front.Start()
	t.Cleanup(front.Close)
	return front.URL
}

// job runs a job and returns its log.
func (p *place) job(name string, change func(*brigade.JobSpec), tasks ...string) (string, brigade.Exit) {
	p.Helper()
	spec := brigade.JobSpec{Name: name, Image: busybox, Tasks: tasks, UseSource: true}
	if change != nil {
		change(&spec)
	}
	spec = spec.WithDefaults()
	p.runs++
	var log strings.Builder
	run := brigade.JobRun{
		Job:   &brigade.Job{ID: name + "-" + p.build.ID, Name: name, BuildID: p.build.ID, Attempt: p.runs, Created: time.Now(), Spec: spec},
		Build: p.build, Project: p.p, Source: p.source, Log: &log,
		Keep: func(name string, _ int64, content io.Reader) error {
			text, err := io.ReadAll(content)
			p.mu.Lock()
			defer p.mu.Unlock()
			p.kept[name] = string(text)
			return err
		},
	}
	execution, err := p.runner.Start(p.Context(), run)
	if err != nil {
		p.Fatal(err)
	}
	exit, err := execution.Wait(p.Context())
	if err != nil {
		p.Fatalf("%v\n%s", err, log.String())
	}
	if exit.Code != 0 {
		p.Fatalf("job %s ended with %d: %s\n%s", name, exit.Code, exit.Reason, log.String())
	}
	return log.String(), exit
}

// TestWithoutVolumes runs jobs one after another that hand files to each other,
// as root and as the Pod Security Standard "restricted" has it.
func TestWithoutVolumes(t *testing.T) {
	c := cluster.SharedNode(t)
	image := brigimage.Load(t, c)
	for name, restricted := range map[string]bool{"as root": false, "restricted": true} {
		t.Run(name, func(t *testing.T) {
			var server *workspace.Server
			address := serve(t, c, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { server.ServeHTTP(w, r) }))
			server, err := workspace.New(workspace.Options{Dir: t.TempDir(), Key: []byte("a key of 32 bytes, or of some more"), URL: address})
			if err != nil {
				t.Fatal(err)
			}
			p := newPlace(t, c, pods.Options{
				Workspace: app.PodFiles{JobFiles: server}, WorkspaceImage: image, Restricted: restricted,
				Source: pods.SourceWorkspace, BuildStorage: pods.StorageWorkspace, Cache: pods.StorageWorkspace,
			})
			p.source, p.p.Repo.CloneURL = t.TempDir(), "https://example.com/acme/app"
			if err := os.WriteFile(filepath.Join(p.source, "hello"), []byte("from the clone\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			p.handOver()
			if err := p.runner.EndBuild(t.Context(), "b1"); err != nil {
				t.Fatal(err)
			}
			if _, err := server.Collect(t.Context(), brigade.JobRun{Build: p.build, Job: &brigade.Job{ID: "one-b1"}}); brigade.CodeOf(err) != brigade.CodeCanceled {
				t.Errorf("the build has not ended for the workspace: %v", err)
			}
		})
	}
}

// handOver is what the jobs do.
func (p *place) handOver() {
	p.Helper()
	all := func(s *brigade.JobSpec) {
		s.Storage.Enabled, s.Cache.Enabled, s.Artifacts = true, true, []string{"dist"}
	}
	log, exit := p.job("one", all, "cd /src", "cat hello", "echo mine >> hello", "mkdir dist", "echo built > dist/out",
		"echo shared > /mnt/brigade/share/s", "echo gone > /mnt/brigade/share/gone", "echo cached > /mnt/brigade/cache/c",
		`echo '{"text":"'$(head -c 9000 /dev/zero | tr '\0' x)'"}' > $BRIGADE_OUTPUT`)
	if !strings.Contains(log, "from the clone") {
		p.Errorf("the source is not there: %s", log)
	}
	if len(exit.Outputs) < 9000 {
		p.Errorf("%d bytes of outputs came home", len(exit.Outputs))
	}
	if p.kept["dist/out"] != "built\n" {
		p.Errorf("artifacts: %v", p.kept)
	}
	storage := func(s *brigade.JobSpec) { s.Storage.Enabled = true }
	if log, _ = p.job("two", storage, "cat /mnt/brigade/share/s /src/hello", "rm /mnt/brigade/share/gone", "echo more >> /mnt/brigade/share/s"); strings.TrimSpace(log) != "shared\nfrom the clone" {
		p.Errorf("the second job printed %q", log)
	}
	if log, _ = p.job("one", all, "cat /mnt/brigade/cache/c /mnt/brigade/share/s", "ls /mnt/brigade/share"); !strings.HasPrefix(log, "cached\nshared\nmore\ns\n") {
		p.Errorf("the third job printed %q", log)
	}
}

// TestSidecar has every job clone for itself, a pull request's ref among others.
func TestSidecar(t *testing.T) {
	c := cluster.SharedNode(t)
	image := brigimage.Load(t, c)
	repo := gitrepo.New(t)
	for _, text := range []string{"one", "two"} {
		repo.Write("file", text+"\n")
		repo.Git("add", ".")
		repo.Git("commit", "-qm", text)
	}
	repo.Git("update-ref", "refs/pull/7/head", "HEAD~")
	address := serve(t, c, repo.Handler()) + repo.Path()
	for name, restricted := range map[string]bool{"as root": false, "restricted": true} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t, c, pods.Options{VCSImage: image, VCSCommand: []string{"/brig", "vcs"}, Restricted: restricted})
			p.p.Repo.CloneURL = address
			for _, c := range []struct {
				name string
				rev  brigade.Revision
				want string
			}{
				{"pull", brigade.Revision{Ref: "refs/pull/7/head"}, "one"},
				{"commit", brigade.Revision{Commit: repo.Git("rev-parse", "HEAD~"), Ref: "refs/heads/main"}, "one"},
				{"default", brigade.Revision{Ref: "master"}, "two"},
			} {
				p.build.Event.Revision = c.rev
				if log, _ := p.job(c.name, nil, "cd /src", "cat file", "echo mine > file", "echo new > other"); strings.TrimSpace(log) != c.want {
					t.Errorf("%s: %q, want %q", c.name, log, c.want)
				}
			}
		})
	}
}
