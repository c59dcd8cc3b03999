// Package dir keeps artifacts in a directory of this machine.
//
//	<root>/<build>/<job>/f.<name>
//
// Every part is written so that it is the same on all file systems, whatever
// an artifact is called: see encode. Only the user can read them.
package dir

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/artifact"
)

// Store implements artifact.Store. Make it with Open.
type Store struct{ root string }

var _ artifact.Store = (*Store)(nil)

// Open returns the store in a directory, which it makes when it is missing,
// for the user alone.
func Open(root string) (*Store, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, fmt.Errorf("find the directory of artifacts: %w", err)
	}
	if err := makeDirs(root); err != nil {
		return nil, failed("make the directory of artifacts", err)
	}
	return &Store{root: root}, nil
}

func (s *Store) buildDir(buildID string) string { return filepath.Join(s.root, encode(buildID)) }

func (s *Store) file(buildID, jobID, name string) string {
	return filepath.Join(s.buildDir(buildID), encode(jobID), filepath.FromSlash(pathOf(name)))
}

// PutArtifact implements artifact.Store.
func (s *Store) PutArtifact(ctx context.Context, buildID, jobID, name string, content io.Reader) error {
	if err := artifact.Check(buildID, jobID, name); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	to := s.file(buildID, jobID, name)
	if err := makeDirs(filepath.Dir(to)); err != nil {
		return failed("keep "+name, err)
	}
	f, err := os.CreateTemp(filepath.Dir(to), temporary+"*") // mode 0600
	if err != nil {
		return failed("keep "+name, err)
	}
	_, err = io.Copy(f, &reader{ctx: ctx, from: content})
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), to)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // what is left goes with the build
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return failed("keep "+name, err)
	}
	if err := syncDir(filepath.Dir(to)); err != nil {
		return failed("keep "+name, err)
	}
	return nil
}

// reader ends with its context, and tells its own errors from those of the disk.
type reader struct {
	ctx  context.Context //nolint:containedctx // it lives exactly as long as the call
	from io.Reader
}

// Read implements io.Reader.
func (r *reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := r.from.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = &sourceError{err}
	}
	return n, err
}

// sourceError is an error of the content that is to be kept.
type sourceError struct{ error }

// Unwrap returns the cause.
func (e *sourceError) Unwrap() error { return e.error }

// makeDirs makes a directory and those above it, so that they survive a crash
// of the machine.
func makeDirs(dir string) error {
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	parent := filepath.Dir(dir)
	if parent == dir {
		return nil
	}
	if err := makeDirs(parent); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(parent)
}

// OpenArtifact implements artifact.Store.
func (s *Store) OpenArtifact(ctx context.Context, buildID, jobID, name string) (*artifact.File, error) {
	if err := artifact.Check(buildID, jobID, name); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f, err := os.Open(s.file(buildID, jobID, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, artifact.NotFound(name)
	}
	if err != nil {
		return nil, failed("open "+name, err)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, failed("open "+name, errors.Join(err, f.Close()))
	}
	return &artifact.File{ReadSeekCloser: f, Info: artifact.Info{JobID: jobID, Name: name, Size: info.Size(), Modified: info.ModTime()}}, nil
}

// ListArtifacts implements artifact.Store.
func (s *Store) ListArtifacts(ctx context.Context, buildID string) ([]artifact.Info, error) {
	if err := artifact.CheckID(buildID); err != nil {
		return nil, err
	}
	var all []artifact.Info
	dir := s.buildDir(buildID)
	err := filepath.WalkDir(dir, func(at string, d fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it was deleted meanwhile
		}
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, at)
		if err != nil {
			return err
		}
		job, rest, _ := strings.Cut(filepath.ToSlash(rel), "/")
		jobID, known := decode(job)
		name, ours := nameOf(rest)
		if !known || !ours {
			return nil // half written, or not ours
		}
		info, err := d.Info()
		if err != nil {
			return nil //nolint:nilerr // it was deleted meanwhile
		}
		all = append(all, artifact.Info{JobID: jobID, Name: name, Size: info.Size(), Modified: info.ModTime()})
		return nil
	})
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, failed("list the artifacts of build "+buildID, err)
	}
	slices.SortFunc(all, func(a, b artifact.Info) int {
		return cmp.Or(strings.Compare(a.JobID, b.JobID), strings.Compare(a.Name, b.Name))
	})
	return all, nil
}

// DeleteArtifacts implements artifact.Store.
func (s *Store) DeleteArtifacts(ctx context.Context, buildID string) error {
	if err := artifact.CheckID(buildID); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := os.RemoveAll(s.buildDir(buildID)); err != nil {
		return failed("delete the artifacts of build "+buildID, err)
	}
	return nil
}

// failed makes an Error with a hint of what the file system said.
func failed(doing string, err error) error {
	var source *sourceError
	if errors.As(err, &source) {
		return fmt.Errorf("read what is to be kept: %w", source.error)
	}
	e := brigade.Errorf(brigade.CodeStore, "cannot %s: %w", doing, err)
	switch {
	case diskFull(err):
		return e.WithHint("the disk of the artifacts is full: make room, or delete old builds")
	case errors.Is(err, fs.ErrPermission):
		return e.WithHint("check that the directory of artifacts can be written by you")
	}
	return e
}
