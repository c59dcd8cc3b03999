package api

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/id"
)

// Kinds of the records that the API keeps. The key of a token is its ID; when
// it was last used is kept apart, so that noting it cannot bring back a token
// that was revoked meanwhile.
const (
	KindToken     = "token"
	KindTokenUsed = "token-used"
	KindAudit     = "audit"
)

const tokenPrefix = "brig_"

// usedEvery is how exactly the last use of a token is known.
const usedEvery = 10 * time.Minute

// Token is what is kept of a token: not the token.
type Token struct {
	ID        string    `json:"id"` // lower-case ULID
	Name      string    `json:"name"`
	Scopes    []Scope   `json:"scopes"`
	Projects  []string  `json:"projects,omitempty"` // names or IDs; empty: all
	Created   time.Time `json:"created"`
	CreatedBy string    `json:"createdBy,omitempty"`
	Expires   time.Time `json:"expires,omitzero"`
	LastUsed  time.Time `json:"lastUsed,omitzero"` // to about ten minutes
}

// tokenRecord is a Token with the SHA-256 of its text, in hex.
type tokenRecord struct {
	Token
	Hash string `json:"hash"`
}

// NewToken keeps a token and returns its text, which nobody can find out
// afterwards. It needs a name and at least one scope.
func NewToken(ctx context.Context, records brigade.Records, t Token, now time.Time) (Token, string, error) {
	if err := t.check(now); err != nil {
		return Token{}, "", err
	}
	secret := make([]byte, 32)
	if _, err := rand.Read(secret); err != nil {
		return Token{}, "", fmt.Errorf("make a token: %w", err)
	}
	t.ID, t.Created, t.LastUsed = id.New(now), now.UTC(), time.Time{}
	text := tokenPrefix + t.ID + "_" + hex.EncodeToString(secret)
	data, err := json.Marshal(tokenRecord{t, hashToken(text)})
	if err != nil {
		return Token{}, "", err
	}
	return t, text, records.PutRecord(ctx, KindToken, t.ID, data)
}

func (t Token) check(now time.Time) error {
	if !plain(t.Name, 128) {
		return usage("a token needs a name of at most 128 characters")
	}
	if len(t.Scopes) == 0 {
		return usage("a token needs a scope").WithHint("the scopes are %v", scopes)
	}
	for _, s := range t.Scopes {
		if !slices.Contains(scopes, s) {
			return usage("there is no scope %q", s).WithHint("the scopes are %v", scopes)
		}
	}
	if len(t.Projects) > 100 || slices.ContainsFunc(t.Projects, func(p string) bool { return !plain(p, 256) }) {
		return usage("projects must be at most 100 names or IDs")
	}
	if !t.Expires.IsZero() && !t.Expires.After(now) {
		return usage("the token would have expired already")
	}
	return nil
}

