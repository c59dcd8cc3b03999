package docker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/moby/moby/client"

	brigade "github.com/brigadecore/brigade/v3"
)

// pingTimeout bounds the first answer of an engine. A socket nobody listens at
// is refused at once; this is for hosts that swallow packets.
const pingTimeout = 2 * time.Second

// engine is an engine that has answered.
type engine struct {
	*client.Client
	host string
	// sees says that the engine is known to see this process's files under the
	// same paths, and that what containers write there can be removed again.
	sees bool
	// shared says that jobs get their files that way.
	shared bool
}

// endpoint is where an engine may be.
type endpoint struct {
	host         string
	ca, cert     string
	key          string
	skipVerify   bool
	explicit     bool   // somebody asked for it: nothing else is tried
	whoAsked     string // for the error: "DOCKER_HOST", "the docker context x"
	configureErr error
}

func environ(list []string) map[string]string {
	m := make(map[string]string, len(list))
	for _, kv := range list {
		if k, v, ok := strings.Cut(kv, "="); ok {
			m[k] = v
		}
	}
	return m
}

func (r *Runner) home() string {
	if h := r.env["HOME"]; h != "" {
		return h
	}
	return r.env["USERPROFILE"]
}

// configDir is where docker's config.json is; "" when nobody knows.
func (r *Runner) configDir() string {
	if dir := r.env["DOCKER_CONFIG"]; dir != "" {
		return dir
	}
	if home := r.home(); home != "" {
		return filepath.Join(home, ".docker")
	}
	return ""
}

// connect returns the engine, looking for it the first time. Two callers at
// once may both look: it costs a ping.
func (r *Runner) connect(ctx context.Context) (*engine, error) {
	r.mu.Lock()
	e := r.engine
	r.mu.Unlock()
	if e != nil {
		return e, nil
	}
	e, err := r.find(ctx)
	if err != nil {
		return nil, err
	}
	e.sees = sharesFiles(e.host, r.opts.StateDir)
	e.shared = e.sees && !r.opts.CopyFiles
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.engine != nil {
		_ = e.Close()
		return r.engine, nil
	}
	r.engine = e
	r.opts.Logger.Debug("engine found", "host", e.host, "api", e.ClientVersion(), "sharesFiles", e.shared)
	return e, nil
}

func (r *Runner) find(ctx context.Context) (*engine, error) {
	candidates := r.endpoints()
	var last error
	for _, c := range candidates {
		if c.configureErr != nil {
			return nil, c.configureErr
		}
		if !c.explicit && !socketExists(c.host) {
			continue
		}
		e, err := open(c)
		if err == nil {
			if err = e.ping(ctx); err == nil {
				return e, nil
			}
			_ = e.Close()
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if c.explicit {
			return nil, brigade.Errorf(brigade.CodeUnavailable, "the container engine at %s (from %s) does not answer: %w", c.host, c.whoAsked, err).
				WithHint("%s", hintFor(err))
		}
		if last == nil || errors.Is(err, fs.ErrPermission) {
			last = unreachable(c.host, err)
		}
	}
	if last != nil {
		return nil, last
	}
	return nil, brigade.Errorf(brigade.CodeUnavailable, "there is no container engine on this machine").
		WithHint("start Docker or `podman system service`, set DOCKER_HOST, or use --runner process")
}

func unreachable(host string, err error) error {
	return brigade.Errorf(brigade.CodeUnavailable, "the container engine at %s does not answer: %w", host, err).WithHint("%s", hintFor(err))
}

func hintFor(err error) string {
	if errors.Is(err, fs.ErrPermission) {
		return "this user may not use the engine's socket: add it to the group docker, or use a rootless engine"
	}
	return "start the engine, set DOCKER_HOST to where it is, or use --runner process"
}

// open makes a client for the endpoint; it does not connect yet.
func open(c endpoint) (*engine, error) {
	if strings.HasPrefix(c.host, "ssh://") {
		return nil, brigade.Errorf(brigade.CodeUnavailable, "engines behind ssh:// are not supported").
			WithHint("forward its socket: ssh -nNT -L /tmp/docker.sock:/var/run/docker.sock HOST, and set DOCKER_HOST=unix:///tmp/docker.sock")
	}
	opts := []client.Opt{client.WithHost(c.host), client.WithUserAgent("brigade")}
	switch {
	case c.skipVerify:
		insecure, err := insecureTLS(c.cert, c.key)
		if err != nil {
			return nil, err
		}
		opts = append([]client.Opt{insecure}, opts...)
	case c.ca != "" || c.cert != "":
		opts = append(opts, client.WithTLSClientConfig(c.ca, c.cert, c.key))
	}
	cli, err := client.New(opts...)
	if err != nil {
		return nil, fmt.Errorf("use the engine at %s: %w", c.host, err)
	}
	return &engine{Client: cli, host: c.host}, nil
}

func (e *engine) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	_, err := e.Ping(ctx, client.PingOptions{NegotiateAPIVersion: true})
	return err
}

