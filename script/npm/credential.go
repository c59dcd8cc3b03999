package npm

import (
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
)

// credential is what one registry is shown. It formats as nothing, so that it
// cannot reach a log.
type credential struct {
	token    string
	basic    string // base64 of user:password
	user     string
	password string
	source   string // the file that named it
}

// String hides the credential.
func (c credential) String() string { return "(credential)" }

// GoString hides the credential.
func (c credential) GoString() string { return "(credential)" }

// LogValue hides the credential.
func (c credential) LogValue() slog.Value { return slog.StringValue("(credential)") }

var (
	_ fmt.Stringer   = credential{}
	_ slog.LogValuer = credential{}
)

// set takes a field of .npmrc, and reports whether it is one of a credential.
func (c *credential) set(field, value string) bool {
	switch strings.ToLower(field) {
	case "_authtoken", "-authtoken":
		c.token = value
	case "_auth", "-auth":
		c.basic = value
	case "username":
		c.user = value
	case "_password", "-password": // kept in base64
		if raw, err := base64.StdEncoding.DecodeString(value); err == nil {
			value = string(raw)
		}
		c.password = value
	default:
		return false
	}
	return true
}

func (c credential) given() bool {
	return c.token != "" || c.basic != "" || (c.user != "" && c.password != "")
}

// unexpanded reports whether the value still holds a ${NAME} that the
// environment did not have, and which.
func (c credential) unexpanded() string {
	for _, v := range []string{c.token, c.basic, c.user, c.password} {
		if m := envReference.FindStringSubmatch(v); m != nil {
			return m[2]
		}
	}
	return ""
}

// header is the Authorization header, "" for none.
func (c credential) header() string {
	switch {
	case !c.given() || c.unexpanded() != "":
		return ""
	case c.token != "":
		return "Bearer " + c.token
	case c.basic != "":
		return "Basic " + c.basic
	}
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(c.user+":"+c.password))
}

// nerf is the key npm files a registry's credentials under: //host/path/.
func nerf(u *url.URL) string {
	p := u.EscapedPath()
	if i := strings.LastIndex(p, "/"); i >= 0 {
		p = p[:i]
	}
	return "//" + strings.ToLower(u.Host) + strings.ToLower(p) + "/"
}

// credentialFor finds what to show to an address: the entry of the longest
// path above it, else that of the configured registry on the same host. Plain
// http is shown nothing unless a registry is configured to be on http there.
func (c *config) credentialFor(u *url.URL) (credential, bool) {
	if u.Scheme != "https" && !c.plainHost(u.Host) {
		return credential{}, false
	}
	if cred, ok := c.walk(nerf(u)); ok {
		return cred, true
	}
	for _, r := range c.registries() {
		if ru, err := url.Parse(r); err == nil && strings.EqualFold(ru.Host, u.Host) {
			if cred, ok := c.walk(nerf(ru)); ok {
				return cred, true
			}
		}
	}
	return credential{}, false
}

func (c *config) walk(key string) (credential, bool) {
	for len(key) > 2 {
		if cred, ok := c.creds[key]; ok && cred.given() {
			return cred, true
		}
		i := strings.LastIndex(strings.TrimSuffix(key, "/"), "/")
		if i < 2 {
			return credential{}, false
		}
		key = key[:i+1]
	}
	return credential{}, false
}

// registries lists the configured registries, the default one first.
func (c *config) registries() []string {
	out := []string{c.registry}
	for _, scope := range sortedKeys(c.scopes) {
		out = append(out, c.scopes[scope])
	}
	return out
}

func (c *config) plainHost(host string) bool {
	for _, r := range c.registries() {
		if u, err := url.Parse(r); err == nil && u.Scheme == "http" && strings.EqualFold(u.Host, host) {
			return true
		}
	}
	return false
}
