package npm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	brigade "github.com/brigadecore/brigade/v3"
)

// origin is where a lock comes from.
type origin int

const (
	fromOurs    origin = iota // brigade.lock, as it is
	fromNPM                   // npm's lock
	fromMemory                // the cache
	fromResolve               // made anew, or brigade.lock with packages taken out
)

// lockNames are the locks of a project, the first that fits being used.
var lockNames = []string{LockFile, "npm-shrinkwrap.json", "package-lock.json"}

// lock finds a lock that fits, or makes one.
func (in *install) lock(ctx context.Context) (*Lock, origin, error) {
	var old *Lock
	var oldName string
	var why []string
	for _, name := range lockNames {
		l, err := in.readLock(name)
		if err != nil {
			if name == LockFile || in.req.Frozen {
				return nil, 0, err
			}
			in.warn("%v: it is not used", err)
		}
		if l == nil {
			continue
		}
		pruned, problems := fits(l, in.wishes, in.manifest.Overrides, in.builtIn)
		if problems == nil {
			problems = in.changedLocals(ctx, pruned)
		}
		if problems == nil && name == LockFile && len(pruned.Packages) == len(l.Packages) && sameWishes(pruned, l) {
			return pruned, fromOurs, nil
		}
		if problems == nil && l.foreign {
			return pruned, fromNPM, nil
		}
		if problems == nil {
			return pruned, fromResolve, nil
		}
		if old == nil {
			old, oldName, why = l, name, problems
		}
	}
	if in.req.Frozen {
		return nil, 0, frozen(oldName, why)
	}
	return in.resolved(ctx, old)
}

func frozen(name string, why []string) error {
	if name == "" {
		return brigade.Errorf(brigade.CodeDependency, "there is no %s, and the lock is frozen", LockFile).
			WithHint("Run `brig install` and commit %s.", LockFile)
	}
	shownWhy := strings.Join(why[:min(3, len(why))], "; ")
	if len(why) > 3 {
		shownWhy += fmt.Sprintf("; and %d more", len(why)-3)
	}
	return brigade.Errorf(brigade.CodeDependency, "%s does not match the manifest, and the lock is frozen: %s", name, shownWhy).
		WithHint("Run `brig install` and commit %s.", LockFile)
}

func sameWishes(a, b *Lock) bool {
	x, _ := json.Marshal([]any{a.Dependencies, a.Optional})
	y, _ := json.Marshal([]any{orEmpty(b.Dependencies), b.Optional})
	return string(x) == string(y)
}

func (in *install) readLock(name string) (*Lock, error) {
	if in.req.Dir == "" {
		return nil, nil
	}
	text, err := readCapped(filepath.Join(in.req.Dir, name), maxLock)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, brigade.Errorf(brigade.CodeDependency, "read %s: %w", name, err)
	}
	if name == LockFile {
		return ParseLock(name, text)
	}
	return ParsePackageLock(name, text)
}

// changedLocals names the file: dependencies whose own dependencies are not
// those that were locked.
func (in *install) changedLocals(ctx context.Context, lock *Lock) []string {
	var out []string
	for i := range lock.Packages {
		p := &lock.Packages[i]
		at, ok := strings.CutPrefix(p.Resolved, "file:")
		if !ok || lock.foreign && p.Dependencies == nil {
			continue
		}
		m, err := in.project.local(ctx, at, in.opts.Limits)
		if err != nil {
			out = append(out, err.Error())
			continue
		}
		if !in.sameDeps(at, m.Dependencies, p.Dependencies) || !in.sameDeps(at, m.Optional, p.Optional) || (!lock.foreign && m.Version != p.Version) {
			out = append(out, fmt.Sprintf("the package.json of %s has changed", at))
		}
	}
	return out
}

