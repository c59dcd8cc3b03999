package files_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/app"
	"github.com/brigadecore/brigade/v3/artifact/s3"
	"github.com/brigadecore/brigade/v3/artifact/s3/s3test"
	"github.com/brigadecore/brigade/v3/e2e/brigimage"
	"github.com/brigadecore/brigade/v3/e2e/cluster"
	"github.com/brigadecore/brigade/v3/internal/id"
	kube "github.com/brigadecore/brigade/v3/kube/cluster"
)

// someJobs hand files to each other, leave artifacts, and find caches again.
const someJobs = `const { events, Job } = require("brigadier");
const image = "docker.io/library/alpine:3.8";
events.on("exec", async (e) => {
  const left = new Job("left", image, ["echo from the left > /mnt/brigade/share/left", "mkdir -p /src/dist", "echo app > /src/dist/app"]);
  left.storage.enabled = true;
  left.artifacts = ["dist/*", "missing"];
  await left.run();
  const right = new Job("right", image, ["cat /mnt/brigade/share/left"]);
  right.storage.enabled = true;
  const cached = new Job("cached", image, ["ls /mnt/brigade/cache", "echo " + e.payload + " > /mnt/brigade/cache/" + e.payload]);
  Object.assign(cached.cache, { enabled: true, key: e.payload, restoreKeys: ["npm-"] });
  await Promise.all([right.run(), cached.run()]);
});
events.on("full", () => {
  const greedy = new Job("greedy", image, ["head -c 300000 /dev/zero > /mnt/brigade/share/zeros"]);
  greedy.storage.enabled = true;
  return greedy.run();
});`

// installation is a controller and the namespace in which it works.
type installation struct {
	*testing.T
	c      *cluster.Cluster
	ns     string
	p      *brigade.Project
	bucket *s3test.Service
	state  string
	api    string
}

// TestController has a controller, and a worker pod of it, run jobs that hand
// files to each other without a volume, with caches in an object store.
func TestController(t *testing.T) {
	c := cluster.SharedNode(t)
	image := brigimage.Load(t, c)
	for name, inPods := range map[string]bool{"beside the controller": false, "in a worker pod": true} {
		t.Run(name, func(t *testing.T) {
			i := &installation{T: t, c: c, ns: c.Namespace(t), p: brigade.NewProject("acme/app"), bucket: s3test.New(), state: t.TempDir()}
			i.p.Kubernetes.BuildStorageSize = "100Ki"
			i.prepare(someJobs)
			opt := i.options(image)
			opt.InPods = inPods
			opt.Jobs = app.JobPods{BuildStorage: "workspace", Cache: "workspace", WorkspaceImage: image}
			opt.Workspace = app.WorkspaceOptions{
				Listen: app.Listener{Address: net.JoinHostPort(c.HostAddress(), "0")},
				Caches: s3.Options{
					Endpoint: serve(t, c, i.bucket), Region: s3test.Region, Bucket: s3test.Bucket, Prefix: "of jobs", PathStyle: true,
					AccessKey: s3test.Key, SecretKey: s3test.Secret,
				},
			}
			leading, _ := lead(t, opt)
			i.api = leading.Addresses()["api"]
			i.filesComeHome()
			i.failsWithItsFiles()
		})
	}
}

// options are those of a controller of the installation.
func (i *installation) options(image string) app.ControllerOptions {
	opt := app.ControllerOptions{
		Kube:    kube.Options{Kubeconfig: i.c.Kubeconfig(), Namespace: i.ns, UserAgent: "controller"},
		Workers: app.WorkerPods{Image: image, Own: true},
	}
	opt.Dirs = app.Dirs{State: i.state, Cache: i.TempDir(), Home: i.TempDir()}
	opt.API.Address = "127.0.0.1:0"
	opt.Grace = 10 * time.Second
	opt.Log = slog.New(slog.NewTextHandler(i.Output(), nil))
	return opt
}

// prepare makes what a controller finds in a namespace.
func (i *installation) prepare(script string) {
	i.Helper()
	i.c.Kubectl(i.T, "-n", i.ns, "create", "serviceaccount", "brigade-worker")
	i.c.Kubectl(i.T, "-n", i.ns, "create", "rolebinding", "brigade-worker", "--clusterrole=admin", "--serviceaccount="+i.ns+":brigade-worker")
	i.c.Apply(i.T, i.ns, projectSecret(i.T, i.p, i.ns, script))
}

func (i *installation) secret(typ, name string, labels, annotations, data map[string]string) {
	i.Helper()
	text, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Secret", "type": "brigade.sh/" + typ, "stringData": data,
		"metadata": map[string]any{"name": name, "labels": labels, "annotations": annotations},
	})
	if err != nil {
		i.Fatal(err)
	}
	i.c.Apply(i.T, i.ns, string(text))
}

// build runs one to its end, and returns its ID and status.
func (i *installation) build(event, payload, state string) (id, status string) {
	i.Helper()
	id = i.begin(event, payload)
	return id, i.await(id, state)
}

// begin makes a build, as gateways of v1 do.
func (i *installation) begin(event, payload string) (id string) {
	i.Helper()
	id = newID()
	i.secret("build", "brigade-worker-"+id, map[string]string{"heritage": "brigade", "component": "build", "project": i.p.ID, "build": id},
		nil, map[string]string{"build_id": id, "event_type": event, "event_provider": "test", "project_id": i.p.ID, "payload": payload})
	return id
}

