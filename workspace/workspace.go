// Package workspace brings files to the pods of jobs and back, without a
// volume that several pods can mount: the source of a build, the storage that
// its jobs share, caches, artifacts, and outputs that a pod's status has no
// room for.
//
// Server keeps the files in a directory and serves them over HTTP. Client is
// the other end: Fetch runs in an init container before the job, Save in a
// sidecar after it. Pod says what a pod needs for that. Tokens say what a pod
// may see: they are signed, carry their limits in them, and hold across
// restarts of the server without being stored.
package workspace

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/lazyregexp"
)

// Options are what a Server is made of. Dir and Key have to be there.
type Options struct {
	// Dir is where everything is kept: on a volume, or in a directory that
	// goes with the pod. It is the server's own, and one server's only.
	Dir string
	// Key signs tokens. At least 32 bytes; every server of an installation
	// that is to accept the same tokens has the same.
	Key []byte
	// URL is where pods reach the server, such as http://brigade-workspace:7748.
	URL string
	// CA holds the certificates, as PEM, that pods trust when URL is https and
	// its certificate is not signed by a public authority. It may be empty.
	CA string
	// Caches keeps the caches of jobs. nil: the directory does.
	Caches Caches
	// Artifacts keeps the artifacts of jobs that worker pods run. nil: those
	// have none.
	Artifacts Artifacts
	Limits    Limits
	Log       *slog.Logger     // nil: nothing is logged
	Now       func() time.Time // nil: time.Now
}

// Limits bound what the server keeps and does at once. Zero means the default.
type Limits struct {
	Share      int64         // bytes of a build's storage, whatever its token says; default 10 GiB
	Cache      int64         // bytes of a job's cache, unpacked; default 5 GiB
	CacheTotal int64         // bytes of all caches, as kept; default 20 GiB
	CacheAge   time.Duration // since a cache was last used; default 30 days
	Source     int64         // bytes of a source tree that a worker sends; default 10 GiB
	Artifact   int64         // bytes of one artifact; default 5 GiB
	Artifacts  int64         // bytes of all artifacts of a build; default 20 GiB
	Kept       int64         // bytes of one artifact that is kept for good for a worker pod; default 1 GiB
	Files      int           // in one tree; default 500,000
	Transfers  int           // uploads at once, further ones wait; default 32
	Idle       time.Duration // without a byte, after which a transfer is broken off; default 2 minutes
}

func (l Limits) withDefaults() Limits {
	set(&l.Share, 10<<30)
	set(&l.Cache, 5<<30)
	set(&l.CacheTotal, 20<<30)
	set(&l.CacheAge, 30*24*time.Hour)
	set(&l.Source, 10<<30)
	set(&l.Artifact, 5<<30)
	set(&l.Artifacts, 20<<30)
	set(&l.Kept, 1<<30)
	set(&l.Files, 500_000)
	set(&l.Transfers, 32)
	set(&l.Idle, 2*time.Minute)
	return l
}

func set[T int | int64 | time.Duration](to *T, value T) {
	if *to <= 0 {
		*to = value
	}
}

// Server keeps the files and serves them: it is an http.Handler. All methods
// may be called concurrently.
type Server struct {
	opt       Options
	mux       *http.ServeMux
	transfers chan struct{}
	caches    Caches

	mu     sync.Mutex
	builds map[string]*build
	forgot time.Time // when ended builds were last forgotten
}

// build is what the server knows of a build.
type build struct {
	id  string
	dir string

	mu      sync.Mutex // held while the share changes
	ended   bool
	measure bool // used and files are known
	used    int64
	files   int

	kept   int64  // bytes of artifacts; -1: not known
	source string // the dispatcher's directory; guarded by Server.mu
}

