package npm

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path/filepath"
	"strings"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/lazyregexp"
)

// defaultRegistry is npm's own.
const defaultRegistry = "https://registry.npmjs.org/"

// config is npm's configuration as far as it matters here.
type config struct {
	registry  string            // ends in "/", no credentials
	scopes    map[string]string // "@scope" → registry
	creds     map[string]credential
	settings  map[string]string // everything else
	ca        []string          // PEM texts given inline
	httpProxy string
	tlsProxy  string
	noProxy   string
}

// setting is one line of a configuration source.
type setting struct{ key, value string }

var envReference = lazyregexp.New(`(\\*)\$\{([^${}?]+)(\?)?\}`)

// loadConfig reads, the first winning: the environment (npm_config_…), the
// project's .npmrc, the user's .npmrc, npm's defaults. An .npmrc that is not
// there is skipped; one that cannot be read is an error.
func loadConfig(dir, home string, env map[string]string) (*config, error) {
	c := &config{registry: defaultRegistry, scopes: map[string]string{}, creds: map[string]credential{}, settings: map[string]string{}}
	fromEnv := envSettings(env)
	files := []string{}
	if user := lastSetting(fromEnv, "userconfig"); user != "" {
		files = append(files, user)
	} else if home != "" {
		files = append(files, filepath.Join(home, ".npmrc"))
	}
	if dir != "" {
		files = append(files, filepath.Join(dir, ".npmrc"))
	}
	for _, file := range files {
		text, err := readCapped(file, maxManifest)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, brigade.Errorf(brigade.CodeDependency, "read npm configuration %s: %w", file, err)
		}
		if err := c.apply(parseNpmrc(string(text), env), file, dir); err != nil {
			return nil, err
		}
	}
	if err := c.apply(fromEnv, "the environment", dir); err != nil {
		return nil, err
	}
	c.proxies(env)
	return c, nil
}

// envSettings turns npm_config_foo_bar=1 into foo-bar=1.
func envSettings(env map[string]string) []setting {
	var out []setting
	for _, name := range sortedKeys(env) { // lower case comes last, and wins
		value := env[name]
		if len(name) < len("npm_config_")+1 || !strings.EqualFold(name[:len("npm_config_")], "npm_config_") || value == "" {
			continue
		}
		key := name[len("npm_config_"):]
		if !strings.HasPrefix(key, "//") && !strings.HasPrefix(key, "@") {
			key = key[:1] + strings.ReplaceAll(strings.ToLower(key[1:]), "_", "-")
			key = strings.ToLower(key)
		}
		out = append(out, setting{key, value})
	}
	return out
}

func lastSetting(list []setting, key string) string {
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].key == key {
			return list[i].value
		}
	}
	return ""
}

// parseNpmrc reads the ini lines of an .npmrc; ${NAME} is taken from env, and
// stays as it is when env has no such name (with ${NAME?} it becomes empty).
func parseNpmrc(text string, env map[string]string) []setting {
	var out []setting
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(strings.TrimPrefix(line, "\ufeff"))
		if line == "" || line[0] == ';' || line[0] == '#' || line[0] == '[' {
			continue
		}
		key, value, given := strings.Cut(line, "=")
		key, value = strings.TrimSpace(key), unquote(strings.TrimSpace(value))
		if !given {
			value = "true"
		}
		out = append(out, setting{expand(key, env), expand(value, env)})
	}
	return out
}

func unquote(s string) string {
	if len(s) >= 2 && (s[0] == '"' || s[0] == '\'') && s[len(s)-1] == s[0] {
		return strings.ReplaceAll(s[1:len(s)-1], `\n`, "\n")
	}
	for _, mark := range []string{" ;", " #"} {
		if i := strings.Index(s, mark); i >= 0 {
			s = strings.TrimSpace(s[:i])
		}
	}
	return s
}

func expand(s string, env map[string]string) string {
	return envReference.ReplaceAllStringFunc(s, func(ref string) string {
		m := envReference.FindStringSubmatch(ref)
		if len(m[1])%2 == 1 { // escaped
			return ref[len(m[1])/2+1:]
		}
		value, ok := env[m[2]]
		if !ok && m[3] == "" {
			return ref
		}
		return m[1][:len(m[1])/2] + value
	})
}

