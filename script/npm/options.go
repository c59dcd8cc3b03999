package npm

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
)

// Options is what an Installer needs. Only Cache has to be set.
type Options struct {
	// Cache is the directory that all installs share, processes included.
	Cache string
	// Home is the user's home directory, for ~/.npmrc; "" for none. Env are
	// the environment variables: npm_config_*, the proxies, and those that an
	// .npmrc refers to.
	Home string
	Env  map[string]string
	// HTTP replaces the client made from npm's configuration (proxies,
	// authorities). Its redirect policy and cookies are not used.
	HTTP     *http.Client
	Log      *slog.Logger     // default: none
	Now      func() time.Time // default time.Now
	Platform Platform         // default HostPlatform()
	Limits   Limits
	// Concurrency bounds requests and unpacking under way; default 12.
	Concurrency int
	// BuiltIn reports names that the engine has built in, which are skipped
	// whatever is asked of them; default BuiltIn.
	BuiltIn func(name string) bool
	// Copy makes trees of copies. Else files are hard links into the cache
	// where the file system allows, so that who writes to one, read-only as it
	// is, writes to all.
	Copy bool
	// Sleep waits between attempts; default: with a timer, until ctx ends.
	Sleep func(ctx context.Context, d time.Duration) error
	// LockAge is how long what a project without a lock resolved to is used
	// again without asking the registry; default 24 h.
	LockAge time.Duration
}

// BuiltIn reports the packages that the script engine brings itself, under
// all the names they have had.
func BuiltIn(name string) bool {
	switch name {
	case "brigadier", "brigade", "@brigadecore/brigadier", "@azure/brigadier",
		"brigade-utils", "brigade-utils-test", "@brigadecore/brigade-utils", "@azure/brigade-utils":
		return true
	}
	return false
}

// Phase is a part of an install.
type Phase string

// The phases, in order.
const (
	PhaseResolve Phase = "resolve" // Done packages found so far; Total unknown
	PhaseFetch   Phase = "fetch"   // Done of Total packages are in the cache; Bytes downloaded
	PhaseLink    Phase = "link"    // Done of Total packages are laid out; Bytes of their files
)

// Progress is how far an install is.
type Progress struct {
	Phase   Phase
	Package string // the one just finished
	Done    int
	Total   int
	Bytes   int64
}

// Request is one install.
type Request struct {
	// Dir is the project: its manifests, .npmrc, locks and file: dependencies
	// are there. "" for none; Manifest has to be set then.
	Dir string
	// Manifest replaces the manifests in Dir.
	Manifest *Manifest
	// BrigadeOnly reads brigade.json and not package.json. Dev includes
	// devDependencies.
	BrigadeOnly bool
	Dev         bool
	// Into is the directory in which trees are made, each below a name of its
	// own; default: in the cache.
	Into string
	// Frozen makes a lock that is missing or does not match an error. SaveLock
	// writes brigade.lock into Dir when it changes.
	Frozen   bool
	SaveLock bool
	// Offline forbids the network.
	Offline bool
	// Progress is told how far it is, by one goroutine at a time; may be nil.
	Progress func(Progress)
}

// Tree is an installed node_modules directory. It is shared and read-only.
type Tree struct {
	Dir       string    // the node_modules directory; "" when there is nothing to install
	Lock      *Lock     // what it was made of
	Packages  []Package // those that are in it, sorted by path
	FromCache bool      // it was there already
	LockSaved bool      // brigade.lock was written
	Warnings  []string  // for people: deprecations, conflicts of peers, what was left out
}

// Installer installs dependencies. It is safe for concurrent use.
type Installer struct{ opts Options }

// New makes an Installer; it touches nothing yet.
func New(opts Options) (*Installer, error) {
	if opts.Cache == "" {
		return nil, brigade.Errorf(brigade.CodeUsage, "the npm cache directory is not set")
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Platform == (Platform{}) {
		opts.Platform = HostPlatform()
	}
	if opts.Concurrency <= 0 {
		opts.Concurrency = 12
	}
	if opts.BuiltIn == nil {
		opts.BuiltIn = BuiltIn
	}
	if opts.Sleep == nil {
		opts.Sleep = sleep
	}
	if opts.LockAge <= 0 {
		opts.LockAge = 24 * time.Hour
	}
	opts.Limits = opts.Limits.withDefaults()
	return &Installer{opts}, nil
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
