package docker

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sync/errgroup"
)

// copyTree copies everything below from into the directory to: directories
// (empty ones too), files and links, with their modes and times. Sockets and
// the like are left out, and so is the directory skip. On file systems that
// can, files share their blocks until one is written to.
func copyTree(ctx context.Context, from, to, skip string) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(max(2, runtime.NumCPU()))
	var dirs []copied
	err := filepath.WalkDir(from, func(at string, d fs.DirEntry, err error) error {
		if err != nil {
			return gone(err)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if at == from {
			return nil
		}
		if at == skip {
			return fs.SkipDir
		}
		rel, err := filepath.Rel(from, at)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		info, err := d.Info()
		if err != nil {
			return gone(err)
		}
		switch {
		case d.IsDir():
			dirs = append(dirs, copied{target, info})
			return os.Mkdir(target, 0o700)
		case info.Mode()&fs.ModeSymlink != 0:
			link, err := os.Readlink(at)
			if err != nil {
				return gone(err)
			}
			return os.Symlink(link, target)
		case info.Mode().IsRegular():
			group.Go(func() error { return copyFile(at, target, info) })
		}
		return nil
	})
	if err := errors.Join(group.Wait(), err); err != nil {
		return err
	}
	// Last, and the inner ones first: a directory may be closed to writing,
	// and writing changes its time.
	for i := len(dirs) - 1; i >= 0; i-- {
		if err := dirs[i].finish(); err != nil {
			return err
		}
	}
	return nil
}

type copied struct {
	target string
	info   fs.FileInfo
}

func (c copied) finish() error {
	if err := os.Chmod(c.target, c.info.Mode().Perm()); err != nil {
		return err
	}
	return os.Chtimes(c.target, c.info.ModTime(), c.info.ModTime())
}

func copyFile(from, to string, info fs.FileInfo) error {
	in, err := os.Open(from)
	if err != nil {
		return gone(err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if err := errors.Join(err, out.Close()); err != nil {
		return err
	}
	return copied{to, info}.finish()
}
