package npm

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"
	brigade "github.com/brigadecore/brigade/v3"
)

// statusError is an answer of a registry that is not what was asked for.
type statusError struct {
	url    string // without credentials
	status int
	words  string // the registry's own, clipped
}

// Error returns the status and the registry's words.
func (e *statusError) Error() string {
	text := fmt.Sprintf("%s answered %d %s", e.url, e.status, http.StatusText(e.status))
	if e.words != "" {
		text += ": " + e.words
	}
	return text
}

// unreachableError is a request that got no answer.
type unreachableError struct{ err error }

// Error returns the cause's text.
func (e *unreachableError) Error() string { return e.err.Error() }

// Unwrap returns the cause.
func (e *unreachableError) Unwrap() error { return e.err }

// shown is an address as it may be shown: no credentials, query or fragment.
func shown(u *url.URL) string {
	c := *u
	c.User, c.RawQuery, c.Fragment = nil, "", ""
	return c.String()
}

// plainCause removes the address that net/http puts into its errors.
func plainCause(err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		return ue.Err
	}
	return err
}

// fetchFailed makes the error a person sees of a failed request for what, a
// package name.
func (c *config) fetchFailed(ctx context.Context, what string, u *url.URL, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("install dependencies: %w", context.Cause(ctx))
	}
	var be *brigade.Error
	var onDisk *fs.PathError
	if errors.As(err, &be) {
		return err
	}
	if errors.As(err, &onDisk) {
		return fmt.Errorf("package %s: %w", what, err)
	}
	var se *statusError
	if !errors.As(err, &se) {
		return networkFailed(what, u, plainCause(err))
	}
	out := &brigade.Error{Code: brigade.CodeDependency, Err: se, Message: fmt.Sprintf("package %q: %s", what, se)}
	switch se.status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusProxyAuthRequired:
		out.Hint = c.loginHint(u, se.status)
	case http.StatusTooManyRequests:
		out.Hint = "The registry limits requests: wait a little and try again."
	case http.StatusNotFound:
		out.Hint = "The registry knows the package but does not have this file any more."
	default:
		out.Hint = "The registry has a problem of its own: try again later, or set another registry in .npmrc."
	}
	return out
}

func networkFailed(what string, u *url.URL, err error) error {
	hint := "Check the network and the proxy settings (HTTPS_PROXY, NO_PROXY), or set registry= in .npmrc to one that can be reached."
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns):
		hint = fmt.Sprintf("The name %s is not known here: check the network, and registry= in .npmrc.", u.Hostname())
	case strings.Contains(err.Error(), "x509"), strings.Contains(err.Error(), "tls:"):
		hint = "If the registry has a certificate of your company, name its authority: cafile=/path/ca.pem in .npmrc."
	}
	return &brigade.Error{
		Code: brigade.CodeDependency, Err: &unreachableError{err}, Hint: hint,
		Message: fmt.Sprintf("package %q: the registry %s cannot be reached: %v", what, u.Host, err),
	}
}

// loginHint says which credential is missing or refused.
func (c *config) loginHint(u *url.URL, status int) string {
	key := nerf(u)
	for _, r := range c.registries() {
		if ru, err := url.Parse(r); err == nil && strings.EqualFold(ru.Host, u.Host) {
			key = nerf(ru)
			break
		}
	}
	cred, ok := c.credentialFor(u)
	switch {
	case ok && cred.unexpanded() != "":
		return fmt.Sprintf("%s takes the token for %s from the variable %s, which is not set.", cred.source, key, cred.unexpanded())
	case ok && status == http.StatusForbidden:
		return fmt.Sprintf("The credential for %s from %s does not allow reading this package.", key, cred.source)
	case ok:
		return fmt.Sprintf("The credential for %s from %s was refused: it may have expired.", key, cred.source)
	}
	return fmt.Sprintf("No credential is set for this registry: add %s:_authToken=${NPM_TOKEN} to .npmrc and set NPM_TOKEN.", key)
}

// unknownPackage is the error for a name that the registry does not have.
func (c *config) unknownPackage(name, registry, words string, others []string) error {
	host := registry
	if u, err := url.Parse(registry); err == nil {
		host = shown(u)
	}
	e := brigade.Errorf(brigade.CodeDependency, "there is no package %q in the registry %s", name, host)
	if words != "" {
		e.Message += " (it says: " + words + ")"
	}
	if near := nearestName(name, others); near != "" {
		return e.WithHint("Did you mean %q?", near)
	}
	if scope, _, ok := strings.Cut(name, "/"); ok {
		if u, err := url.Parse(registry); err == nil {
			if _, has := c.credentialFor(u); !has {
				return e.WithHint("If it is private, name its registry and token in .npmrc: %s:registry=https://… and //host/path/:_authToken=${NPM_TOKEN}", scope)
			}
		}
	}
	return e.WithHint("Check the name in brigade.json or package.json.")
}

// noVersion is the error for a range or tag that no version matches.
func noVersion(sp spec, p *packument) error {
	e := brigade.Errorf(brigade.CodeDependency, "no version of %q matches %q", sp.name, clip(sp.text))
	if sp.kind == specTag {
		return e.WithHint("The tags of %s are: %s.", sp.name, strings.Join(sortedKeys(p.Tags), ", "))
	}
	near := nearestVersions(sp, p.sorted())
	if len(near) == 0 {
		return e.WithHint("The registry lists no version of it.")
	}
	hint := "The nearest versions are " + strings.Join(near, ", ")
	if latest := p.Tags["latest"]; latest != "" {
		hint += "; latest is " + latest
	}
	return e.WithHint("%s.", hint)
}

// nearestVersions returns up to five versions around the first version that
// the range names, or the newest ones.
func nearestVersions(sp spec, sorted []*semver.Version) []string {
	at := len(sorted)
	if len(sp.rng.sets) > 0 && len(sp.rng.sets[0]) > 0 && sp.rng.sets[0][0].version != nil {
		want := sp.rng.sets[0][0].version
		at, _ = slices.BinarySearchFunc(sorted, want, func(a, b *semver.Version) int { return a.Compare(b) })
	}
	from := max(0, min(at-3, len(sorted)-5))
	var out []string
	for _, v := range sorted[from:min(from+5, len(sorted))] {
		out = append(out, v.Original())
	}
	return out
}

// offlineMissing is the error for what is not in the cache when no network
// may be used.
func offlineMissing(what string) error {
	return brigade.Errorf(brigade.CodeDependency, "%s is not in the cache, and no network may be used", what).
		WithHint("Run `brig install` once with a network, then again offline.")
}
