package dispatch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"

	brigade "github.com/brigadecore/brigade/v3"
)

// setLive remembers what runs, or forgets it (nil).
func (r *run) setLive(id string, x brigade.Execution) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if x == nil {
		delete(r.live, id)
		return
	}
	r.live[id] = x
	if r.killed {
		_ = x.Stop(context.Background(), 0)
	}
}

// setCancel remembers what cancels a job that waits or runs.
func (r *run) setCancel(id string, cancel context.CancelCauseFunc) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if cancel == nil {
		delete(r.cancels, id)
		return
	}
	r.cancels[id] = cancel
}

// cancelJob cancels one job, by name or ID, and reports whether it was there.
func (r *run) cancelJob(job string, cause error) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	found := false
	for id, cancel := range r.cancels {
		if f := r.flights[id]; id == job || f != nil && f.job.Name == job {
			cancel(cause)
			found = true
		}
	}
	return found
}

// killJobs ends what runs at once, and what starts from now on.
func (r *run) killJobs() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.killed = true
	for _, x := range r.live {
		_ = x.Stop(context.Background(), 0)
	}
}

func (r *run) isKilled() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.killed
}

// Artifacts keeps the files that jobs leave behind.
type Artifacts interface {
	// PutArtifact keeps a file of a job. It reads content to its end.
	PutArtifact(ctx context.Context, buildID, jobID, name string, content io.Reader) error
}

// keep takes one file from the runner.
func (x *jobRun) keep(name string, size int64, content io.Reader) error {
	if size > x.r.d.opt.MaxArtifact {
		x.r.publish(brigade.Change{JobID: x.job.ID, Notice: fmt.Sprintf("%s is not kept: %d bytes are more than the %d an artifact may have", name, size, x.r.d.opt.MaxArtifact)})
		return nil
	}
	sum := sha256.New()
	counted := &countingReader{r: io.TeeReader(content, sum)}
	if err := x.r.d.opt.Artifacts.PutArtifact(context.Background(), x.r.id, x.job.ID, name, counted); err != nil {
		return fmt.Errorf("keep %s: %w", name, err)
	}
	x.r.mu.Lock()
	defer x.r.mu.Unlock()
	addArtifact(x.job, brigade.Artifact{Name: name, Size: counted.n, SHA256: hex.EncodeToString(sum.Sum(nil))})
	return nil
}

// addArtifact notes that an artifact is kept. That of an attempt before has made
// room for it.
func addArtifact(j *brigade.Job, a brigade.Artifact) {
	others := slices.DeleteFunc(slices.Clone(j.Artifacts), func(old brigade.Artifact) bool { return old.Name == a.Name })
	j.Artifacts = append(others, a)
}

type countingReader struct {
	r io.Reader
	n int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}
