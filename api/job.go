package api

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/brigadecore/brigade/v3"
)

type jobList struct {
	Jobs []*brigade.Job `json:"jobs"`
}

// listJobs answers with a build's jobs in the order they were created.
func listJobs(c *call) error {
	b, err := c.findBuild("build")
	if err != nil {
		return err
	}
	jobs, err := c.a.opt.Store.ListJobs(c.r.Context(), b.ID)
	if err != nil {
		return err
	}
	if jobs == nil {
		jobs = []*brigade.Job{}
	}
	for _, j := range jobs {
		j.Handle = ""
	}
	return c.masked(http.StatusOK, jobList{jobs}, b.ProjectID)
}

// findJob returns the job that the path names, and its build without what may
// be large.
func (c *call) findJob(name string) (*brigade.Job, *brigade.Build, error) {
	key := c.r.PathValue(name)
	j, err := c.a.opt.Store.Job(c.r.Context(), key)
	if err != nil {
		return nil, nil, err
	}
	b, err := c.a.lightBuild(c.r.Context(), j.BuildID)
	if brigade.CodeOf(err) == brigade.CodeNotFound {
		return nil, nil, brigade.NotFound("job", key)
	}
	if err != nil {
		return nil, nil, err
	}
	if err := c.sees(b.ProjectID, b.Project, "job", key); err != nil {
		return nil, nil, err
	}
	c.project, c.target = b.Project, j.ID
	j.Handle = ""
	return j, b, nil
}

func getJob(c *call) error {
	j, b, err := c.findJob("job")
	if err != nil {
		return err
	}
	return c.masked(http.StatusOK, j, b.ProjectID)
}

func cancelJob(c *call) error {
	j, b, err := c.findJob("job")
	if err != nil {
		return err
	}
	req, err := c.cancelRequest()
	if err != nil {
		return err
	}
	if j.State.Ended() {
		return brigade.Errorf(brigade.CodeConflict, "job %s has ended already: %s", j.ID, j.State)
	}
	if err := c.a.opt.Control.CancelJob(c.r.Context(), b.ID, j.ID, req); err != nil {
		return err
	}
	if j, b, err = c.findJob("job"); err != nil {
		return err
	}
	return c.masked(http.StatusAccepted, j, b.ProjectID)
}

func listArtifacts(c *call) error {
	j, b, err := c.findJob("job")
	if err != nil {
		return err
	}
	list := j.Artifacts
	if list == nil {
		list = []brigade.Artifact{}
	}
	return c.masked(http.StatusOK, map[string]any{"artifacts": list}, b.ProjectID)
}

// getArtifact sends a file that a job left behind, or a part of it. It is
// never shown by a browser, only saved: what is in it came from a job.
func getArtifact(c *call) error {
	j, _, err := c.findJob("job")
	if err != nil {
		return err
	}
	name := c.r.PathValue("name")
	var found *brigade.Artifact
	for i := range j.Artifacts {
		if j.Artifacts[i].Name == name {
			found = &j.Artifacts[i]
		}
	}
	if found == nil {
		return brigade.NotFound("artifact", name)
	}
	if c.a.opt.Artifacts == nil {
		return missing("artifacts")
	}
	content, err := c.a.opt.Artifacts.OpenArtifact(c.r.Context(), j, *found)
	if err != nil {
		return err
	}
	defer content.Close()
	h := c.w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", attachment(name))
	if sum, err := hex.DecodeString(found.SHA256); err == nil && len(sum) == 32 {
		h.Set("ETag", `"`+found.SHA256+`"`)
		h.Set("Repr-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(sum)+":")
	}
	out := &moving{c: c}
	if seeker, ok := content.(io.ReadSeeker); ok {
		http.ServeContent(out, c.r, "", j.Ended.Truncate(time.Second), seeker)
		return nil
	}
	h.Set("Content-Length", strconv.FormatInt(found.Size, 10))
	out.WriteHeader(http.StatusOK)
	if c.r.Method == http.MethodHead {
		return nil
	}
	n, err := io.Copy(out, content)
	if err == nil && n != found.Size {
		err = errors.New("the artifact is shorter than it was")
	}
	return err
}

// attachment tells a browser to save a file under the last part of its name.
func attachment(name string) string {
	base := path.Base(strings.ReplaceAll(name, `\`, "/"))
	if base == "." || base == "/" || base == ".." {
		base = "artifact"
	}
	if v := mime.FormatMediaType("attachment", map[string]string{"filename": base}); v != "" {
		return v
	}
	return "attachment"
}

// moving is an answer that may take long, as long as the client takes a part
// of it now and then.
type moving struct{ c *call }

// Header returns the headers of the answer.
func (m *moving) Header() http.Header { return m.c.w.Header() }

// WriteHeader sends the status.
func (m *moving) WriteHeader(status int) { m.c.w.WriteHeader(status) }

// Write gives the client time anew.
func (m *moving) Write(p []byte) (int, error) {
	_ = m.c.control.SetWriteDeadline(time.Now().Add(m.c.a.opt.Limits.Write))
	return m.c.w.Write(p)
}
