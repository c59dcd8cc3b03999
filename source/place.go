package source

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"

	brigade "github.com/brigadecore/brigade/v3"
)

// ours marks a directory that Into began to fill.
const ours = "brigade"

// Into fetches the build's files into a directory that is there already, such
// as a volume of a pod, and must be empty. What an earlier call left in it is
// removed first. Other users of a pod may then change the files, as far as this
// process is not root. Failures are CodeSource errors.
func (f *Fetcher) Into(ctx context.Context, p *brigade.Project, b *brigade.Build, dir string, notice func(string)) error {
	if err := vacate(dir); err != nil {
		return err
	}
	if err := f.clone(ctx, p, b, dir, notice); err != nil {
		return err
	}
	if err := openUp(dir); err != nil {
		return failed(err, "the files cannot be opened for the job")
	}
	return nil
}

// vacate makes sure that the directory is empty but for the mark.
func vacate(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return failed(err, "the directory for the files cannot be read")
	}
	_, markErr := os.Lstat(filepath.Join(dir, ".git", ours))
	for _, e := range entries {
		if e.Name() == "lost+found" {
			continue // of a volume of its own
		}
		if markErr != nil {
			return brigade.Errorf(brigade.CodeSource, "the directory %s is not empty", dir).
				WithHint("name an empty one; it was not touched")
		}
	}
	for _, e := range entries {
		if e.Name() == "lost+found" {
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return failed(err, "what an earlier try left cannot be removed")
		}
	}
	if err := os.Mkdir(filepath.Join(dir, ".git"), 0o755); err != nil {
		return failed(err, "the directory for the files cannot be written").WithHint("a pod's volume has to be writable for the user that this runs as: set fsGroup")
	}
	if err := os.WriteFile(filepath.Join(dir, ".git", ours), nil, 0o644); err != nil {
		return failed(err, "the directory for the files cannot be written")
	}
	return nil
}

// openUp gives others the rights of the owner: the group, where the volume has
// one for the pod, else everybody. As root nothing is changed: it is as v1 did
// it, and jobs that are root themselves can do everything anyway.
func openUp(dir string) error {
	if os.Geteuid() <= 0 {
		return nil
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	shared := info.Mode()&fs.ModeSetgid != 0
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir || d.Type()&^fs.ModeDir != 0 {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		mode := info.Mode()
		perm := mode.Perm() | mode.Perm()&0o700>>3
		if !shared {
			perm |= mode.Perm() & 0o700 >> 6
		}
		return os.Chmod(path, mode&^fs.ModePerm|perm)
	})
}
