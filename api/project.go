package api

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/address"
)

// projectView is a project as the API shows it: its settings, and of its
// secrets the names.
type projectView struct {
	*brigade.Project
	SecretNames []string `json:"secretNames"`
	// Credentials names the other secret fields that are set, such as repo.token.
	Credentials []string `json:"credentials"`
}

func viewProject(p *brigade.Project) projectView {
	v := projectView{
		Project:     p.WithoutSecrets(),
		SecretNames: slices.AppendSeq([]string{}, maps.Keys(p.Secrets)),
		Credentials: []string{},
	}
	slices.Sort(v.SecretNames)
	for _, f := range secretFields(p) {
		if *f.value != "" {
			v.Credentials = append(v.Credentials, f.name)
		}
	}
	v.Repo.CloneURL = cleanURL(v.Repo.CloneURL)
	v.GitHub.BaseURL, v.GitHub.UploadURL = cleanURL(v.GitHub.BaseURL), cleanURL(v.GitHub.UploadURL)
	return v
}

// secretField is a field of a project that is never shown.
type secretField struct {
	name  string // its path in JSON
	value *string
}

func secretFields(p *brigade.Project) []secretField {
	return []secretField{
		{"sharedSecret", &p.SharedSecret},
		{"genericGatewaySecret", &p.GenericGatewaySecret},
		{"repo.sshKey", &p.Repo.SSHKey},
		{"repo.sshCert", &p.Repo.SSHCert},
		{"repo.token", &p.Repo.Token},
		{"registryGateway.token", &p.Registry.Token},
	}
}

// tagger makes entity tags of projects. They depend on secrets, too, so they
// are made with a key: nobody can try values against a tag.
type tagger [32]byte

func newTagger() (t tagger) {
	_, _ = rand.Read(t[:]) // never fails
	return t
}

func (t tagger) of(p *brigade.Project) (string, error) {
	data, err := json.Marshal(p)
	if err != nil {
		return "", fmt.Errorf("make an entity tag: %w", err)
	}
	mac := hmac.New(sha256.New, t[:])
	mac.Write(data)
	return `"` + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:15]) + `"`, nil
}

// findProject returns the project that the path names, when the caller may
// see it.
func (c *call) findProject() (*brigade.Project, error) {
	return c.projectOf(c.r.Context(), c.r.PathValue("project"))
}

func (c *call) projectOf(ctx context.Context, idOrName string) (*brigade.Project, error) {
	p, err := c.a.opt.Store.Project(ctx, idOrName)
	if err != nil {
		return nil, err
	}
	if err := c.sees(p.ID, p.Name, "project", idOrName); err != nil {
		return nil, err
	}
	c.project = p.Name
	return p, nil
}

// visible returns the projects that the caller may see, by name.
func (c *call) visible() ([]*brigade.Project, error) {
	all, err := c.a.opt.Store.ListProjects(c.r.Context())
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(p *brigade.Project) bool { return !c.who.Sees(p.ID, p.Name) }), nil
}

func listProjects(c *call) error {
	all, err := c.visible()
	if err != nil {
		return err
	}
	views := make([]json.RawMessage, 0, len(all))
	for _, p := range all {
		view, err := c.maskedProject(p)
		if err != nil {
			return err
		}
		views = append(views, view)
	}
	return c.json(http.StatusOK, map[string]any{"projects": views})
}

// maskedProject is the view of p in which nothing repeats one of its secrets.
func (c *call) maskedProject(p *brigade.Project) (json.RawMessage, error) {
	data, err := json.Marshal(viewProject(p))
	if err != nil {
		return nil, err
	}
	m, err := c.a.maskers.Of(c.r.Context(), p.ID)
	if err != nil {
		return nil, err
	}
	return maskJSON(m, data), nil
}

func getProject(c *call) error {
	p, err := c.findProject()
	if err != nil {
		return err
	}
	tag, err := c.a.tags.of(p)
	if err != nil {
		return err
	}
	c.w.Header().Set("ETag", tag)
	if tagMatches(c.r.Header.Get("If-None-Match"), tag) {
		c.w.WriteHeader(http.StatusNotModified)
		return nil
	}
	return c.answerProject(http.StatusOK, p)
}

func (c *call) answerProject(status int, p *brigade.Project) error {
	view, err := c.maskedProject(p)
	if err != nil {
		return err
	}
	return c.json(status, view)
}

func tagMatches(header, tag string) bool {
	for part := range strings.SplitSeq(header, ",") {
		if part = strings.TrimPrefix(strings.TrimSpace(part), "W/"); part == tag || part == "*" {
			return true
		}
	}
	return false
}

