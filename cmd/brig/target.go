package main

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/client"
	"github.com/brigadecore/brigade/v3/client/login"
)

// target is the place where commands work, as flags, environment and settings
// have it.
type target struct {
	namedContext        // its name is empty when no context says it
	said         string // who says it: a flag, a variable, "context NAME"
}

// target finds the place where commands work. Flags come before variables of
// the environment, and those before the current context; without any of them
// it is this machine. KUBECONFIG alone selects nothing: it is set on many
// machines that have other business with a cluster.
func (s *State) target() (target, error) {
	if s.found != nil {
		return *s.found, nil
	}
	t, err := s.findTarget()
	if err == nil {
		s.found = &t
	}
	return t, err
}

func (s *State) findTarget() (target, error) {
	flags := s.remote
	switch {
	case flags.server != "" && s.kube.given():
		return target{}, contradiction("--server", "a flag that names a cluster")
	case flags.server != "" && flags.context != "":
		return target{}, contradiction("--server", "--context")
	case flags.server != "":
		return serverTarget(flags.server, "--server"), nil
	case flags.context != "":
		return s.contextTarget(flags.context, "--context")
	case s.kube.given():
		return s.flagCluster()
	}
	if name := s.Getenv("BRIGADE_CONTEXT"); name != "" {
		return s.contextTarget(name, "BRIGADE_CONTEXT")
	}
	if server := s.Getenv("BRIGADE_SERVER"); server != "" {
		return serverTarget(server, "BRIGADE_SERVER"), nil
	}
	if s.Getenv("BRIGADE_NAMESPACE") != "" {
		return s.inCluster(target{said: "BRIGADE_NAMESPACE"}), nil
	}
	v, err := s.settings()
	if err != nil {
		return target{}, err
	}
	return s.contextTarget(cmp.Or(v.Current, localContext), "")
}

func contradiction(one, other string) error {
	return brigade.Errorf(brigade.CodeUsage, "%s and %s cannot be used together", one, other).WithHint("leave one of them out")
}

func serverTarget(url, said string) target {
	return target{namedContext{Kind: kindServer, Server: url}, said}
}

// contextTarget is the place that a context names.
func (s *State) contextTarget(name, said string) (target, error) {
	v, err := s.settings()
	if err != nil {
		return target{}, err
	}
	c, err := v.context(name)
	if err != nil {
		return target{}, err
	}
	t := target{c, cmp.Or(said, "context "+name)}
	if c.Kind == kindCluster {
		return s.inCluster(t), nil
	}
	if s.kube.given() {
		return target{}, contradiction("a flag that names a cluster", "the context "+name+", which is none")
	}
	return t, nil
}

// flagCluster is the cluster that flags name: in the current context's one
// when that is a cluster.
func (s *State) flagCluster() (target, error) {
	v, err := s.settings()
	if err != nil {
		return target{}, err
	}
	name := cmp.Or(s.Getenv("BRIGADE_CONTEXT"), v.Current, localContext)
	if c, err := v.context(name); err == nil && c.Kind == kindCluster && s.kube.kubeconfig == "" && s.kube.context == "" {
		return s.inCluster(target{c, "context " + name}), nil
	}
	return s.inCluster(target{said: "a flag"}), nil
}

// inCluster fills in what flags and the environment say about a cluster.
func (s *State) inCluster(t target) target {
	t.Kind = kindCluster
	t.Kubeconfig = cmp.Or(s.kube.kubeconfig, t.Kubeconfig, s.Getenv("KUBECONFIG"))
	t.KubeContext = cmp.Or(s.kube.context, t.KubeContext)
	t.Namespace = cmp.Or(s.kube.namespace, s.Getenv("BRIGADE_NAMESPACE"), t.Namespace)
	return t
}

// filled is the context with what the environment says about a cluster.
func (s *State) filled(c namedContext) namedContext {
	if c.Kind == kindCluster {
		c.Kubeconfig = cmp.Or(c.Kubeconfig, s.Getenv("KUBECONFIG"))
		c.Namespace = cmp.Or(s.Getenv("BRIGADE_NAMESPACE"), c.Namespace)
	}
	return c
}

// remoteOptions are how the target's server is reached.
func (s *State) remoteOptions(t target) (client.Options, error) {
	o := client.Options{
		URL: t.Server, Insecure: s.remote.insecure || s.Getenv("BRIGADE_INSECURE") == "1" || t.Insecure,
		CAFile:  cmp.Or(s.remote.caFile, s.Getenv("BRIGADE_CA_FILE"), t.CAFile),
		Timeout: 30 * time.Second, UserAgent: "brig/" + versionInfo().Version,
	}
	token, given, err := s.givenToken()
	if err != nil || given {
		o.Token = token
		return o, err
	}
	name, c, err := s.credentialFor(t)
	if err != nil {
		return o, err
	}
	switch {
	case c.OIDC != nil:
		o.Tokens = s.renewing(name, c, o.CAFile)
	case c.Token != "":
		o.Token = c.Token
	default:
		o.Token = s.ownToken(t.Server)
	}
	return o, nil
}

