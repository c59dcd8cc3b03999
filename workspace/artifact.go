package workspace

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	brigade "github.com/brigadecore/brigade/v3"
)

// Artifact is a file that a job left behind and that waits for being collected.
type Artifact struct {
	Name string `json:"name"` // relative to the job's mountPath
	Size int64  `json:"size"` // bytes
	File string `json:"file"` // where it is kept, beside this
	// SHA256 is its checksum once Options.Artifacts has it; "" before.
	SHA256 string `json:"sha256,omitempty"`
}

// Artifacts keeps the artifacts of jobs for good.
type Artifacts interface {
	// PutArtifact keeps a file of a job. It reads content to its end.
	PutArtifact(ctx context.Context, buildID, jobID, name string, content io.Reader) error
}

// artifactsDir is where the artifacts of one attempt of a job are.
func artifactsDir(jobID string, attempt int) string {
	return path.Join(resultDir, jobID+"."+strconv.Itoa(attempt)+artifactsSuffix)
}

const (
	artifactsSuffix = ".artifacts"
	noteSuffix      = ".json" // of a file that says what another one is
)

func (s *Server) putArtifact(c *call) error {
	if err := c.needJob(); err != nil {
		return err
	}
	name, size := c.r.PathValue("name"), c.r.ContentLength
	if clean, err := cleanName(name); err != nil || clean != name || name == "." {
		return brigade.Errorf(brigade.CodeInvalid, "%.100q is not the name of an artifact", name)
	}
	if size < 0 {
		return brigade.Errorf(brigade.CodeInvalid, "the size of the artifact %q is not told", name)
	}
	if size > s.opt.Limits.Artifact {
		return brigade.Errorf(brigade.CodeTooLarge, "it is larger than an artifact may be, %s", bytesText(s.opt.Limits.Artifact))
	}
	sum := sha256.Sum256([]byte(name))
	note := Artifact{Name: name, Size: size, File: hex.EncodeToString(sum[:])}
	dir := artifactsDir(c.grant.Job.Job, c.grant.Job.Attempt)
	more := size
	if old, err := os.Stat(filepath.Join(c.build.dir, filepath.FromSlash(dir), note.File)); err == nil { // it comes again
		more -= old.Size()
	}
	if err := c.build.reserve(more, s.opt.Limits.Artifacts); err != nil {
		return err
	}
	err := c.build.keepFile(path.Join(dir, note.File), func(to *os.File) error {
		_, err := io.Copy(to, &exactReader{r: c.body, left: size})
		return err
	})
	if err == nil {
		err = c.build.keepFile(path.Join(dir, note.File+noteSuffix), func(to *os.File) error { return json.NewEncoder(to).Encode(note) })
	}
	if err != nil {
		_ = c.build.reserve(-more, math.MaxInt64) // it is less
		return err
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// reserve counts the bytes of an artifact, before they come.
func (b *build) reserve(size, limit int64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.kept < 0 {
		b.kept = 0
		err := filepath.WalkDir(filepath.Join(b.dir, resultDir), func(at string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(filepath.Dir(at), artifactsSuffix) || strings.HasSuffix(at, noteSuffix) {
				return err
			}
			info, err := d.Info()
			if err == nil {
				b.kept += info.Size()
			}
			return err
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			b.kept = -1
			return storeError(err, "the artifacts cannot be counted")
		}
	}
	if size > 0 && b.kept+size > limit {
		return brigade.Errorf(brigade.CodeTooLarge, "the artifacts of the build are larger than %s", bytesText(limit))
	}
	b.kept += size
	return nil
}

// exactReader gives an error when less than it should comes.
type exactReader struct {
	r    io.Reader
	left int64
}

func (e *exactReader) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n, err := e.r.Read(p[:min(int64(len(p)), e.left)])
	if e.left -= int64(n); e.left > 0 && errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// artifacts lists those of one attempt of a job, by name.
func (b *build) artifacts(jobID string, attempt int) ([]Artifact, error) {
	dir := filepath.Join(b.dir, filepath.FromSlash(artifactsDir(jobID, attempt)))
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, storeError(err, "the artifacts of the job cannot be read")
	}
	var list []Artifact
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), noteSuffix) {
			continue
		}
		var a Artifact
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err == nil {
			err = json.Unmarshal(text, &a)
		}
		if err != nil {
			return nil, storeError(err, "the artifacts of the job cannot be read")
		}
		list = append(list, a)
	}
	slices.SortFunc(list, func(a, b Artifact) int { return cmp.Compare(a.Name, b.Name) })
	return list, nil
}

