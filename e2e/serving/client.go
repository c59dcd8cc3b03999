package serving

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	brigade "github.com/brigadecore/brigade/v3"
)

// StatusError is an answer that is not 2xx.
type StatusError struct {
	Status int
	Body   string
}

// Error tells the status and the body.
func (e *StatusError) Error() string { return fmt.Sprintf("status %d: %s", e.Status, e.Body) }

// Call sends in (nil: nothing) to a path of the API and reads the answer into
// out (nil: not at all).
func (s *Server) Call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(data)
	}
	req, err := s.request(ctx, method, path, body)
	if err != nil {
		return err
	}
	return s.do(req, out)
}

func (s *Server) request(ctx context.Context, method, path string, body io.Reader) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+s.API+path, body)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	req.Header.Set("Authorization", "Bearer "+s.token)
	s.mu.Unlock()
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, nil
}

func (s *Server) do(req *http.Request, out any) error {
	resp, err := s.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // it was read
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return &StatusError{Status: resp.StatusCode, Body: string(data[:min(len(data), 500)])}
	}
	if out == nil {
		return nil
	}
	if text, ok := out.(*string); ok {
		*text = string(data)
		return nil
	}
	return json.Unmarshal(data, out)
}

// Send posts a request to the gateways and returns the answer's body.
func (s *Server) Send(ctx context.Context, path string, header http.Header, body []byte) (answer string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.Gateways+path, bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header = header
	err = s.do(req, &answer)
	return answer, err
}

// PutProject creates or replaces a project.
func (s *Server) PutProject(ctx context.Context, p *brigade.Project) error {
	return s.Call(ctx, http.MethodPut, "/api/projects/"+url.PathEscape(p.Name), p, nil)
}

// Builds returns all builds that the query selects, newest first.
func (s *Server) Builds(ctx context.Context, query string) ([]*brigade.Build, error) {
	var all []*brigade.Build
	for before := ""; ; {
		var page struct {
			Builds []*brigade.Build
			Next   string
		}
		path := "/api/builds?limit=200&" + query
		if before != "" {
			path += "&before=" + before
		}
		if err := s.Call(ctx, http.MethodGet, path, nil, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Builds...)
		if before = page.Next; before == "" {
			return all, nil
		}
	}
}

// Jobs returns the jobs of a build.
func (s *Server) Jobs(ctx context.Context, build string) ([]*brigade.Job, error) {
	var list struct{ Jobs []*brigade.Job }
	err := s.Call(ctx, http.MethodGet, "/api/builds/"+build+"/jobs", nil, &list)
	return list.Jobs, err
}

// Watch calls seen for every change until the stream ends, which is an error
// unless ctx has ended.
func (s *Server) Watch(ctx context.Context, seen func(brigade.Change)) error {
	req, err := s.request(ctx, http.MethodGet, "/api/watch", nil)
	if err != nil {
		return err
	}
	resp, err := (&http.Client{Transport: s.client.Transport}).Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // it was read
	if resp.StatusCode != http.StatusOK {
		return &StatusError{Status: resp.StatusCode}
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		data, found := strings.CutPrefix(lines.Text(), "data: ")
		if !found {
			continue
		}
		var change brigade.Change
		if err := json.Unmarshal([]byte(data), &change); err != nil {
			return err
		}
		seen(change)
	}
	if ctx.Err() != nil {
		return nil
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return io.ErrUnexpectedEOF
}
