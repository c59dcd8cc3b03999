package main

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/client"
	"github.com/brigadecore/brigade/v3/client/login"
	"github.com/brigadecore/brigade/v3/tui"
)

type loginFlags struct {
	name             string
	oidc, noUse, web bool
}

func newLogin(s *State) *cobra.Command {
	var f loginFlags
	cmd := &cobra.Command{
		Use: "login [URL]", Short: "Log in to a server or a cluster, and work there from now on", GroupID: "setup",
		Long: `Log in to a server: what opens it is kept for this user, as a context that
becomes the current one. Without an address it is the current context's server.

A token comes from the file that --token-file names, from standard input, or is
typed in, where it is not shown. When the server belongs to an OpenID provider,
a code is shown instead that is confirmed in any browser; a token is still taken
from --token-file. A server of this user on this machine needs neither.

What is kept can be read by this user only, is sent to this server only, and is
renewed as long as the provider allows. brig logout forgets it.

For a cluster, named by flags or the current context, the kubeconfig is what lets
you in: it needs a token only for what the right to read the namespace's Secrets
does not allow, such as brig token. That comes from --token-file.`,
		Example: `  brig login https://ci.example.org
  brig login https://ci.example.org --token-file token.txt --name prod
  brig token create laptop --scope read -o json | jq -r .token | brig login https://ci.example.org
  brig login http://127.0.0.1:7745       a server of one's own
  brig login -n brigade --name prod      a cluster`,
		Args: args(cobra.MaximumNArgs(1)), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(_ *cobra.Command, argv []string) error {
			if f.oidc && s.remote.tokenFile != "" {
				return contradiction("--oidc", "--token-file")
			}
			ctx, release := s.untilInterrupted()
			defer release()
			return s.login(ctx, &f, argv)
		},
	}
	cmd.Flags().StringVar(&f.name, "name", "", "`name` of the context; default the server's host")
	cmd.Flags().BoolVar(&f.oidc, "oidc", false, "log in at the server's OpenID provider, also where no terminal is")
	cmd.Flags().BoolVar(&f.noUse, "no-use", false, "leave the current context as it is")
	cmd.Flags().BoolVar(&f.web, "browser", false, "open the address where the code is confirmed in the browser, too")
	return cmd
}

func (s *State) login(ctx context.Context, f *loginFlags, argv []string) error {
	if t, err := s.target(); len(argv) == 0 && s.remote.server == "" && err == nil && t.Kind == kindCluster {
		return s.loginCluster(ctx, f, t)
	}
	c, err := s.loginContext(f, argv)
	if err != nil {
		return err
	}
	o := client.Options{URL: c.Server, CAFile: c.CAFile, Insecure: c.Insecure, UserAgent: "brig/" + versionInfo().Version}
	secret, err := s.askCredential(ctx, f, o)
	if err != nil {
		return err
	}
	o.Token = cmp.Or(secret.Token, s.ownToken(c.Server))
	if secret.OIDC != nil {
		o.Token = secret.OIDC.ID
	}
	server, err := client.New(o)
	if err != nil {
		return err
	}
	who, err := server.WhoAmI(ctx)
	if brigade.CodeOf(err) == brigade.CodeDenied {
		return brigade.Errorf(brigade.CodeDenied, "%s does not accept it: %w", c.Server, err).WithHint("is the token for this server, and has it not expired?")
	}
	if err != nil {
		return err
	}
	if err := s.keepLogin(f, c, secret); err != nil {
		return err
	}
	return s.tellLogin(f, c, c.Server, who)
}

// keepLogin makes a context of the place, with what opens it.
func (s *State) keepLogin(f *loginFlags, c namedContext, secret credential) error {
	return s.changeSettings(func(v *settings, secrets credentials) error {
		v.put(c)
		delete(secrets, c.Name)
		if secret.Token != "" || secret.OIDC != nil {
			secrets[c.Name] = secret
		}
		if !f.noUse {
			v.Current = c.Name
		}
		return nil
	})
}

