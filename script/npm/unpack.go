package npm

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"runtime"
	"slices"
	"strings"

	brigade "github.com/brigadecore/brigade/v3"
)

// Limits bound what a tarball may unpack to. Zero means the default.
type Limits struct {
	Tarball  int64 // bytes of the compressed file; default 256 MiB
	File     int64 // bytes of one file; default 128 MiB
	Package  int64 // bytes of all files of a package; default 512 MiB
	Files    int   // entries of a package, those that are skipped included; default 60,000
	Total    int64 // bytes of all packages of a project; default 4 GiB
	Packages int   // packages of a project; default 10,000
	Ratio    int64 // unpacked bytes per compressed byte, once 8 MiB are unpacked; default 200
	// FoldCase makes names that differ only in upper and lower case the same
	// file, the later one winning, as on macOS and Windows, where it is always
	// so.
	FoldCase bool
}

func (l Limits) withDefaults() Limits {
	def := func(v *int64, d int64) {
		if *v <= 0 {
			*v = d
		}
	}
	def(&l.Tarball, 256<<20)
	def(&l.File, 128<<20)
	def(&l.Package, 512<<20)
	def(&l.Total, 4<<30)
	def(&l.Ratio, 200)
	if l.Files <= 0 {
		l.Files = 60_000
	}
	if l.Packages <= 0 {
		l.Packages = 10_000
	}
	l.FoldCase = l.FoldCase || runtime.GOOS == "windows" || runtime.GOOS == "darwin"
	return l
}

// ratioFree is how much may be unpacked before the ratio counts, in bytes.
const ratioFree = 8 << 20

// Content lists the files of an unpacked package.
type Content struct {
	Files []ContentFile `json:"files"` // sorted by path
	Bytes int64         `json:"bytes"`
}

// ContentFile is one file of a package.
type ContentFile struct {
	Path string `json:"path"` // slash-separated, below the package
	Size int64  `json:"size"` // bytes
}

// Unpack reads a package's .tgz and writes its files below dir, which has to
// exist and be empty. The first part of every path is dropped, as npm does;
// files get mode 0444. Links, devices and everything else that is neither a
// file nor a directory is skipped; a path that would leave dir, or going over
// a limit, is an error, after which dir holds an incomplete package and has to
// be thrown away.
func Unpack(ctx context.Context, r io.Reader, dir string, limits Limits) (*Content, error) {
	limits = limits.withDefaults()
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("unpack: %w", err)
	}
	defer root.Close()
	u := &unpacker{ctx: ctx, root: root, limits: limits, in: &counter{r: r}, files: map[string]ContentFile{}, dirs: map[string]string{}}
	zr, err := gzip.NewReader(u.in)
	if err != nil {
		return nil, refuse("is not a gzip file: %w", err)
	}
	u.out = &counter{r: zr}
	tr := tar.NewReader(u)
	for {
		header, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return u.content(), nil
		}
		if err != nil {
			return nil, asRefusal(err)
		}
		if err := u.entry(header, tr); err != nil {
			return nil, asRefusal(err)
		}
	}
}

type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

type unpacker struct {
	ctx     context.Context
	root    *os.Root
	limits  Limits
	in, out *counter
	files   map[string]ContentFile // by fold(path)
	dirs    map[string]string      // fold(path) → path as first written
	entries int
	bytes   int64
}

// Read passes the tar on and guards the amounts.
func (u *unpacker) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, context.Cause(u.ctx)
	}
	n, err := u.out.Read(p)
	if u.out.n > ratioFree && u.out.n/u.limits.Ratio > u.in.n {
		return 0, refuse("unpacks to more than %d times its size", u.limits.Ratio)
	}
	// Headers and padding count too: at most 2 KiB an entry.
	if u.out.n > u.limits.Package+int64(u.limits.Files)*2048+ratioFree {
		return 0, refuse("unpacks to more than %d MiB", u.limits.Package>>20)
	}
	return n, err
}

func refuse(format string, args ...any) error {
	return brigade.Errorf(brigade.CodeDependency, "the tarball "+format, args...)
}

// asRefusal turns an error of the tar or gzip reader into one about the
// tarball.
func asRefusal(err error) error {
	var be *brigade.Error
	var pe *fs.PathError
	if errors.As(err, &be) || errors.As(err, &pe) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return refuse("is damaged: %w", err)
}

