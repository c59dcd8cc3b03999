package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"

	"github.com/spf13/cobra"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/kube/console"
)

func newDashboard(s *State) *cobra.Command {
	var port, remote int
	var open bool
	var pod string
	cmd := &cobra.Command{
		Use: "dashboard", Short: "Reach a cluster's dashboard from this machine", GroupID: "work",
		Long: `Reach the dashboard of an installation in a cluster, and its API, from this
machine: until Ctrl-C a port of this machine leads to the controller, through
the cluster's API server. The API needs a token here as everywhere: one that may
read is in the Secret brigade-api-token. An API with TLS has it here, too; its
certificate is for another name, so browsers warn.

With a server, which is reached without this, its dashboard is opened.`,
		Example: "  brig dashboard -n brigade\n  brig dashboard --port 9000 --open-dashboard=false\n  brig login http://127.0.0.1:8081      in another terminal, to use the API",
		Args:    args(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			t, err := s.target()
			switch {
			case err != nil:
				return err
			case t.Kind == kindServer:
				return s.withBackend(func(_ context.Context, b *backend) error { return s.show(b.server.URL()+"/", !open) })
			case t.Kind == kindLocal:
				return serverOnly("there is a dashboard", "brig term shows what this machine's store has; for a cluster name it with -n")
			}
			return s.dashboard(t, port, remote, pod, open)
		},
	}
	fl := cmd.Flags()
	fl.IntVar(&port, "port", 8081, "`port` of this machine; 0 is any")
	fl.BoolVar(&open, "open-dashboard", true, "open it in the browser, where there is one")
	fl.StringVar(&pod, "pod", "", "`name` of the pod to reach, instead of that of the controller that leads")
	fl.IntVar(&remote, "pod-port", apiPort, "`port` of the pod")
	return cmd
}

func (s *State) dashboard(t target, port, remote int, pod string, open bool) error {
	if port < 0 || port > 65535 || remote < 1 || remote > 65535 {
		return brigade.Errorf(brigade.CodeUsage, "a port is a number up to 65535")
	}
	ctx, release := s.untilInterrupted()
	defer release()
	c, err := s.console(ctx, t)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	scheme, err := dashboardScheme(ctx, c, pod, remote)
	if err != nil {
		return err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if errors.Is(err, syscall.EADDRINUSE) {
		return brigade.Errorf(brigade.CodeConflict, "port %d of this machine is taken", port).WithHint("choose another one with --port")
	}
	if err != nil {
		return brigade.Errorf(brigade.CodeUnavailable, "listen at port %d: %w", port, err)
	}
	address := scheme + "://" + l.Addr().String() + "/"
	fmt.Fprintf(s.Stdout, "The dashboard of namespace %s is at %s until Ctrl-C\n", c.Namespace(), address)
	if open && !s.headless() {
		if err := s.openURL(address); err != nil {
			fmt.Fprintln(s.Stderr, "warning: "+err.Error())
		}
	}
	err = c.Forward(ctx, l, pod, remote, func(err error) { fmt.Fprintln(s.Stderr, "warning: "+err.Error()) })
	if brigade.CodeOf(context.Cause(ctx)) == brigade.CodeCanceled {
		return nil
	}
	return err
}

// dashboardScheme is http or https, as the port of the pod speaks.
func dashboardScheme(ctx context.Context, c *console.Console, pod string, port int) (string, error) {
	conn, secure, err := c.DialAPI(ctx, pod, port)
	if err != nil {
		return "", err
	}
	_ = conn.Close()
	if secure {
		return "https", nil
	}
	return "http", nil
}