func (s *State) tellLogin(f *loginFlags, c namedContext, where string, who *client.Identity) error {
	fmt.Fprintf(s.Stdout, "Logged in to %s as %s, who may: %s\n", where, tui.Clean(who.Name, false), tui.Clean(mayDo(who), false))
	if f.noUse {
		return nil
	}
	fmt.Fprintf(s.Stdout, "Commands work there from now on (context %s); go back with: brig context use local\n", c.Name)
	s.warnOverridden()
	return nil
}

// mayDo says what somebody may do.
func mayDo(who *client.Identity) string {
	may := strings.Join(who.Scopes, ", ")
	if len(who.Projects) > 0 {
		may += " of " + strings.Join(who.Projects, ", ")
	}
	return may
}

// loginContext is the context of the server that is logged in to, as it is to
// be kept.
func (s *State) loginContext(f *loginFlags, argv []string) (c namedContext, err error) {
	v, err := s.settings()
	if err != nil {
		return c, err
	}
	if len(argv) == 1 && s.remote.server != "" {
		return c, contradiction("an address", "--server")
	}
	address := s.remote.server
	if len(argv) == 1 {
		address = argv[0]
	}
	if address == "" {
		t, err := s.target()
		if err != nil {
			return c, err
		}
		if t.Kind != kindServer {
			return c, brigade.Errorf(brigade.CodeUsage, "log in where?").WithHint("name the server: brig login https://ci.example.org")
		}
		c, address = t.namedContext, t.Server
	}
	known, err := client.New(client.Options{URL: address})
	if err != nil {
		return c, err
	}
	i := slices.IndexFunc(v.Contexts, func(o namedContext) bool {
		return o.Kind == kindServer && o.Server == known.URL() && (f.name == "" || o.Name == f.name)
	})
	if i >= 0 && c.Name == "" { // logged in once more
		c = v.Contexts[i]
	}
	c.Kind, c.Server = kindServer, known.URL()
	c.Name = cmp.Or(f.name, c.Name, hostName(known.URL()))
	if i := v.index(c.Name); c.Name == localContext || !contextName(c.Name) || i >= 0 && v.Contexts[i].Server != c.Server {
		return c, brigade.Errorf(brigade.CodeUsage, "the context cannot be named %q", c.Name).
			WithHint("another context has the name, or it has other characters than letters, digits and . _ - @ /; choose one with --name")
	}
	c.Insecure = c.Insecure || s.remote.insecure || s.Getenv("BRIGADE_INSECURE") == "1"
	c.CAFile, err = absolute(cmp.Or(s.remote.caFile, s.Getenv("BRIGADE_CA_FILE")), c.CAFile)
	return c, err
}

// hostName is what a context is named after.
func hostName(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	if u.Hostname() == localContext {
		return "localhost"
	}
	return strings.Trim(strings.NewReplacer(":", "-", "[", "", "]", "").Replace(u.Host+u.Path), "-/")
}

// askCredential gets what opens the server: nothing for a server of this user.
func (s *State) askCredential(ctx context.Context, f *loginFlags, o client.Options) (credential, error) {
	c := credential{Server: o.URL}
	var err error
	if s.remote.tokenFile != "" {
		c.Token, err = s.tokenFrom(s.remote.tokenFile)
		return c, err
	}
	if !f.oidc && s.ownToken(o.URL) != "" {
		return c, nil
	}
	server, err := client.New(o)
	if err != nil {
		return c, err
	}
	ways, err := server.Login(ctx)
	if err != nil {
		return c, err
	}
	typed := s.InputTerminal()
	switch {
	case ways.OIDC != nil && (f.oidc || typed):
		c.OIDC, err = s.deviceLogin(ctx, f, ways.OIDC, o.CAFile)
	case f.oidc:
		return c, brigade.Errorf(brigade.CodeUsage, "%s has no OpenID provider to log in at", o.URL).WithHint("log in with a token: brig login URL --token-file FILE")
	case typed:
		c.Token, err = newQuestions(s).secret("Token for " + o.URL)
	default:
		c.Token, err = s.tokenFrom("-")
	}
	if err == nil && c.Token == "" && c.OIDC == nil {
		err = brigade.Errorf(brigade.CodeUsage, "the token is empty").WithHint("ask an administrator of the server for one: brig token create NAME")
	}
	return c, err
}