// openArtifact opens one for reading.
func (b *build) openArtifact(jobID string, attempt int, a Artifact) (*os.File, error) {
	f, err := os.Open(filepath.Join(b.dir, filepath.FromSlash(artifactsDir(jobID, attempt)), filepath.Base(a.File)))
	if err != nil {
		return nil, storeError(err, "the artifact cannot be read")
	}
	return f, nil
}

// postArtifact keeps an artifact for good, for a worker pod, and answers with
// what is known of it then.
func (s *Server) postArtifact(c *call) error {
	if err := c.needBuild(); err != nil {
		return err
	}
	id, attempt, err := c.whose()
	if err != nil {
		return err
	}
	if s.opt.Artifacts == nil {
		return brigade.Errorf(brigade.CodeInvalid, "this workspace server keeps no artifacts")
	}
	list, err := c.build.artifacts(id, attempt)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(c.r.PathValue("n"))
	if err != nil || n < 0 || n >= len(list) {
		return brigade.Errorf(brigade.CodeNotFound, "the job %s has no such artifact", id)
	}
	a := list[n]
	if a.SHA256 == "" {
		if err := s.keepArtifact(c, id, attempt, &a); err != nil {
			return err
		}
	}
	writeJSON(c.w, http.StatusOK, a)
	return nil
}

func (s *Server) keepArtifact(c *call, id string, attempt int, a *Artifact) error {
	if a.Size > s.opt.Limits.Kept {
		return brigade.Errorf(brigade.CodeTooLarge, "%d bytes are more than the %d an artifact may have", a.Size, s.opt.Limits.Kept)
	}
	f, err := c.build.openArtifact(id, attempt, *a)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // it was only read
	sum := sha256.New()
	if err := s.opt.Artifacts.PutArtifact(c.ctx(), c.build.id, id, a.Name, io.TeeReader(&exactReader{r: f, left: a.Size}, sum)); err != nil {
		return err
	}
	a.SHA256 = hex.EncodeToString(sum.Sum(nil))
	return c.build.keepFile(path.Join(artifactsDir(id, attempt), a.File+noteSuffix), func(to *os.File) error { return json.NewEncoder(to).Encode(a) })
}

// Kept are the artifacts of an attempt of a job that were kept for good.
func (r *Result) Kept() []brigade.Artifact {
	var list []brigade.Artifact
	for _, a := range r.Artifacts {
		if a.SHA256 != "" {
			list = append(list, brigade.Artifact{Name: a.Name, Size: a.Size, SHA256: a.SHA256})
		}
	}
	return list
}

// Left is what an attempt of a job has brought home so far. Nothing of a build
// that is over is left.
func (s *Server) Left(buildID, jobID string, attempt int) (Result, error) {
	b, err := s.build(buildID)
	if err != nil {
		return Result{}, err
	}
	return s.result(b, jobID, attempt)
}

// Collect gives the artifacts that the job left to run.Keep and returns what
// else its sidecar brought home, once the pod has ended. What could not be kept
// is among the result's problems. It may be repeated until EndBuild.
func (s *Server) Collect(ctx context.Context, run brigade.JobRun) (Result, error) {
	b, err := s.build(run.Build.ID)
	if err != nil {
		return Result{}, err
	}
	result, err := s.result(b, run.Job.ID, run.Job.Attempt)
	if err != nil {
		return result, err
	}
	if run.Keep == nil {
		return result, nil
	}
	return result, result.each(ctx, func(_ int, a *Artifact) error {
		f, err := b.openArtifact(run.Job.ID, run.Job.Attempt, *a)
		if err != nil {
			return err
		}
		defer f.Close() //nolint:errcheck // it was only read
		return run.Keep(a.Name, a.Size, &exactReader{r: f, left: a.Size})
	})
}

// each calls keep for every artifact; what fails is a problem.
func (r *Result) each(ctx context.Context, keep func(n int, a *Artifact) error) error {
	for n := range r.Artifacts {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		a := &r.Artifacts[n]
		if err := keep(n, a); err != nil {
			r.Problems = append(r.Problems, fmt.Sprintf("artifacts: %s is not kept: %v", a.Name, err))
		}
	}
	return nil
}
