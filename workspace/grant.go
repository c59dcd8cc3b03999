package workspace

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/quantity"
)

// minKey is how many bytes the server's key has at least.
const minKey = 32

// BuildGrant is what the token of a build allows: to send its source, to read
// its results, and to make tokens for its jobs.
type BuildGrant struct {
	Build         string `json:"b"`
	Project       string `json:"p"`
	Share         int64  `json:"s,omitempty"` // bytes of build storage; 0: the server's limit
	CacheReadOnly bool   `json:"r,omitempty"` // its jobs read caches and write none
	Expires       int64  `json:"e,omitempty"` // seconds since 1970; 0: with its build
}

// JobGrant is what the token of a job allows, within its build's.
type JobGrant struct {
	Job     string `json:"j"`           // ID
	Name    string `json:"n,omitempty"` // names its cache
	Attempt int    `json:"a,omitempty"`
	Share   bool   `json:"s,omitempty"` // may use the build's storage
	Cache   int64  `json:"c,omitempty"` // bytes of its cache; 0: it has none
	// CacheKey and CacheRestore are those of brigade.JobCache.
	CacheKey     string   `json:"k,omitempty"`
	CacheRestore []string `json:"r,omitempty"`
}

// A token is "bw1.", the build's grant, for a job its grant, and a signature,
// with dots between. The signature of a job's token is made with the one of
// its build's token as the key: who has that can make them without the server.
const tokenPrefix = "bw1."

var b64 = base64.RawURLEncoding

// BuildToken returns the token for a build: for a worker pod, which makes those
// of its jobs with JobToken. It is a secret.
func (s *Server) BuildToken(g BuildGrant) (string, error) {
	if err := checkID("build", g.Build); err != nil {
		return "", err
	}
	body, err := encode(g)
	if err != nil {
		return "", err
	}
	return tokenPrefix + body + "." + b64.EncodeToString(sign(s.opt.Key, body)), nil
}

// Token is BuildToken for a build of which nothing more is known: with the
// server's limits, and without caches.
func (s *Server) Token(buildID string) string {
	token, err := s.BuildToken(BuildGrant{Build: buildID})
	if err != nil {
		return "" // no build has such an ID
	}
	return token
}

// JobToken makes a token for a job out of its build's token.
func JobToken(buildToken string, g JobGrant) (string, error) {
	if err := checkID("job", g.Job); err != nil {
		return "", err
	}
	parts := strings.Split(strings.TrimPrefix(buildToken, tokenPrefix), ".")
	if len(parts) != 2 {
		return "", brigade.Errorf(brigade.CodeInvalid, "this is not the workspace token of a build")
	}
	key, err := b64.DecodeString(parts[1])
	if err != nil {
		return "", brigade.Errorf(brigade.CodeInvalid, "this is not the workspace token of a build")
	}
	body, err := encode(g)
	if err != nil {
		return "", err
	}
	return tokenPrefix + parts[0] + "." + body + "." + b64.EncodeToString(sign(key, body)), nil
}

func encode(v any) (string, error) {
	text, err := json.Marshal(v)
	return b64.EncodeToString(text), err
}

func sign(key []byte, text string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("brigade workspace\n" + text)) //nolint:errcheck // it never fails
	return mac.Sum(nil)
}

// grant is what a request may do. Job is empty for the token of a build.
type grant struct {
	BuildGrant
	Job JobGrant
}

var errToken = brigade.Errorf(brigade.CodeDenied, "the workspace token is not valid").
	WithHint("it has to come from this server, and its key must not have changed since")

// maxToken is longer than any token, in bytes: most of a long one are keys of
// caches.
const maxToken = 16 << 10

// verify reads a token. Every mistake in it gives the same error.
func (s *Server) verify(token string, now time.Time) (grant, error) {
	var g grant
	text, ok := strings.CutPrefix(token, tokenPrefix)
	parts := strings.Split(text, ".")
	if !ok || len(token) > maxToken || len(parts) < 2 || len(parts) > 3 {
		return g, errToken
	}
	mac := sign(s.opt.Key, parts[0])
	if len(parts) == 3 {
		mac = sign(mac, parts[1])
	}
	got, err := b64.DecodeString(parts[len(parts)-1])
	if err != nil || !hmac.Equal(mac, got) {
		return g, errToken
	}
	if !decode(parts[0], &g.BuildGrant) || len(parts) == 3 && !decode(parts[1], &g.Job) {
		return grant{}, errToken
	}
	if g.Expires != 0 && now.Unix() > g.Expires {
		return grant{}, brigade.Errorf(brigade.CodeDenied, "the workspace token has expired")
	}
	return g, nil
}

func decode(part string, to any) bool {
	text, err := b64.DecodeString(part)
	return err == nil && json.Unmarshal(text, to) == nil
}

// tokenSlack is how long a token outlives its job's timeout: the time that a
// pod may wait for its node.
const tokenSlack = 48 * time.Hour

// grants are those of a job on its way to a runner.
func (s *Server) grants(run brigade.JobRun, want Want) (BuildGrant, JobGrant, error) {
	b := GrantFor(run.Build, run.Project)
	timeout := time.Duration(run.Job.Spec.WithDefaults().Timeout) * time.Millisecond
	b.Expires = s.opt.Now().Add(timeout + tokenSlack).Unix()
	j, err := jobGrant(run, want)
	return b, j, err
}

// GrantFor is what the jobs of a build may do as far as its project has it. A
// build for strangers reads caches and changes none. It does not expire before
// the build ends.
func GrantFor(b *brigade.Build, p *brigade.Project) BuildGrant {
	g := BuildGrant{Build: b.ID, CacheReadOnly: b.Event.Untrusted}
	if p != nil {
		g.Project, g.Share = p.ID, sizeOr(p.Kubernetes.BuildStorageSize, 0)
	}
	return g
}

func jobGrant(run brigade.JobRun, want Want) (JobGrant, error) {
	spec := run.Job.Spec.WithDefaults()
	g := JobGrant{Job: run.Job.ID, Name: run.Job.Name, Attempt: run.Job.Attempt, Share: want.Share}
	if !want.Cache {
		return g, nil
	}
	size, err := quantity.Bytes(spec.Cache.Size)
	if err != nil || size <= 0 {
		return g, brigade.Errorf(brigade.CodeInvalid, "the cache size of job %q is not a size: %q", spec.Name, spec.Cache.Size).WithHint(`write it like "5Mi" or "2Gi"`)
	}
	if err := spec.Cache.Validate(); err != nil {
		return g, fmt.Errorf("job %q: %w", spec.Name, err)
	}
	g.Cache, g.CacheKey, g.CacheRestore = size, spec.Cache.Key, spec.Cache.RestoreKeys
	return g, nil
}

// sizeOr reads a size as Kubernetes writes it.
func sizeOr(text string, fallback int64) int64 {
	n, err := quantity.Bytes(text)
	if err != nil || n <= 0 {
		return fallback
	}
	return n
}