// givenToken is the token that a flag or the environment gives.
func (s *State) givenToken() (token string, given bool, err error) {
	file := s.remote.tokenFile
	if file == "" {
		if token := strings.TrimSpace(s.Getenv("BRIGADE_TOKEN")); token != "" {
			return token, true, nil
		}
		file = s.Getenv("BRIGADE_TOKEN_FILE")
	}
	if file == "" {
		return "", false, nil
	}
	token, err = s.tokenFrom(file)
	return token, true, err
}

// tokenFrom reads a token from a file, - being standard input.
func (s *State) tokenFrom(file string) (string, error) {
	text, err := s.fileOrStdin("token", file, 64<<10)
	if err != nil {
		return "", err
	}
	if strings.TrimSpace(text) == "" {
		return "", brigade.Errorf(brigade.CodeUsage, "the token file %s is empty", file).WithHint("brig token create prints a token to put into it")
	}
	return strings.TrimSpace(text), nil
}

// credentialFor is what brig login kept for the target's server, and of which
// context: its own, or another one's of the same address.
func (s *State) credentialFor(t target) (name string, c credential, err error) {
	all, err := s.credentials()
	if err != nil {
		return "", c, err
	}
	if c, ok := all[t.Name]; ok && t.Name != "" {
		if c.opens(t.namedContext) {
			return t.Name, c, nil
		}
		return "", credential{}, nil // the context leads elsewhere by now
	}
	var names []string
	for name, c := range all {
		if t.Name == "" && c.opens(t.namedContext) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return "", credential{}, nil
	}
	name = slices.Min(names)
	return name, all[name], nil
}

// opens reports whether the credential is for that place.
func (c credential) opens(at namedContext) bool {
	if at.Kind == kindCluster {
		return c.Server == at.address()
	}
	return sameServer(c.Server, at.Server)
}

// sameServer reports whether two addresses are the same, however they are
// written.
func sameServer(a, b string) bool {
	one, err := client.New(client.Options{URL: a})
	if err != nil {
		return false
	}
	other, err := client.New(client.Options{URL: b})
	return err == nil && one.URL() == other.URL()
}

// renewBefore is how long before its end a token is renewed.
const renewBefore = time.Minute

// renewing gives the ID token of a context, renewed when it is about to expire.
func (s *State) renewing(name string, c credential, caFile string) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		s.renewal.Lock()
		defer s.renewal.Unlock()
		if s.Now().Before(c.OIDC.Expires.Add(-renewBefore)) {
			return c.OIDC.ID, nil
		}
		return s.renew(ctx, name, &c, caFile)
	}
}

// renew gets a new ID token, unless another process did meanwhile, and keeps
// it. A token that cannot be renewed is used for as long as it lasts.
func (s *State) renew(ctx context.Context, name string, c *credential, caFile string) (string, error) {
	err := s.changeSettings(func(_ *settings, all credentials) error {
		kept, ok := all[name]
		if ok && kept.OIDC != nil && kept.Server == c.Server {
			*c = kept
		}
		if s.Now().Before(c.OIDC.Expires.Add(-renewBefore)) {
			return nil
		}
		again := "log in again: brig login " + c.Server
		if c.OIDC.Refresh == "" {
			return brigade.Errorf(brigade.CodeDenied, "the login to %s has expired", c.Server).WithHint("%s", again)
		}
		web, err := httpClient(caFile)
		if err != nil {
			return err
		}
		p, err := login.Discover(ctx, login.Options{Issuer: c.OIDC.Issuer, ClientID: c.OIDC.ClientID, HTTP: web})
		if err != nil {
			return err
		}
		t, err := p.Renew(ctx, c.OIDC.Refresh)
		if err != nil {
			return brigadeHint(err, again)
		}
		fresh := *c.OIDC
		fresh.ID, fresh.Refresh, fresh.Expires = t.ID, t.Refresh, t.Expires
		c.OIDC = &fresh
		if ok {
			all[name] = *c
		}
		return nil
	})
	if err != nil && !s.Now().Before(c.OIDC.Expires) {
		return "", err
	}
	return c.OIDC.ID, nil
}

// httpClient asks OpenID providers; what is trusted for the server is trusted
// for its provider, too.
func httpClient(caFile string) (*http.Client, error) {
	t, err := client.Transport(caFile)
	if err != nil {
		return nil, err
	}
	return &http.Client{Transport: t, Timeout: 30 * time.Second}, nil
}
