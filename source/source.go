// Package source gets the files of a build: from a directory of this machine,
// as it is, or from a git repository. It is the only importer of go-git.
package source

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	brigade "github.com/brigadecore/brigade/v3"
)

// Options say where a build's files come from. With neither Dir nor Clone a
// build has no files.
type Options struct {
	// Dir is a directory of this machine whose files are used as they are,
	// uncommitted work and ignored files included.
	Dir string
	// TrackedOnly takes only the files of Dir that git tracks, with their
	// present content.
	TrackedOnly bool
	// Clone fetches the repository that the event or the project names.
	Clone bool
	// Optional lets builds of projects without a repository, or whose vcsSidecar
	// is "NONE", go without files instead of failing.
	Optional bool
	// Strangers are who sends the events: an address that is a path of this
	// machine is taken from a project only, not from an event.
	Strangers bool
	// Temp is where copies and clones are made.
	Temp string
	// HostKeys say which SSH servers are trusted, besides those of the project.
	HostKeys HostKeys
	// Retry says how often a clone is tried that the network breaks.
	Retry Retry
	// History fetches all of it, with tags, instead of the one commit.
	History bool
}

// Fetcher fetches files as its options say.
type Fetcher struct{ opt Options }

// New returns a Fetcher.
func New(opt Options) *Fetcher { return &Fetcher{opt: opt} }

// Fetch returns the directory with the build's files and what removes it
// (nil: nothing to remove). Failures are CodeSource errors.
func (f *Fetcher) Fetch(ctx context.Context, p *brigade.Project, b *brigade.Build, notice func(string)) (string, func() error, error) {
	switch {
	case f.opt.Clone && f.opt.Optional && (p.Kubernetes.VCSSidecar == "NONE" || p.Repo.CloneURL == "" && b.Event.CloneURL == ""):
		return "", nil, nil
	case f.opt.Clone:
		if f.opt.Strangers && b.Event.CloneURL != "" && isLocal(b.Event.CloneURL) {
			return "", nil, brigade.Errorf(brigade.CodeSource, "the event names a repository on the server's own disk, which is not cloned").
				WithHint("give it an http, https or ssh address")
		}
		return f.temp(func(dir string) error { return f.clone(ctx, p, b, dir, notice) })
	case f.opt.Dir != "" && f.opt.TrackedOnly:
		return f.temp(func(dir string) error { return copyTracked(ctx, f.opt.Dir, dir) })
	case f.opt.Dir != "":
		return f.opt.Dir, nil, checkDir(f.opt.Dir)
	}
	return "", nil, nil
}

// temp makes a directory, lets fill fill it, and removes it when that fails.
func (f *Fetcher) temp(fill func(dir string) error) (string, func() error, error) {
	if err := os.MkdirAll(f.opt.Temp, 0o700); err != nil {
		return "", nil, failed(err, "the directory for the build's files cannot be made")
	}
	dir, err := os.MkdirTemp(f.opt.Temp, "source-")
	if err != nil {
		return "", nil, failed(err, "the directory for the build's files cannot be made")
	}
	remove := func() error { return os.RemoveAll(dir) }
	if err := fill(dir); err != nil {
		_ = remove()
		return "", nil, err
	}
	return dir, remove, nil
}

// prefixIn is what the names of the index of the work tree at root begin with
// for files below dir: "" or "sub/dir/".
func prefixIn(root, dir string) (string, error) {
	root, err := filepath.EvalSymlinks(root)
	if err != nil {
		return "", err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return "", err
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return "", err
	}
	rel, err := filepath.Rel(root, dir)
	if err != nil || rel == "." {
		return "", err
	}
	return filepath.ToSlash(rel) + "/", nil
}

func checkDir(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return failed(err, "the source directory cannot be read")
	}
	if !info.IsDir() {
		return brigade.Errorf(brigade.CodeSource, "the source %s is not a directory", dir)
	}
	return nil
}

func failed(err error, what string) *brigade.Error {
	return &brigade.Error{Code: brigade.CodeSource, Message: fmt.Sprintf("%s: %v", what, err), Err: err}
}

// copyFile copies one file or symbolic link below from to the same place below to.
func copyFile(from, to, name string) error {
	source, target := filepath.Join(from, name), filepath.Join(to, name)
	info, err := os.Lstat(source)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	switch info.Mode().Type() {
	case fs.ModeSymlink:
		link, err := os.Readlink(source)
		if err != nil {
			return err
		}
		return os.Symlink(link, target)
	case fs.ModeDir: // a submodule
		return os.MkdirAll(target, 0o755)
	case 0:
		return copyContent(source, target, info.Mode().Perm())
	}
	return nil
}

func copyContent(source, target string, mode fs.FileMode) (err error) {
	in, err := os.Open(source)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	out, err := os.OpenFile(target, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		_ = out.Close()
		return err
	}
	return out.Close()
}
