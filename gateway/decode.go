package gateway

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/lazyregexp"
)

// What a gateway keeps of texts that are for people.
const (
	maxShortTitle = 120     // bytes
	maxLongTitle  = 4 << 10 // bytes
	maxRef        = 1 << 10 // bytes of a ref or of what else is sent as a name
	maxWord       = 100     // bytes of an event's name and of its action
)

// decode reads a JSON body into v.
func decode(body []byte, v any) error {
	if err := json.Unmarshal(body, v); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) && wrong.Field != "" {
			return brigade.Errorf(brigade.CodeInvalid, "the field %s of the body is not what it should be", wrong.Field)
		}
		return brigade.Errorf(brigade.CodeInvalid, "the body is not the JSON that was expected")
	}
	return nil
}

// checkSize refuses bodies that are too large to be an event's payload.
func checkSize(body []byte) error {
	if len(body) > brigade.MaxPayloadBytes {
		return brigade.Errorf(brigade.CodeTooLarge, "the body has %d bytes, more than %d", len(body), brigade.MaxPayloadBytes)
	}
	return nil
}

// formPayload returns the JSON of a webhook that is sent as a form, which
// GitHub and Gitea do when told so; the signature is over the body as it came.
func formPayload(h http.Header, body []byte) ([]byte, error) {
	kind, _, _ := mime.ParseMediaType(h.Get("Content-Type"))
	if kind != "application/x-www-form-urlencoded" {
		return body, nil
	}
	form, err := url.ParseQuery(string(body))
	if err != nil || !form.Has("payload") {
		return nil, brigade.Errorf(brigade.CodeInvalid, "the form has no field payload")
	}
	return []byte(form.Get("payload")), nil
}

// errDenied is the same for whatever is wrong with a signature or a token.
func errDenied() error {
	return brigade.Errorf(brigade.CodeDenied, "the request is not authenticated")
}

// checkMAC compares the signature, hexadecimal, with the one that key gives.
// The work does not depend on what is wrong. Without a key nothing passes.
func checkMAC(with func() hash.Hash, key string, body []byte, signature string) error {
	mac := hmac.New(with, []byte(key))
	mac.Write(body)
	given, err := hex.DecodeString(signature)
	same := hmac.Equal(mac.Sum(nil), given)
	if !same || err != nil || key == "" {
		return errDenied()
	}
	return nil
}

// checkToken compares two secrets without telling by the time where they
// differ or how long they are. Without a key nothing passes.
func checkToken(key, given string) error {
	a, b := sha256.Sum256([]byte(key)), sha256.Sum256([]byte(given))
	if subtle.ConstantTimeCompare(a[:], b[:]) != 1 || key == "" {
		return errDenied()
	}
	return nil
}

// keyOf is the secret that webhooks of p are signed with.
func keyOf(p *brigade.Project, fallback string) string {
	if p.SharedSecret != "" {
		return p.SharedSecret
	}
	return fallback
}

var (
	fullHash = lazyregexp.New(`^([0-9a-f]{40}|[0-9a-f]{64})$`)
	anyHash  = lazyregexp.New(`^[0-9a-f]{7,64}$`)
)

// checkRevision refuses what git would not take, or would take for an option.
func checkRevision(r brigade.Revision) error {
	if r.Commit != "" && !anyHash.MatchString(r.Commit) {
		return brigade.Errorf(brigade.CodeInvalid, "the commit is not the hash of one")
	}
	if r.Ref != "" && !validRef(r.Ref) {
		return brigade.Errorf(brigade.CodeInvalid, "the ref is not the name of one")
	}
	return nil
}

func validRef(ref string) bool {
	bad := func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune(`~^:?*[\`, r) }
	return len(ref) <= maxRef && utf8.ValidString(ref) && !strings.HasPrefix(ref, "-") &&
		!strings.Contains(ref, "..") && !strings.ContainsFunc(ref, bad)
}

// checkName refuses what cannot be the name of a repository, event or action.
func checkName(what, name string, most int) error {
	bad := func(r rune) bool { return r <= ' ' || r == 0x7f || r == utf8.RuneError }
	if name == "" || len(name) > most || strings.ContainsFunc(name, bad) {
		return brigade.Errorf(brigade.CodeInvalid, "the request does not name its %s", what)
	}
	return nil
}

// zeroHash reports whether a forge says with hash that there is nothing.
func zeroHash(hash string) bool { return strings.Trim(hash, "0") == "" }

// firstLine is the first line of a message, for a title.
func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return strings.TrimSpace(line)
}

// cut shortens text to at most size bytes at the end of a character.
func cut(text string, size int) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if len(text) <= size {
		return text
	}
	const more = "…"
	end := size - len(more)
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + more
}
