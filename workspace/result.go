package workspace

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strconv"

	brigade "github.com/brigadecore/brigade/v3"
)

// Result is what a job's sidecar brought home besides files.
type Result struct {
	// Reported says that the sidecar did all it had to do. Else it was killed,
	// or has not ended yet.
	Reported bool `json:"reported"`
	// Problems are sentences for the job's log: artifacts that were not kept,
	// a cache that was too large.
	Problems []string `json:"problems,omitempty"`
	// Failure is why the job failed although its container did not: what it
	// put into the build's storage is not there for later jobs, or its outputs
	// are not.
	Failure *brigade.Error `json:"failure,omitempty"`
	// Outputs is what the job wrote to $BRIGADE_OUTPUT.
	Outputs []byte `json:"outputs,omitempty"`
	// Artifacts are those that arrived, by name.
	Artifacts []Artifact `json:"artifacts,omitempty"`
}

// report is what a sidecar sends at its end.
type report struct {
	Problems []string       `json:"problems,omitempty"`
	Failure  *brigade.Error `json:"failure,omitempty"`
}

// maxReport bounds a report, in bytes.
const maxReport = 256 << 10

// resultFile is where something that a job brought home is kept.
func resultFile(kind, jobID string, attempt int) string {
	return path.Join(resultDir, jobID+"."+strconv.Itoa(attempt)+"."+kind)
}

func (s *Server) putOutputs(c *call) error {
	return s.putResult(c, "outputs", brigade.MaxOutputsBytes, func([]byte) error { return nil })
}

func (s *Server) putReport(c *call) error {
	return s.putResult(c, "report", maxReport, func(text []byte) error {
		if err := json.Unmarshal(text, &report{}); err != nil {
			return brigade.Errorf(brigade.CodeInvalid, "the report cannot be read: %v", err)
		}
		return nil
	})
}

func (s *Server) putResult(c *call, kind string, limit int64, check func([]byte) error) error {
	if err := c.needJob(); err != nil {
		return err
	}
	text, err := io.ReadAll(io.LimitReader(c.body, limit+1))
	if err != nil {
		return err
	}
	if int64(len(text)) > limit {
		return brigade.Errorf(brigade.CodeTooLarge, "the %s of the job are larger than %s", kind, bytesText(limit))
	}
	if err := check(text); err != nil {
		return err
	}
	err = c.build.keepFile(resultFile(kind, c.grant.Job.Job, c.grant.Job.Attempt), func(to *os.File) error {
		_, err := to.Write(text)
		return err
	})
	if err == nil {
		c.w.WriteHeader(http.StatusNoContent)
	}
	return err
}

// keepFile writes a file of the build as a whole, or not at all.
func (b *build) keepFile(name string, fill func(to *os.File) error) error {
	root, err := b.open()
	if err != nil {
		return err
	}
	defer root.Close() //nolint:errcheck // everything is renamed by then
	f, err := os.CreateTemp(filepath.Join(b.dir, stagingDir), "")
	if err != nil {
		return storeError(err, "there is no place for what was sent")
	}
	err = fill(f)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.MkdirAll(filepath.Join(b.dir, filepath.FromSlash(path.Dir(name))), 0o700)
	}
	staged := path.Join(stagingDir, filepath.Base(f.Name()))
	if err == nil {
		err = root.Rename(staged, name)
	}
	if err != nil {
		_ = root.Remove(staged) // else the build's end does it
	}
	return err
}

// whose is the attempt of a job that a request is about.
func (c *call) whose() (jobID string, attempt int, err error) {
	jobID = c.r.PathValue("job")
	if err := checkID("job", jobID); err != nil {
		return "", 0, err
	}
	if c.grant.Job.Job != "" && c.grant.Job.Job != jobID {
		return "", 0, brigade.Errorf(brigade.CodeDenied, "the token is not that of the job %.60q", jobID)
	}
	if attempt, err = strconv.Atoi(c.r.PathValue("attempt")); err != nil {
		return "", 0, brigade.Errorf(brigade.CodeInvalid, "the attempt is not a number")
	}
	return jobID, attempt, nil
}

func (s *Server) getResult(c *call) error {
	id, attempt, err := c.whose()
	if err != nil {
		return err
	}
	result, err := s.result(c.build, id, attempt)
	if err == nil {
		writeJSON(c.w, http.StatusOK, result)
	}
	return err
}

// result reads what a job brought home.
func (s *Server) result(b *build, jobID string, attempt int) (Result, error) {
	var result Result
	if err := checkID("job", jobID); err != nil {
		return result, err
	}
	outputs, err := os.ReadFile(filepath.Join(b.dir, filepath.FromSlash(resultFile("outputs", jobID, attempt))))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return result, storeError(err, "the outputs of the job cannot be read")
	}
	result.Outputs = outputs
	if result.Artifacts, err = b.artifacts(jobID, attempt); err != nil {
		return result, err
	}
	text, err := os.ReadFile(filepath.Join(b.dir, filepath.FromSlash(resultFile("report", jobID, attempt))))
	if errors.Is(err, fs.ErrNotExist) {
		return result, nil
	}
	if err != nil {
		return result, storeError(err, "the report of the job's sidecar cannot be read")
	}
	var r report
	if err := json.Unmarshal(text, &r); err != nil {
		return result, storeError(err, "the report of the job's sidecar cannot be read")
	}
	result.Reported, result.Problems, result.Failure = true, r.Problems, r.Failure
	return result, nil
}

// checkArchive reads an archive to its end and refuses what an unpacker would,
// except that it does not keep in mind which names there were.
func checkArchive(ctx context.Context, r io.Reader, limit bounds) error {
	archive := tar.NewReader(r)
	var n int64
	for count := 0; ; count++ {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return badArchive(err)
		}
		if n += h.Size; h.Size < 0 || n > limit.bytes {
			return limit.tooLarge()
		}
		if count >= limit.files {
			return limit.tooMany()
		}
		if err := checkEntry(h); err != nil {
			return err
		}
	}
	rest := make([]byte, 32<<10)
	for { // what fills the last block
		n, err := r.Read(rest)
		if len(bytes.Trim(rest[:n], "\x00")) > 0 {
			return brigade.Errorf(brigade.CodeInvalid, "there is something behind the end of the archive")
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// checkEntry refuses an entry that no tree has.
func checkEntry(h *tar.Header) error {
	name, err := cleanName(h.Name)
	if err != nil {
		return err
	}
	switch h.Typeflag {
	case tar.TypeDir, tar.TypeReg, tar.TypeSymlink:
	default:
		return odd(name)
	}
	if h.PAXRecords[deletedRecord] != "" {
		return nothingGoes(name)
	}
	return nil
}
