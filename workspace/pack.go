package workspace

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"time"
)

// Archives are tar with these records besides the usual ones.
const (
	tagRecord     = "BRIGADE.tag"     // which version of a file this is, see stamp
	deletedRecord = "BRIGADE.deleted" // "1": the path is gone
)

// entry is one thing in a tree.
type entry struct {
	Name string      // clean, slash-separated, relative
	Mode fs.FileMode // type and permissions
	Size int64       // of a regular file
	Link string      // of a symbolic link
	Time time.Time   // modified
	Tag  string      // see stamp; of a regular file or link
}

// packer writes a tree into an archive.
type packer struct {
	root *os.Root
	tar  *tar.Writer
	// want says whether an entry goes in; directories are looked into in any
	// case. nil: all do.
	want func(e entry) bool
	// skipped is told of what cannot be read. nil: it is an error.
	skipped func(name string, err error)
	tagged  bool // write tags
	bytes   int64
	buffer  []byte
}

// pack writes what is below root, and closes the archive.
func (p *packer) pack(ctx context.Context, w io.Writer) error {
	p.tar = tar.NewWriter(w)
	p.buffer = make([]byte, 64<<10)
	if err := walk(ctx, p.root, p.one); err != nil {
		return err
	}
	return p.tar.Close()
}

func (p *packer) one(e entry, err error) error {
	if err != nil {
		return p.skip(e.Name, err)
	}
	if p.want != nil && !p.want(e) {
		return nil
	}
	h := &tar.Header{Name: e.Name, Mode: int64(e.Mode.Perm()), ModTime: e.Time, Format: tar.FormatPAX, Typeflag: tar.TypeDir}
	if p.tagged && e.Tag != "" {
		h.PAXRecords = map[string]string{tagRecord: e.Tag}
	}
	switch e.Mode.Type() {
	case fs.ModeDir:
		h.Name += "/"
		return p.tar.WriteHeader(h)
	case fs.ModeSymlink:
		h.Typeflag, h.Linkname = tar.TypeSymlink, e.Link
		return p.tar.WriteHeader(h)
	}
	f, info, err := openRegular(p.root, e.Name)
	if err != nil {
		return p.skip(e.Name, err)
	}
	defer f.Close() //nolint:errcheck // it was only read
	h.Typeflag, h.Size = tar.TypeReg, info.Size()
	if err := p.tar.WriteHeader(h); err != nil {
		return err
	}
	n, err := io.CopyBuffer(onlyWriter{p.tar}, io.LimitReader(f, h.Size), p.buffer)
	p.bytes += n
	if err == nil && n < h.Size {
		err = fmt.Errorf("%s became shorter while it was read", e.Name)
	}
	return err
}

// onlyWriter hides ReadFrom, so that the packer's own buffer is used.
type onlyWriter struct{ io.Writer }

func (p *packer) skip(name string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it went away meanwhile
	}
	if p.skipped == nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	p.skipped(name, err)
	return nil
}

// remove writes that a path is gone. To be called before pack's end; tag is
// that of the version that was seen.
func remove(w *tar.Writer, name, tag string) error {
	records := map[string]string{deletedRecord: "1"}
	if tag != "" {
		records[tagRecord] = tag
	}
	return w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o600, Format: tar.FormatPAX, PAXRecords: records})
}

// openRegular opens a file for reading, and nothing but a file: a pipe that
// took its place does not hold things up.
func openRegular(root *os.Root, name string) (*os.File, fs.FileInfo, error) {
	f, err := root.OpenFile(name, os.O_RDONLY|nonblock, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no file any more", name)
	}
	if err != nil {
		_ = f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

// walk calls each for everything below root, a directory before what is in it
// and by name. It follows no links and leaves out pipes, sockets and devices.
// What cannot be read is given to each with an error.
func walk(ctx context.Context, root *os.Root, each func(e entry, err error) error) error {
	return walkDir(ctx, root, ".", 0, each)
}

// maxDepth of directories, further down nothing is looked at.
const maxDepth = 200

func walkDir(ctx context.Context, root *os.Root, dir string, depth int, each func(e entry, err error) error) error {
	if depth > maxDepth {
		return each(entry{Name: dir, Mode: fs.ModeDir}, fmt.Errorf("directories are nested more than %d deep", maxDepth))
	}
	list, err := fs.ReadDir(root.FS(), dir)
	if err != nil {
		return each(entry{Name: dir, Mode: fs.ModeDir}, err)
	}
	for _, d := range list {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		name := path.Join(dir, d.Name())
		e, err := lookAt(root, name)
		if err == nil && e.Mode.Type()&^(fs.ModeDir|fs.ModeSymlink) != 0 {
			continue
		}
		if err := each(e, err); err != nil {
			return err
		}
		if err == nil && e.Mode.IsDir() {
			if err := walkDir(ctx, root, name, depth+1, each); err != nil {
				return err
			}
		}
	}
	return nil
}

func lookAt(root *os.Root, name string) (entry, error) {
	e := entry{Name: name}
	info, err := root.Lstat(name)
	if err != nil {
		return e, err
	}
	e.Mode, e.Time = info.Mode(), info.ModTime()
	switch e.Mode.Type() {
	case fs.ModeDir:
		return e, nil
	case fs.ModeSymlink:
		e.Link, err = root.Readlink(name)
	}
	e.Size, e.Tag = info.Size(), stamp(info)
	return e, err
}
