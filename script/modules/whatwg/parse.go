package whatwg

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"
)

// ErrInvalid is returned for input that is no URL.
var ErrInvalid = errors.New("invalid URL")

type state int

const (
	stateSchemeStart state = iota
	stateScheme
	stateNoScheme
	stateSpecialRelativeOrAuthority
	statePathOrAuthority
	stateRelative
	stateRelativeSlash
	stateSpecialAuthoritySlashes
	stateSpecialAuthorityIgnoreSlashes
	stateAuthority
	stateHost
	stateHostname
	statePort
	stateFile
	stateFileSlash
	stateFileHost
	statePathStart
	statePath
	stateOpaquePath
	stateQuery
	stateFragment
	stateDone
)

const eof = rune(-1)

// parser is the basic URL parser; its handlers are called with one code point
// after the other, and with eof at last.
type parser struct {
	url        *URL
	base       *URL
	in         []rune
	at         int
	buf        strings.Builder
	override   state
	overriding bool
	user, pass strings.Builder
	atSign     bool
	inBrackets bool
	passSeen   bool
}

// Parse parses input, relative to base unless that is nil.
func Parse(input string, base *URL) (*URL, error) {
	input = strings.TrimFunc(input, func(r rune) bool { return r <= 0x20 })
	p := &parser{url: &URL{Port: -1}, base: base}
	if err := p.run(input, stateSchemeStart); err != nil {
		return nil, err
	}
	return p.url, nil
}

var withoutBreaks = strings.NewReplacer("\t", "", "\n", "", "\r", "")

func (p *parser) run(input string, s state) error {
	p.in = []rune(withoutBreaks.Replace(input))
	for p.at = 0; ; p.at++ {
		c := eof
		if p.at < len(p.in) {
			c = p.in[p.at]
		}
		next, err := p.step(s, c)
		if err != nil {
			return err
		}
		if s = next; s == stateDone || p.at >= len(p.in) {
			return nil
		}
	}
}

// rest reports whether what follows the current code point begins with s.
func (p *parser) rest(s string) bool {
	for i, r := range []rune(s) {
		if p.at+1+i >= len(p.in) || p.in[p.at+1+i] != r {
			return false
		}
	}
	return true
}

// again makes the next step see the current code point once more.
func (p *parser) again(s state) (state, error) {
	p.at--
	return s, nil
}

func (p *parser) step(s state, c rune) (state, error) {
	switch s {
	case stateSchemeStart:
		return p.schemeStart(c)
	case stateScheme:
		return p.scheme(c)
	case stateNoScheme:
		return p.noScheme(c)
	case stateSpecialRelativeOrAuthority:
		if c == '/' && p.rest("/") {
			p.at++
			return stateSpecialAuthorityIgnoreSlashes, nil
		}
		return p.again(stateRelative)
	case statePathOrAuthority:
		if c == '/' {
			return stateAuthority, nil
		}
		return p.again(statePath)
	case stateRelative:
		return p.relative(c)
	case stateRelativeSlash:
		return p.relativeSlash(c)
	case stateSpecialAuthoritySlashes:
		if c == '/' && p.rest("/") {
			p.at++
			return stateSpecialAuthorityIgnoreSlashes, nil
		}
		return p.again(stateSpecialAuthorityIgnoreSlashes)
	case stateSpecialAuthorityIgnoreSlashes:
		if c != '/' && c != '\\' {
			return p.again(stateAuthority)
		}
		return s, nil
	case stateAuthority:
		return p.authority(c)
	case stateHost, stateHostname:
		return p.host(s, c)
	case statePort:
		return p.port(c)
	case stateFile:
		return p.file(c)
	case stateFileSlash:
		return p.fileSlash(c)
	case stateFileHost:
		return p.fileHost(c)
	}
	return p.pathStep(s, c)
}

func (p *parser) schemeStart(c rune) (state, error) {
	if isAlpha(c) {
		p.buf.WriteRune(lower(c))
		return stateScheme, nil
	}
	if p.overriding {
		return stateDone, ErrInvalid
	}
	return p.again(stateNoScheme)
}

func (p *parser) scheme(c rune) (state, error) {
	switch {
	case isAlpha(c) || isDigit(c) || c == '+' || c == '-' || c == '.':
		p.buf.WriteRune(lower(c))
		return stateScheme, nil
	case c == ':':
		return p.schemeEnd()
	case !p.overriding:
		p.buf.Reset()
		p.at = -1
		return stateNoScheme, nil
	}
	return stateDone, ErrInvalid
}

