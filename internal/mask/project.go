package mask

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/brigadecore/brigade/v3"
)

// projectAge is how long a project's secrets are remembered, and projectsKept
// of how many projects.
const (
	projectAge   = 5 * time.Second
	projectsKept = 256
)

// Projects gives the maskers of projects, and remembers them for a few
// seconds. Its methods may be called concurrently.
type Projects struct {
	store brigade.Projects
	now   func() time.Time

	mu   sync.Mutex
	byID map[string]known
}

type known struct {
	masker  *Masker
	expires time.Time
}

// NewProjects returns the maskers of the projects in the store.
func NewProjects(store brigade.Projects, now func() time.Time) *Projects {
	return &Projects{store: store, now: now}
}

// Of returns the masker of a project's secrets. Of a project that is gone it
// hides nothing: its secrets are gone, too. The error is the store's.
func (p *Projects) Of(ctx context.Context, projectID string) (*Masker, error) {
	now := p.now()
	p.mu.Lock()
	k, ok := p.byID[projectID]
	p.mu.Unlock()
	if ok && now.Before(k.expires) {
		return k.masker, nil
	}
	var values []string
	project, err := p.store.Project(ctx, projectID)
	switch {
	case err == nil:
		values = SecretsOf(project)
	case brigade.CodeOf(err) != brigade.CodeNotFound:
		return nil, err
	}
	k = known{New(values), now.Add(projectAge)}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.byID == nil || len(p.byID) > projectsKept {
		p.byID = map[string]known{}
	}
	p.byID[projectID] = k
	return k.masker, nil
}

// Forget makes the next Of look at the store: the project was changed.
func (p *Projects) Forget(projectID string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.byID, projectID)
}

// SecretsOf returns every secret of p, also the passwords in addresses.
func SecretsOf(p *brigade.Project) []string {
	values := p.SecretValues()
	for _, address := range []string{p.Repo.CloneURL, p.GitHub.BaseURL, p.GitHub.UploadURL} {
		if u, err := url.Parse(address); err == nil && u.User != nil {
			if password, ok := u.User.Password(); ok {
				values = append(values, password)
			}
		}
	}
	return values
}

// PayloadSecrets returns the installation token that the GitHub gateway puts
// into the payload for scripts.
func PayloadSecrets(payload string) []string {
	if !strings.Contains(payload, `"token"`) {
		return nil
	}
	var has struct {
		Token any `json:"token"`
	}
	if json.Unmarshal([]byte(payload), &has) != nil {
		return nil
	}
	if token, ok := has.Token.(string); ok && token != "" {
		return []string{token}
	}
	return nil
}

// Payload hides such a token. The rest stays byte for byte.
func Payload(payload string) string {
	secrets := PayloadSecrets(payload)
	if len(secrets) == 0 {
		return payload
	}
	return New(secrets).String(payload)
}

// URL puts by in place of the password in an address.
func URL(address, by string) string {
	u, err := url.Parse(address)
	if err != nil || u.User == nil {
		return address
	}
	if _, ok := u.User.Password(); !ok {
		return address
	}
	u.User = url.UserPassword(u.User.Username(), by)
	return u.String()
}