// apply adds the settings of one source, replacing earlier ones.
func (c *config) apply(list []setting, source, dir string) error {
	// Credentials without a registry belong to the one this source names, or
	// to npm's own: another source cannot redirect them elsewhere.
	bare := credential{source: source}
	registry := defaultRegistry
	for _, s := range list {
		switch {
		case s.key == "registry":
			u, err := c.registryURL(s.value, source)
			if err != nil {
				return err
			}
			c.registry, registry = u, u
		case strings.HasPrefix(s.key, "@") && strings.HasSuffix(s.key, ":registry"):
			u, err := c.registryURL(s.value, source)
			if err != nil {
				return err
			}
			c.scopes[strings.TrimSuffix(s.key, ":registry")] = u
		case strings.HasPrefix(s.key, "//"):
			c.credentialLine(s, source)
		case bare.set(s.key, s.value):
		case s.key == "ca" || s.key == "ca[]":
			c.ca = append(c.ca, s.value)
		case s.key == "cafile" && !filepath.IsAbs(s.value) && dir != "":
			c.settings[s.key] = filepath.Join(dir, s.value)
		default:
			c.settings[s.key] = s.value
		}
	}
	if bare.given() {
		if u, err := url.Parse(registry); err == nil {
			c.creds[nerf(u)] = bare
		}
	}
	return nil
}

// registryURL normalises a registry's address; a user and password in it
// become a credential.
func (c *config) registryURL(value, source string) (string, error) {
	if m := envReference.FindStringSubmatch(value); m != nil {
		return "", brigade.Errorf(brigade.CodeDependency, "%s takes a registry from the variable %s, which is not set", source, m[2])
	}
	u, err := url.Parse(strings.TrimSpace(value))
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return "", brigade.Errorf(brigade.CodeDependency, "%s names a registry that is not an http(s) address", source).
			WithHint("Write it as registry=https://host/path/ in .npmrc.")
	}
	if u.User != nil {
		cred := credential{source: source, user: u.User.Username()}
		cred.password, _ = u.User.Password()
		u.User = nil
		defer func() { c.creds[nerf(u)] = cred }()
	}
	u.RawQuery, u.Fragment = "", ""
	if !strings.HasSuffix(u.Path, "/") {
		u.Path += "/"
		u.RawPath = ""
	}
	return u.String(), nil
}

// credentialLine reads "//host/path/:_authToken=…".
func (c *config) credentialLine(s setting, source string) {
	i := strings.LastIndex(s.key, ":")
	if i < 3 {
		return
	}
	where, field := strings.ToLower(strings.TrimSuffix(s.key[:i], "/"))+"/", s.key[i+1:]
	cred := c.creds[where]
	if cred.source != source {
		cred = credential{source: source}
	}
	if cred.set(field, s.value) {
		c.creds[where] = cred
	}
}

// registryFor returns the registry that serves a package.
func (c *config) registryFor(name string) string {
	if scope, _, ok := strings.Cut(name, "/"); ok && strings.HasPrefix(scope, "@") {
		if r, ok := c.scopes[scope]; ok {
			return r
		}
	}
	return c.registry
}

// proxies takes the proxies from the configuration, then from the usual
// variables.
func (c *config) proxies(env map[string]string) {
	pick := func(keys []string, vars ...string) string {
		for _, k := range keys {
			if v := c.settings[k]; v != "" && v != "null" && v != "false" {
				return v
			}
		}
		for _, v := range vars {
			if env[v] != "" {
				return env[v]
			}
		}
		return ""
	}
	c.httpProxy = pick([]string{"http-proxy", "proxy"}, "HTTP_PROXY", "http_proxy")
	c.tlsProxy = pick([]string{"https-proxy", "proxy"}, "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy")
	c.noProxy = pick([]string{"noproxy", "no-proxy"}, "NO_PROXY", "no_proxy")
}

// proxyFor returns the proxy for a request's address, nil for none.
func (c *config) proxyFor(u *url.URL) (*url.URL, error) {
	proxy := c.httpProxy
	if u.Scheme == "https" {
		proxy = c.tlsProxy
	}
	if proxy == "" || c.bypass(u.Hostname(), u.Port()) {
		return nil, nil
	}
	if !strings.Contains(proxy, "://") {
		proxy = "http://" + proxy
	}
	p, err := url.Parse(proxy)
	if err != nil || p.Host == "" {
		return nil, fmt.Errorf("the configured proxy is not an address")
	}
	return p, nil
}

// bypass reports whether the no-proxy list names the host; localhost never
// goes through a proxy.
func (c *config) bypass(host, port string) bool {
	host = strings.ToLower(host)
	if host == "localhost" || host == "::1" || strings.HasPrefix(host, "127.") {
		return true
	}
	for entry := range strings.SplitSeq(c.noProxy, ",") {
		entry = strings.ToLower(strings.TrimSpace(entry))
		if entry == "*" {
			return true
		}
		if name, p, ok := strings.Cut(entry, ":"); ok && strings.Count(entry, ":") == 1 {
			if p != port {
				continue
			}
			entry = name
		}
		entry = strings.TrimPrefix(strings.TrimPrefix(entry, "*"), ".")
		if entry != "" && (host == entry || strings.HasSuffix(host, "."+entry)) {
			return true
		}
	}
	return false
}
