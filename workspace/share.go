package workspace

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	brigade "github.com/brigadecore/brigade/v3"
)

// Within a build's directory.
const (
	shareDir   = "share"   // the storage as it is now
	stagingDir = "staging" // uploads that are not complete
	appliedDir = "applied" // names of uploads that were
	resultDir  = "results" // what sidecars brought home
)

// open makes the build's directory and opens it; CodeCanceled once the build
// has ended.
func (b *build) open() (*os.Root, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended {
		return nil, over(b.id)
	}
	for _, name := range []string{shareDir, stagingDir, appliedDir, resultDir} {
		if err := os.MkdirAll(filepath.Join(b.dir, name), 0o700); err != nil {
			return nil, storeError(err, "the build's directory cannot be made")
		}
	}
	root, err := os.OpenRoot(b.dir)
	if err != nil {
		return nil, storeError(err, "the build's directory cannot be opened")
	}
	return root, nil
}

func (c *call) needShare() error {
	if err := c.needJob(); err != nil {
		return err
	}
	if !c.grant.Job.Share {
		return brigade.Errorf(brigade.CodeDenied, "the job %s has no build storage", c.grant.Job.Job).WithHint("set job.storage.enabled = true")
	}
	return nil
}

// getShare answers with the storage as it is now. Files are replaced as a
// whole, never changed, so that nothing is held up meanwhile.
func (s *Server) getShare(c *call) error {
	if err := c.needShare(); err != nil {
		return err
	}
	root, err := c.build.open()
	if err != nil {
		return err
	}
	defer root.Close() //nolint:errcheck // it was only read
	share, err := root.OpenRoot(shareDir)
	if err != nil {
		return err
	}
	defer share.Close() //nolint:errcheck // it was only read
	return (&packer{root: share, tagged: true}).pack(c.ctx(), c.archive())
}

// shareBounds are those of the build's storage.
func (s *Server) shareBounds(c *call) bounds {
	b := bounds{bytes: s.opt.Limits.Share, files: s.opt.Limits.Files, noun: "build storage"}
	if c.grant.Share > 0 {
		b.bytes = min(b.bytes, c.grant.Share)
	}
	return b
}

// postShare takes what a job changed: all of it, or nothing when it does not
// arrive as a whole or there is no room. The same upload is applied once.
func (s *Server) postShare(c *call) error {
	if err := c.needShare(); err != nil {
		return err
	}
	upload := c.r.URL.Query().Get("upload")
	if err := checkID("upload", upload); err != nil {
		return err
	}
	root, err := c.build.open()
	if err != nil {
		return err
	}
	defer root.Close() //nolint:errcheck // everything is renamed by then
	ch := &change{root: root, bounds: s.shareBounds(c), marker: path.Join(appliedDir, c.grant.Job.Job+"."+upload)}
	if err := ch.stage(c.ctx(), c.body); err != nil {
		_ = ch.drop()
		return err
	}
	err = ch.apply(c.build)
	if dropErr := ch.drop(); err == nil {
		err = dropErr
	}
	if err == nil {
		c.w.WriteHeader(http.StatusNoContent)
	}
	return err
}

// change is an upload to the storage.
type change struct {
	root    *os.Root
	bounds  bounds
	marker  string // file that says that it was applied
	staging string
	entries []string          // in the archive's order
	deleted map[string]string // tags by path
}

// stage unpacks the upload beside the storage.
func (ch *change) stage(ctx context.Context, body io.Reader) error {
	dir, err := os.MkdirTemp(filepath.Join(ch.root.Name(), stagingDir), "")
	if err != nil {
		return storeError(err, "there is no place for the upload")
	}
	ch.staging = path.Join(stagingDir, filepath.Base(dir))
	staging, err := ch.root.OpenRoot(ch.staging)
	if err != nil {
		return err
	}
	defer staging.Close() //nolint:errcheck // files in it are closed one by one
	ch.deleted = map[string]string{}
	u := unpacker{root: staging, bounds: ch.bounds,
		made:    func(name, _ string) error { ch.entries = append(ch.entries, name); return nil },
		deleted: func(name, tag string) error { ch.deleted[name] = tag; return nil },
	}
	return u.unpack(ctx, body)
}

func (ch *change) drop() error {
	if ch.staging == "" {
		return nil
	}
	return removeAll(filepath.Join(ch.root.Name(), filepath.FromSlash(ch.staging)))
}

