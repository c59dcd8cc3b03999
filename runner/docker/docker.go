// Package docker runs jobs as containers of an engine that speaks the Docker
// Engine API: Docker itself, or Podman through its socket. It finds the engine
// by itself where the usual settings say, or at the usual sockets.
//
// Where it can prove that the engine sees the same files as this process, the
// script, the source and the outputs go through bind mounts of private copies;
// everywhere else (virtual machines, other hosts, other users) they are copied
// in and out through the API. Jobs cannot tell the difference.
package docker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
)

// Options configure the runner.
type Options struct {
	// Host is the engine's address: unix:///path, tcp://host:port or
	// npipe:////./pipe/name. "" looks for it, see Environ.
	Host string
	// Environ is the program's environment, of which DOCKER_HOST,
	// DOCKER_CONTEXT, DOCKER_CERT_PATH, DOCKER_TLS_VERIFY, DOCKER_CONFIG,
	// REGISTRY_AUTH_FILE, XDG_RUNTIME_DIR, XDG_CONFIG_HOME and HOME are used,
	// as the docker and podman commands use them.
	Environ []string
	// StateDir is where the copies of the jobs' sources are kept: absolute, on
	// a file system with room. It is made when missing. Required.
	StateDir string
	// Network is the network of the jobs; "" is the engine's default.
	Network string
	// PullSecretsDir holds the credentials that imagePullSecrets name:
	// <name>/config.json, <name>/.dockerconfigjson or the file <name> itself,
	// each in the form of docker's config.json. "" for none.
	PullSecretsDir string
	// Owner tells the containers of this installation from those of others on
	// the same engine: Sweep touches only its own. The default is made from
	// StateDir.
	Owner string
	// LostAfter is how long an engine may be away before its jobs are given
	// up; default 30 s.
	LostAfter time.Duration
	// CopyFiles copies through the API even where bind mounts would do.
	CopyFiles bool
	// Logger takes what operators may want to know; nil drops it.
	Logger *slog.Logger
}

// Runner runs jobs in containers. Make it with New.
type Runner struct {
	opts  Options
	env   map[string]string
	pulls pulls

	mu     sync.Mutex
	engine *engine            // nil until one was found
	held   map[string]int     // executions that still need the container, by its ID
	going  map[string]*goings // removals under way, by build
}

// goings are the removals of one build that are under way.
type goings struct {
	n    int           // under Runner.mu
	over chan struct{} // closed when n is back at 0
}

var (
	_ brigade.Runner    = (*Runner)(nil)
	_ brigade.Attacher  = (*Runner)(nil)
	_ brigade.Sweeper   = (*Runner)(nil)
	_ brigade.Execution = (*execution)(nil)
)

// New returns a runner. It touches nothing yet.
func New(opts Options) *Runner {
	if abs, err := filepath.Abs(opts.StateDir); err == nil {
		opts.StateDir = abs
	}
	if opts.Owner == "" {
		sum := sha256.Sum256([]byte(opts.StateDir))
		opts.Owner = hex.EncodeToString(sum[:8])
	}
	if opts.LostAfter <= 0 {
		opts.LostAfter = 30 * time.Second
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	return &Runner{
		opts: opts, env: environ(opts.Environ),
		held: map[string]int{}, going: map[string]*goings{},
	}
}

// Name returns "docker".
func (r *Runner) Name() string { return "docker" }

// Check reports whether an engine answers. Without one it takes no longer than
// it takes to look for the sockets; an engine on another host gets 2 seconds.
func (r *Runner) Check(ctx context.Context) error {
	e, err := r.connect(ctx)
	if err != nil {
		return err
	}
	if err := e.ping(ctx); err != nil {
		r.mu.Lock()
		if r.engine == e {
			r.engine = nil
		}
		r.mu.Unlock()
		return unreachable(e.host, err)
	}
	return nil
}

// Where says which engine is used, "" before one was found.
func (r *Runner) Where() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.engine == nil {
		return ""
	}
	return r.engine.host
}

// hold keeps the container until release was called as often.
func (r *Runner) hold(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held[id]++
}

// release reports whether nobody holds the container any more.
func (r *Runner) release(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held[id]--
	if r.held[id] > 0 {
		return false
	}
	delete(r.held, id)
	return true
}

// goBackground runs remove in the background; settle waits for it.
func (r *Runner) goBackground(build string, remove func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	g := r.going[build]
	if g == nil {
		g = &goings{over: make(chan struct{})}
		r.going[build] = g
	}
	g.n++
	go func() {
		remove()
		r.mu.Lock()
		defer r.mu.Unlock()
		if g.n--; g.n == 0 {
			delete(r.going, build)
			close(g.over)
		}
	}()
}

// settle waits until the removals of the build are over, or for ctx.
func (r *Runner) settle(ctx context.Context, build string) error {
	r.mu.Lock()
	g := r.going[build]
	r.mu.Unlock()
	if g == nil {
		return nil
	}
	select {
	case <-g.over:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
