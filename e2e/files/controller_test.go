package files_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/app"
	"github.com/brigadecore/brigade/v3/e2e/brigimage"
	"github.com/brigadecore/brigade/v3/e2e/cluster"
	"github.com/brigadecore/brigade/v3/internal/id"
	kube "github.com/brigadecore/brigade/v3/kube/cluster"
)

const twoJobs = `const { events, Job } = require("brigadier");
events.on("exec", async () => {
  const left = new Job("left", "docker.io/library/alpine:3.8", ["echo from the left > /mnt/brigade/share/left", "mkdir -p /src/dist", "echo app > /src/dist/app"]);
  left.storage.enabled = true;
  left.artifacts = ["dist/*"];
  await left.run();
  const right = new Job("right", "docker.io/library/alpine:3.8", ["cat /mnt/brigade/share/left"]);
  right.storage.enabled = true;
  console.log("right says " + await right.run());
});`

// TestController has a controller, and a worker pod of it, run jobs that hand
// files to each other without a volume.
func TestController(t *testing.T) {
	c := cluster.SharedNode(t)
	image := brigimage.Load(t, c)
	for name, inPods := range map[string]bool{"beside the controller": false, "in a worker pod": true} {
		t.Run(name, func(t *testing.T) {
			ns, p := c.Namespace(t), brigade.NewProject("acme/app")
			c.Kubectl(t, "-n", ns, "create", "serviceaccount", "brigade-worker")
			c.Kubectl(t, "-n", ns, "create", "rolebinding", "brigade-worker", "--clusterrole=admin", "--serviceaccount="+ns+":brigade-worker")
			secret := func(typ, name string, labels, annotations, data map[string]string) {
				t.Helper()
				text, err := json.Marshal(map[string]any{
					"apiVersion": "v1", "kind": "Secret", "type": "brigade.sh/" + typ, "stringData": data,
					"metadata": map[string]any{"name": name, "labels": labels, "annotations": annotations},
				})
				if err != nil {
					t.Fatal(err)
				}
				c.Apply(t, ns, string(text))
			}
			secret("project", p.ID, map[string]string{"app": "brigade", "heritage": "brigade", "component": "project"},
				map[string]string{"projectName": p.Name}, map[string]string{"defaultScript": twoJobs})
			state := t.TempDir()
			opt := app.ControllerOptions{
				Kube: kube.Options{Kubeconfig: c.Kubeconfig(), Namespace: ns, UserAgent: "controller"}, InPods: inPods,
				Workers:   app.WorkerPods{Image: image, Own: true},
				Jobs:      app.JobPods{BuildStorage: "workspace", Cache: "workspace", WorkspaceImage: image},
				Workspace: app.WorkspaceOptions{Listen: app.Listener{Address: net.JoinHostPort(c.HostAddress(), "0")}},
			}
			opt.Dirs = app.Dirs{State: state, Cache: t.TempDir(), Home: t.TempDir()}
			opt.API.Address = "127.0.0.1:0"
			opt.Grace = 10 * time.Second
			opt.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
			lead(t, opt)
			b := id.New(time.Now())
			secret("build", "brigade-worker-"+b, map[string]string{"heritage": "brigade", "component": "build", "project": p.ID, "build": b},
				nil, map[string]string{"build_id": b, "event_type": "exec", "event_provider": "test", "project_id": p.ID})
			cluster.Until(t, "the build has succeeded", func() error {
				status := c.Kubectl(t, "-n", ns, "get", "secret", "brigade-worker-"+b, "-o", `jsonpath={.metadata.annotations.brigade\.sh/status}`)
				if strings.Contains(status, `"failed"`) {
					t.Fatalf("%s\n%s", status, c.Kubectl(t, "-n", ns, "get", "pods", "-o", "wide"))
				}
				if !strings.Contains(status, `"succeeded"`) {
					return errors.New(status)
				}
				return nil
			})
			if log := c.Kubectl(t, "-n", ns, "logs", "right-"+b, "-c", "brigaderun"); log != "from the left\n" {
				t.Errorf("the second job printed %q", log)
			}
			kept, err := filepath.Glob(filepath.Join(state, "artifacts", "*", "*", "*"))
			if err != nil || !inPods && len(kept) == 0 {
				t.Errorf("no artifact in the controller's directory: %v %v", kept, err)
			}
			if left, _ := os.ReadDir(filepath.Join(state, "workspace", "builds")); len(left) > 0 {
				t.Errorf("the workspace still has the files of the build: %v", left)
			}
		})
	}
}

// lead runs a controller until the test ends, and returns once it leads.
func lead(t *testing.T, opt app.ControllerOptions) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	c, err := app.NewController(ctx, opt)
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	over := make(chan error, 1)
	go func() { over <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-over, c.Close()); err != nil {
			t.Error(err)
		}
	})
	select {
	case <-c.Leading():
	case err := <-over:
		over <- err
		t.Fatalf("the controller ended: %v", err)
	case <-time.After(3 * time.Minute):
		t.Fatal("the controller does not lead")
	}
}
