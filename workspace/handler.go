package workspace

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
)

// Prefix is what the paths of the server's routes begin with.
const Prefix = "/workspace/v1/"

// routes are the same for all pods: the token says whose things they are about.
//
//	GET  source               the build's files, as an archive
//	PUT  source               the same from a worker pod, with the build's token
//	GET  share                the build's storage
//	POST share?upload=ID      changes of it
//	GET  cache                the job's cache; 204 when there is none
//	PUT  cache                replaces it
//	PUT  artifacts/{name...}  a file to keep
//	PUT  outputs              what the job wrote to $BRIGADE_OUTPUT
//	PUT  report               the sidecar has done what it could
//	GET  results/{job}/{attempt}                  outputs and report of a job
//	POST results/{job}/{attempt}/artifacts/{n}    keeps the nth of its artifacts for good
func (s *Server) routes() *http.ServeMux {
	mux := http.NewServeMux()
	add := func(method, path string, h func(*call) error) {
		mux.Handle(method+" "+Prefix+path, s.handle(h))
	}
	add("GET", "source", s.getSource)
	add("PUT", "source", s.putSource)
	add("GET", "share", s.getShare)
	add("POST", "share", s.postShare)
	add("GET", "cache", s.getCache)
	add("PUT", "cache", s.putCache)
	add("PUT", "artifacts/{name...}", s.putArtifact)
	add("PUT", "outputs", s.putOutputs)
	add("PUT", "report", s.putReport)
	add("GET", "results/{job}/{attempt}", s.getResult)
	add("POST", "results/{job}/{attempt}/artifacts/{n}", s.postArtifact)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	return mux
}

// call is one request that may be answered.
type call struct {
	w     http.ResponseWriter
	r     *http.Request
	body  *patientReader
	grant grant
	build *build
	began bool // part of the answer is on its way
}

func (c *call) ctx() context.Context { return c.r.Context() }

// handle checks the token, bounds the transfer and answers errors.
func (s *Server) handle(h func(*call) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &call{r: r, body: &patientReader{r: r.Body, c: http.NewResponseController(w), idle: s.opt.Limits.Idle}}
		out := &patientWriter{ResponseWriter: w, c: http.NewResponseController(w), idle: s.opt.Limits.Idle, began: &c.began}
		c.w = out
		err := s.admit(c)
		if err == nil && r.Method != http.MethodGet {
			select {
			case s.transfers <- struct{}{}:
				defer func() { <-s.transfers }()
			case <-r.Context().Done():
				return
			}
		}
		if err == nil {
			err = h(c)
		}
		if err != nil {
			s.refuse(c, err)
		}
	})
}

// admit reads the token and finds the build.
func (s *Server) admit(c *call) error {
	scheme, token, _ := strings.Cut(c.r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return brigade.Errorf(brigade.CodeDenied, "the request has no workspace token").WithHint("send it as: Authorization: Bearer TOKEN")
	}
	var err error
	if c.grant, err = s.verify(strings.TrimSpace(token), s.opt.Now()); err != nil {
		return err
	}
	c.build, err = s.build(c.grant.Build)
	return err
}

// refuse answers an error. When part of the answer is out, the connection is
// cut, so that nobody takes it for all.
func (s *Server) refuse(c *call, err error) {
	if c.began {
		s.opt.Log.Warn("workspace: a transfer broke off", "build", c.grant.Build, "job", c.grant.Job.Job, "path", c.r.URL.Path, "err", err)
		panic(http.ErrAbortHandler)
	}
	e := known(err)
	level := s.opt.Log.Info
	if e.Code == brigade.CodeStore || e.Code == brigade.CodeInternal {
		level = s.opt.Log.Error
	}
	level("workspace: refused", "build", c.grant.Build, "job", c.grant.Job.Job, "path", c.r.URL.Path, "code", e.Code, "err", err)
	status := e.Code.HTTPStatus()
	switch e.Code {
	case brigade.CodeCanceled:
		status = http.StatusGone
	case brigade.CodeDenied:
		if c.grant.Build == "" {
			status = http.StatusUnauthorized
			c.w.Header().Set("WWW-Authenticate", "Bearer")
		}
	case brigade.CodeUnavailable:
		c.w.Header().Set("Retry-After", "1")
	}
	// Who still sends does not read the answer: what is not too much is thrown
	// away, for the rest the connection goes.
	c.w.Header().Set("Connection", "close")
	if c.body.began { // else it is not even sent
		_, _ = io.CopyN(io.Discard, c.body, maxWaste)
	}
	writeJSON(c.w, status, brigade.Error{Code: e.Code, Message: e.Message, Hint: e.Hint})
}

