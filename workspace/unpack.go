package workspace

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
)

// bounds are what a tree may have.
type bounds struct {
	bytes int64
	files int
	noun  string // "build storage", for people
}

func (b bounds) tooLarge() error {
	return brigade.Errorf(brigade.CodeTooLarge, "the %s is larger than its %s", b.noun, bytesText(b.bytes))
}

func (b bounds) tooMany() error {
	return brigade.Errorf(brigade.CodeTooLarge, "the %s has more than %d files", b.noun, b.files)
}

// unpacker makes a tree out of an archive. It makes files, directories and
// symbolic links only, each at a place below root that it is itself the first
// to take, and follows no link; an archive with anything else in it is refused.
type unpacker struct {
	root   *os.Root
	bounds bounds
	// modes turns the permissions of an entry into those it gets. nil: as they
	// are, and readable and writable for the owner.
	modes func(mode fs.FileMode) fs.FileMode
	// made is told of each thing that was made, with the tag it came with.
	made func(name, tag string) error
	// deleted is told of paths that the archive says are gone. nil: such an
	// archive is refused.
	deleted func(name, tag string) error

	bytes  int64
	files  int
	dirs   map[string]bool // known to be real
	buffer []byte
}

// maxKnownDirs is how many directories an unpacker keeps in mind.
const maxKnownDirs = 10_000

// maxName is the longest path in an archive, in bytes.
const maxName = 4096

// unpack reads the archive to its end.
func (u *unpacker) unpack(ctx context.Context, r io.Reader) error {
	u.dirs = map[string]bool{".": true}
	u.buffer = make([]byte, 64<<10)
	archive := tar.NewReader(r)
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return badArchive(err)
		}
		if err := u.one(h, archive); err != nil {
			return err
		}
	}
	if _, err := io.Copy(io.Discard, io.LimitReader(r, 1<<20)); err != nil { // padding, and what says that nothing was cut off
		return badArchive(err)
	}
	return nil
}

// badArchive is for what is wrong with an archive; what is wrong with the
// connection stays as it is.
func badArchive(err error) error {
	if errors.Is(err, tar.ErrHeader) || errors.Is(err, tar.ErrFieldTooLong) {
		return brigade.Errorf(brigade.CodeInvalid, "what was sent is no archive: %w", err)
	}
	return err
}

func (u *unpacker) one(h *tar.Header, content io.Reader) error {
	name, err := cleanName(h.Name)
	if err != nil {
		return err
	}
	if name == "." {
		return nil
	}
	if u.files++; u.files > u.bounds.files {
		return u.bounds.tooMany()
	}
	if h.PAXRecords[deletedRecord] != "" {
		if u.deleted == nil {
			return nothingGoes(name)
		}
		return u.deleted(name, h.PAXRecords[tagRecord])
	}
	if err := u.parents(path.Dir(name)); err != nil {
		return err
	}
	switch h.Typeflag {
	case tar.TypeDir:
		err = u.dir(name, fs.FileMode(h.Mode).Perm())
	case tar.TypeReg:
		err = u.file(name, h, content)
	case tar.TypeSymlink:
		err = u.link(name, h)
	default:
		return odd(name)
	}
	if err == nil && u.made != nil {
		err = u.made(name, h.PAXRecords[tagRecord])
	}
	return err
}

// cleanName refuses names that lead elsewhere, or mean something to some system.
func cleanName(name string) (string, error) {
	clean := path.Clean(strings.TrimSuffix(name, "/"))
	switch {
	case name == "", len(name) > maxName, strings.ContainsRune(name, 0), strings.Count(clean, "/") > maxDepth:
		return "", brigade.Errorf(brigade.CodeInvalid, "the archive has a name %.60q, which cannot be", name)
	case path.IsAbs(name), clean == "..", strings.HasPrefix(clean, "../"), strings.Contains("/"+name+"/", "/../"):
		return "", brigade.Errorf(brigade.CodeInvalid, "the archive has a name that leads out of its tree: %.200q", name)
	}
	return clean, nil
}

// parents makes the directories above a path; what is there has to be one.
func (u *unpacker) parents(dir string) error {
	if u.dirs[dir] {
		return nil
	}
	if err := u.parents(path.Dir(dir)); err != nil {
		return err
	}
	return u.dir(dir, 0o755)
}

func (u *unpacker) dir(name string, mode fs.FileMode) error {
	err := u.root.Mkdir(name, 0o700)
	if errors.Is(err, fs.ErrExist) {
		info, statErr := u.root.Lstat(name)
		if statErr != nil {
			return statErr
		}
		if !info.IsDir() {
			return taken(name)
		}
		err = nil
	}
	if err != nil {
		return err
	}
	if len(u.dirs) > maxKnownDirs {
		clear(u.dirs)
		u.dirs["."] = true
	}
	u.dirs[name] = true
	return u.root.Chmod(name, u.mode(mode|0o700))
}

func odd(name string) error {
	return brigade.Errorf(brigade.CodeInvalid, "%q in the archive is neither a file nor a directory nor a symbolic link", name)
}

func nothingGoes(name string) error {
	return brigade.Errorf(brigade.CodeInvalid, "the archive says that %q is gone, where nothing can go", name)
}

func taken(name string) error {
	return brigade.Errorf(brigade.CodeInvalid, "the archive has %q twice, as different things", name)
}

func (u *unpacker) file(name string, h *tar.Header, content io.Reader) (err error) {
	if u.bytes += h.Size; h.Size < 0 || u.bytes > u.bounds.bytes {
		return u.bounds.tooLarge()
	}
	f, err := u.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return taken(name)
	}
	if err != nil {
		return err
	}
	_, err = io.CopyBuffer(onlyWriter{f}, onlyReader{content}, u.buffer)
	if err == nil {
		err = f.Chmod(u.mode(fs.FileMode(h.Mode).Perm() | 0o600))
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil && !h.ModTime.IsZero() {
		err = u.root.Chtimes(name, time.Time{}, h.ModTime)
	}
	return err
}

// onlyReader hides WriteTo, so that the unpacker's own buffer is used.
type onlyReader struct{ io.Reader }

// link makes a symbolic link. It may lead anywhere: nothing here follows one,
// and in the job's container it leads to what that has there.
func (u *unpacker) link(name string, h *tar.Header) error {
	if h.Linkname == "" || len(h.Linkname) > maxName {
		return brigade.Errorf(brigade.CodeInvalid, "the link %q in the archive leads nowhere", name)
	}
	err := u.root.Symlink(h.Linkname, name)
	if errors.Is(err, fs.ErrExist) {
		return taken(name)
	}
	return err
}

func (u *unpacker) mode(mode fs.FileMode) fs.FileMode {
	if u.modes == nil {
		return mode
	}
	return u.modes(mode)
}
