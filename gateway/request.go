package gateway

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	brigade "github.com/brigadecore/brigade/v3"
)

// What the gateways share whose route names the project.

// replayWindow is how far the time in a signed request may be from ours.
const replayWindow = 5 * time.Minute

// wildcard is the value of a wildcard of the route, or "".
func wildcard(in brigade.Inbound, name string) string {
	if in.Path == nil {
		return ""
	}
	return in.Path(name)
}

// namedProject is the project in the request's path. The body is checked as
// well: it is to be a text, as payloads are.
func namedProject(in brigade.Inbound) (string, error) {
	if err := checkSize(in.Body); err != nil {
		return "", err
	}
	if !utf8.Valid(in.Body) {
		return "", brigade.Errorf(brigade.CodeInvalid, "the body is no UTF-8 text")
	}
	name := wildcard(in, "project")
	return name, checkName("project", name, maxRef)
}

// bearer is the token of the header Authorization, or "".
func bearer(h http.Header) string {
	scheme, token, found := strings.Cut(h.Get("Authorization"), " ")
	if !found || !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// recent reports whether a time, in seconds since 1970, is about that of the
// request, so that a recorded request cannot be sent again later.
func recent(in brigade.Inbound, seconds string) bool {
	n, err := strconv.ParseInt(seconds, 10, 64)
	return err == nil && in.Received.Sub(time.Unix(n, 0)).Abs() <= replayWindow
}

// eventKey makes the key of an event: kind:first:rest, with the colons in rest
// escaped so that no two events have one key.
func eventKey(kind, first string, rest ...string) string {
	escape := strings.NewReplacer("%", "%25", ":", "%3A")
	key := kind + ":" + first
	for _, part := range rest {
		key += ":" + escape.Replace(part)
	}
	return key
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// repeatable sets the key of an event whose sender numbers its requests with
// the header Idempotency-Key.
func repeatable(e *brigade.Event, kind string, h http.Header) {
	if key := h.Get("Idempotency-Key"); key != "" {
		e.Key = eventKey(kind, key)
	}
}

// askedRevision is the revision that a sender asks for. As in v1 a commit is
// what git can check out: when it is no hash, it is taken for a ref.
func askedRevision(ref, commit string) (brigade.Revision, error) {
	r := brigade.Revision{Ref: ref, Commit: strings.ToLower(commit)}
	if ref == "" && !anyHash.MatchString(r.Commit) {
		r = brigade.Revision{Ref: commit}
	}
	return r, checkRevision(r)
}

// revisionIn finds the fields ref and commit of a JSON object. With strict,
// they have to be texts, otherwise others are none. Anything but an object has
// no such fields.
func revisionIn(data []byte, strict bool) (brigade.Revision, error) {
	var fields struct{ Ref, Commit any }
	if data = bytes.TrimSpace(data); len(data) == 0 || data[0] != '{' {
		return brigade.Revision{}, nil
	}
	if err := decode(data, &fields); err != nil {
		return brigade.Revision{}, err
	}
	ref, isRef := fields.Ref.(string)
	commit, isCommit := fields.Commit.(string)
	if strict && (!isRef && fields.Ref != nil || !isCommit && fields.Commit != nil) {
		return brigade.Revision{}, brigade.Errorf(brigade.CodeInvalid, "the fields ref and commit of the body are to be texts")
	}
	return askedRevision(ref, commit)
}

// statusAnswer is a success answer as v1 gave it.
func statusAnswer(text string) func([]*brigade.Build) (int, any) {
	return func([]*brigade.Build) (int, any) { return http.StatusOK, map[string]string{"status": text} }
}

// isList reports whether a JSON text is an array.
func isList(body []byte) bool { return bytes.HasPrefix(bytes.TrimSpace(body), []byte("[")) }

// maxList is how many entries a request may have. Intake stores fewer.
const maxList = 10_000

// decodeList reads a JSON array. It stops at the first entry that is too many,
// since a list of millions takes many times the memory of its text.
func decodeList(body []byte) ([]json.RawMessage, error) {
	wrong := brigade.Errorf(brigade.CodeInvalid, "the body is not the JSON that was expected")
	dec := json.NewDecoder(bytes.NewReader(body))
	if start, err := dec.Token(); err != nil || start != json.Delim('[') {
		return nil, wrong
	}
	var list []json.RawMessage
	for dec.More() {
		if len(list) == maxList {
			return nil, brigade.Errorf(brigade.CodeTooLarge, "the request has more than %d entries", maxList)
		}
		var item json.RawMessage
		if err := dec.Decode(&item); err != nil {
			return nil, wrong
		}
		list = append(list, item)
	}
	if _, err := dec.Token(); err != nil {
		return nil, wrong
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, wrong
	}
	return list, nil
}
