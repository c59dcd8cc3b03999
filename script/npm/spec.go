package npm

import (
	"net/url"
	"path"
	"strings"

	"github.com/Masterminds/semver/v3"
	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/lazyregexp"
)

type specKind int

const (
	specRange specKind = iota // a version or range of a registry package
	specTag                   // a dist-tag of a registry package
	specFile                  // a directory or tarball below the project
	specURL                   // a tarball somewhere on the web
)

// spec is what a manifest asks for under a name.
type spec struct {
	kind  specKind
	name  string // the real name of the package; differs from the key for aliases
	text  string // as written, without an alias prefix
	rng   *Range
	exact *semver.Version // when the range is one version
}

var (
	packageName = lazyregexp.New(`^(@[a-zA-Z0-9-~][a-zA-Z0-9-._~]*/)?[a-zA-Z0-9-~_][a-zA-Z0-9-._~]*$`)
	tagName     = lazyregexp.New(`^[a-zA-Z][a-zA-Z0-9._-]*$`)
	gitLike     = lazyregexp.New(`^(git(\+[a-z]+)?:|git@|github:|gitlab:|bitbucket:|gist:|[a-zA-Z0-9_.-]+/[a-zA-Z0-9_.-]+(#.*)?$)`)
)

// validName reports whether name is one a package can have, so that it is
// safe as a path below node_modules and in a URL.
func validName(name string) bool {
	if len(name) > 214 || !packageName.MatchString(name) {
		return false
	}
	base := strings.ToLower(name)
	return base != "node_modules" && base != "favicon.ico"
}

// parseSpec reads what a manifest asks for under the key name.
func parseSpec(name, text string) (spec, error) {
	if !validName(name) {
		return spec{}, brigade.Errorf(brigade.CodeDependency, "%q is not a valid package name", clip(name))
	}
	text = strings.TrimSpace(text)
	sp := spec{name: name, text: text}
	switch {
	case strings.HasPrefix(text, "npm:"):
		real, rng := splitAlias(text[len("npm:"):])
		if !validName(real) || strings.HasPrefix(rng, "npm:") {
			return spec{}, brigade.Errorf(brigade.CodeDependency, "the alias %q of dependency %q names no valid package", clip(text), name)
		}
		sp.name, sp.text = real, rng
		return registrySpec(sp, name)
	case strings.HasPrefix(text, "http://"), strings.HasPrefix(text, "https://"):
		return urlSpec(sp)
	case strings.HasPrefix(text, "file:"), strings.HasPrefix(text, "link:"),
		strings.HasPrefix(text, "./"), strings.HasPrefix(text, "../"), strings.HasPrefix(text, "/"), text == ".", text == "..":
		return fileSpec(sp)
	case strings.HasPrefix(text, "workspace:"):
		return spec{}, brigade.Errorf(brigade.CodeDependency, "dependency %q asks for %q: workspaces are not supported", name, clip(text)).
			WithHint("Use \"file:./path/to/package\" instead.")
	case gitLike.MatchString(text):
		return spec{}, brigade.Errorf(brigade.CodeDependency, "dependency %q asks for the git repository %q: git dependencies are not supported", name, clip(withoutUser(text))).
			WithHint("Use a published version, the https URL of a tarball, or \"file:./path\" to a copy in the project.")
	}
	return registrySpec(sp, name)
}

// splitAlias parts "@scope/real@^1" at its last @.
func splitAlias(s string) (name, rng string) {
	if i := strings.LastIndex(s, "@"); i > 0 {
		return s[:i], s[i+1:]
	}
	return s, ""
}

func registrySpec(sp spec, key string) (spec, error) {
	rng, err := ParseRange(sp.text)
	if err == nil {
		sp.kind, sp.rng = specRange, rng
		if v, ok := parseVersion(sp.text); ok {
			sp.exact = v
		}
		return sp, nil
	}
	if !tagName.MatchString(sp.text) {
		return spec{}, brigade.Errorf(brigade.CodeDependency, "dependency %q asks for %q, which is neither a version range nor a tag", key, clip(sp.text)).
			WithHint("Write a version such as \"1.2.3\", a range such as \"^1.2.0\", or a tag such as \"latest\".")
	}
	sp.kind = specTag
	return sp, nil
}

func urlSpec(sp spec) (spec, error) {
	u, err := url.Parse(sp.text)
	if err != nil || u.Host == "" {
		return spec{}, brigade.Errorf(brigade.CodeDependency, "dependency %q has an address that cannot be read", sp.name)
	}
	if u.User != nil {
		return spec{}, brigade.Errorf(brigade.CodeDependency, "the address of dependency %q holds a password", sp.name).
			WithHint("Put credentials into .npmrc: //%s/:_authToken=${NPM_TOKEN}", u.Host)
	}
	if strings.HasSuffix(u.Path, ".git") {
		return spec{}, brigade.Errorf(brigade.CodeDependency, "dependency %q asks for the git repository %q: git dependencies are not supported", sp.name, clip(sp.text)).
			WithHint("Use a published version or the https URL of a tarball.")
	}
	sp.kind = specURL
	return sp, nil
}

func fileSpec(sp spec) (spec, error) {
	p := sp.text
	for _, prefix := range []string{"file:", "link:"} {
		p = strings.TrimPrefix(p, prefix)
	}
	p = strings.TrimPrefix(p, "//")
	p = strings.ReplaceAll(p, `\`, "/")
	if path.IsAbs(p) || strings.Contains(p, ":") || strings.HasPrefix(p, "~") {
		return spec{}, outsideProject(sp)
	}
	sp.kind, sp.text = specFile, path.Clean(p)
	return sp, nil
}

func outsideProject(sp spec) error {
	return brigade.Errorf(brigade.CodeDependency, "dependency %q points to %q, which is outside the project", sp.name, clip(sp.text)).
		WithHint("A file: dependency has to be a directory or .tgz below the project's directory.")
}

// accepts reports whether a package of that name and version is what sp asks
// for. A tag accepts every version: which one it names only the registry
// knows.
func (sp spec) accepts(name, version, resolved string) bool {
	switch sp.kind {
	case specFile:
		return resolved == "file:"+sp.text
	case specURL:
		return resolved == sp.text
	}
	if name != sp.name || strings.HasPrefix(resolved, "file:") {
		return false
	}
	if sp.kind == specTag {
		return true
	}
	v, ok := parseVersion(version)
	return ok && sp.rng.Has(v)
}

// clip shortens text that came from outside for a message.
func clip(s string) string {
	if len(s) > 120 {
		s = strings.ToValidUTF8(s[:120], "") + "…"
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, s)
}

// withoutUser removes "user:password@" from an address of any form.
func withoutUser(s string) string {
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok {
		return s
	}
	host, tail, slash := strings.Cut(rest, "/")
	if i := strings.LastIndex(host, "@"); i >= 0 {
		host = host[i+1:]
	}
	if slash {
		host += "/" + tail
	}
	return scheme + "://" + host
}