// maxWaste is how much of a refused upload is read, in bytes.
const maxWaste = 256 << 20

// known is the error as the other side sees it.
func known(err error) *brigade.Error {
	var e *brigade.Error
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, context.Canceled), errors.Is(err, os.ErrDeadlineExceeded):
		return &brigade.Error{Code: brigade.CodeUnavailable, Message: "the transfer broke off", Err: err}
	}
	return storeError(err, "the workspace server cannot do that")
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // whoever does not read it misses it
}

// needJob refuses the token of a build where that of a job is needed.
func (c *call) needJob() error {
	if c.grant.Job.Job == "" {
		return brigade.Errorf(brigade.CodeDenied, "this needs the token of a job, not of its build")
	}
	return nil
}

func (c *call) needBuild() error {
	if c.grant.Job.Job != "" {
		return brigade.Errorf(brigade.CodeDenied, "this needs the token of the build, not of a job")
	}
	return nil
}

// archive begins an answer that is an archive.
func (c *call) archive() io.Writer {
	c.w.Header().Set("Content-Type", "application/x-tar")
	return c.w
}

func (s *Server) getSource(c *call) error {
	s.mu.Lock()
	dir := c.build.source
	s.mu.Unlock()
	if dir == "" {
		return s.sentSource(c)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return storeError(err, "the source of the build cannot be opened")
	}
	defer root.Close() //nolint:errcheck // it was only read
	return (&packer{root: root}).pack(c.ctx(), c.archive())
}

const sourceFile = "source.tar"

// sentSource answers with what a worker pod sent.
func (s *Server) sentSource(c *call) error {
	root, err := os.OpenRoot(c.build.dir)
	if err == nil {
		defer root.Close() //nolint:errcheck // it was only read
		var f *os.File
		if f, err = root.Open(sourceFile); err == nil {
			defer f.Close() //nolint:errcheck // it was only read
			_, err = io.Copy(c.archive(), f)
			return err
		}
	}
	if errors.Is(err, os.ErrNotExist) {
		return brigade.Errorf(brigade.CodeUnavailable, "the source of the build %s is not here yet", c.grant.Build)
	}
	return err
}

func (s *Server) putSource(c *call) error {
	if err := c.needBuild(); err != nil {
		return err
	}
	limit := bounds{bytes: s.opt.Limits.Source, files: s.opt.Limits.Files, noun: "source"}
	err := c.build.keepFile(sourceFile, func(to *os.File) error {
		return checkArchive(c.ctx(), io.TeeReader(c.body, to), limit)
	})
	if err == nil {
		c.w.WriteHeader(http.StatusNoContent)
	}
	return err
}

// patientReader waits for each piece of a body for so long, but not longer.
type patientReader struct {
	r     io.Reader
	c     *http.ResponseController
	idle  time.Duration
	began bool
}

func (p *patientReader) Read(b []byte) (int, error) {
	p.began = true
	_ = p.c.SetReadDeadline(time.Now().Add(p.idle)) // where there is none, the listener's holds
	return p.r.Read(b)
}

// patientWriter does that for an answer.
type patientWriter struct {
	http.ResponseWriter
	c     *http.ResponseController
	idle  time.Duration
	began *bool
}

func (p *patientWriter) Write(b []byte) (int, error) {
	*p.began = true
	_ = p.c.SetWriteDeadline(time.Now().Add(p.idle)) // where there is none, the listener's holds
	return p.ResponseWriter.Write(b)
}

// WriteHeader begins an answer, which may be all of it.
func (p *patientWriter) WriteHeader(status int) {
	_ = p.c.SetWriteDeadline(time.Now().Add(p.idle)) // where there is none, the listener's holds
	p.ResponseWriter.WriteHeader(status)
}

// bytesText is a size for people.
func bytesText(n int64) string {
	units := []string{"bytes", "KiB", "MiB", "GiB", "TiB"}
	size := float64(n)
	for len(units) > 1 && size >= 1024 {
		size /= 1024
		units = units[1:]
	}
	return strconv.FormatFloat(math.Round(size*10)/10, 'f', -1, 64) + " " + units[0]
}