func hashToken(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// checkToken returns whose token it is; CodeDenied when it is nobody's.
func (a *API) checkToken(ctx context.Context, text string) (*Identity, error) {
	denied := brigade.Errorf(brigade.CodeDenied, "the token is not accepted")
	tokenID, _, ok := strings.Cut(strings.TrimPrefix(text, tokenPrefix), "_")
	if !ok || !isID(tokenID) {
		return nil, denied
	}
	t := tokenRecord{Hash: strings.Repeat("0", 2*sha256.Size)} // of a token that is not there
	data, err := a.opt.Records.Record(ctx, KindToken, tokenID)
	switch {
	case err == nil:
		if err := json.Unmarshal(data, &t); err != nil {
			return nil, brigade.Errorf(brigade.CodeStore, "the token %s cannot be read: %w", tokenID, err)
		}
	case brigade.CodeOf(err) != brigade.CodeNotFound:
		return nil, err
	}
	same := subtle.ConstantTimeCompare([]byte(hashToken(text)), []byte(t.Hash)) == 1
	now := a.opt.Now()
	if !same || t.ID != tokenID || !t.Expires.IsZero() && !now.Before(t.Expires) {
		return nil, denied
	}
	a.noteUse(ctx, tokenID, now)
	return &Identity{Name: t.Name, Kind: "token", TokenID: t.ID, Scopes: t.Scopes, Projects: t.Projects, Expires: t.Expires}, nil
}

func isID(s string) bool {
	_, ok := id.Time(s)
	return ok && s == strings.ToLower(s)
}

// lastUsed remembers which tokens were noted as used a short while ago.
type lastUsed struct {
	mu    sync.Mutex
	noted map[string]time.Time
}

func newLastUsed() *lastUsed { return &lastUsed{noted: map[string]time.Time{}} }

// due reports whether the use of a token at now has to be written down.
func (l *lastUsed) due(tokenID string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if at, ok := l.noted[tokenID]; ok && now.Sub(at).Abs() < usedEvery {
		return false
	}
	if len(l.noted) > 10_000 {
		clear(l.noted)
	}
	l.noted[tokenID] = now
	return true
}

func (a *API) noteUse(ctx context.Context, tokenID string, now time.Time) {
	if !a.used.due(tokenID, now) {
		return
	}
	text, err := now.UTC().MarshalText()
	if err == nil {
		err = a.opt.Records.PutRecord(ctx, KindTokenUsed, tokenID, text)
	}
	if err != nil {
		a.opt.Log.Warn("note that a token was used", "token", tokenID, "err", err)
	}
}

// listTokens answers with the tokens, newest first.
func listTokens(c *call) error {
	before, limit, err := c.page()
	if err != nil {
		return err
	}
	ctx, records := c.r.Context(), c.a.opt.Records
	page, err := records.ListRecords(ctx, KindToken, brigade.RecordQuery{Before: before, Limit: limit})
	if err != nil {
		return err
	}
	tokens := make([]Token, 0, len(page))
	for _, r := range page {
		var t Token
		if err := json.Unmarshal(r.Data, &t); err != nil {
			return brigade.Errorf(brigade.CodeStore, "the token %s cannot be read: %w", r.Key, err)
		}
		if text, err := records.Record(ctx, KindTokenUsed, t.ID); err == nil {
			_ = t.LastUsed.UnmarshalText(text) // better unknown than no list
		}
		tokens = append(tokens, t)
	}
	next := ""
	if len(page) == limit {
		next = page[len(page)-1].Key
	}
	c.linkNext(next)
	return c.json(http.StatusOK, tokenPage{tokens, next})
}

type tokenPage struct {
	Tokens []Token `json:"tokens"`
	Next   string  `json:"next,omitempty"`
}

type newToken struct {
	Name      string           `json:"name"`
	Scopes    []Scope          `json:"scopes"`
	Projects  []string         `json:"projects"`
	Expires   time.Time        `json:"expires"`
	ExpiresIn brigade.Duration `json:"expiresIn"`
}

// createToken makes a token and shows it, once.
func createToken(c *call) error {
	var in newToken
	if err := c.body(&in); err != nil {
		return err
	}
	now := c.a.opt.Now()
	if in.ExpiresIn < 0 || in.ExpiresIn > 0 && !in.Expires.IsZero() {
		return usage("give either expires or expiresIn, which is not negative")
	}
	if in.ExpiresIn > 0 {
		in.Expires = now.Add(time.Duration(in.ExpiresIn))
	}
	t, text, err := NewToken(c.r.Context(), c.a.opt.Records, Token{
		Name: in.Name, Scopes: in.Scopes, Projects: in.Projects, Expires: in.Expires.UTC(), CreatedBy: c.who.Name,
	}, now)
	if err != nil {
		return err
	}
	c.target = t.ID
	c.w.Header().Set("Location", "/api/tokens/"+t.ID)
	return c.json(http.StatusCreated, struct {
		Token
		Text string `json:"token"`
	}{t, text})
}

// revokeToken forgets a token: from now on it opens nothing.
func revokeToken(c *call) error {
	tokenID := c.r.PathValue("token")
	c.target = tokenID
	ctx := c.r.Context()
	n, err := c.a.opt.Records.DeleteRecords(ctx, KindToken, tokenID, true)
	if err != nil {
		return err
	}
	if n == 0 {
		return brigade.NotFound("token", tokenID)
	}
	if _, err := c.a.opt.Records.DeleteRecords(ctx, KindTokenUsed, tokenID, true); err != nil {
		c.a.opt.Log.Warn("forget when a token was used", "token", tokenID, "err", err)
	}
	return c.none()
}

// whoami answers with the caller.
func whoami(c *call) error { return c.json(http.StatusOK, c.who) }