// New opens the directory and returns a server. What was left half done by one
// that was killed is removed.
func New(opt Options) (*Server, error) {
	if len(opt.Key) < minKey {
		return nil, brigade.Errorf(brigade.CodeInvalid, "the workspace server's key has %d bytes, it needs %d", len(opt.Key), minKey).
			WithHint("make one with: head -c 32 /dev/urandom | base64")
	}
	if opt.Dir == "" {
		return nil, brigade.Errorf(brigade.CodeInvalid, "the workspace server needs a directory")
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	opt.Limits = opt.Limits.withDefaults()
	s := &Server{opt: opt, builds: map[string]*build{}, forgot: opt.Now(), transfers: make(chan struct{}, opt.Limits.Transfers), caches: opt.Caches}
	for _, name := range []string{"builds", "ended", "temp"} {
		if err := os.MkdirAll(filepath.Join(opt.Dir, name), 0o700); err != nil {
			return nil, storeError(err, "the workspace's directory cannot be made")
		}
	}
	if err := s.tidy(); err != nil {
		return nil, storeError(err, "the workspace's directory cannot be tidied")
	}
	if s.caches == nil {
		caches, err := DirCaches(filepath.Join(opt.Dir, "cache"), opt.Limits, opt.Now)
		if err != nil {
			return nil, err
		}
		s.caches = caches
	}
	s.mux = s.routes()
	return s, nil
}

// endedFor is how long it is remembered that a build has ended.
const endedFor = 24 * time.Hour

// tidy removes half-done uploads, and what reminds of builds that ended long ago.
func (s *Server) tidy() error {
	for _, pattern := range []string{"temp/*", "builds/*/" + stagingDir + "/*"} {
		left, err := filepath.Glob(filepath.Join(s.opt.Dir, filepath.FromSlash(pattern)))
		if err != nil {
			return err
		}
		for _, name := range left {
			if err := removeAll(name); err != nil {
				return err
			}
		}
	}
	return s.forget()
}

// forget removes what reminds of builds that ended long ago.
func (s *Server) forget() error {
	ended, err := os.ReadDir(filepath.Join(s.opt.Dir, "ended"))
	if err != nil {
		return err
	}
	for _, e := range ended {
		info, err := e.Info()
		if err == nil && s.opt.Now().Sub(info.ModTime()) > endedFor {
			err = os.Remove(filepath.Join(s.opt.Dir, "ended", e.Name()))
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// names are IDs that are also names of files on every system.
var names = lazyregexp.New(`^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$`)

func checkID(noun, id string) error {
	if !names.MatchString(id) {
		return brigade.Errorf(brigade.CodeInvalid, "%.60q is not the ID of a %s", id, noun)
	}
	return nil
}

// build returns what is known of a build; CodeCanceled when it has ended.
func (s *Server) build(id string) (*build, error) {
	if err := checkID("build", id); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.builds[id]; b != nil {
		return b, nil
	}
	if _, err := os.Lstat(s.tombstone(id)); err == nil {
		return nil, over(id)
	}
	b := &build{id: id, dir: filepath.Join(s.opt.Dir, "builds", id), kept: -1}
	s.builds[id] = b
	return b, nil
}

func over(buildID string) error {
	return brigade.Errorf(brigade.CodeCanceled, "the build %s is over", buildID)
}

func (s *Server) tombstone(id string) string { return filepath.Join(s.opt.Dir, "ended", id) }

// PutSource lets the jobs of a build have the files of dir, until EndBuild.
// The directory is the caller's and must not change until then.
func (s *Server) PutSource(buildID, dir string) error {
	b, err := s.build(buildID)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b.source = dir
	return nil
}

// EndBuild removes everything of a build except caches, and refuses its tokens
// from then on. Unknown builds are no error.
func (s *Server) EndBuild(_ context.Context, buildID string) error {
	if err := checkID("build", buildID); err != nil {
		return nil
	}
	dir := filepath.Join(s.opt.Dir, "builds", buildID)
	s.mu.Lock()
	b := s.builds[buildID]
	if _, err := os.Lstat(dir); b == nil && errors.Is(err, fs.ErrNotExist) {
		s.mu.Unlock()
		return nil // nothing of it was ever here
	}
	err := os.WriteFile(s.tombstone(buildID), nil, 0o600)
	if err == nil {
		delete(s.builds, buildID)
	}
	old := s.opt.Now().Sub(s.forgot) > endedFor/24
	if old {
		s.forgot = s.opt.Now()
	}
	s.mu.Unlock()
	if err == nil && old {
		err = s.forget()
	}
	if err != nil {
		return storeError(err, "the end of the build cannot be noted")
	}
	if b != nil { // what is being applied is let finish
		b.mu.Lock()
		defer b.mu.Unlock()
		b.ended = true
	}
	if err := removeAll(dir); err != nil {
		return storeError(err, "the files of the build cannot be removed")
	}
	return nil
}

// Sweep ends the builds for which alive answers false and returns how many
// those were.
func (s *Server) Sweep(ctx context.Context, alive func(buildID string) bool) (int, error) {
	entries, err := os.ReadDir(filepath.Join(s.opt.Dir, "builds"))
	if err != nil {
		return 0, storeError(err, "the workspace cannot be read")
	}
	n := 0
	for _, e := range entries {
		if alive(e.Name()) {
			continue
		}
		if err := s.EndBuild(ctx, e.Name()); err != nil {
			return n, err
		}
		n++
	}
	return n, ctx.Err()
}

// ServeHTTP serves pods.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// removeAll removes a tree, also one with directories that forbid it.
func removeAll(dir string) error {
	if err := os.RemoveAll(dir); err == nil {
		return nil
	}
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if d != nil && d.IsDir() {
			_ = os.Chmod(path, 0o700)
		}
		return nil
	})
	return os.RemoveAll(dir)
}

func storeError(err error, what string) *brigade.Error {
	return &brigade.Error{Code: brigade.CodeStore, Message: fmt.Sprintf("%s: %v", what, err), Err: err}
}