func (u *unpacker) entry(header *tar.Header, body io.Reader) error {
	if u.entries++; u.entries > u.limits.Files {
		return refuse("holds more than %d files", u.limits.Files)
	}
	if header.Typeflag != tar.TypeReg && header.Typeflag != tar.TypeRegA && header.Typeflag != tar.TypeDir { //nolint:staticcheck // old tarballs have it
		return nil
	}
	name, err := entryPath(header.Name)
	if err != nil || name == "" {
		return err
	}
	if header.Typeflag == tar.TypeDir {
		return u.mkdir(name)
	}
	if header.Size > u.limits.File {
		return refuse("holds the file %q of %d MiB; the limit is %d MiB", clip(name), header.Size>>20, u.limits.File>>20)
	}
	if u.bytes += header.Size; u.bytes > u.limits.Package {
		return refuse("unpacks to more than %d MiB", u.limits.Package>>20)
	}
	return u.file(name, header.Size, body)
}

// entryPath turns a name in the tar into a path below the package, "" for the
// package itself.
func entryPath(name string) (string, error) {
	plain := strings.ReplaceAll(name, `\`, "/")
	if strings.HasPrefix(plain, "/") || strings.ContainsRune(name, 0) || (len(plain) > 1 && plain[1] == ':') {
		return "", refuse("holds the path %q, which is not below the package", clip(name))
	}
	if slices.Contains(strings.Split(plain, "/"), "..") {
		return "", refuse("holds the path %q, which is not below the package", clip(name))
	}
	if runtime.GOOS == "windows" {
		name = plain
	}
	_, rest, _ := strings.Cut(path.Clean(name), "/")
	if len(rest) > 1024 || strings.Count(rest, "/") > 64 {
		return "", refuse("holds a path that is too long: %q", clip(rest))
	}
	return rest, nil
}

func (u *unpacker) fold(name string) string {
	if u.limits.FoldCase {
		return strings.ToLower(name)
	}
	return name
}

// mkdir makes a directory and those above it. In a folded world "Lib/a" goes
// where "lib" is already.
func (u *unpacker) mkdir(name string) error {
	if name == "." || name == "" {
		return nil
	}
	key := u.fold(name)
	if _, ok := u.dirs[key]; ok {
		return nil
	}
	if _, ok := u.files[key]; ok {
		return refuse("holds %q both as a file and as a directory", clip(name))
	}
	if err := u.mkdir(path.Dir(name)); err != nil {
		return err
	}
	name = u.below(name)
	if err := u.root.Mkdir(name, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return unwritable(name, err)
	}
	u.dirs[key] = name
	return nil
}

// below spells the directory of name as it was first written.
func (u *unpacker) below(name string) string {
	if dir, ok := u.dirs[u.fold(path.Dir(name))]; ok {
		return dir + "/" + path.Base(name)
	}
	return name
}

// file writes one file; a second one of the same name replaces the first.
func (u *unpacker) file(name string, size int64, body io.Reader) error {
	key := u.fold(name)
	if _, ok := u.dirs[key]; ok {
		return refuse("holds %q both as a file and as a directory", clip(name))
	}
	if err := u.mkdir(path.Dir(name)); err != nil {
		return err
	}
	name = u.below(name)
	if old, ok := u.files[key]; ok {
		if err := u.root.Remove(old.Path); err != nil {
			return unwritable(name, err)
		}
	}
	f, err := u.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o444)
	if err != nil {
		return unwritable(name, err)
	}
	n, err := io.Copy(f, body)
	if cerr := f.Close(); err == nil && cerr != nil {
		err = unwritable(name, cerr)
	}
	if err != nil {
		return err
	}
	if n != size {
		return refuse("is cut short in %q", clip(name))
	}
	u.files[key] = ContentFile{Path: name, Size: size}
	return nil
}

// unwritable is the error for a name the file system does not take.
func unwritable(name string, err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return brigade.Errorf(brigade.CodeDependency, "the tarball's file %q cannot be written: %w", clip(name), err)
}

func (u *unpacker) content() *Content {
	c := &Content{Files: make([]ContentFile, 0, len(u.files))}
	for _, f := range u.files {
		c.Files = append(c.Files, f)
		c.Bytes += f.Size
	}
	slices.SortFunc(c.Files, func(a, b ContentFile) int { return strings.Compare(a.Path, b.Path) })
	return c
}