// putProject creates a project or replaces its settings. Secrets that the
// request does not mention stay as they are.
func putProject(c *call) error {
	raw, err := c.raw()
	if err != nil {
		return err
	}
	name := c.r.PathValue("project")
	c.a.projects.Lock()
	defer c.a.projects.Unlock()
	old, err := c.a.opt.Store.Project(c.r.Context(), name)
	if brigade.CodeOf(err) == brigade.CodeNotFound {
		old, err = nil, nil
	}
	if err != nil {
		return err
	}
	if err := c.precondition(old, name); err != nil {
		return err
	}
	p, err := readProject(raw, name, old)
	if err != nil {
		return err
	}
	if err := c.mayStore(p, old); err != nil {
		return err
	}
	if err := c.storeProject(p); err != nil {
		return err
	}
	status := http.StatusOK
	if old == nil {
		status = http.StatusCreated
		c.w.Header().Set("Location", "/api/projects/"+url.PathEscape(p.Name))
	}
	return c.answerProject(status, p)
}

// precondition checks If-Match and If-None-Match, and that the caller may see
// what is there.
func (c *call) precondition(old *brigade.Project, name string) error {
	match, noneMatch := c.r.Header.Get("If-Match"), c.r.Header.Get("If-None-Match")
	if old == nil {
		if match != "" {
			return withStatus(http.StatusPreconditionFailed, brigade.NotFound("project", name))
		}
		return nil
	}
	if err := c.sees(old.ID, old.Name, "project", name); err != nil {
		return err
	}
	tag, err := c.a.tags.of(old)
	if err != nil {
		return err
	}
	if match != "" && !tagMatches(match, tag) {
		return withStatus(http.StatusPreconditionFailed, brigade.Errorf(brigade.CodeConflict, "somebody changed the project meanwhile").
			WithHint("read it again and repeat the change"))
	}
	if noneMatch != "" && tagMatches(noneMatch, tag) {
		return withStatus(http.StatusPreconditionFailed, brigade.Errorf(brigade.CodeConflict, "there is a project %q already", old.Name))
	}
	return nil
}

// readProject reads a project as it was sent: what projectView shows is
// accepted as well. Its secrets come from old where it has none.
func readProject(raw []byte, name string, old *brigade.Project) (*brigade.Project, error) {
	p := brigade.NewProject(name)
	if old != nil {
		p = brigade.NewProject(old.Name)
		p.ID = old.ID
	}
	want := *p
	p.ID, p.Name, p.Repository = "", "", ""
	view := projectView{Project: p}
	if err := decode(raw, &view); err != nil {
		return nil, err
	}
	if p.ID == "" {
		p.ID = want.ID
	}
	if p.Name == "" {
		p.Name = want.Name
	}
	if p.Repository == "" {
		p.Repository = p.Name
	}
	if p.ID != want.ID || name != p.ID && name != p.Name && (old == nil || name != old.Name) {
		return nil, usage("the request is about project %q, but its body about %q", name, p.Name)
	}
	var given map[string]json.RawMessage
	if err := json.Unmarshal(raw, &given); err != nil || given == nil {
		return nil, usage("a project is an object")
	}
	if old == nil && p.ID != brigade.ProjectID(p.Name) {
		return nil, usage("the ID of project %q is %s", p.Name, brigade.ProjectID(p.Name)).WithHint("leave id out")
	}
	if old != nil {
		keepSecrets(p, old, given)
	}
	for k, v := range p.Secrets {
		if v == redacted {
			return nil, usage("the secret %q cannot be %s", k, redacted).WithHint("send its value, or leave secrets out to keep them")
		}
	}
	return p, checkProject(p)
}

// keepSecrets takes those secrets over from old that the request does not name.
func keepSecrets(p, old *brigade.Project, given map[string]json.RawMessage) {
	olds := secretFields(old)
	for i, f := range secretFields(p) {
		if !has(given, strings.Split(f.name, ".")) || *f.value == redacted {
			*f.value = *olds[i].value
		}
	}
	if _, ok := given["secrets"]; !ok {
		p.Secrets = old.Secrets
	}
	for k, v := range p.Secrets {
		if before, ok := old.Secrets[k]; ok && v == redacted {
			p.Secrets[k] = before
		}
	}
	for _, u := range []struct {
		is     *string
		before string
	}{{&p.Repo.CloneURL, old.Repo.CloneURL}, {&p.GitHub.BaseURL, old.GitHub.BaseURL}, {&p.GitHub.UploadURL, old.GitHub.UploadURL}} {
		if *u.is == cleanURL(u.before) {
			*u.is = u.before
		}
	}
}

func has(given map[string]json.RawMessage, path []string) bool {
	raw, ok := given[path[0]]
	if !ok || len(path) == 1 {
		return ok
	}
	var inner map[string]json.RawMessage
	return json.Unmarshal(raw, &inner) == nil && has(inner, path[1:])
}

