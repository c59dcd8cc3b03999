package api

import (
	"bytes"
	"context"
	"encoding/json"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/mask"
)

const redacted = "REDACTED"

// maskerAge is how long a project's secrets are remembered. Changes made
// through this API are seen at once.
const maskerAge = 5 * time.Second

// maskers knows the secrets of projects for a short while.
type maskers struct {
	store brigade.Projects
	now   func() time.Time

	mu   sync.Mutex
	byID map[string]masker
}

type masker struct {
	*mask.Masker
	expires time.Time
}

// of returns the masker of a project's secrets. Of a project that is gone it
// hides nothing: its secrets are gone, too.
func (m *maskers) of(ctx context.Context, projectID string) (*mask.Masker, error) {
	now := m.now()
	m.mu.Lock()
	known, ok := m.byID[projectID]
	m.mu.Unlock()
	if ok && now.Before(known.expires) {
		return known.Masker, nil
	}
	var values []string
	p, err := m.store.Project(ctx, projectID)
	switch {
	case err == nil:
		values = secretsOf(p)
	case brigade.CodeOf(err) != brigade.CodeNotFound:
		return nil, err
	}
	known = masker{mask.New(values), now.Add(maskerAge)}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.byID == nil || len(m.byID) > 256 {
		m.byID = map[string]masker{}
	}
	m.byID[projectID] = known
	return known.Masker, nil
}

func (m *maskers) forget(projectID string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.byID, projectID)
}

// secretsOf returns every secret of p, also those in addresses.
func secretsOf(p *brigade.Project) []string {
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

// structural are the fields that programs rely on: they are never made of
// secrets, and are left as they are even when a secret looks like them.
var structural = map[string]bool{
	"id": true, "buildID": true, "projectID": true, "project": true, "jobID": true, "rerunOf": true, "state": true, "code": true,
	"created": true, "started": true, "ended": true, "time": true, "retriedAt": true, "notBefore": true,
	"level": true, "logLevel": true, "sha256": true, "inherited": true, "next": true, "status": true, "outcome": true,
}

// maskJSON replaces secrets in the values of a JSON text, not in the names of
// its fields.
func maskJSON(m *mask.Masker, data []byte) []byte {
	if m.Empty() || m.String(string(data)) == string(data) {
		return data
	}
	var out bytes.Buffer
	out.Grow(len(data))
	var keys []string // of the objects and arrays we are in
	key := ""
	for i := 0; i < len(data); i++ {
		switch b := data[i]; b {
		case '{', '[':
			keys = append(keys, key)
		case '}', ']':
			if len(keys) > 0 {
				keys = keys[:len(keys)-1]
			}
			key = ""
		case ',':
			key = ""
			if len(keys) > 0 {
				key = keys[len(keys)-1]
			}
		case '"':
			end := stringEnd(data, i)
			text := data[i+1 : end]
			switch {
			case end+1 < len(data) && data[end+1] == ':':
				key = string(text)
			case !structural[key]:
				text = maskText(m, text)
			}
			out.WriteByte('"')
			out.Write(text)
			i = end
		}
		out.WriteByte(data[i])
	}
	return out.Bytes()
}

// maskText masks what is between the quotes of a JSON string. A secret that
// was only found together with its escapes is looked for in the text itself.
func maskText(m *mask.Masker, quoted []byte) []byte {
	var text string
	if json.Unmarshal([]byte(`"`+string(quoted)+`"`), &text) != nil {
		return []byte(redacted)
	}
	hidden := m.String(text)
	if hidden == text {
		return []byte(m.String(string(quoted)))
	}
	again, err := json.Marshal(hidden)
	if err != nil {
		return []byte(redacted)
	}
	return again[1 : len(again)-1]
}

// stringEnd returns where the string that begins at i has its closing quote.
func stringEnd(data []byte, i int) int {
	for j := i + 1; j < len(data); j++ {
		switch data[j] {
		case '\\':
			j++
		case '"':
			return j
		}
	}
	return len(data) - 1
}

// cleanPayload hides the installation token that the GitHub gateway puts into
// the payload for scripts. The rest stays byte for byte.
func cleanPayload(payload string) string {
	if !strings.Contains(payload, `"token"`) {
		return payload
	}
	var has struct {
		Token any `json:"token"`
	}
	if json.Unmarshal([]byte(payload), &has) != nil {
		return payload
	}
	token, ok := has.Token.(string)
	if !ok || len(token) < 4 {
		return payload
	}
	return mask.New([]string{token}).String(payload)
}

// cleanURL hides the password in an address.
func cleanURL(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.User == nil {
		return address
	}
	if _, ok := u.User.Password(); !ok {
		return address
	}
	u.User = url.UserPassword(u.User.Username(), redacted)
	return u.String()
}
