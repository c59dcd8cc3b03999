package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/client"
	"github.com/brigadecore/brigade/v3/tui/term"
)

// remoteFlags say on which server, or in which context, commands work.
type remoteFlags struct {
	context, server, tokenFile, caFile string
	insecure                           bool
}

func (f *remoteFlags) register(root *cobra.Command, s *State) {
	fl := root.PersistentFlags()
	fl.StringVar(&f.context, "context", "", "`name` of the context to work in, see brig context (also: BRIGADE_CONTEXT)")
	fl.StringVar(&f.server, "server", "", "`URL` of the server to work on, instead of this machine (also: BRIGADE_SERVER)")
	fl.StringVar(&f.tokenFile, "token-file", "", "`file` with the token for the server (also: BRIGADE_TOKEN_FILE, or the token in BRIGADE_TOKEN)")
	fl.StringVar(&f.caFile, "ca-file", "", "PEM `file` with certificates to trust besides the system's (also: BRIGADE_CA_FILE)")
	fl.BoolVar(&f.insecure, "insecure", false, "send the token over plain http to another machine")
	_ = root.RegisterFlagCompletionFunc("context", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return s.completeContexts(nil, nil, "")
	})
	_ = root.MarkPersistentFlagFilename("token-file")
	_ = root.MarkPersistentFlagFilename("ca-file", "pem", "crt")
}

// place is where builds run without this program: a server or a cluster.
type place interface {
	// Submit makes a build of an event; repeat says that its key had started
	// the build before.
	Submit(ctx context.Context, project string, e brigade.Event) (b *brigade.Build, repeat bool, err error)
	// Rerun starts a build's event once more, with what o says differently.
	Rerun(ctx context.Context, id string, failed bool, o client.Overrides) (*brigade.Build, error)
	// Cancel asks for a build's end; CodeConflict when it has ended.
	Cancel(ctx context.Context, id, reason string) (*brigade.Build, error)
	// Pin keeps a build from being removed by age or number, or lets go of it.
	Pin(ctx context.Context, id string, pinned bool) (*brigade.Build, error)
	// FollowBuild tells watch everything about a build until it has ended, and
	// returns it as it is then.
	FollowBuild(ctx context.Context, id string, watch brigade.Watcher) (*brigade.Build, error)
}

// backend is where a command works: this machine's store, a server or a
// cluster.
type backend struct {
	brigade.Projects
	brigade.Builds
	brigade.Jobs
	brigade.Logs
	place   place          // nil: this machine
	server  *client.Client // nil: no server
	cluster *clusterPlace  // nil: no cluster
	feed    term.Feed      // tells of changes; nil: nothing does
	at      target
	Close   func() error
}

// elsewhere reports whether commands work on a server or a cluster.
func (s *State) elsewhere() (bool, error) {
	t, err := s.target()
	return t.Kind != kindLocal, err
}

// backend is where commands work, see target. Close it.
func (s *State) backend(ctx context.Context) (*backend, error) {
	t, err := s.target()
	if err != nil {
		return nil, err
	}
	switch t.Kind {
	case kindServer:
		c, err := s.client()
		if err != nil {
			return nil, err
		}
		return &backend{Projects: c, Builds: c, Jobs: c, Logs: c, place: c, server: c, feed: termFeed{c}, at: t, Close: func() error { return nil }}, nil
	case kindCluster:
		return s.clusterBackend(ctx, t)
	}
	store, err := s.store()
	if err != nil {
		return nil, err
	}
	return &backend{Projects: store, Builds: store, Jobs: store, Logs: store, at: t, Close: store.Close}, nil
}

// client is the connection to the server that was asked for.
func (s *State) client() (*client.Client, error) {
	t, err := s.target()
	if err != nil {
		return nil, err
	}
	o, err := s.remoteOptions(t)
	if err != nil {
		return nil, err
	}
	return client.New(o)
}

// withBackend opens the backend for one command. The first signal ends the
// command's context.
func (s *State) withBackend(do func(ctx context.Context, b *backend) error) error {
	ctx, release := s.untilInterrupted()
	defer release()
	b, err := s.backend(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = b.Close() }()
	return do(ctx, b)
}

// withServer is withBackend for commands that a server only can do. instead
// says what to do on this machine.
func (s *State) withServer(what, instead string, do func(ctx context.Context, c *client.Client) error) error {
	t, err := s.target()
	switch {
	case err != nil:
		return err
	case t.Kind == kindLocal:
		return serverOnly(what, instead)
	}
	return s.withBackend(func(ctx context.Context, b *backend) error {
		c, err := b.api()
		if err != nil {
			return err
		}
		return do(ctx, c)
	})
}

// api is the API of the server, or of the installation in the cluster, for what
// only it can do.
func (b *backend) api() (*client.Client, error) {
	if b.cluster != nil {
		return b.cluster.api()
	}
	return b.server, nil
}

func serverOnly(what, instead string) error {
	hint := "name it with --server URL or BRIGADE_SERVER, or log in to one: brig login URL"
	if instead != "" {
		hint = instead + "; or " + hint
	}
	return brigade.Errorf(brigade.CodeUsage, "%s on a server only", what).WithHint("%s", hint)
}

// untilInterrupted returns a context that ends with the first signal. Call
// release when done with it.
func (s *State) untilInterrupted() (ctx context.Context, release func()) {
	ctx, cancel := context.WithCancelCause(s.Context)
	finished := make(chan struct{})
	go func() {
		select {
		case <-finished:
		case _, ok := <-s.Interrupts:
			if ok {
				cancel(brigade.Errorf(brigade.CodeCanceled, "interrupted"))
			}
		}
	}()
	return ctx, func() { close(finished); cancel(nil) }
}

// completing is withBackend for completions: they are quick or empty.
func (s *State) completing(do func(ctx context.Context, b *backend) error) {
	_ = s.withBackend(func(ctx context.Context, b *backend) error {
		ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
		defer cancel()
		return do(ctx, b)
	})
}

// jobOf finds a job of a build by its name or ID.
func jobOf(ctx context.Context, b *backend, build *brigade.Build, name string) (*brigade.Job, error) {
	jobs, err := b.ListJobs(ctx, build.ID)
	if err != nil {
		return nil, err
	}
	for _, j := range jobs {
		if j.Name == name || j.ID == name {
			return j, nil
		}
	}
	return nil, jobNotFound(build, name, jobs)
}

// lightBuild finds a build by its ID or the start of it, without what may be
// large.
func lightBuild(ctx context.Context, builds brigade.Builds, id string) (*brigade.Build, error) {
	page, err := builds.ListBuilds(ctx, brigade.BuildFilter{Before: id + "\x7f", Limit: 2})
	if err != nil {
		return nil, err
	}
	if id != "" && len(page) > 0 && strings.HasPrefix(page[0].ID, id) && (page[0].ID == id || len(page) < 2 || !strings.HasPrefix(page[1].ID, id)) {
		return page[0], nil
	}
	return builds.Build(ctx, id)
}

// toFile writes content to a file as a whole: when something fails, what was
// there stays.
func toFile(path string, write func(f *os.File) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".brig-*")
	if err != nil {
		return brigade.Errorf(brigade.CodeUsage, "%s cannot be written: %w", path, err)
	}
	defer func() { _ = os.Remove(f.Name()) }()
	err = write(f)
	if closeErr := f.Close(); err == nil && closeErr != nil {
		err = fmt.Errorf("write %s: %w", path, closeErr)
	}
	if err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return brigade.Errorf(brigade.CodeUsage, "%s cannot be written: %w", path, err)
	}
	return nil
}
