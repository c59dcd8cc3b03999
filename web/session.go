package web

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/brigadecore/brigade/v3"
)

// Kinds of the records that sessions are kept in, under the hash of their
// cookie. The first is written once and deleted when the session ends; what
// changes meanwhile is in the second, so that writing it cannot bring a
// session back that was ended.
const (
	KindSession      = "session"
	KindSessionState = "session-state"
)

const (
	usedEvery  = 5 * time.Minute // how exactly the last use of a session is kept
	renewTime  = 20 * time.Second
	maxAgent   = 200 // bytes kept of what a browser calls itself
	maxPerList = 1000
)

// sessions knows who is logged in. What is kept of a session is of no use
// without its cookie: the token in it is encrypted with a key made from that.
type sessions struct {
	limits  Limits
	records brigade.Records // nil: they end with the program

	mu    sync.Mutex
	byKey map[string]*session
}

// session is one that was used since the program started.
type session struct {
	key string
	sessionRecord
	seal cipher.AEAD

	mu      sync.Mutex // held while the token is looked at again, too
	creds   credentials
	who     *Identity // nil: not looked at yet
	used    time.Time
	kept    time.Time // used, as it is in the records
	checked time.Time
	ended   bool
}

// credentials are what opened a session.
type credentials struct {
	Token   string `json:"token"`
	Refresh string `json:"refresh,omitempty"` // from a sign-in: brings the next token
}

// sessionRecord is what does not change in a session.
type sessionRecord struct {
	Owner   string    `json:"owner"` // see ownerOf
	Created time.Time `json:"created"`
	Remote  string    `json:"remote,omitempty"`
	Agent   string    `json:"agent,omitempty"` // what the browser calls itself
	SignIn  bool      `json:"signIn,omitempty"`
}

// sessionState is what changes.
type sessionState struct {
	Used   time.Time `json:"used"`
	Sealed []byte    `json:"sealed"` // credentials
}

func newSessions(l Limits, records brigade.Records) *sessions {
	return &sessions{limits: l, records: records, byKey: map[string]*session{}}
}

// derive makes a key for one purpose from a cookie.
func derive(cookie, purpose string) []byte {
	mac := hmac.New(sha256.New, []byte(cookie))
	mac.Write([]byte(purpose))
	return mac.Sum(nil)
}

// keyOf is what a session is known by in the records.
func keyOf(cookie string) string { return hex.EncodeToString(derive(cookie, "session")) }

