package client

import (
	"context"
	"io"
	"strings"

	"github.com/brigadecore/brigade/v3"
)

// PutJob is refused: who runs the build keeps its jobs.
func (c *Client) PutJob(context.Context, *brigade.Job) error {
	return notHere("store jobs", "its scripts start jobs")
}

// Job finds one by ID.
func (c *Client) Job(ctx context.Context, id string) (*brigade.Job, error) {
	var j brigade.Job
	if _, err := c.call(ctx, get("api", "jobs", id), &j); err != nil {
		return nil, err
	}
	return &j, nil
}

// ListJobs returns a build's jobs by creation.
func (c *Client) ListJobs(ctx context.Context, buildID string) ([]*brigade.Job, error) {
	var answer struct {
		Jobs []*brigade.Job `json:"jobs"`
	}
	_, err := c.call(ctx, get("api", "builds", buildID, "jobs"), &answer)
	return answer.Jobs, err
}

// Artifacts returns the files that a job left behind.
func (c *Client) Artifacts(ctx context.Context, jobID string) ([]brigade.Artifact, error) {
	var answer struct {
		Artifacts []brigade.Artifact `json:"artifacts"`
	}
	_, err := c.call(ctx, get("api", "jobs", jobID, "artifacts"), &answer)
	return answer.Artifacts, err
}

// OpenArtifact returns the content of a file that a job left behind. Reading
// fails when nothing comes for Options.Idle. The caller closes it, and
// compares size and checksum with those of Artifacts.
func (c *Client) OpenArtifact(ctx context.Context, jobID, name string) (io.ReadCloser, error) {
	path := append([]string{"api", "jobs", jobID, "artifacts"}, strings.Split(name, "/")...)
	r := get(path...)
	r.header = map[string]string{"Accept-Encoding": "identity"}
	resp, err := c.open(ctx, r)
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}
