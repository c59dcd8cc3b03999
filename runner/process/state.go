package process

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	brigade "github.com/brigadecore/brigade/v3"
)

// The state directory:
//
//	builds/<build>/owner               the program that runs the build: its pid and start time
//	builds/<build>/share               the build's storage
//	builds/<build>/jobs/<job>-<n>/     one job: src, work, home, tmp, out … and pid when plain
//	cache/<project>/<job>              a job's cache
//	caches/<project>/<job>/<key>       that of a key; .forks/<project> in both is for forks

func (r *Runner) buildDir(id string) string { return filepath.Join(r.opts.StateDir, "builds", id) }

// cacheDir is the directory of the job's cache.
func (r *Runner) cacheDir(p *plan, run brigade.JobRun) (string, error) {
	if p.spec.Cache.Key != "" {
		return r.keyedDir(p, run)
	}
	return filepath.Join(r.opts.StateDir, "cache", r.projectDir(run), run.Job.Spec.Name), nil
}

// projectDir names the project's directory among those of caches. Builds of forks
// have one of their own: what they leave must not get into others.
func (r *Runner) projectDir(run brigade.JobRun) string {
	project := run.Job.BuildID
	if run.Project != nil {
		project = run.Project.ID
		if !safeName.MatchString(project) {
			sum := sha256.Sum256([]byte(project))
			project = hex.EncodeToString(sum[:])
		}
	}
	if run.Build != nil && run.Build.Event.Untrusted {
		return filepath.Join(".forks", project)
	}
	return project
}

// build is what the runner knows of a build that has jobs here.
type build struct {
	id string

	mu      sync.Mutex
	over    bool
	jobs    map[*execution]struct{} // started and not cleaned up yet
	pending sync.WaitGroup          // starts under way and jobs not cleaned up yet
}

var errBuildOver = brigade.Errorf(brigade.CodeCanceled, "the build is over")

// enter returns the build's record and counts a start under way, which ends
// with build.leave.
func (r *Runner) enter(ctx context.Context, id string) (*build, error) {
	for {
		r.mu.Lock()
		gone := r.closed[id]
		if gone == nil {
			break
		}
		r.mu.Unlock()
		if err := await(ctx, gone); err != nil {
			return nil, err
		}
	}
	defer r.mu.Unlock()
	b := r.builds[id]
	if b == nil {
		b = &build{id: id, jobs: map[*execution]struct{}{}}
		r.builds[id] = b
	}
	b.pending.Add(1)
	return b, nil
}

// join adds a job that is about to get its process.
func (b *build) join(e *execution) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over {
		return errBuildOver
	}
	b.jobs[e] = struct{}{}
	return nil
}

// leave ends what enter began: the job failed to start, or is cleaned up.
func (b *build) leave(e *execution) {
	b.mu.Lock()
	delete(b.jobs, e)
	b.mu.Unlock()
	b.pending.Done()
}

// end kills the build's jobs and returns when nothing of them is left.
func (b *build) end() {
	b.mu.Lock()
	b.over = true
	jobs := make([]*execution, 0, len(b.jobs))
	for e := range b.jobs {
		jobs = append(jobs, e)
	}
	b.mu.Unlock()
	for _, e := range jobs {
		e.kill()
	}
	b.pending.Wait()
}

// jobDirs are the directories of one job.
type jobDirs struct {
	root  string // all but the next two are below it
	share string // "" without storage
	cache string // "" without cache
}

func (d *jobDirs) path(name string) string { return filepath.Join(d.root, name) }

