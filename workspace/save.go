package workspace

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/pick"
)

// Saved says what Save brings home, from directories; "": not that.
type Saved struct {
	Share, Cache string
	State        string // where Fetch noted what there was
	Artifacts    string // the directory that is the job's mountPath
	Outputs      string // the directory with the file for outputs
	// Job is what PodFor put into the sidecar's environment as JobEnv.
	Job string
}

// reportTime is kept back for the report, whatever happened before.
const reportTime = 15 * time.Second

// Save brings home what a job left, once it has ended, and reports how that
// went. It is done when the report has arrived. Problems with single files are
// part of the report and no error.
func (c *Client) Save(ctx context.Context, from Saved) error {
	var told sidecarJob
	if from.Job != "" {
		if err := json.Unmarshal([]byte(from.Job), &told); err != nil {
			return brigade.Errorf(brigade.CodeUsage, "%s cannot be read: %v", JobEnv, err)
		}
	}
	early := ctx
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		early, cancel = context.WithDeadline(ctx, deadline.Add(-min(reportTime, time.Until(deadline)/4)))
		defer cancel()
	}
	s := &saving{c: c}
	if text, err := os.ReadFile(filepath.Join(from.State, problemsState)); from.State != "" && err == nil {
		s.problem("%s", text)
	}
	if from.Outputs != "" {
		s.outputs(early, from.Outputs)
	}
	if from.Share != "" {
		s.share(early, from)
	}
	if from.Artifacts != "" {
		s.artifacts(early, from.Artifacts, told)
	}
	if from.Cache != "" {
		s.cache(early, from, told.Cache)
	}
	s.mu.Lock()
	text, err := json.Marshal(s.report)
	s.mu.Unlock()
	if err != nil {
		return err
	}
	return c.put(ctx, "report", text)
}

// saving collects what is to be reported.
type saving struct {
	c  *Client
	mu sync.Mutex // what packs may still run when its request is over

	report report
}

// maxProblems is how many problems of one kind are told.
const maxProblems = 10

func (s *saving) problem(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	s.mu.Lock()
	s.report.Problems = append(s.report.Problems, text)
	s.mu.Unlock()
	s.c.opt.Notice(text)
}

func (c *Client) put(ctx context.Context, path string, text []byte) error {
	return c.do(ctx, request{method: http.MethodPut, path: path, size: int64(len(text)), body: func(context.Context) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(text)), nil
	}})
}

func (s *saving) outputs(ctx context.Context, dir string) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		s.fail("the outputs of the job were not kept", err)
		return
	}
	defer root.Close() //nolint:errcheck // it was only read
	f, _, err := openRegular(root, outputs)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var text []byte
	if err == nil {
		defer f.Close() //nolint:errcheck // it was only read
		text, err = io.ReadAll(io.LimitReader(f, brigade.MaxOutputsBytes))
	}
	if err == nil {
		err = s.c.put(ctx, "outputs", text)
	}
	if err != nil {
		s.fail("the outputs of the job were not kept", bare(err))
	}
}

// artifacts sends the files that the job's patterns name.
func (s *saving) artifacts(ctx context.Context, dir string, told sidecarJob) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		s.problem("artifacts: %v", err)
		return
	}
	defer root.Close() //nolint:errcheck // it was only read
	problems := pick.Compile(told.Artifacts, told.MountPath).Dir(root, func(name string, size int64, _ io.Reader) error {
		return s.c.do(ctx, request{method: http.MethodPut, path: "artifacts/" + escaped(name), size: size, body: func(context.Context) (io.ReadCloser, error) {
			f, info, err := openRegular(root, name)
			if err == nil && info.Size() != size {
				_ = f.Close()
				err = fmt.Errorf("%s changes while it is sent", name)
			}
			if err != nil {
				return nil, storeError(err, "the artifact cannot be read")
			}
			return f, nil
		}})
	})
	for _, p := range problems {
		s.problem("artifacts: %s", p)
	}
}