// deviceLogin has a person confirm a code in a browser.
func (s *State) deviceLogin(ctx context.Context, f *loginFlags, at *client.LoginOIDC, caFile string) (*oidcCredential, error) {
	web, err := httpClient(caFile)
	if err != nil {
		return nil, err
	}
	p, err := login.Discover(ctx, login.Options{Issuer: at.Issuer, ClientID: at.ClientID, Scopes: at.Scopes, HTTP: web})
	if err != nil {
		return nil, err
	}
	prompt, err := p.Ask(ctx)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(s.Stderr, "Open %s\nand confirm the code %s\n", tui.Clean(prompt.URL, false), tui.Clean(prompt.Code, false))
	if f.web {
		if err := s.openURL(cmp.Or(prompt.Whole, prompt.URL)); err != nil {
			fmt.Fprintln(s.Stderr, "warning: "+tui.Clean(err.Error(), false))
		}
	}
	t, err := p.Wait(ctx, prompt)
	if err != nil {
		return nil, err
	}
	return &oidcCredential{Issuer: at.Issuer, ClientID: at.ClientID, ID: t.ID, Refresh: t.Refresh, Expires: t.Expires}, nil
}

func newLogout(s *State) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use: "logout [CONTEXT]", Short: "Forget what opens a server", GroupID: "setup",
		Long: `Forget what opens a server: that of the current context, or of the one that is
named. The context stays, to log in again. A login at an OpenID provider is
ended there, too; a token stays good for others who have it, until it is revoked
with brig token revoke.`,
		Example: "  brig logout\n  brig logout prod\n  brig logout --all", Args: args(cobra.MaximumNArgs(1)), ValidArgsFunction: s.completeContexts,
		RunE: func(_ *cobra.Command, argv []string) error {
			ctx, release := s.untilInterrupted()
			defer release()
			return s.logout(ctx, all, argv)
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "what opens any server")
	return cmd
}

func (s *State) logout(ctx context.Context, all bool, argv []string) error {
	if all && len(argv) == 1 {
		return contradiction("--all", "a context")
	}
	gone := credentials{}
	files, places := map[string]string{}, map[string]string{}
	err := s.changeSettings(func(v *settings, secrets credentials) error {
		names := argv
		switch {
		case all:
			for name := range secrets {
				names = append(names, name)
			}
		case len(names) == 0:
			t, err := s.target()
			if err != nil {
				return err
			}
			names = []string{t.Name}
		}
		for _, name := range names {
			c, ok := secrets[name]
			if !ok && !all {
				return brigade.Errorf(brigade.CodeNotFound, "nobody is logged in to the context %q", cmp.Or(name, localContext)).WithHint("brig context list --columns NAME,WHERE,'LOGGED IN' shows who is")
			}
			gone[name] = c
			if i := v.index(name); i >= 0 {
				files[name], places[name] = v.Contexts[i].CAFile, v.Contexts[i].where()
			}
			delete(secrets, name)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for name, c := range gone {
		if c.OIDC != nil {
			s.endLogin(ctx, c.OIDC, files[name])
		}
		fmt.Fprintf(s.Stdout, "Logged out of %s (context %s)\n", cmp.Or(places[name], c.Server), name)
	}
	return nil
}

// endLogin tells the provider, as well as it can.
func (s *State) endLogin(ctx context.Context, c *oidcCredential, caFile string) {
	web, err := httpClient(caFile)
	if err == nil {
		var p *login.Provider
		if p, err = login.Discover(ctx, login.Options{Issuer: c.Issuer, ClientID: c.ClientID, HTTP: web}); err == nil {
			err = p.Revoke(ctx, c.Refresh)
		}
	}
	if err != nil {
		fmt.Fprintf(s.Stderr, "warning: the provider was not told: %s\n", tui.Clean(err.Error(), false))
	}
}