func (in *install) sameDeps(at string, now, locked map[string]string) bool {
	rel := &release{dir: at}
	count := 0
	for name, text := range now {
		if in.builtIn(name) {
			continue
		}
		count++
		if sp, err := in.project.spec(rel, name, text); err == nil && sp.kind == specFile {
			text = "file:" + sp.text
		}
		if _, ok := locked[name]; !ok || (locked[name] != text && in.manifest.Overrides == nil) {
			return false
		}
	}
	return count == len(locked)
}

// memoryFile is where the cache remembers what these wishes resolved to.
func (in *install) memoryFile(c *config) string {
	h := sha256.New()
	for _, w := range in.wishes {
		fmt.Fprintf(h, "%s\x00%s\x00%v\x00", w.name, w.text, w.optional)
	}
	if slices.ContainsFunc(in.wishes, func(w wish) bool { return w.spec.kind == specFile }) {
		fmt.Fprintf(h, "%s\x00", in.req.Dir)
	}
	fmt.Fprintf(h, "%s\x00%v\x00%s\x00", c.registry, c.scopes, canonical(in.manifest.Overrides))
	// What a credential gave is only remembered for those who have it.
	for _, r := range c.registries() {
		if u, err := url.Parse(r); err == nil {
			cred, _ := c.credentialFor(u)
			fmt.Fprintf(h, "%s\x00", cred.header())
		}
	}
	return in.store.path("locks", hex.EncodeToString(h.Sum(nil))[:40])
}

// resolved takes a remembered lock, or asks the registry. What an old lock
// says is kept as far as it fits.
func (in *install) resolved(ctx context.Context, old *Lock) (*Lock, origin, error) {
	reg, err := in.reg()
	if err != nil {
		return nil, 0, err
	}
	file := in.memoryFile(reg.config)
	if old == nil && !in.req.SaveLock || in.req.Offline {
		if l, ok := in.remembered(ctx, file); ok {
			return l, fromMemory, nil
		}
	}
	direct := map[string]string{}
	for _, w := range in.wishes {
		direct[w.name] = w.text
	}
	rules, err := parseOverrides(in.manifest.Overrides, direct)
	if err != nil {
		return nil, 0, err
	}
	r := &resolver{
		registry: reg, project: in.project, builtIn: in.builtIn, rules: rules, overrides: in.manifest.Overrides,
		limits: in.opts.Limits, warn: in.warn,
		progress: func(n int) { in.progress(Progress{Phase: PhaseResolve, Done: n}) },
	}
	if old != nil && (old.foreign || sameJSON(old.Overrides, in.manifest.Overrides)) {
		r.prefer(old)
	} else {
		r.prefer(nil)
	}
	lock, err := r.resolve(ctx, in.wishes)
	return lock, fromResolve, err
}

func (in *install) remembered(ctx context.Context, file string) (*Lock, bool) {
	info, err := os.Stat(file)
	if err != nil || (in.opts.Now().Sub(info.ModTime()) > in.opts.LockAge && !in.req.Offline) {
		return nil, false
	}
	text, err := readCapped(file, maxLock)
	if err != nil {
		return nil, false
	}
	l, err := ParseLock("the remembered lock", text)
	if err != nil {
		return nil, false
	}
	l, problems := fits(l, in.wishes, in.manifest.Overrides, in.builtIn)
	if problems == nil {
		problems = in.changedLocals(ctx, l)
	}
	return l, problems == nil
}

// save writes brigade.lock when that is wanted, and remembers a new lock
// otherwise.
func (in *install) save(lock *Lock, from origin) (bool, error) {
	if from == fromOurs || from == fromNPM {
		return false, nil
	}
	if in.req.SaveLock && in.req.Dir != "" {
		if err := writeFile(filepath.Join(in.req.Dir, LockFile), lock.Text(), 0o644); err != nil {
			return false, fmt.Errorf("write %s: %w", LockFile, err)
		}
		return true, nil
	}
	if reg, err := in.reg(); from == fromResolve && err == nil {
		if err := writeFile(in.memoryFile(reg.config), lock.Text(), 0o600); err != nil {
			in.opts.Log.Debug("npm lock is not remembered", "err", err)
		}
	}
	return false, nil
}
