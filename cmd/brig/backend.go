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
)

// remoteFlags say on which server commands work.
type remoteFlags struct {
	server, tokenFile, caFile string
	insecure                  bool
}

func (f *remoteFlags) register(root *cobra.Command) {
	fl := root.PersistentFlags()
	fl.StringVar(&f.server, "server", "", "`URL` of the server to work on, instead of this machine (also: BRIGADE_SERVER)")
	fl.StringVar(&f.tokenFile, "token-file", "", "`file` with the token for the server (also: BRIGADE_TOKEN_FILE, or the token in BRIGADE_TOKEN)")
	fl.StringVar(&f.caFile, "ca-file", "", "PEM `file` with certificates to trust besides the system's (also: BRIGADE_CA_FILE)")
	fl.BoolVar(&f.insecure, "insecure", false, "send the token over plain http to another machine")
	_ = root.MarkPersistentFlagFilename("token-file")
	_ = root.MarkPersistentFlagFilename("ca-file", "pem", "crt")
}

// backend is where a command works: this machine's store, or a server.
type backend struct {
	brigade.Projects
	brigade.Builds
	brigade.Jobs
	brigade.Logs
	server *client.Client // nil: this machine
	Close  func() error
}

// serverURL is the server that was asked for; "" is this machine.
func (s *State) serverURL() string {
	if s.remote.server != "" {
		return s.remote.server
	}
	return s.Getenv("BRIGADE_SERVER")
}

// backend is where commands work: the server that a flag or the environment
// names, else this machine's store. Close it.
func (s *State) backend(ctx context.Context) (*backend, error) {
	if s.serverURL() == "" {
		store, err := s.store()
		if err != nil {
			return nil, err
		}
		return &backend{Projects: store, Builds: store, Jobs: store, Logs: store, Close: store.Close}, nil
	}
	c, err := s.client()
	if err != nil {
		return nil, err
	}
	return &backend{Projects: c, Builds: c, Jobs: c, Logs: c, server: c, Close: func() error { return nil }}, nil
}

// client is the connection to the server that was asked for.
func (s *State) client() (*client.Client, error) {
	o := client.Options{
		URL: s.serverURL(), CAFile: s.remote.caFile, Insecure: s.remote.insecure || s.Getenv("BRIGADE_INSECURE") == "1",
		Timeout: 30 * time.Second, UserAgent: "brig/" + versionInfo().Version,
	}
	if o.CAFile == "" {
		o.CAFile = s.Getenv("BRIGADE_CA_FILE")
	}
	var err error
	if o.Token, err = s.token(o.URL); err != nil {
		return nil, err
	}
	return client.New(o)
}

// token is what lets this person in: what a flag or the environment gives,
// else the one that a server of this user on this machine made at its start.
func (s *State) token(url string) (string, error) {
	file := s.remote.tokenFile
	if file == "" {
		if token := strings.TrimSpace(s.Getenv("BRIGADE_TOKEN")); token != "" {
			return token, nil
		}
		file = s.Getenv("BRIGADE_TOKEN_FILE")
	}
	if file == "" {
		return s.ownToken(url), nil
	}
	text, err := readInput("token", file, 64<<10)
	if err != nil {
		return "", err
	}
	if strings.TrimSpace(text) == "" {
		return "", brigade.Errorf(brigade.CodeUsage, "the token file %s is empty", file).WithHint("brig token create prints a token to put into it")
	}
	return text, nil
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
	if s.serverURL() == "" {
		return serverOnly(what, instead)
	}
	return s.withBackend(func(ctx context.Context, b *backend) error { return do(ctx, b.server) })
}

func serverOnly(what, instead string) error {
	hint := "name it with --server URL or BRIGADE_SERVER"
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