func (p *parser) schemeEnd() (state, error) {
	scheme, u := p.take(), p.url
	if p.overriding {
		if isSpecial(u.Scheme) != isSpecial(scheme) {
			return stateDone, nil
		}
		if (u.Username != "" || u.Password != "" || u.Port >= 0) && scheme == "file" {
			return stateDone, nil
		}
		if u.Scheme == "file" && u.Hostname() == "" {
			return stateDone, nil
		}
		u.Scheme = scheme
		if u.Port == specialPorts[scheme] {
			u.Port = -1
		}
		return stateDone, nil
	}
	u.Scheme = scheme
	switch {
	case scheme == "file":
		return stateFile, nil
	case u.special() && p.base != nil && p.base.Scheme == scheme:
		return stateSpecialRelativeOrAuthority, nil
	case u.special():
		return stateSpecialAuthoritySlashes, nil
	case p.rest("/"):
		p.at++
		return statePathOrAuthority, nil
	}
	u.Opaque = new(string)
	return stateOpaquePath, nil
}

func (p *parser) noScheme(c rune) (state, error) {
	base := p.base
	if base == nil || (base.Opaque != nil && c != '#') {
		return stateDone, ErrInvalid
	}
	if base.Opaque != nil {
		*p.url = *base.clone()
		p.url.Fragment = new(string)
		return stateFragment, nil
	}
	if base.Scheme == "file" {
		return p.again(stateFile)
	}
	return p.again(stateRelative)
}

func (p *parser) relative(c rune) (state, error) {
	p.url.Scheme = p.base.Scheme
	if c == '/' || (p.url.special() && c == '\\') {
		return stateRelativeSlash, nil
	}
	*p.url = *p.base.clone()
	p.url.Fragment = nil
	if next, ends := p.pathEnds(c); ends {
		return next, nil
	}
	p.url.Query = nil
	p.shorten()
	return p.again(statePath)
}

func (p *parser) relativeSlash(c rune) (state, error) {
	switch {
	case p.url.special() && (c == '/' || c == '\\'):
		return stateSpecialAuthorityIgnoreSlashes, nil
	case c == '/':
		return stateAuthority, nil
	}
	b := p.base
	p.url.Username, p.url.Password, p.url.Host, p.url.Port = b.Username, b.Password, b.Host, b.Port
	return p.again(statePath)
}

// endsAuthority reports whether c ends user, host and port.
func (p *parser) endsAuthority(c rune) bool {
	return c == eof || c == '/' || c == '?' || c == '#' || (p.url.special() && c == '\\')
}

func (p *parser) authority(c rune) (state, error) {
	switch {
	case c == '@':
		text := p.take()
		if p.atSign {
			text = "%40" + text
		}
		p.atSign = true
		p.credentials(text)
	case p.endsAuthority(c):
		if p.atSign && p.buf.Len() == 0 {
			return stateDone, ErrInvalid
		}
		p.at -= utf8.RuneCountInString(p.take()) + 1
		p.url.Username, p.url.Password = p.user.String(), p.pass.String()
		return stateHost, nil
	default:
		p.buf.WriteRune(c)
	}
	return stateAuthority, nil
}

func (p *parser) credentials(text string) {
	if !p.passSeen {
		user, pass, found := strings.Cut(text, ":")
		p.user.WriteString(encode(user, userinfoSet))
		p.passSeen, text = found, pass
	}
	p.pass.WriteString(encode(text, userinfoSet))
}

func (p *parser) host(s state, c rune) (state, error) {
	if p.overriding && p.url.Scheme == "file" {
		return p.again(stateFileHost)
	}
	switch {
	case c == ':' && !p.inBrackets:
		if p.buf.Len() == 0 {
			return stateDone, ErrInvalid
		}
		if p.overriding && p.override == stateHostname {
			return stateDone, ErrInvalid
		}
		if err := p.setHost(); err != nil {
			return stateDone, err
		}
		return statePort, nil
	case p.endsAuthority(c):
		p.at--
		if p.url.special() && p.buf.Len() == 0 {
			return stateDone, ErrInvalid
		}
		if p.overriding && p.buf.Len() == 0 && (p.url.Username != "" || p.url.Password != "" || p.url.Port >= 0) {
			return stateDone, ErrInvalid
		}
		if err := p.setHost(); err != nil {
			return stateDone, err
		}
		if p.overriding {
			return stateDone, nil
		}
		return statePathStart, nil
	case c == '[':
		p.inBrackets = true
	case c == ']':
		p.inBrackets = false
	}
	p.buf.WriteRune(c)
	return s, nil
}

func (p *parser) setHost() error {
	host, err := parseHost(p.take(), !p.url.special())
	if err == nil {
		p.url.Host = &host
	}
	return err
}

func (p *parser) port(c rune) (state, error) {
	if isDigit(c) {
		p.buf.WriteRune(c)
		return statePort, nil
	}
	if !p.endsAuthority(c) && !p.overriding {
		return stateDone, ErrInvalid
	}
	if p.buf.Len() > 0 {
		port, err := strconv.ParseUint(p.take(), 10, 16)
		if err != nil {
			return stateDone, ErrInvalid
		}
		p.url.Port = int(port)
		if def, ok := specialPorts[p.url.Scheme]; ok && def == int(port) {
			p.url.Port = -1
		}
	}
	if p.overriding {
		return stateDone, nil
	}
	return p.again(statePathStart)
}

func (p *parser) take() string {
	s := p.buf.String()
	p.buf.Reset()
	return s
}
