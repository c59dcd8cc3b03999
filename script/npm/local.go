package npm

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	brigade "github.com/brigadecore/brigade/v3"
)

// project is the directory whose dependencies are installed, for those that
// lie in it. Symbolic links that leave it are not followed.
type project struct {
	dir   string // "" for none
	store contentStore
}

// spec reads a dependency of rel. A file: path is relative to the package
// that names it, and only packages of the project may name one.
func (p *project) spec(rel *release, name, text string) (spec, error) {
	sp, err := parseSpec(name, text)
	if err != nil || sp.kind != specFile {
		return sp, err
	}
	if rel.locked && strings.HasPrefix(text, "file:") { // relative to the project already
		rel.dir = "."
	}
	if rel.dir == "" {
		return sp, brigade.Errorf(brigade.CodeDependency, "package %s@%s asks for the local path %q", rel.name, rel.version, clip(text))
	}
	if sp.text = path.Join(rel.dir, sp.text); !localPath(sp.text) || sp.text == "." {
		return sp, outsideProject(sp)
	}
	return sp, nil
}

// open opens the project's directory for reading below it.
func (p *project) open() (*os.Root, error) {
	if p.dir == "" {
		return nil, brigade.Errorf(brigade.CodeDependency, "a file: dependency needs a project directory")
	}
	root, err := os.OpenRoot(p.dir)
	if err != nil {
		return nil, brigade.Errorf(brigade.CodeDependency, "open project: %w", err)
	}
	return root, nil
}

// local reads the manifest of a file: dependency, a directory or a tarball.
func (p *project) local(ctx context.Context, at string, limits Limits) (*Manifest, error) {
	root, err := p.open()
	if err != nil {
		return nil, err
	}
	defer root.Close()
	info, err := root.Stat(filepath.FromSlash(at))
	if err != nil {
		return nil, p.unreadable(at, err)
	}
	var text []byte
	if info.IsDir() {
		text, err = readBelow(root, at+"/package.json", maxManifest)
		if errors.Is(err, fs.ErrNotExist) {
			text, err = nil, nil
		}
	} else {
		var key string
		if key, err = p.tarball(ctx, root, at, limits); err != nil {
			return nil, err
		}
		text, err = readCapped(filepath.Join(p.store.files(key), "package.json"), maxManifest)
	}
	if err != nil {
		return nil, p.unreadable(at+"/package.json", err)
	}
	return ParseManifest(at+"/package.json", text)
}

func (p *project) unreadable(at string, err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return brigade.Errorf(brigade.CodeDependency, "the file: dependency %q cannot be read: %w", at, err).
		WithHint("It has to be a directory with a package.json, or a .tgz, below the project's directory.")
}

// readBelow reads a file of at most limit bytes below root.
func readBelow(root *os.Root, at string, limit int64) ([]byte, error) {
	f, err := root.Open(filepath.FromSlash(at))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = fmt.Errorf("larger than %d MiB", limit>>20)
	}
	return text, err
}

// tarball puts a .tgz of the project into the store and returns its key.
func (p *project) tarball(ctx context.Context, root *os.Root, at string, limits Limits) (string, error) {
	f, err := root.Open(filepath.FromSlash(at))
	if err != nil {
		return "", p.unreadable(at, err)
	}
	defer f.Close()
	h := sha512.New()
	n, err := io.Copy(h, io.LimitReader(f, limits.Tarball+1))
	if err != nil {
		return "", p.unreadable(at, err)
	}
	if n > limits.Tarball {
		return "", aboutPackage(at, refuse("is larger than %d MiB", limits.Tarball>>20))
	}
	d := digest{"sha512", h.Sum(nil)}
	if key, ok := p.store.find([]digest{d}); ok {
		return key, nil
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return "", p.unreadable(at, err)
	}
	if _, err := p.store.add(ctx, f, d.file(), limits); err != nil {
		return "", aboutPackage(at, err)
	}
	return d.file(), nil
}

// fingerprint hashes what a file: dependency holds at the moment.
func (p *project) fingerprint(ctx context.Context, at string, limits Limits) (string, error) {
	root, err := p.open()
	if err != nil {
		return "", err
	}
	defer root.Close()
	h := sha256.New()
	err = p.walk(ctx, root, at, limits, func(name string, f io.Reader, size int64) error {
		fmt.Fprintf(h, "%s\x00%d\x00", name, size)
		_, err := io.Copy(h, f)
		return err
	})
	return hex.EncodeToString(h.Sum(nil)), err
}

// walk reads the files of a file: dependency in order; those of a directory
// except node_modules and .git, or the tarball itself under the name "".
func (p *project) walk(ctx context.Context, root *os.Root, at string, limits Limits, visit func(name string, f io.Reader, size int64) error) error {
	files, bytes := 0, int64(0)
	err := fs.WalkDir(root.FS(), at, func(name string, d fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		if d.IsDir() && name != at && (d.Name() == "node_modules" || d.Name() == ".git") {
			return fs.SkipDir
		}
		if !d.Type().IsRegular() {
			return nil
		}
		f, err := root.Open(filepath.FromSlash(name))
		if err != nil {
			return err
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			return err
		}
		files++
		bytes += info.Size()
		if files > limits.Files || bytes > limits.Package {
			return brigade.Errorf(brigade.CodeDependency, "the file: dependency %q is larger than %d files or %d MiB", at, limits.Files, limits.Package>>20)
		}
		return visit(strings.TrimPrefix(strings.TrimPrefix(name, at), "/"), io.LimitReader(f, info.Size()), info.Size())
	})
	var be *brigade.Error
	if err != nil && !errors.As(err, &be) && ctx.Err() == nil {
		return p.unreadable(at, err)
	}
	return err
}

// copyTo lays a file: dependency out in dir.
func (p *project) copyTo(ctx context.Context, at, dir string, limits Limits, link func(key, dir string) error) error {
	root, err := p.open()
	if err != nil {
		return err
	}
	defer root.Close()
	if info, err := root.Stat(filepath.FromSlash(at)); err != nil {
		return p.unreadable(at, err)
	} else if !info.IsDir() {
		key, err := p.tarball(ctx, root, at, limits)
		if err != nil {
			return err
		}
		return link(key, dir)
	}
	return p.walk(ctx, root, at, limits, func(name string, f io.Reader, _ int64) error {
		return writeReadOnly(filepath.Join(dir, filepath.FromSlash(name)), f)
	})
}

// writeReadOnly makes a file of mode 0444, and the directories above it.
func writeReadOnly(file string, r io.Reader) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o444)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}
