package client

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/brigadecore/brigade/v3"
)

// Redacted stands for a secret that a server has and does not show. Sent back,
// it keeps that secret.
const Redacted = "REDACTED"

// shownProject is a project as the API shows it.
type shownProject struct {
	brigade.Project
	SecretNames []string `json:"secretNames"`
	Credentials []string `json:"credentials"`
}

// project is the project with Redacted for every secret that it has.
func (s *shownProject) project() *brigade.Project {
	p := &s.Project
	for _, name := range s.SecretNames {
		if p.Secrets == nil {
			p.Secrets = map[string]any{}
		}
		p.Secrets[name] = Redacted
	}
	fields := credentials(p)
	for _, name := range s.Credentials {
		if f := fields[name]; f != nil {
			*f = Redacted
		}
	}
	return p
}

// credentials are the fields of p that are secrets, by their path in JSON.
func credentials(p *brigade.Project) map[string]*string {
	return map[string]*string{
		"sharedSecret": &p.SharedSecret, "genericGatewaySecret": &p.GenericGatewaySecret,
		"repo.sshKey": &p.Repo.SSHKey, "repo.sshCert": &p.Repo.SSHCert, "repo.token": &p.Repo.Token,
		"registryGateway.token": &p.Registry.Token,
	}
}

// Project finds one by ID or by name. A server shows no secrets: each is
// Redacted.
func (c *Client) Project(ctx context.Context, idOrName string) (*brigade.Project, error) {
	var s shownProject
	if _, err := c.call(ctx, get("api", "projects", idOrName), &s); err != nil {
		return nil, err
	}
	return s.project(), nil
}

// ListProjects returns those that the token may see, by name, with Redacted
// for each secret.
func (c *Client) ListProjects(ctx context.Context) ([]*brigade.Project, error) {
	var answer struct {
		Projects []shownProject `json:"projects"`
	}
	if _, err := c.call(ctx, get("api", "projects"), &answer); err != nil {
		return nil, err
	}
	all := make([]*brigade.Project, 0, len(answer.Projects))
	for i := range answer.Projects {
		all = append(all, answer.Projects[i].project())
	}
	return all, nil
}

// PutProject creates the project or replaces the one with its ID. A secret
// that is Redacted stays as it is on the server, one that is missing or empty
// is removed, as a store does. Another project with its name is CodeConflict.
func (c *Client) PutProject(ctx context.Context, p *brigade.Project) error {
	body, err := wholeProject(p)
	if err != nil {
		return brigade.Errorf(brigade.CodeInvalid, "the project cannot be written as JSON: %w", err)
	}
	id := p.ID
	if id == "" {
		id = brigade.ProjectID(p.Name)
	}
	_, err = c.call(ctx, request{method: http.MethodPut, path: []string{"api", "projects", id}, body: body}, nil)
	return err
}

// wholeProject is p as JSON in which every secret is mentioned: those that are
// not would be kept.
func wholeProject(p *brigade.Project) (map[string]any, error) {
	data, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	var body map[string]any
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(&body); err != nil {
		return nil, err
	}
	if len(p.Secrets) == 0 {
		body["secrets"] = map[string]any{}
	}
	for path, value := range credentials(p) {
		in := body
		if group, name, nested := strings.Cut(path, "."); nested {
			inner, ok := body[group].(map[string]any)
			if !ok {
				inner = map[string]any{}
				body[group] = inner
			}
			in, path = inner, name
		}
		in[path] = *value
	}
	return body, nil
}

// DeleteProject forgets it; its builds stay.
func (c *Client) DeleteProject(ctx context.Context, id string) error {
	_, err := c.call(ctx, request{method: http.MethodDelete, path: []string{"api", "projects", id}}, nil)
	return err
}

// SetSecret sets one secret of a project; the value may be nested.
func (c *Client) SetSecret(ctx context.Context, project, name string, value any) error {
	r := request{method: http.MethodPut, path: []string{"api", "projects", project, "secrets", name}, body: map[string]any{"value": value}}
	_, err := c.call(ctx, r, nil)
	return err
}

// SameSecrets returns the paths of those secrets of p, such as "repo.token" and
// "secrets.PASSWORD", that the server's project of that ID has with the same
// value. It needs the scope admin. What is missing or empty in p is not asked
// for.
func (c *Client) SameSecrets(ctx context.Context, p *brigade.Project) ([]string, error) {
	secrets, fields := map[string]any{}, map[string]string{}
	for name, value := range p.Secrets {
		if value != nil {
			secrets[name] = value
		}
	}
	for path, value := range credentials(p) {
		if *value != "" {
			fields[path] = *value
		}
	}
	if len(secrets)+len(fields) == 0 {
		return nil, nil
	}
	r := request{
		method: http.MethodPost, path: []string{"api", "projects", p.ID, "secrets", "compare"},
		body: map[string]any{"secrets": secrets, "credentials": fields},
	}
	var answer struct {
		Same []string `json:"same"`
	}
	_, err := c.call(ctx, r, &answer)
	return answer.Same, err
}

// UnsetSecret removes one secret of a project.
func (c *Client) UnsetSecret(ctx context.Context, project, name string) error {
	_, err := c.call(ctx, request{method: http.MethodDelete, path: []string{"api", "projects", project, "secrets", name}}, nil)
	return err
}

// Schedule is a schedule of a project, and when it starts builds.
type Schedule struct {
	ProjectID string `json:"projectID"`
	Project   string `json:"project"`
	brigade.Schedule
	Next []time.Time `json:"next"`
}

// Schedules returns the schedules of a project, or of all with "", each with
// its next n times.
func (c *Client) Schedules(ctx context.Context, project string, n int) ([]Schedule, error) {
	r := get("api", "schedules")
	if project != "" {
		r = get("api", "projects", project, "schedules")
	}
	var answer struct {
		Schedules []Schedule `json:"schedules"`
	}
	_, err := c.call(ctx, r.with(url.Values{"n": {strconv.Itoa(n)}}), &answer)
	return answer.Schedules, err
}
