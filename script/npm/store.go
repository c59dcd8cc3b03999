package npm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// contentStore keeps unpacked packages by the hash of their tarball. Any
// number of processes may use one directory at once: everything is made under
// tmp and appears by a rename, and what is there never changes.
//
//	packages/sha512-…/index.json   what it holds
//	packages/sha512-…/files/…      its files, read-only
//	packuments/…                   the registry's documents
//	locks/…                        what manifests without a lock resolved to
//	trees/…                        node_modules directories
//	tmp/…                          under way
type contentStore struct{ dir string }

const (
	tmpDir     = "tmp"
	tmpMaxAge  = 24 * time.Hour
	maxContent = 64 << 20 // bytes of an index.json
)

func (s contentStore) path(parts ...string) string {
	return filepath.Join(append([]string{s.dir}, parts...)...)
}

// find returns the key of the first digest that is stored.
func (s contentStore) find(want []digest) (key string, ok bool) {
	for _, d := range want {
		if _, err := os.Stat(s.path("packages", d.file(), "index.json")); err == nil {
			return d.file(), true
		}
	}
	return "", false
}

// content reads what a stored package holds.
func (s contentStore) content(key string) (*Content, error) {
	text, err := readCapped(s.path("packages", key, "index.json"), maxContent)
	if err != nil {
		return nil, fmt.Errorf("read cached package: %w", err)
	}
	c := &Content{}
	if err := json.Unmarshal(text, c); err != nil {
		return nil, fmt.Errorf("read cached package %s: %w", key, err)
	}
	return c, nil
}

// files is the directory of a stored package's files.
func (s contentStore) files(key string) string { return s.path("packages", key, "files") }

// temp makes a directory of its own under tmp.
func (s contentStore) temp() (string, error) {
	if err := os.MkdirAll(s.path(tmpDir), 0o755); err != nil {
		return "", fmt.Errorf("make cache directory: %w", err)
	}
	dir, err := os.MkdirTemp(s.path(tmpDir), "")
	if err != nil {
		return "", fmt.Errorf("make cache directory: %w", err)
	}
	return dir, nil
}

// add unpacks a verified tarball and makes it visible under key.
func (s contentStore) add(ctx context.Context, tarball io.Reader, key string, limits Limits) (*Content, error) {
	dir, err := s.temp()
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	files := filepath.Join(dir, "new", "files")
	if err := os.MkdirAll(files, 0o755); err != nil {
		return nil, fmt.Errorf("make cache directory: %w", err)
	}
	content, err := Unpack(ctx, tarball, files, limits)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(content)
	if err != nil {
		return nil, fmt.Errorf("write cached package: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "new", "index.json"), text, 0o444); err != nil {
		return nil, fmt.Errorf("write cached package: %w", err)
	}
	return content, s.publish(filepath.Join(dir, "new"), s.path("packages", key))
}

// publish renames a finished directory to its place. That somebody else was
// faster is fine: both hold the same.
func (s contentStore) publish(from, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return fmt.Errorf("make cache directory: %w", err)
	}
	err := os.Rename(from, to)
	if err != nil {
		if _, statErr := os.Stat(to); statErr == nil {
			return nil
		}
		return fmt.Errorf("write cache: %w", err)
	}
	return nil
}

// writeFile replaces a file in one step.
func writeFile(file string, text []byte, mode fs.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(file), ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(text)
	if err == nil {
		err = f.Chmod(mode)
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), file)
}

// sweep removes what crashed processes left under tmp.
func (s contentStore) sweep(now time.Time) {
	entries, err := os.ReadDir(s.path(tmpDir))
	if err != nil {
		return
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && now.Sub(info.ModTime()) > tmpMaxAge {
			_ = os.RemoveAll(s.path(tmpDir, e.Name()))
		}
	}
}

// cachedDocument is a packument on disk.
type cachedDocument struct {
	ETag     string    `json:"etag,omitempty"`
	Modified string    `json:"modified,omitempty"` // Last-Modified
	Fetched  time.Time `json:"fetched"`
	MaxAge   int       `json:"maxAge,omitempty"` // seconds
	body     []byte
}

// documentFile names the file of a packument. What was fetched with a
// credential is only found with the same credential.
func (s contentStore) documentFile(address string, cred credential) string {
	sum := sha256.Sum256([]byte(address + "\x00" + cred.header()))
	return s.path("packuments", hex.EncodeToString(sum[:20]))
}

func readDocument(file string) (*cachedDocument, bool) {
	text, err := readCapped(file, maxPackument+maxManifest)
	if err != nil {
		return nil, false
	}
	for i, b := range text {
		if b == '\n' {
			d := &cachedDocument{body: text[i+1:]}
			return d, json.Unmarshal(text[:i], d) == nil
		}
	}
	return nil, false
}

func (d *cachedDocument) write(file string) error {
	head, err := json.Marshal(d)
	if err != nil {
		return err
	}
	return writeFile(file, append(append(head, '\n'), d.body...), 0o600)
}

// Prune removes from a cache directory what no install has used since before:
// trees, packages, the registry's documents. Trees do not need the packages
// they were made of. It is safe while installs run, except that a tree handed
// out before then may vanish.
func Prune(cache string, before time.Time) error {
	s := contentStore{cache}
	var errs []error
	for _, kind := range []string{"trees", "packuments", "locks", "packages"} {
		entries, err := os.ReadDir(s.path(kind))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
		for _, e := range entries {
			info, err := e.Info()
			if err != nil || !info.ModTime().Before(before) {
				continue
			}
			// Out of sight first, so that nobody finds half of it.
			gone := s.path(tmpDir, "pruned-"+kind+"-"+e.Name())
			if err := os.MkdirAll(s.path(tmpDir), 0o755); err != nil {
				return fmt.Errorf("prune cache: %w", err)
			}
			if err := os.Rename(s.path(kind, e.Name()), gone); err == nil {
				err = os.RemoveAll(gone)
				errs = append(errs, err)
			}
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("prune cache: %w", err)
	}
	return nil
}
