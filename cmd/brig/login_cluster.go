package main

import (
	"cmp"
	"context"

	brigade "github.com/brigadecore/brigade/v3"
)

// loginCluster tries the API of an installation in a cluster, with the token
// that was given or the one that the controller shares with those who may read
// Secrets, and makes a context of it.
func (s *State) loginCluster(ctx context.Context, f *loginFlags, t target) error {
	if f.oidc {
		return brigade.Errorf(brigade.CodeUsage, "a cluster is logged in to with its kubeconfig").
			WithHint("for the OpenID provider of the API name its address, or that of brig dashboard: brig login URL --oidc")
	}
	c := t.namedContext
	c.Name = cmp.Or(f.name, c.Name)
	if c.Name == "" {
		return brigade.Errorf(brigade.CodeUsage, "the context needs a name").WithHint("give it one with --name")
	}
	if c.Name == localContext || !contextName(c.Name) {
		return brigade.Errorf(brigade.CodeUsage, "the context cannot be named %q", c.Name).WithHint("use letters, digits and . _ - @ /; local is this machine")
	}
	v, err := s.settings()
	if err != nil {
		return err
	}
	if i := v.index(c.Name); i >= 0 && s.filled(v.Contexts[i]).address() != c.address() {
		return brigade.Errorf(brigade.CodeUsage, "another context is named %s", c.Name).WithHint("choose another name with --name, or change it: brig context set")
	}
	b, err := s.clusterBackend(ctx, t)
	if err != nil {
		return err
	}
	defer func() { _ = b.Close() }()
	c.Namespace = b.cluster.c.Namespace()
	if c.Kubeconfig, err = absolute("", c.Kubeconfig); err != nil {
		return err
	}
	kept := credential{Server: c.address()}
	if kept.Token, _, err = s.givenToken(); err != nil {
		return err
	}
	tokens := func(context.Context) (string, error) { return kept.Token, nil }
	if kept.Token == "" {
		tokens = b.cluster.sharedToken
	}
	api, err := b.cluster.connect(tokens)
	if err != nil {
		return err
	}
	who, err := api.WhoAmI(ctx)
	if brigade.CodeOf(err) == brigade.CodeDenied {
		return brigade.Errorf(brigade.CodeDenied, "the API in namespace %s does not accept it: %w", c.Namespace, err).
			WithHint("is the token for this installation? Without --token-file it is what the Secret brigade-api-token holds, which you have to be allowed to read")
	}
	if err != nil {
		return err
	}
	if err := s.keepLogin(f, c, kept); err != nil {
		return err
	}
	return s.tellLogin(f, c, c.where(), who)
}
