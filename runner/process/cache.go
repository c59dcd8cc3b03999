package process

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/cachekey"
)

// Caches with keys are directories of their own, of which a job has only so
// many: further ones go, those that were not used for longest first.
const (
	mostKeys   = 10                  // of one job
	keptAtMost = 30 * 24 * time.Hour // since a cache was last used
	inUse      = 24 * time.Hour      // a job may still be at work in one that was used since
	tempSuffix = ".temp"             // of a copy that is not complete
	usedMark   = ".used"             // behind a cache's name: an empty file as old as its last use
)

// keyedDir returns the directory for the job's cache of its key, which it makes
// when there is none: of what restoreKeys name, or empty.
func (r *Runner) keyedDir(p *plan, run brigade.JobRun) (string, error) {
	base := filepath.Join(r.opts.StateDir, "caches", r.projectDir(run), run.Job.Spec.Name)
	if err := os.MkdirAll(base, 0o700); err != nil {
		return "", err
	}
	r.caches.Lock()
	defer r.caches.Unlock()
	name := cachekey.Encode(p.spec.Cache.Key)
	dir := filepath.Join(base, name)
	if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
		if from := newestOf(base, p.spec.Cache.RestoreKeys); from != "" {
			if err := copyCache(filepath.Join(base, from), dir); err != nil {
				p.note("what was cached under another key cannot be copied: %v", err)
			}
		}
	}
	now := r.opts.Now()
	if err := os.WriteFile(dir+usedMark, nil, 0o600); err != nil {
		return "", err
	}
	if err := os.Chtimes(dir+usedMark, now, now); err != nil {
		return "", err
	}
	return dir, dropOld(base, now)
}

// keyed is a cache with a key.
type keyed struct {
	name string
	used time.Time
}

// keyedIn lists the caches of a job, the one that was used last first.
func keyedIn(base string) ([]keyed, error) {
	marks, err := filepath.Glob(filepath.Join(base, "*"+usedMark))
	if err != nil {
		return nil, err
	}
	var all []keyed
	for _, mark := range marks {
		if info, err := os.Lstat(mark); err == nil {
			all = append(all, keyed{strings.TrimSuffix(filepath.Base(mark), usedMark), info.ModTime()})
		}
	}
	slices.SortFunc(all, func(a, b keyed) int { return cmp.Or(b.used.Compare(a.used), strings.Compare(b.name, a.name)) })
	return all, nil
}

// newestOf is the cache that was used last of those whose key begins with the
// first of the prefixes that any begins with; "" when there is none.
func newestOf(base string, prefixes []string) string {
	all, err := keyedIn(base)
	if err != nil {
		return ""
	}
	for _, prefix := range prefixes {
		for _, c := range all {
			if strings.HasPrefix(c.name, cachekey.Encode(prefix)) {
				return c.name
			}
		}
	}
	return ""
}

// copyCache makes a cache out of another one: all of it or nothing.
func copyCache(from, to string) error {
	temp, err := os.MkdirTemp(filepath.Dir(to), "copy-*"+tempSuffix)
	if err != nil {
		return err
	}
	err = os.CopyFS(temp, os.DirFS(from))
	if err == nil {
		err = os.Rename(temp, to)
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(temp))
	}
	return nil
}

// dropOld removes caches that were not used for long, and those beyond mostKeys.
func dropOld(base string, now time.Time) error {
	all, err := keyedIn(base)
	if err != nil {
		return err
	}
	left, err := filepath.Glob(filepath.Join(base, "*"+tempSuffix))
	if err != nil {
		return err
	}
	for _, temp := range left { // of a program that was killed
		if info, err := os.Lstat(temp); err == nil && now.Sub(info.ModTime()) > inUse {
			if err := os.RemoveAll(temp); err != nil {
				return err
			}
		}
	}
	for i, c := range all {
		if age := now.Sub(c.used); age < inUse || i < mostKeys && age < keptAtMost {
			continue
		}
		dir := filepath.Join(base, c.name)
		if err := errors.Join(os.RemoveAll(dir), os.Remove(dir+usedMark)); err != nil {
			return fmt.Errorf("remove an old cache: %w", err)
		}
	}
	return nil
}
