package docker

import (
	"crypto/sha256"
	"encoding/hex"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cpuguy83/dockercfg"

	brigade "github.com/brigadecore/brigade/v3"
)

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestEndpoints(t *testing.T) {
	config := t.TempDir()
	write(t, filepath.Join(config, "config.json"), `{"currentContext":"away"}`)
	sum := sha256.Sum256([]byte("away"))
	hash := hex.EncodeToString(sum[:])
	write(t, filepath.Join(config, "contexts/meta", hash, "meta.json"), `{"Name":"away","Endpoints":{"docker":{"Host":"tcp://far:2376"}}}`)
	write(t, filepath.Join(config, "contexts/tls", hash, "docker/ca.pem"), "")
	for _, c := range []struct {
		name string
		host string
		env  []string
		want endpoint
	}{
		{"settings before environment", "unix:///a", []string{"DOCKER_HOST=unix:///b"}, endpoint{host: "unix:///a", explicit: true, whoAsked: "the settings"}},
		{"environment before context", "", []string{"DOCKER_HOST=unix:///b", "DOCKER_CONFIG=" + config}, endpoint{host: "unix:///b", explicit: true, whoAsked: "DOCKER_HOST"}},
		{
			"TLS", "", []string{"DOCKER_HOST=tcp://h:2376", "DOCKER_CERT_PATH=/c", "DOCKER_TLS_VERIFY=1"},
			endpoint{host: "tcp://h:2376", ca: filepath.Join("/c", "ca.pem"), cert: filepath.Join("/c", "cert.pem"), key: filepath.Join("/c", "key.pem"), explicit: true, whoAsked: "DOCKER_HOST"},
		},
		{"context", "", []string{"DOCKER_CONFIG=" + config}, endpoint{host: "tcp://far:2376", ca: filepath.Join(config, "contexts", "tls", hash, "docker", "ca.pem"), explicit: true, whoAsked: "the docker context away"}},
	} {
		r := New(Options{Host: c.host, Environ: c.env, StateDir: t.TempDir()})
		if got := r.endpoints(); len(got) != 1 || got[0] != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
	r := New(Options{Environ: []string{"DOCKER_CONTEXT=nowhere", "DOCKER_CONFIG=" + config}, StateDir: t.TempDir()})
	err := r.Check(t.Context())
	if brigade.CodeOf(err) != brigade.CodeUnavailable || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("a context that does not exist: %v", err)
	}
}

func TestUsualSockets(t *testing.T) {
	r := New(Options{Environ: []string{"HOME=/home/ann", "XDG_RUNTIME_DIR=/run/user/1000"}, StateDir: t.TempDir()})
	got := strings.Join(r.usualSockets("linux"), "\n")
	for _, want := range []string{"unix:///var/run/docker.sock", "unix:///run/user/1000/podman/podman.sock", "unix:///run/podman/podman.sock", "unix:///home/ann/.docker/run/docker.sock", "unix:///home/ann/.colima/default/docker.sock", "unix:///home/ann/.rd/docker.sock", "unix:///home/ann/.orbstack/run/docker.sock"} {
		if !strings.Contains(filepath.ToSlash(got), want) {
			t.Errorf("%s is not tried", want)
		}
	}
	if got := r.usualSockets("windows"); got[0] != "npipe:////./pipe/docker_engine" {
		t.Errorf("on Windows: %q", got)
	}
}

// TestCheckIsQuick covers a machine without an engine, one with a socket that
// nobody listens at any more, and one whose socket never answers.
func TestCheckWithoutEngine(t *testing.T) {
	dir := t.TempDir()
	stale := filepath.Join(dir, "podman", "podman.sock")
	if err := os.MkdirAll(filepath.Dir(stale), 0o755); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("unix", stale)
	if err != nil {
		t.Fatal(err)
	}
	listener.(*net.UnixListener).SetUnlinkOnClose(false)
	listener.Close()
	for name, opts := range map[string]Options{
		"nothing":     {Environ: []string{"DOCKER_HOST=unix:///no/such/socket"}},
		"stale":       {Environ: []string{"DOCKER_HOST=unix://" + stale}},
		"not a host":  {Environ: []string{"DOCKER_HOST=nonsense"}},
		"ssh":         {Environ: []string{"DOCKER_HOST=ssh://somewhere"}},
		"bad context": {Environ: []string{"DOCKER_CONTEXT=x", "HOME=" + dir}},
	} {
		opts.StateDir = dir
		before := time.Now()
		err := New(opts).Check(t.Context())
		if brigade.CodeOf(err) != brigade.CodeUnavailable {
			t.Errorf("%s: %v", name, err)
		}
		if took := time.Since(before); took > 20*time.Second {
			t.Errorf("%s: Check took %v", name, took)
		}
	}
}

func TestContainerNames(t *testing.T) {
	for job, want := range map[string]string{
		"a.b-c-01ar": "brigade-a.b-c-01ar-1", "odd/../name": "brigade-odd-..-name-1", "Grün x": "brigade-Gr-n-x-1",
	} {
		if got := containerName(&brigade.Job{ID: job, Attempt: 1}); got != want {
			t.Errorf("containerName(%q) = %q, want %q", job, got, want)
		}
	}
	r := New(Options{StateDir: "/state"})
	for _, id := range []string{"..", "../..", "a/b", "/"} {
		if dir := filepath.Dir(r.buildDir(id)); dir != r.opts.StateDir {
			t.Errorf("build %q is kept in %s", id, dir)
		}
	}
}

func TestStoredCredentials(t *testing.T) {
	config := &dockercfg.Config{AuthConfigs: map[string]dockercfg.AuthConfig{
		dockerHub:                {Auth: "aHViOnB3"}, // hub:pw
		"quay.io":                {Username: "quay", Password: "pw"},
		"quay.io/team":           {Username: "team", Password: "pw"},
		"https://reg.local:5000": {Username: "local", Password: "pw"},
		"token.io":               {IdentityToken: "t"},
		"broken.io":              {Auth: "%%%"},
	}}
	for image, want := range map[string]string{
		"alpine": "hub", "library/alpine:3": "hub", "docker.io/ann/x@sha256:00": "hub",
		"quay.io/other/x:1": "quay", "quay.io/team/x:1": "team", "quay.io/teams/x": "quay",
		"reg.local:5000/x:1": "local", "ghcr.io/x/y": "", "broken.io/x": "",
	} {
		if got := stored(config, image).Username; got != want {
			t.Errorf("%s is pulled as %q, want %q", image, got, want)
		}
	}
	if got := stored(config, "token.io/x").IdentityToken; got != "t" {
		t.Errorf("identity token %q", got)
	}
}

func TestProgress(t *testing.T) {
	if got := (layers{"a": {394_000, 400_000}, "b": {1_000_000, 3_000_000}}).progress(); got != " 41% of 3.4 MB" {
		t.Errorf("progress %q", got)
	}
	if got := (layers{}).progress(); got != "" {
		t.Errorf("progress of nothing: %q", got)
	}
}
