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

func (s *Server) getArtifact(c *call) error {
	id, attempt, err := c.whose()
	if err != nil {
		return err
	}
	list, err := c.build.artifacts(id, attempt)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(c.r.PathValue("n"))
	if err != nil || n < 0 || n >= len(list) {
		return brigade.Errorf(brigade.CodeNotFound, "the job %s has no such artifact", id)
	}
	f, err := c.build.openArtifact(id, attempt, list[n])
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // it was only read
	c.w.Header().Set("Content-Type", "application/octet-stream")
	c.w.Header().Set("Content-Length", strconv.FormatInt(list[n].Size, 10))
	_, err = io.Copy(c.w, f)
	return err
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
	return result, result.keep(ctx, run, func(_ int, a Artifact, take func(io.Reader) error) error {
		f, err := b.openArtifact(run.Job.ID, run.Job.Attempt, a)
		if err != nil {
			return err
		}
		defer f.Close() //nolint:errcheck // it was only read
		return take(f)
	})
}

// keep gives the artifacts to run.Keep.
func (r *Result) keep(ctx context.Context, run brigade.JobRun, open func(n int, a Artifact, take func(io.Reader) error) error) error {
	if run.Keep == nil {
		return nil
	}
	for n, a := range r.Artifacts {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		err := open(n, a, func(content io.Reader) error {
			return run.Keep(a.Name, a.Size, &exactReader{r: content, left: a.Size})
		})
		if err != nil {
			r.Problems = append(r.Problems, fmt.Sprintf("artifacts: %s is not kept: %v", a.Name, err))
		}
	}
	return nil
}