// endpoints lists where an engine may be, best first. One that somebody asked
// for is the only one.
func (r *Runner) endpoints() []endpoint {
	if r.opts.Host != "" {
		return []endpoint{r.withTLS(endpoint{host: r.opts.Host, explicit: true, whoAsked: "the settings"})}
	}
	if host := r.env["DOCKER_HOST"]; host != "" {
		return []endpoint{r.withTLS(endpoint{host: host, explicit: true, whoAsked: "DOCKER_HOST"})}
	}
	if name, from := r.currentContext(); name != "" && name != "default" {
		c := readContext(r.configDir(), name)
		c.explicit, c.whoAsked = true, "the docker context "+name
		if c.configureErr != nil {
			c.configureErr = brigade.Errorf(brigade.CodeUnavailable, "the docker context %q (from %s) cannot be used: %w", name, from, c.configureErr).
				WithHint("choose another with `docker context use`, or set DOCKER_HOST")
		}
		return []endpoint{c}
	}
	var all []endpoint
	for _, host := range r.usualSockets(runtime.GOOS) {
		all = append(all, endpoint{host: host})
	}
	return all
}

// withTLS adds the certificates of DOCKER_CERT_PATH to a TCP endpoint, where
// docker's command would use them.
func (r *Runner) withTLS(c endpoint) endpoint {
	dir := r.env["DOCKER_CERT_PATH"]
	verify := r.env["DOCKER_TLS_VERIFY"]
	if !strings.HasPrefix(c.host, "tcp://") || dir == "" && verify == "" {
		return c
	}
	if dir == "" {
		dir = r.configDir()
	}
	c.ca, c.cert, c.key = filepath.Join(dir, "ca.pem"), filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	c.skipVerify = verify == ""
	return c
}

// currentContext names the docker context in use and where that is said.
func (r *Runner) currentContext() (name, from string) {
	if name := r.env["DOCKER_CONTEXT"]; name != "" {
		return name, "DOCKER_CONTEXT"
	}
	dir := r.configDir()
	if dir == "" {
		return "", ""
	}
	file := filepath.Join(dir, "config.json")
	data, err := os.ReadFile(file)
	if err != nil {
		return "", ""
	}
	var config struct {
		CurrentContext string `json:"currentContext"`
	}
	if json.Unmarshal(data, &config) != nil {
		return "", ""
	}
	return config.CurrentContext, file
}

// readContext reads a docker context from where docker's command keeps it: the
// directory is named by the hash of its name.
func readContext(configDir, name string) endpoint {
	sum := sha256.Sum256([]byte(name))
	id := hex.EncodeToString(sum[:])
	data, err := os.ReadFile(filepath.Join(configDir, "contexts", "meta", id, "meta.json"))
	if err != nil {
		return endpoint{configureErr: err}
	}
	var meta struct {
		Endpoints map[string]struct {
			Host          string
			SkipTLSVerify bool
		}
	}
	if err := json.Unmarshal(data, &meta); err != nil {
		return endpoint{configureErr: fmt.Errorf("read its meta.json: %w", err)}
	}
	c := endpoint{host: meta.Endpoints["docker"].Host, skipVerify: meta.Endpoints["docker"].SkipTLSVerify}
	if c.host == "" {
		c.configureErr = errors.New("it has no docker endpoint")
	}
	exists := func(file string) string {
		path := filepath.Join(configDir, "contexts", "tls", id, "docker", file)
		if _, err := os.Stat(path); err != nil {
			return ""
		}
		return path
	}
	c.ca, c.cert, c.key = exists("ca.pem"), exists("cert.pem"), exists("key.pem")
	return c
}

// usualSockets lists where engines listen when nobody says otherwise.
func (r *Runner) usualSockets(goos string) []string {
	if goos == "windows" {
		return []string{"npipe:////./pipe/docker_engine", "npipe:////./pipe/podman-machine-default"}
	}
	paths := []string{"/var/run/docker.sock"}
	if dir := r.env["XDG_RUNTIME_DIR"]; dir != "" {
		paths = append(paths, filepath.Join(dir, "docker.sock"), filepath.Join(dir, "podman", "podman.sock"))
	}
	paths = append(paths, "/run/podman/podman.sock")
	if home := r.home(); home != "" {
		for _, p := range []string{
			".docker/run/docker.sock", ".docker/desktop/docker.sock", ".colima/default/docker.sock", ".config/colima/default/docker.sock",
			".rd/docker.sock", ".orbstack/run/docker.sock", ".lima/docker/sock/docker.sock",
			".local/share/containers/podman/machine/podman.sock",
		} {
			paths = append(paths, filepath.Join(home, filepath.FromSlash(p)))
		}
	}
	hosts := make([]string, len(paths))
	for i, p := range paths {
		hosts[i] = "unix://" + p
	}
	return hosts
}

func socketExists(host string) bool {
	path, ok := strings.CutPrefix(host, "unix://")
	if !ok {
		path = strings.ReplaceAll(strings.TrimPrefix(host, "npipe://"), "/", `\`)
	}
	_, err := os.Stat(path)
	// A socket that may not be looked at is worth the error it gives.
	return err == nil || errors.Is(err, fs.ErrPermission)
}

// socketPath is where the engine's socket is on the machine the engine runs
// on, for jobs that may use it.
func (e *engine) socketPath() string {
	if path, ok := strings.CutPrefix(e.host, "unix://"); ok && e.sees {
		return path
	}
	return "/var/run/docker.sock"
}