// makeDirs makes the directories of a job; for a plain one it writes main.sh.
func (r *Runner) makeDirs(p *plan, run brigade.JobRun) (*jobDirs, error) {
	dir := r.buildDir(run.Job.BuildID)
	jobs := filepath.Join(dir, "jobs")
	if err := os.MkdirAll(jobs, 0o700); err != nil {
		return nil, fmt.Errorf("make the build's directory: %w", err)
	}
	if err := writeOwner(dir); err != nil {
		return nil, err
	}
	root, err := os.MkdirTemp(jobs, run.Job.Spec.Name+"-*")
	if err != nil {
		return nil, fmt.Errorf("make the job's directory: %w", err)
	}
	d := &jobDirs{root: root}
	names := []string{"home", "tmp", "out"}
	if p.source != "" || p.keeps {
		names = append(names, "src", "work")
	}
	if !p.level.isolated {
		names = append(names, "hook")
	}
	for _, name := range names {
		if err := os.Mkdir(d.path(name), 0o755); err != nil {
			return d, err
		}
	}
	// The state directory keeps other users out, these let a job's own other
	// users in.
	open := []string{d.path("tmp"), d.path("out")}
	if p.storage {
		d.share = filepath.Join(dir, "share")
		open = append(open, d.share)
	}
	if p.cache {
		if d.cache, err = r.cacheDir(p, run); err != nil {
			return d, fmt.Errorf("find the cache: %w", err)
		}
		open = append(open, d.cache)
	}
	for _, path := range open {
		if err := os.MkdirAll(path, 0o777); err != nil {
			return d, err
		}
		if err := os.Chmod(path, 0o777); err != nil && !errors.Is(err, fs.ErrPermission) {
			return d, err
		}
	}
	if p.level.isolated {
		return d, nil // main.sh comes with the root
	}
	return d, os.WriteFile(filepath.Join(d.path("hook"), "main.sh"), []byte(p.spec.Main()), 0o755)
}

// writeOwner notes that this program runs the build.
func writeOwner(dir string) error {
	path := filepath.Join(dir, "owner")
	if _, err := os.Lstat(path); err == nil && !ownedByOther(dir) {
		if id, err := readIdentity(path); err == nil && id.pid == os.Getpid() {
			return nil
		}
	}
	return writeIdentity(path, identity{os.Getpid(), startTime(os.Getpid())})
}

// identity is a process that is not mistaken for a later one of its number.
type identity struct {
	pid   int
	start string
}

func writeIdentity(path string, id identity) error {
	return os.WriteFile(path, fmt.Appendf(nil, "%d %s\n", id.pid, id.start), 0o600)
}

func readIdentity(path string) (identity, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return identity{}, err
	}
	var id identity
	if _, err := fmt.Fscan(strings.NewReader(string(text)), &id.pid, &id.start); err != nil {
		return identity{}, fmt.Errorf("read %s: %w", path, err)
	}
	return id, nil
}

// alive reports whether that very process still runs.
func (id identity) alive() bool {
	return id.pid > 1 && id.start != "" && startTime(id.pid) == id.start
}

// ownedByOther reports whether a build's directory belongs to another program
// that still runs.
func ownedByOther(dir string) bool {
	id, err := readIdentity(filepath.Join(dir, "owner"))
	return err == nil && id.pid != os.Getpid() && id.alive()
}

// killRecorded ends the plain jobs of a build whose program died.
func killRecorded(dir string) {
	files, _ := filepath.Glob(filepath.Join(dir, "jobs", "*", "pid")) // the pattern is fine
	for _, file := range files {
		if id, err := readIdentity(file); err == nil && id.alive() {
			killTree(id.pid)
		}
	}
}

// removeAll removes dir also where directories in it forbid it, such as the
// work directory of an overlay.
func removeAll(dir string) error {
	if os.RemoveAll(dir) == nil {
		return nil
	}
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			_ = os.Chmod(path, 0o700) // what it did not help, RemoveAll reports
		}
		return nil
	})
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("remove what a build left: %w", err)
	}
	return nil
}

// Sweep implements brigade.Sweeper. A build that another running program owns
// is left alone.
func (r *Runner) Sweep(ctx context.Context, alive func(buildID string) bool) (int, error) {
	entries, err := os.ReadDir(filepath.Join(r.opts.StateDir, "builds"))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("list builds: %w", err)
	}
	n := 0
	var failed []error
	for _, entry := range entries {
		if err := context.Cause(ctx); err != nil {
			return n, err
		}
		id := entry.Name()
		if !entry.IsDir() || !safeName.MatchString(id) || alive(id) || ownedByOther(r.buildDir(id)) {
			continue
		}
		if err := r.EndBuild(ctx, id); err != nil {
			failed = append(failed, err)
			continue
		}
		n++
	}
	return n, errors.Join(failed...)
}