func sealOf(cookie string) (cipher.AEAD, error) {
	block, err := aes.NewCipher(derive(cookie, "seal"))
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// add begins a session and returns its cookie.
func (s *sessions) add(ctx context.Context, r sessionRecord, creds credentials, who *Identity) (string, error) {
	secret := make([]byte, 32)
	if _, err := rand.Read(secret); err != nil {
		return "", err
	}
	cookie := base64.RawURLEncoding.EncodeToString(secret)
	seal, err := sealOf(cookie)
	if err != nil {
		return "", err
	}
	if err := s.makeRoom(ctx, r.Created); err != nil {
		return "", err
	}
	one := &session{key: keyOf(cookie), sessionRecord: r, seal: seal, creds: creds, who: who, used: r.Created, checked: r.Created}
	if s.records != nil {
		data, err := json.Marshal(r)
		if err == nil {
			err = s.keep(ctx, one)
		}
		if err == nil {
			err = s.records.PutRecord(ctx, KindSession, one.key, data)
		}
		if err != nil {
			return "", fmt.Errorf("keep a session: %w", err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.byKey[one.key] = one
	return cookie, nil
}

// keep writes down what has changed in a session. The caller holds one.mu, or
// nobody else has it yet.
func (s *sessions) keep(ctx context.Context, one *session) error {
	if s.records == nil {
		return nil
	}
	plain, err := json.Marshal(one.creds)
	if err != nil {
		return err
	}
	nonce := make([]byte, one.seal.NonceSize())
	if _, err := rand.Read(nonce); err != nil {
		return err
	}
	data, err := json.Marshal(sessionState{one.used.UTC(), one.seal.Seal(nonce, nonce, plain, []byte(one.key))})
	if err != nil {
		return err
	}
	one.kept = one.used
	return s.records.PutRecord(ctx, KindSessionState, one.key, data)
}

// find returns the session of a cookie, nil when there is none.
func (s *sessions) find(ctx context.Context, cookie string, now time.Time) (*session, error) {
	key := keyOf(cookie)
	s.mu.Lock()
	one := s.byKey[key]
	s.mu.Unlock()
	if one == nil {
		var err error
		if one, err = s.load(ctx, key, cookie); one == nil {
			return nil, err
		}
	}
	one.mu.Lock()
	over := one.over(s.limits, now)
	one.mu.Unlock()
	if over {
		return nil, s.end(ctx, key)
	}
	return one, nil
}

// load reads a session that began before the program did, or elsewhere.
func (s *sessions) load(ctx context.Context, key, cookie string) (*session, error) {
	if s.records == nil {
		return nil, nil
	}
	seal, err := sealOf(cookie)
	if err != nil {
		return nil, err
	}
	one := &session{key: key, seal: seal}
	var state sessionState
	for _, part := range []struct {
		kind string
		to   any
	}{{KindSession, &one.sessionRecord}, {KindSessionState, &state}} {
		data, err := s.records.Record(ctx, part.kind, key)
		if brigade.CodeOf(err) == brigade.CodeNotFound {
			return nil, nil
		}
		if err == nil {
			err = json.Unmarshal(data, part.to)
		}
		if err != nil {
			return nil, fmt.Errorf("read a session: %w", err)
		}
	}
	size := seal.NonceSize()
	if len(state.Sealed) < size {
		return nil, nil
	}
	plain, err := seal.Open(nil, state.Sealed[:size], state.Sealed[size:], []byte(key))
	if err != nil || json.Unmarshal(plain, &one.creds) != nil {
		return nil, nil // not written by us: nobody is logged in with it
	}
	one.used, one.kept = state.Used, state.Used
	s.mu.Lock()
	defer s.mu.Unlock()
	if has := s.byKey[key]; has != nil {
		return has, nil
	}
	s.byKey[key] = one
	return one, nil
}

// over reports whether a session has lasted too long, or its token has. The
// caller holds one.mu.
func (one *session) over(l Limits, now time.Time) bool {
	if one.ended || now.Sub(one.used) > l.Idle || now.Sub(one.Created) > l.Session {
		return true
	}
	return one.who != nil && one.creds.Refresh == "" && !one.who.Expires.IsZero() && !now.Before(one.who.Expires)
}

// end ends the session with that key everywhere.
func (s *sessions) end(ctx context.Context, key string) error {
	s.mu.Lock()
	one := s.byKey[key]
	delete(s.byKey, key)
	s.mu.Unlock()
	if one != nil {
		one.mu.Lock()
		one.ended = true
		one.mu.Unlock()
	}
	if s.records == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	_, err := s.records.DeleteRecords(ctx, KindSession, key, true)
	_, err2 := s.records.DeleteRecords(ctx, KindSessionState, key, true)
	if err := errors.Join(err, err2); err != nil {
		return fmt.Errorf("end a session: %w", err)
	}
	return nil
}

// identity returns whose session it is, nil when it is over. A token is looked
// at again from time to time, and one that has expired is renewed when it came
// from a sign-in.
func (s *sessions) identity(ctx context.Context, one *session, o *Options) (*Identity, error) {
	one.mu.Lock()
	defer one.mu.Unlock()
	now := o.Now()
	if one.ended {
		return nil, nil
	}
	one.used = now
	if one.who != nil && now.Sub(one.checked) < s.limits.Recheck {
		return one.who, nil
	}
	if s.records != nil {
		if _, err := s.records.Record(ctx, KindSession, one.key); err != nil {
			return nil, ignoreCode(err, brigade.CodeNotFound) // ended elsewhere
		}
	}
	who, err := o.Auth.Authenticate(ctx, one.creds.Token)
	if brigade.CodeOf(err) == brigade.CodeDenied && one.creds.Refresh != "" && o.SignIn != nil {
		who, err = s.renew(ctx, one, o)
	}
	if err != nil {
		return nil, ignoreCode(err, brigade.CodeDenied) // expired or revoked
	}
	one.who, one.checked = who, now
	if now.Sub(one.kept) >= usedEvery {
		if err := s.keep(ctx, one); err != nil {
			o.Log.Warn("keep a session", "err", err)
		}
	}
	return who, nil
}

// renew gets the next token of a sign-in. It goes on when the one who asked is
// gone: a refresh token may be good for one time only.
func (s *sessions) renew(ctx context.Context, one *session, o *Options) (*Identity, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), renewTime)
	defer cancel()
	token, refresh, err := o.SignIn.Renew(ctx, one.creds.Refresh)
	if err != nil {
		return nil, err
	}
	if refresh == "" {
		refresh = one.creds.Refresh
	}
	one.creds = credentials{token, refresh}
	if err := s.keep(ctx, one); err != nil {
		o.Log.Warn("keep a session", "err", err)
	}
	return o.Auth.Authenticate(ctx, token)
}

func ignoreCode(err error, code brigade.Code) error {
	if brigade.CodeOf(err) == code {
		return nil
	}
	return err
}