// await waits until the build has ended so, and returns its status.
func (i *installation) await(id, state string) (status string) {
	i.Helper()
	cluster.Until(i.T, "the build has "+state, func() error {
		status = i.c.Kubectl(i.T, "-n", i.ns, "get", "secret", "brigade-worker-"+id, "-o", `jsonpath={.metadata.annotations.brigade\.sh/status}`)
		if strings.Contains(status, `"failed"`) && state != "failed" {
			i.Fatalf("%s\n%s", status, i.c.Kubectl(i.T, "-n", i.ns, "get", "pods", "-o", "wide"))
		}
		if !strings.Contains(status, `"`+state+`"`) {
			return errors.New(status)
		}
		return nil
	})
	return status
}

func newID() string { return id.New(time.Now()) }

func (i *installation) log(job, build string) string {
	i.Helper()
	return i.c.Kubectl(i.T, "-n", i.ns, "logs", job+"-"+build, "-c", "brigaderun")
}

// record is what the API tells of a job.
func (i *installation) record(job, build string) string {
	i.Helper()
	token, err := os.ReadFile(filepath.Join(i.state, "token"))
	if err != nil {
		i.Fatal(err)
	}
	r, err := http.NewRequestWithContext(i.Context(), http.MethodGet, "http://"+i.api+"/api/jobs/"+job+"-"+build, nil)
	if err != nil {
		i.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		i.Fatal(err)
	}
	defer answer.Body.Close()
	var text bytes.Buffer
	if _, err := text.ReadFrom(answer.Body); err != nil || answer.StatusCode != http.StatusOK {
		i.Fatalf("%s %v\n%s", answer.Status, err, &text)
	}
	return text.String()
}

// filesComeHome runs two builds.
func (i *installation) filesComeHome() {
	i.Helper()
	for n, found := range []string{"", "npm-1\n"} {
		b, _ := i.build("exec", fmt.Sprint("npm-", n+1), "succeeded")
		if log := i.log("right", b); log != "from the left\n" {
			i.Errorf("the second job printed %q", log)
		}
		if log := i.log("cached", b); log != found {
			i.Errorf("build %d found %q in its cache, want %q", n+1, log, found)
		}
		if result := i.record("left", b); !strings.Contains(result, `"artifacts":[{"name":"dist/app","size":4,"sha256":"8a8f60ecb09b7e64c6d5214a8043865e608507db8c3f61f995eae6d078875901"}]`) {
			i.Errorf("the record of the job: %s", result)
		}
		kept, err := filepath.Glob(filepath.Join(i.state, "artifacts", "*"+strings.ToLower(b)+"*", "*", "*"))
		if err != nil || len(kept) != 1 {
			i.Fatalf("artifacts in the controller's directory: %v %v", kept, err)
		}
		if text, err := os.ReadFile(kept[0]); string(text) != "app\n" || err != nil {
			i.Errorf("the artifact holds %q, %v", text, err)
		}
	}
	if left, _ := os.ReadDir(filepath.Join(i.state, "workspace", "builds")); len(left) > 0 {
		i.Errorf("the workspace still has the files of the builds: %v", left)
	}
	if left, _ := filepath.Glob(filepath.Join(i.state, "workspace", "cache", "*")); len(left) > 0 {
		i.Errorf("the workspace keeps caches by itself: %v", left)
	}
	caches := slices.DeleteFunc(i.bucket.Objects(), func(key string) bool {
		return !strings.HasPrefix(key, "of jobs/caches/cached-") || !strings.HasSuffix(key, "/npm-1.tar.gz") && !strings.HasSuffix(key, "/npm-2.tar.gz")
	})
	if len(caches) != 2 {
		i.Errorf("the bucket has %q", i.bucket.Objects())
	}
	if all := i.c.Kubectl(i.T, "-n", i.ns, "get", "pods,secrets,configmaps", "-o", "yaml"); strings.Contains(all, s3test.Key) || strings.Contains(all, s3test.Secret) {
		i.Error("the keys of the bucket are in the cluster")
	}
}

// failsWithItsFiles has a job fail whose container does not.
func (i *installation) failsWithItsFiles() {
	i.Helper()
	b, status := i.build("full", "", "failed")
	if !strings.Contains(status, "build's storage") {
		i.Errorf("the build says %s", status)
	}
	if result := i.record("greedy", b); !strings.Contains(result, `"state":"failed"`) || !strings.Contains(result, "what the job left in the build's storage was not kept") {
		i.Errorf("the job says %s", result)
	}
}

// lead runs a controller until stop is called or the test ends, and returns
// once it leads.
func lead(t *testing.T, opt app.ControllerOptions) (c *app.Controller, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	c, err := app.NewController(ctx, opt)
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	over := make(chan error, 1)
	go func() { over <- c.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := errors.Join(<-over, c.Close()); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	select {
	case <-c.Leading():
	case err := <-over:
		over <- err
		t.Fatalf("the controller ended: %v", err)
	case <-time.After(3 * time.Minute):
		t.Fatal("the controller does not lead")
	}
	return c, stop
}
