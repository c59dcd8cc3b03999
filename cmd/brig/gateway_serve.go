package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/brigadecore/brigade/v3/app"
)

// gatewayFlags are the flags of `brig gateway serve`.
type gatewayFlags struct {
	serverFlags
	generic, github, registry, all string
	drainRequests                  time.Duration
}

func newGatewayServe(s *State) *cobra.Command {
	var f gatewayFlags
	cmd := &cobra.Command{
		Use: "serve", Short: "Serve gateways of a Kubernetes cluster",
		Long: `Serve gateways of a cluster: what comes in becomes Secrets, of which the
controller makes builds. Each kind of gateway listens on a port of its own, as
in v1, or all of them on one. There may be several of these programs: an event
that is sent twice starts one build. A request is answered once its builds are
stored; a payload that is too large for a Secret is refused with 413.

BRIGADE_GITHUB_SECRET is the key of signatures for projects without a shared
secret of their own.`,
		Example: `  brig gateway serve --generic :8000
  brig gateway serve --github :7744 --github-app-id 123 --github-app-key app.pem
  brig gateway serve --all :8080 --namespace brigade`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return s.serveGateways(&f) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.generic, "generic", "", "`address` of the generic gateway: simple events and CloudEvents; v1's is :8000")
	fl.StringVar(&f.github, "github", "", "`address` of the GitHub gateway; v1's is :7744")
	fl.StringVar(&f.registry, "cr", "", "`address` of the container-registry gateway; v1's is :8000")
	fl.StringVar(&f.all, "all", "", "`address` of all gateways there are, GitLab, Gitea, Bitbucket, Slack and webhooks among them")
	fl.StringVar(&f.gateways.CertFile, "cert", "", "TLS certificate `file`")
	fl.StringVar(&f.gateways.KeyFile, "key", "", "TLS key `file`")
	fl.StringArrayVar(&f.proxies, "trusted-proxy", nil, "`address` or network of a proxy whose X-Forwarded-For is believed; may be repeated")
	fl.DurationVar(&f.drainRequests, "drain", 10*time.Second, "time requests have after the first signal")
	f.gatewaySettings(fl)
	f.logging(cmd)
	return cmd
}

// serveGateways serves until a signal.
func (s *State) serveGateways(f *gatewayFlags) error {
	log, err := s.logger(&f.serverFlags)
	if err != nil {
		return err
	}
	opt := app.GatewayOptions{Kube: s.kubeOptions("brigade-gateway"), Drain: f.drainRequests, Now: s.Now, Log: log}
	for kind, address := range map[string]string{app.GatewaysGeneric: f.generic, app.GatewaysGitHub: f.github, app.GatewaysRegistry: f.registry, app.GatewaysAll: f.all} {
		if address != "" {
			opt.Serve = append(opt.Serve, app.GatewayListener{Kind: kind, Listener: app.Listener{Address: address, CertFile: f.gateways.CertFile, KeyFile: f.gateways.KeyFile}})
		}
	}
	if opt.Proxies, err = app.ParseProxies(f.proxies); err != nil {
		return err
	}
	if opt.Gateway, err = s.gatewayOptions(&f.serverFlags); err != nil {
		return err
	}
	ctx, release := s.untilInterrupted()
	defer release()
	g, err := app.NewGateways(ctx, opt)
	if err != nil {
		return err
	}
	defer func() { _ = g.Close() }()
	for kind, address := range g.Addresses() {
		log.Info("serving", "gateways", kind, "address", address, "version", versionInfo().Version)
	}
	return g.Run(ctx)
}
