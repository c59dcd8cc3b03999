// Package whatwg parses URLs as the URL Standard (url.spec.whatwg.org) says,
// which is how browsers and Node read them.
package whatwg

import (
	"strconv"
	"strings"
)

// URL is a parsed URL. Its fields are percent-encoded.
type URL struct {
	Scheme             string
	Username, Password string
	Host               *string // nil: none
	Port               int     // -1: none
	Path               []string
	Opaque             *string // instead of Path, for "mailto:…"
	Query, Fragment    *string // without ? and #, nil: none
}

var specialPorts = map[string]int{"http": 80, "https": 443, "ws": 80, "wss": 443, "ftp": 21, "file": -1}

func isSpecial(scheme string) bool { _, ok := specialPorts[scheme]; return ok }

func (u *URL) special() bool { return isSpecial(u.Scheme) }

func (u *URL) clone() *URL {
	c := *u
	c.Path = append([]string(nil), u.Path...)
	return &c
}

// Href writes the whole URL.
func (u *URL) Href() string {
	var b strings.Builder
	b.WriteString(u.Scheme + ":")
	if u.Host != nil {
		b.WriteString("//")
		if u.Username != "" || u.Password != "" {
			b.WriteString(u.Username)
			if u.Password != "" {
				b.WriteString(":" + u.Password)
			}
			b.WriteByte('@')
		}
		b.WriteString(u.HostPort())
	} else if u.Opaque == nil && len(u.Path) > 1 && u.Path[0] == "" {
		b.WriteString("/.")
	}
	b.WriteString(u.Pathname())
	if u.Query != nil {
		b.WriteString("?" + *u.Query)
	}
	if u.Fragment != nil {
		b.WriteString("#" + *u.Fragment)
	}
	return b.String()
}

// HostPort is the host and, where it is not the scheme's own, the port.
func (u *URL) HostPort() string {
	if u.Host == nil {
		return ""
	}
	if u.Port < 0 {
		return *u.Host
	}
	return *u.Host + ":" + strconv.Itoa(u.Port)
}

// Hostname is the host, "" for none.
func (u *URL) Hostname() string {
	if u.Host == nil {
		return ""
	}
	return *u.Host
}

// PortText is the port, "" for none or the scheme's own.
func (u *URL) PortText() string {
	if u.Port < 0 {
		return ""
	}
	return strconv.Itoa(u.Port)
}

// Pathname writes the path.
func (u *URL) Pathname() string {
	if u.Opaque != nil {
		return *u.Opaque
	}
	if len(u.Path) == 0 {
		return ""
	}
	return "/" + strings.Join(u.Path, "/")
}

// Search is the query with its question mark, "" when there is none or an
// empty one.
func (u *URL) Search() string { return marked("?", u.Query) }

// Hash is the fragment with its mark, "" when there is none or an empty one.
func (u *URL) Hash() string { return marked("#", u.Fragment) }

func marked(mark string, s *string) string {
	if s == nil || *s == "" {
		return ""
	}
	return mark + *s
}

// Origin is the serialized origin, "null" for an opaque one.
func (u *URL) Origin() string {
	switch u.Scheme {
	case "http", "https", "ws", "wss", "ftp":
		return u.Scheme + "://" + u.HostPort()
	case "blob":
		if inner, err := Parse(u.Pathname(), nil); err == nil && (inner.Scheme == "http" || inner.Scheme == "https") {
			return inner.Origin()
		}
	}
	return "null"
}

// Set sets a component as the setter of that name in JavaScript does: what
// cannot be set is left as it was.
func (u *URL) Set(name, value string) {
	switch name {
	case "protocol":
		_ = u.override(value+":", stateSchemeStart)
	case "username":
		if u.mayHaveCredentials() {
			u.Username = encode(value, userinfoSet)
		}
	case "password":
		if u.mayHaveCredentials() {
			u.Password = encode(value, userinfoSet)
		}
	case "host":
		if u.Opaque == nil {
			_ = u.override(value, stateHost)
		}
	case "hostname":
		if u.Opaque == nil {
			_ = u.override(value, stateHostname)
		}
	case "port":
		if u.mayHaveCredentials() {
			if value == "" {
				u.Port = -1
			} else {
				_ = u.override(value, statePort)
			}
		}
	case "pathname":
		if u.Opaque == nil {
			u.Path = nil
			_ = u.override(value, statePathStart)
		}
	case "search":
		u.setSearch(value)
	case "hash":
		u.setHash(value)
	}
}

func (u *URL) setSearch(value string) {
	if value == "" {
		u.Query = nil
		u.trimOpaque()
		return
	}
	u.Query = new(string)
	_ = u.override(strings.TrimPrefix(value, "?"), stateQuery)
}

func (u *URL) setHash(value string) {
	if value == "" {
		u.Fragment = nil
		u.trimOpaque()
		return
	}
	u.Fragment = new(string)
	_ = u.override(strings.TrimPrefix(value, "#"), stateFragment)
}

func (u *URL) trimOpaque() {
	if u.Opaque != nil && u.Query == nil && u.Fragment == nil {
		trimmed := strings.TrimRight(*u.Opaque, " ")
		u.Opaque = &trimmed
	}
}

func (u *URL) mayHaveCredentials() bool {
	return u.Host != nil && *u.Host != "" && u.Scheme != "file"
}

// override runs the parser from one state on a copy, which u becomes when it
// works out.
func (u *URL) override(input string, from state) error {
	p := &parser{url: u.clone(), override: from, overriding: true}
	if err := p.run(input, from); err != nil {
		return err
	}
	*u = *p.url
	return nil
}
