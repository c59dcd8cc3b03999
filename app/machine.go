package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/artifact/dir"
	"github.com/brigadecore/brigade/v3/artifact/s3"
	"github.com/brigadecore/brigade/v3/dispatch"
	"github.com/brigadecore/brigade/v3/internal/filelock"
	"github.com/brigadecore/brigade/v3/store/sqlite"
)

// machine is the site of a server on one machine: an embedded database, and a
// runner of this machine.
type machine struct{}

var _ site = machine{}

func (machine) open(ctx context.Context, s *Server) error {
	for _, step := range []func(context.Context) error{s.lockData, s.openServerStore, s.chooseServerRunner, s.openArtifacts} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (machine) fit(context.Context, *Server, *dispatch.Options) error { return nil }

// takeOver goes on with what a server of this machine ran which is gone.
func (machine) takeOver(ctx context.Context, s *Server) { s.adopt(ctx, ownerIsGone) }

func (machine) background(context.Context, *Server) {}

// lockData keeps a second server from the data directory: each would keep the
// limits and the concurrency keys for the builds it runs itself, so that
// together they would run more than may run at once.
func (s *Server) lockData(context.Context) error {
	state := s.opt.Dirs.State
	if err := os.MkdirAll(state, 0o700); err != nil {
		return brigade.Errorf(brigade.CodeStore, "cannot make the directory %s: %w", state, err)
	}
	unlock, err := filelock.Try(filepath.Join(state, "server.lock"))
	switch {
	case errors.Is(err, filelock.ErrHeld):
		return brigade.Errorf(brigade.CodeConflict, "another server works with the directory %s", state).
			WithHint("stop it first, or give this one a directory of its own with --data")
	case errors.Is(err, errors.ErrUnsupported): // some network file systems
		s.opt.Log.Warn("a second server would not be kept from the data directory: its file system has no locks", "data", state)
		return nil
	case err != nil:
		return brigade.Errorf(brigade.CodeStore, "cannot use the directory %s: %w", state, err).
			WithHint("check that it can be written by you")
	}
	s.onClose("lock of the data directory", func() error { unlock(); return nil })
	return nil
}

// openServerStore opens the database of the data directory.
func (s *Server) openServerStore(ctx context.Context) error {
	store, err := sqlite.Open(ctx, sqlite.Options{Path: filepath.Join(s.opt.Dirs.State, "brigade.db"), Now: s.opt.Now, Log: s.opt.Log})
	if err != nil {
		return err
	}
	s.Store = store
	s.onClose("store", store.Close)
	return nil
}

// chooseServerRunner takes the runner that was asked for. Unlike for a
// person's own script, processes of this machine are never a silent choice.
func (s *Server) chooseServerRunner(ctx context.Context) error {
	if s.opt.Runner == "" || s.opt.Runner == "auto" {
		s.App.opt.Runner = "docker"
	}
	err := s.chooseRunner(ctx)
	if brigade.CodeOf(err) == brigade.CodeUnavailable && s.App.opt.Runner == "docker" {
		return fmt.Errorf("a server runs jobs in containers: %w", err)
	}
	return err
}

// openArtifacts opens what keeps the files that jobs leave behind.
func (s *Server) openArtifacts(ctx context.Context) error {
	if s.opt.Bucket.Bucket == "" {
		store, err := dir.Open(filepath.Join(s.opt.Dirs.State, "artifacts"))
		s.artifacts = store
		return err
	}
	store, err := s3.Open(s.opt.Bucket)
	if err != nil {
		return err
	}
	s.artifacts = store
	return store.Check(ctx)
}
