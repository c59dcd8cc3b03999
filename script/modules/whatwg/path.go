package whatwg

import "strings"

func (p *parser) file(c rune) (state, error) {
	p.url.Scheme = "file"
	p.url.Host = new(string)
	if c == '/' || c == '\\' {
		return stateFileSlash, nil
	}
	base := p.base
	if base == nil || base.Scheme != "file" {
		return p.again(statePath)
	}
	p.url.Host, p.url.Path, p.url.Query = base.Host, append([]string(nil), base.Path...), base.Query
	if next, ends := p.pathEnds(c); ends {
		return next, nil
	}
	p.url.Query = nil
	if startsWithDrive(p.in[p.at:]) {
		p.url.Path = nil
	} else {
		p.shorten()
	}
	return p.again(statePath)
}

func (p *parser) fileSlash(c rune) (state, error) {
	if c == '/' || c == '\\' {
		return stateFileHost, nil
	}
	if p.base != nil && p.base.Scheme == "file" {
		p.url.Host = p.base.Host
		if !startsWithDrive(p.in[min(p.at, len(p.in)):]) && len(p.base.Path) > 0 && isNormalDrive(p.base.Path[0]) {
			p.url.Path = append(p.url.Path, p.base.Path[0])
		}
	}
	return p.again(statePath)
}

func (p *parser) fileHost(c rune) (state, error) {
	if c != eof && c != '/' && c != '\\' && c != '?' && c != '#' {
		p.buf.WriteRune(c)
		return stateFileHost, nil
	}
	p.at--
	if !p.overriding && isDrive(p.buf.String()) {
		return statePath, nil
	}
	if p.buf.Len() == 0 {
		p.url.Host = new(string)
	} else {
		if err := p.setHost(); err != nil {
			return stateDone, err
		}
		if *p.url.Host == "localhost" {
			p.url.Host = new(string)
		}
	}
	if p.overriding {
		return stateDone, nil
	}
	return statePathStart, nil
}

// pathStep handles the states from the path on.
func (p *parser) pathStep(s state, c rune) (state, error) {
	switch s {
	case statePathStart:
		return p.pathStart(c)
	case statePath:
		return p.path(c)
	case stateOpaquePath:
		return p.opaque(c)
	case stateQuery:
		return p.query(c)
	case stateFragment:
		if c == eof {
			text := *p.url.Fragment + encode(p.take(), fragmentSet)
			p.url.Fragment = &text
			return stateDone, nil
		}
		p.buf.WriteRune(c)
		return s, nil
	}
	return stateDone, nil
}

func (p *parser) pathStart(c rune) (state, error) {
	switch {
	case p.url.special():
		if c != '/' && c != '\\' {
			p.at--
		}
		return statePath, nil
	case !p.overriding && c == '?':
		p.url.Query = new(string)
		return stateQuery, nil
	case !p.overriding && c == '#':
		p.url.Fragment = new(string)
		return stateFragment, nil
	case c != eof:
		if c != '/' {
			p.at--
		}
		return statePath, nil
	case p.overriding && p.url.Host == nil:
		p.url.Path = append(p.url.Path, "")
	}
	return stateDone, nil
}

func (p *parser) path(c rune) (state, error) {
	slash := c == '/' || (p.url.special() && c == '\\')
	if c != eof && !slash && (p.overriding || (c != '?' && c != '#')) {
		p.buf.WriteString(encode(string(c), pathSet))
		return statePath, nil
	}
	segment := p.take()
	switch {
	case isDoubleDot(segment):
		p.shorten()
		if !slash {
			p.url.Path = append(p.url.Path, "")
		}
	case isSingleDot(segment):
		if !slash {
			p.url.Path = append(p.url.Path, "")
		}
	default:
		if p.url.Scheme == "file" && len(p.url.Path) == 0 && isDrive(segment) {
			segment = segment[:1] + ":"
		}
		p.url.Path = append(p.url.Path, segment)
	}
	if next, ends := p.pathEnds(c); ends {
		return next, nil
	}
	return statePath, nil
}

// pathEnds says what follows a path that c ends, if it does.
func (p *parser) pathEnds(c rune) (next state, ends bool) {
	switch c {
	case '?':
		p.url.Query = new(string)
		return stateQuery, true
	case '#':
		p.url.Fragment = new(string)
		return stateFragment, true
	case eof:
		return stateDone, true
	}
	return statePath, false
}

func (p *parser) opaque(c rune) (state, error) {
	if c != '?' && c != '#' && c != eof {
		p.buf.WriteRune(c)
		return stateOpaquePath, nil
	}
	text := *p.url.Opaque + encode(p.take(), c0Set)
	p.url.Opaque = &text
	next, _ := p.pathEnds(c)
	return next, nil
}

func (p *parser) query(c rune) (state, error) {
	if c != eof && (p.overriding || c != '#') {
		p.buf.WriteRune(c)
		return stateQuery, nil
	}
	set := querySet
	if p.url.special() {
		set = specialQuerySet
	}
	text := *p.url.Query + encode(p.take(), set)
	p.url.Query = &text
	if c == '#' {
		p.url.Fragment = new(string)
		return stateFragment, nil
	}
	return stateDone, nil
}

// shorten drops the last segment of the path.
func (p *parser) shorten() {
	path := p.url.Path
	if len(path) == 0 || (p.url.Scheme == "file" && len(path) == 1 && isNormalDrive(path[0])) {
		return
	}
	p.url.Path = path[:len(path)-1]
}

func isSingleDot(s string) bool { return s == "." || strings.EqualFold(s, "%2e") }

func isDoubleDot(s string) bool {
	switch strings.ToLower(s) {
	case "..", ".%2e", "%2e.", "%2e%2e":
		return true
	}
	return false
}

func isDrive(s string) bool {
	return len(s) == 2 && isAlpha(rune(s[0])) && (s[1] == ':' || s[1] == '|')
}

func isNormalDrive(s string) bool { return isDrive(s) && s[1] == ':' }

func startsWithDrive(in []rune) bool {
	if len(in) < 2 || !isAlpha(in[0]) || (in[1] != ':' && in[1] != '|') {
		return false
	}
	return len(in) == 2 || strings.ContainsRune(`/\?#`, in[2])
}
