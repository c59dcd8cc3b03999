package workspace

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
)

// Remote does for a worker pod what Server does for the controller: it knows
// the server's address and the token of its build. Its methods may be called
// concurrently.
type Remote struct {
	client *Client
	opt    ClientOptions

	mu   sync.Mutex
	sent string // the source that was sent
}

// NewRemote returns a Remote; it does not connect yet. opt.Token is a build's.
func NewRemote(opt ClientOptions) (*Remote, error) {
	client, err := NewClient(opt)
	if err != nil {
		return nil, err
	}
	return &Remote{client: client, opt: opt}, nil
}

// Prepare returns what the pod of a job needs. The files of run.Source are
// sent to the server before the first job that wants them.
func (r *Remote) Prepare(ctx context.Context, run brigade.JobRun, want Want) (Pod, error) {
	g, err := jobGrant(run, want)
	if err != nil {
		return Pod{}, err
	}
	token, err := JobToken(r.opt.Token, g)
	if err != nil {
		return Pod{}, err
	}
	if want.Source = want.Source && run.Source != ""; want.Source { // a build without files has none
		if err := r.send(ctx, run.Source); err != nil {
			return Pod{}, err
		}
	}
	return PodFor(run.Job.Spec, want, Address{r.opt.URL, r.opt.CA}, token)
}

func (r *Remote) send(ctx context.Context, dir string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sent == dir {
		return nil
	}
	err := r.client.send(ctx, request{method: http.MethodPut, path: "source"}, dir, func(*packer) {}, nil, false)
	if err == nil {
		r.sent = dir
	}
	return err
}

// keepTime is how long the server may take to keep one artifact for good.
const keepTime = 20 * time.Minute

// Collect is Server.Collect over the network, except that the server keeps the
// artifacts by itself: see Result.Kept.
func (r *Remote) Collect(ctx context.Context, run brigade.JobRun) (Result, error) {
	var result Result
	at := "results/" + url.PathEscape(run.Job.ID) + "/" + strconv.Itoa(run.Job.Attempt)
	err := r.client.do(ctx, request{method: http.MethodGet, path: at, answer: func(_ int, body io.Reader) error {
		result = Result{}
		return json.NewDecoder(body).Decode(&result)
	}})
	if err != nil {
		return result, err
	}
	return result, result.each(ctx, func(n int, a *Artifact) error {
		if a.SHA256 != "" {
			return nil
		}
		return r.client.do(ctx, request{method: http.MethodPost, path: at + "/artifacts/" + strconv.Itoa(n), idle: keepTime, answer: func(_ int, body io.Reader) error {
			return json.NewDecoder(body).Decode(a)
		}})
	})
}

// EndBuild does nothing: the controller ends builds.
func (r *Remote) EndBuild(context.Context, string) error { return nil }