// checkProject finds what no project may have.
func checkProject(p *brigade.Project) error {
	switch {
	case !plain(p.Name, 256) || strings.TrimSpace(p.Name) != p.Name:
		return brigade.Errorf(brigade.CodeInvalid, "a project needs a name of at most 256 characters")
	case !plain(p.ID, 256):
		return brigade.Errorf(brigade.CodeInvalid, "a project needs an ID")
	case p.Limits.Builds < 0 || p.Limits.Jobs < 0 || p.Limits.Events < 0 || p.Limits.Timeout < 0:
		return brigade.Errorf(brigade.CodeInvalid, "limits cannot be negative")
	case len(p.DefaultScript) > brigade.MaxScriptBytes:
		return brigade.Errorf(brigade.CodeTooLarge, "the default script has more than %d bytes", brigade.MaxScriptBytes)
	}
	for name := range p.Secrets {
		if !plain(name, 256) {
			return brigade.Errorf(brigade.CodeInvalid, "the name of a secret has at most 256 characters")
		}
	}
	return nil
}

// mayStore refuses what a caller who is limited to projects may not change,
// and what the rest of the server finds wrong.
func (c *call) mayStore(p, old *brigade.Project) error {
	c.project = p.Name
	if !c.who.Sees(p.ID, p.Name) {
		return brigade.Errorf(brigade.CodeDenied, "the token is limited to other projects")
	}
	if c.who.Limited() {
		if p.AllowHostMounts && (old == nil || !old.AllowHostMounts) || p.AllowPrivilegedJobs && (old == nil || !old.AllowPrivilegedJobs) {
			return brigade.Errorf(brigade.CodeDenied, "a token that is limited to projects cannot let their jobs out of their containers").
				WithHint("set allowHostMounts and allowPrivilegedJobs to false, or use a token without that limit")
		}
		if address.Local(p.Repo.CloneURL) && (old == nil || old.Repo.CloneURL != p.Repo.CloneURL) {
			return brigade.Errorf(brigade.CodeDenied, "a token that is limited to projects cannot make files of the server's machine a project's repository").
				WithHint("give repo.cloneURL an https or ssh address")
		}
	}
	if f := c.a.opt.CheckProject; f != nil {
		return f(p)
	}
	return nil
}

func (c *call) storeProject(p *brigade.Project) error {
	if err := c.a.opt.Store.PutProject(c.r.Context(), p); err != nil {
		return err
	}
	c.projectChanged(p.ID)
	tag, err := c.a.tags.of(p)
	c.w.Header().Set("ETag", tag)
	return err
}

func (c *call) projectChanged(id string) {
	c.a.maskers.Forget(id)
	if f := c.a.opt.ProjectsChanged; f != nil {
		f()
	}
}

// deleteProject forgets a project; its builds stay.
func deleteProject(c *call) error {
	c.a.projects.Lock()
	defer c.a.projects.Unlock()
	p, err := c.findProject()
	if err != nil {
		return err
	}
	if err := c.precondition(p, p.Name); err != nil {
		return err
	}
	if err := c.a.opt.Store.DeleteProject(c.r.Context(), p.ID); err != nil {
		return err
	}
	c.projectChanged(p.ID)
	return c.none()
}

// listSecrets answers with the names of the secrets, never with values.
func listSecrets(c *call) error {
	p, err := c.findProject()
	if err != nil {
		return err
	}
	v := viewProject(p)
	return c.json(http.StatusOK, map[string]any{"secrets": v.SecretNames, "credentials": v.Credentials})
}

// setSecret sets one secret. Values may be nested.
func setSecret(c *call) error {
	var in struct {
		Value any `json:"value"`
	}
	if err := c.body(&in); err != nil {
		return err
	}
	name := c.r.PathValue("name")
	if in.Value == nil || !plain(name, 256) {
		return usage("a secret needs a name of at most 256 characters and a value").WithHint(`send {"value": "…"}`)
	}
	return c.changeSecrets(func(secrets map[string]any) error {
		secrets[name] = in.Value
		return nil
	})
}

func unsetSecret(c *call) error {
	name := c.r.PathValue("name")
	return c.changeSecrets(func(secrets map[string]any) error {
		if _, ok := secrets[name]; !ok {
			return brigade.NotFound("secret", name)
		}
		delete(secrets, name)
		return nil
	})
}

func (c *call) changeSecrets(change func(map[string]any) error) error {
	c.a.projects.Lock()
	defer c.a.projects.Unlock()
	p, err := c.findProject()
	if err != nil {
		return err
	}
	if err := c.precondition(p, p.Name); err != nil {
		return err
	}
	p.Secrets = maps.Clone(p.Secrets)
	if p.Secrets == nil {
		p.Secrets = map[string]any{}
	}
	if err := change(p.Secrets); err != nil {
		return err
	}
	if err := c.storeProject(p); err != nil {
		return err
	}
	return c.none()
}
