package docker_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/runner/docker"
)

// authConfig writes a docker configuration that opens the registry.
func authConfig(t *testing.T, file, registry, user, password string) {
	t.Helper()
	data, err := json.Marshal(map[string]any{"auths": map[string]any{
		registry: map[string]string{"auth": base64.StdEncoding.EncodeToString([]byte(user + ":" + password))},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func forget(t *testing.T, image string) {
	t.Helper()
	if _, err := shared.Podman(t.Context(), "rmi", "-f", "-i", image); err != nil {
		t.Fatal(err)
	}
}

func TestPullNeedsALogin(t *testing.T) {
	e := needEngine(t)
	image := e.Pullable("team/tool:1")
	forget(t, image)
	home := t.TempDir()
	r := newRunner(t, func(o *docker.Options) { o.Environ = []string{"HOME=" + home} })
	run, _ := jobRun(brigade.JobSpec{Image: image, Tasks: []string{"true"}, ImagePullSecrets: []string{"absent"}})
	_, err := r.Start(t.Context(), run)
	wantError(t, err, brigade.CodeImagePull, image, "unauthorized", "docker login "+e.Registry, "imagePullSecrets absent")

	authConfig(t, filepath.Join(home, ".docker", "config.json"), e.Registry, "ann", "wrong")
	_, err = r.Start(t.Context(), run)
	wantError(t, err, brigade.CodeImagePull, "does not accept the credentials from "+home)
}

func TestPullWithCredentials(t *testing.T) {
	e := needEngine(t)
	image := e.Pullable("team/tool:1")
	home, secrets := t.TempDir(), t.TempDir()
	for _, c := range []struct {
		name, file, key string
		spec            brigade.JobSpec
	}{
		{"docker's configuration", filepath.Join(home, "docker", "config.json"), e.Registry, brigade.JobSpec{}},
		{"podman's configuration", filepath.Join(home, "run", "containers", "auth.json"), e.Registry + "/team", brigade.JobSpec{}},
		{"a pull secret", filepath.Join(secrets, "regcred", ".dockerconfigjson"), "https://" + e.Registry, brigade.JobSpec{ImagePullSecrets: []string{"absent", "regcred"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			forget(t, image)
			authConfig(t, c.file, c.key, "ann", "secret")
			defer os.Remove(c.file)
			r := newRunner(t, func(o *docker.Options) {
				o.PullSecretsDir = secrets
				o.Environ = []string{"DOCKER_CONFIG=" + filepath.Join(home, "docker"), "XDG_RUNTIME_DIR=" + filepath.Join(home, "run")}
			})
			c.spec.Image, c.spec.Tasks = image, []string{"echo pulled"}
			run, log := jobRun(c.spec)
			var states []string
			run.Notify = func(s brigade.State, message string) { states = append(states, string(s)+": "+message) }
			if exit := mustWait(t, mustStart(t, r, run)); exit.Code != 0 || log.String() != "pulled\n" {
				t.Errorf("exit %+v, output %q", exit, log)
			}
			if len(states) < 2 || states[0] != "pulling: pulling "+image || !strings.HasPrefix(states[len(states)-1], "running: running in ") {
				t.Errorf("told: %q", states)
			}
		})
	}
}

func TestPullOnceForManyJobs(t *testing.T) {
	e := needEngine(t)
	image := e.Pullable("team/other:1")
	forget(t, image)
	home := t.TempDir()
	authConfig(t, filepath.Join(home, ".docker", "config.json"), e.Registry, "ann", "secret")
	r := newRunner(t, func(o *docker.Options) { o.Environ = []string{"HOME=" + home} })
	if err := r.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := e.Pulls()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			run, _ := jobRun(brigade.JobSpec{Name: fmt.Sprintf("job-%d", i), Image: image, Tasks: []string{"true"}})
			x, err := r.Start(t.Context(), run)
			if err != nil {
				t.Error(err)
				return
			}
			if exit, err := x.Wait(t.Context()); err != nil || exit.Code != 0 {
				t.Errorf("exit %+v, %v", exit, err)
			}
			if err := r.EndBuild(t.Context(), run.Build.ID); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := e.Pulls() - before; n == 0 || n > 3 { // one pull may ask for a manifest more than once
		t.Errorf("the manifest was asked for %d times", n)
	}
	before = e.Pulls()
	run, _ := jobRun(brigade.JobSpec{Image: image, Tasks: []string{"true"}, ImageForcePull: true})
	mustWait(t, mustStart(t, r, run))
	if e.Pulls() == before {
		t.Error("imageForcePull did not ask the registry")
	}
}

func TestMissingImageInTheRegistrysWords(t *testing.T) {
	run, _ := jobRun(brigade.JobSpec{Image: needEngine(t).Pullable("team/typo:9"), Tasks: []string{"true"}})
	home := t.TempDir()
	authConfig(t, filepath.Join(home, ".docker", "config.json"), shared.Registry, "ann", "secret")
	r := newRunner(t, func(o *docker.Options) { o.Environ = []string{"HOME=" + home} })
	_, err := r.Start(t.Context(), run)
	wantError(t, err, brigade.CodeImagePull, "manifest unknown", "check the image's name and tag")
}

// TestPullProgress plays the part of an engine that reports how far it is, as
// Docker does and the Podman of these tests does not.
func TestPullProgress(t *testing.T) {
	next := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Api-Version", "1.47")
		w.Header().Set("Content-Type", "application/json")
		switch {
		case strings.HasSuffix(req.URL.Path, "/_ping"):
		case strings.HasSuffix(req.URL.Path, "/containers/create"):
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprintln(w, `{"message":"No such image: alpine:3.20"}`)
		case strings.HasSuffix(req.URL.Path, "/images/create"):
			fmt.Fprintln(w, `{"status":"Downloading","id":"a","progressDetail":{"current":1394000,"total":3400000}}`)
			w.(http.Flusher).Flush()
			<-next
			fmt.Fprintln(w, `{"errorDetail":{"message":"toomanyrequests: slow down"},"error":"toomanyrequests: slow down"}`)
		default:
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprintln(w, `{"message":"No such container"}`)
		}
	}))
	defer server.Close()
	r := docker.New(docker.Options{Host: "tcp://" + server.Listener.Addr().String(), StateDir: t.TempDir()})
	run, _ := jobRun(brigade.JobSpec{Tasks: []string{"true"}})
	var once sync.Once
	var told []string
	run.Notify = func(_ brigade.State, message string) {
		told = append(told, message)
		if strings.Contains(message, "%") {
			once.Do(func() { close(next) })
		}
	}
	_, err := r.Start(t.Context(), run)
	wantError(t, err, brigade.CodeImagePull, "toomanyrequests: slow down", "docker login docker.io")
	if len(told) == 0 || told[len(told)-1] != "pulling alpine:3.20 41% of 3.4 MB" {
		t.Errorf("told: %q", told)
	}
}
