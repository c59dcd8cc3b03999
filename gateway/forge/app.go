package forge

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
)

const (
	jwtLife          = 9 * time.Minute // GitHub takes at most 10
	jwtSkew          = time.Minute     // GitHub's clock may be behind ours
	installationLife = time.Hour       // how long we believe which installation a repository has
	maxRemembered    = 10_000          // tokens and installations kept; beyond, all are forgotten
)

// AppOptions are the credentials of a GitHub App.
type AppOptions struct {
	ID      int64
	Key     []byte // its private key, PEM; never logged
	BaseURL string // of the API of the server it is registered at; default https://api.github.com
	HTTP    *http.Client
	Now     func() time.Time // default time.Now
}

// App gets tokens as a GitHub App. It may be used concurrently.
type App struct {
	id     int64
	key    *rsa.PrivateKey
	base   string
	client Client
	now    func() time.Time

	mu            sync.Mutex
	installations map[string]installation
	tokens        map[string]AppToken
}

type installation struct {
	id  int64
	got time.Time
}

// AppToken is an installation token: good for one repository and an hour.
type AppToken struct {
	Value        string
	Expires      time.Time
	Installation int64
}

// String hides the token.
func (t AppToken) String() string {
	return fmt.Sprintf("installation %d: ***", t.Installation)
}

// GoString hides the token.
func (t AppToken) GoString() string { return t.String() }

// NewApp checks the credentials. The error is a CodeInvalid one and does not
// hold the key.
func NewApp(o AppOptions) (*App, error) {
	if o.ID <= 0 {
		return nil, brigade.Errorf(brigade.CodeInvalid, "a GitHub App has an ID above 0")
	}
	key, err := parseKey(o.Key)
	if err != nil {
		return nil, brigade.Errorf(brigade.CodeInvalid, "the private key of the GitHub App cannot be read: %v", err).
			WithHint("give the .pem file that GitHub made for the App")
	}
	if o.BaseURL == "" {
		o.BaseURL = GitHubAPI
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &App{
		id: o.ID, key: key, base: strings.TrimSuffix(o.BaseURL, "/"), now: o.Now,
		client:        Client{HTTP: o.HTTP, Now: o.Now},
		installations: map[string]installation{}, tokens: map[string]AppToken{},
	}, nil
}

func parseKey(data []byte) (*rsa.PrivateKey, error) {
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, errors.New("it is not PEM")
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("it is neither PKCS #1 nor PKCS #8")
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, errors.New("it is not an RSA key")
	}
	return key, nil
}

// ID is the App's ID.
func (a *App) ID() int64 { return a.id }

// Base is the address of the API the App belongs to; "" without an App.
func (a *App) Base() string {
	if a == nil {
		return ""
	}
	return a.base
}

// Serves reports whether the App is registered at the GitHub server of p. Its
// credentials are sent to no other.
func (a *App) Serves(p *brigade.Project) bool {
	return a != nil && GitHubBase(p, a.base) == a.base
}

// GitHubBase is the address of the API of p's GitHub server, without a slash
// at the end; fallback when the project names none.
func GitHubBase(p *brigade.Project, fallback string) string {
	base := p.GitHub.BaseURL
	if base == "" {
		base = fallback
	}
	if base == "" {
		base = GitHubAPI
	}
	return strings.TrimSuffix(base, "/")
}

// Token returns a token for one repository ("acme/app") that is good for at
// least life. Without permissions it has all that the installation has. Which
// installation it is, GitHub says and not the webhook: who can sign for one
// project must not get a token for another's repository.
func (a *App) Token(ctx context.Context, repo string, permissions map[string]string, life time.Duration) (AppToken, error) {
	owner, name, found := strings.Cut(repo, "/")
	if !found || owner == "" || name == "" || strings.Contains(name, "/") {
		return AppToken{}, fmt.Errorf("%q is not the full name of a repository", repo)
	}
	key := strings.ToLower(repo) + " " + permissionKey(permissions)
	a.mu.Lock()
	token, there := a.tokens[key]
	a.mu.Unlock()
	if there && token.Expires.Sub(a.now()) >= life {
		return token, nil
	}
	id, err := a.installation(ctx, owner, name)
	if err != nil {
		return AppToken{}, fmt.Errorf("find the App's installation at %s: %w", repo, err)
	}
	in := map[string]any{"repositories": []string{name}}
	if len(permissions) > 0 {
		in["permissions"] = permissions
	}
	var out struct {
		Token     string    `json:"token"`
		ExpiresAt time.Time `json:"expires_at"`
	}
	err = a.do(ctx, http.MethodPost, fmt.Sprintf("/app/installations/%d/access_tokens", id), in, &out)
	if err == nil && out.Token == "" {
		err = errors.New("the answer holds no token")
	}
	if err != nil {
		if s := StatusOf(err); s == http.StatusNotFound || s == http.StatusForbidden { // installed anew meanwhile, perhaps
			a.mu.Lock()
			delete(a.installations, strings.ToLower(repo))
			a.mu.Unlock()
		}
		return AppToken{}, fmt.Errorf("get an installation token for %s: %w", repo, err)
	}
	token = AppToken{Value: out.Token, Expires: out.ExpiresAt, Installation: id}
	a.mu.Lock()
	remember(a.tokens, key, token)
	a.mu.Unlock()
	return token, nil
}

func permissionKey(permissions map[string]string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(permissions)) {
		b.WriteString(name + "=" + permissions[name] + ";")
	}
	return b.String()
}

func remember[V any](in map[string]V, key string, v V) {
	if len(in) >= maxRemembered {
		clear(in)
	}
	in[key] = v
}

func (a *App) installation(ctx context.Context, owner, name string) (int64, error) {
	key := strings.ToLower(owner + "/" + name)
	a.mu.Lock()
	known, there := a.installations[key]
	a.mu.Unlock()
	if there && a.now().Sub(known.got) < installationLife {
		return known.id, nil
	}
	var out struct {
		ID int64 `json:"id"`
	}
	path := "/repos/" + url.PathEscape(owner) + "/" + url.PathEscape(name) + "/installation"
	if err := a.do(ctx, http.MethodGet, path, nil, &out); err != nil {
		return 0, err
	}
	a.mu.Lock()
	remember(a.installations, key, installation{out.ID, a.now()})
	a.mu.Unlock()
	return out.ID, nil
}

func (a *App) do(ctx context.Context, method, path string, in, out any) error {
	jwt, err := a.jwt()
	if err != nil {
		return err
	}
	return a.client.Do(ctx, method, a.base+path, Bearer(jwt), in, out)
}

// jwt proves that we are the App: RS256, as GitHub wants it.
func (a *App) jwt() (string, error) {
	now := a.now()
	claims, err := json.Marshal(map[string]int64{"iat": now.Add(-jwtSkew).Unix(), "exp": now.Add(jwtLife - jwtSkew).Unix(), "iss": a.id})
	if err != nil {
		return "", fmt.Errorf("encode the App's claims: %w", err)
	}
	text := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256","typ":"JWT"}`)) + "." + base64.RawURLEncoding.EncodeToString(claims)
	sum := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(nil, a.key, crypto.SHA256, sum[:])
	if err != nil {
		return "", fmt.Errorf("sign as the App: %w", err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}