func escaped(name string) string {
	parts := strings.Split(name, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return strings.Join(parts, "/")
}

// difference is what changed in a directory.
type difference struct {
	changed map[string]bool
	gone    baseline
	bytes   int64 // of all files there are
}

func (d *difference) none() bool { return len(d.changed) == 0 && len(d.gone) == 0 }

// compare looks for what changed since before. What cannot be read is told, and
// taken as unchanged.
func (s *saving) compare(ctx context.Context, what, dir string, before baseline) (*difference, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close() //nolint:errcheck // it was only read
	d := &difference{changed: map[string]bool{}, gone: maps.Clone(before)}
	unread := 0
	err = walk(ctx, root, func(e entry, err error) error {
		if err == nil {
			delete(d.gone, e.Name)
			if e.Mode.IsRegular() {
				d.bytes += e.Size
			}
			if before[e.Name].Here != here(e) {
				d.changed[e.Name] = true
			}
			return nil
		}
		if unread++; unread <= maxProblems {
			s.problem("%s: %s is not kept: %v", what, e.Name, bare(err))
		}
		for name := range d.gone { // nobody knows
			if e.Name == "." || strings.HasPrefix(name, e.Name+"/") {
				delete(d.gone, name)
			}
		}
		return nil
	})
	return d, err
}

// bare leaves out the path of an error, and says what to do.
func bare(err error) error {
	var of *fs.PathError
	if errors.As(err, &of) {
		err = of.Err
	}
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w (the job has to leave it readable for the pod's other containers)", err)
	}
	return err
}

func (s *saving) share(ctx context.Context, from Saved) {
	err := func() error {
		before, err := readBaseline(filepath.Join(from.State, shareState))
		if err != nil {
			return storeError(err, "what the storage held before is not known")
		}
		d, err := s.compare(ctx, "build storage", from.Share, before)
		if err != nil {
			return storeError(err, "the build storage cannot be read")
		}
		if d.none() {
			return nil
		}
		r := request{method: http.MethodPost, path: "share", query: url.Values{"upload": {rand.Text()}}}
		return s.c.send(ctx, r, from.Share, s.only(d, "build storage"), d.gone, false)
	}()
	if err != nil {
		s.fail("what the job left in the build's storage was not kept", err)
	}
}

// fail reports what later jobs miss: the job has failed. Of several reasons the
// first counts, the others are told.
func (s *saving) fail(what string, err error) {
	failure := brigade.Errorf(brigade.CodeOf(err), "%s: %v", what, err)
	var e *brigade.Error
	if errors.As(err, &e) {
		failure.Hint = e.Hint
	}
	if s.report.Failure != nil {
		s.problem("%s", failure.Message)
		return
	}
	s.report.Failure = failure
	s.c.opt.Notice(failure.Message)
}

// only packs what changed.
func (s *saving) only(d *difference, what string) func(*packer) {
	told := map[string]bool{}
	return func(p *packer) {
		p.want = func(e entry) bool { return d == nil || d.changed[e.Name] }
		p.skipped = func(name string, err error) {
			if !told[name] && len(told) < maxProblems && (d == nil || d.changed[name]) {
				told[name] = true
				s.problem("%s: %s is not kept: %v", what, name, bare(err))
			}
		}
	}
}

func (s *saving) cache(ctx context.Context, from Saved, size int64) {
	err := func() error {
		before, err := readBaseline(filepath.Join(from.State, cacheState))
		if err != nil {
			before = baseline{} // then it is sent as a whole
		}
		d, err := s.compare(ctx, "cache", from.Cache, before)
		if err != nil {
			return err
		}
		if d.none() {
			return nil
		}
		if size > 0 && d.bytes > size {
			return fmt.Errorf("it has %s, more than its size of %s allows: set job.cache.size", bytesText(d.bytes), bytesText(size))
		}
		return s.c.send(ctx, request{method: http.MethodPut, path: "cache"}, from.Cache, s.only(nil, "cache"), nil, true)
	}()
	if err != nil && brigade.CodeOf(err) != brigade.CodeDenied { // a build that may not is no problem
		s.problem("the cache is not kept: %v", err)
	}
}

// send packs a directory as the body of a request.
func (c *Client) send(ctx context.Context, r request, dir string, adjust func(*packer), gone baseline, zip bool) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return storeError(err, "the files of the pod cannot be read")
	}
	defer root.Close() //nolint:errcheck // it was only read
	r.size = -1
	r.body = func(ctx context.Context) (io.ReadCloser, error) {
		pr, pw := io.Pipe()
		go func() {
			err := packTo(ctx, pw, root, adjust, gone, zip)
			if err != nil && !errors.Is(err, io.ErrClosedPipe) {
				err = &localError{err}
			}
			_ = pw.CloseWithError(err)
		}()
		return pr, nil
	}
	return c.do(ctx, r)
}

func packTo(ctx context.Context, w io.Writer, root *os.Root, adjust func(*packer), gone baseline, zip bool) error {
	if zip {
		packed, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
		if err != nil {
			return err
		}
		if err := packTo(ctx, packed, root, adjust, gone, false); err != nil {
			return err
		}
		return packed.Close()
	}
	head := tar.NewWriter(w)
	for _, name := range slices.Sorted(maps.Keys(gone)) {
		if err := remove(head, name, gone[name].There); err != nil {
			return err
		}
	}
	if err := head.Flush(); err != nil {
		return err
	}
	p := &packer{root: root}
	adjust(p)
	return p.pack(ctx, w)
}