// apply moves what was staged into the storage, under the build's lock.
func (ch *change) apply(b *build) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, err := ch.root.Lstat(ch.marker); err == nil {
		return nil
	}
	if err := b.count(ch.root); err != nil {
		return err
	}
	used, files, err := ch.after(b)
	if err != nil {
		return err
	}
	b.measure = false // until it is done
	gone := slices.Sorted(maps.Keys(ch.deleted))
	for _, name := range slices.Backward(gone) { // what is in a directory before it
		if err := ch.remove(name, ch.deleted[name]); err != nil {
			return storeError(err, "the build storage cannot be changed")
		}
	}
	for _, name := range ch.entries {
		if err := ch.move(name); err != nil {
			return storeError(err, "the build storage cannot be changed")
		}
	}
	f, err := ch.root.Create(ch.marker)
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		return storeError(err, "the build storage cannot be changed")
	}
	b.used, b.files = used, files
	return nil
}

// count measures the storage, when it is not known.
func (b *build) count(root *os.Root) error {
	if b.measure {
		return nil
	}
	share, err := root.OpenRoot(shareDir)
	if err != nil {
		return storeError(err, "the build storage cannot be read")
	}
	defer share.Close() //nolint:errcheck // it was only read
	b.used, b.files = 0, 0
	err = walk(context.Background(), share, func(e entry, err error) error {
		b.files++
		if e.Mode.IsRegular() {
			b.used += e.Size
		}
		return err
	})
	if err != nil {
		return storeError(err, "the build storage cannot be read")
	}
	b.measure = true
	return nil
}

// after says how much the storage will hold, as an error when that is too much.
// It may say too much where a directory gives way to a file: then it is
// measured next time.
func (ch *change) after(b *build) (used int64, files int, err error) {
	used, files = b.used, b.files
	for _, name := range ch.entries {
		now, err := lookAt(ch.root, path.Join(ch.staging, name))
		if err != nil {
			return 0, 0, storeError(err, "the upload cannot be read")
		}
		old, err := lookAt(ch.root, path.Join(shareDir, name))
		if err != nil {
			files++
		} else if old.Mode.IsRegular() {
			used -= old.Size
		}
		if now.Mode.IsRegular() {
			used += now.Size
		}
	}
	for name, tag := range ch.deleted {
		if old, err := lookAt(ch.root, path.Join(shareDir, name)); err == nil && !old.Mode.IsDir() && (tag == "" || tag == old.Tag) {
			files--
			if old.Mode.IsRegular() {
				used -= old.Size
			}
		}
	}
	switch {
	case used > ch.bounds.bytes:
		return 0, 0, ch.bounds.tooLarge().(*brigade.Error).WithHint("set the project's buildStorageSize to more, or remove from /mnt/brigade/share what later jobs do not need")
	case files > ch.bounds.files:
		return 0, 0, ch.bounds.tooMany()
	}
	return used, files, nil
}

// remove deletes a path that is still the version that the job saw: what
// another job has written since stays. Directories go when they are empty.
func (ch *change) remove(name, tag string) error {
	if !ch.straight(path.Dir(name)) {
		return nil // it is not what the job saw
	}
	at := path.Join(shareDir, name)
	old, err := lookAt(ch.root, at)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if old.Mode.IsDir() || tag == "" || tag == old.Tag {
		err = ch.root.Remove(at)
	}
	if old.Mode.IsDir() {
		return nil // not empty: another job has something in it
	}
	return err
}

// straight reports whether all of a path below the storage are directories.
func (ch *change) straight(dir string) bool {
	for dir != "." {
		info, err := ch.root.Lstat(path.Join(shareDir, dir))
		if err != nil || !info.IsDir() {
			return false
		}
		dir = path.Dir(dir)
	}
	return true
}

// move puts one staged thing in its place. What is in the way gives way: the
// last writer wins.
func (ch *change) move(name string) error {
	if err := ch.clear(path.Dir(name)); err != nil {
		return err
	}
	from, to := path.Join(ch.staging, name), path.Join(shareDir, name)
	now, err := lookAt(ch.root, from)
	if err != nil {
		return err
	}
	old, err := ch.root.Lstat(to)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case now.Mode.IsDir() && old.IsDir():
		return ch.root.Chmod(to, now.Mode.Perm())
	case now.Mode.IsDir():
		err = ch.root.Remove(to)
	case old.IsDir():
		err = ch.root.RemoveAll(to)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if now.Mode.IsDir() {
		if err := ch.root.Mkdir(to, 0o700); err != nil {
			return err
		}
		return ch.root.Chmod(to, now.Mode.Perm())
	}
	return ch.root.Rename(from, to)
}

// clear makes sure that all of a path below the storage are directories.
func (ch *change) clear(dir string) error {
	at := shareDir
	for _, part := range strings.Split(dir, "/") {
		if part == "." {
			continue
		}
		at = path.Join(at, part)
		info, err := ch.root.Lstat(at)
		if err == nil && !info.IsDir() {
			if err := ch.root.Remove(at); err != nil {
				return err
			}
			err = fs.ErrNotExist
		}
		if errors.Is(err, fs.ErrNotExist) {
			err = ch.root.Mkdir(at, 0o755)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
