package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"

	brigade "github.com/brigadecore/brigade/v3"
)

func newOpen(s *State) *cobra.Command {
	var project string
	var printed bool
	cmd := &cobra.Command{
		Use: "open [BUILD]", GroupID: "work", Short: "Open a server's dashboard in the browser",
		Long: `Open a server's dashboard in the browser: its overview, a build or a project.
Where no browser can be, such as over SSH, its address is printed instead. The
dashboard of a cluster is opened by brig dashboard.`,
		Example: "  brig open\n  brig open 01hxyz\n  brig open --project acme/app --print",
		Args:    args(cobra.MaximumNArgs(1)), ValidArgsFunction: s.completeBuilds,
		RunE: func(cmd *cobra.Command, argv []string) error {
			if project != "" && len(argv) == 1 {
				return contradiction("a build", "--project")
			}
			t, err := s.target()
			switch {
			case err != nil:
				return err
			case t.Kind == kindCluster:
				return brigade.Errorf(brigade.CodeUsage, "a cluster's dashboard is reached through the cluster").WithHint("use brig dashboard")
			case t.Kind != kindServer:
				return serverOnly("builds have pages", "brig term shows those of this machine")
			}
			return s.withBackend(func(ctx context.Context, b *backend) error {
				address := b.server.URL() + "/"
				switch {
				case len(argv) == 1:
					build, err := lightBuild(ctx, b.Builds, argv[0])
					if err != nil {
						return err
					}
					address = buildURL(b.server.URL(), build.ID)
				case project != "":
					p, err := findProject(ctx, b.Projects, project)
					if err != nil {
						return err
					}
					address = projectURL(b.server.URL(), p.Name)
				}
				return s.show(address, printed)
			})
		},
	}
	cmd.Flags().StringVar(&project, "project", "", "the page of the `project` instead")
	cmd.Flags().BoolVar(&printed, "print", false, "only print the address")
	_ = cmd.RegisterFlagCompletionFunc("project", func(cmd *cobra.Command, _ []string, word string) ([]string, cobra.ShellCompDirective) {
		return s.completeProjects(cmd, nil, word)
	})
	return cmd
}

// buildURL is the page of a build.
func buildURL(server, id string) string { return server + "/builds/" + url.PathEscape(id) }

// projectURL is the page of a project; slashes of its name stay.
func projectURL(server, name string) string {
	parts := strings.Split(name, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return server + "/projects/" + strings.Join(parts, "/")
}

// show opens an address in the browser, or prints it.
func (s *State) show(address string, printed bool) error {
	if !printed && !s.headless() {
		err := s.openURL(address)
		if err == nil {
			fmt.Fprintln(s.Stderr, "Opened "+address)
			return nil
		}
		fmt.Fprintln(s.Stderr, "warning: "+err.Error())
	}
	_, err := fmt.Fprintln(s.Stdout, address)
	return err
}

// headless reports whether there is no browser to be seen by who types.
func (s *State) headless() bool {
	if s.Getenv("SSH_CONNECTION") != "" {
		return true
	}
	if s.GOOS == "darwin" || s.GOOS == "windows" {
		return false
	}
	return s.Getenv("DISPLAY") == "" && s.Getenv("WAYLAND_DISPLAY") == "" && s.Getenv("WSL_DISTRO_NAME") == ""
}

// openURL opens an address in the browser. It is one of the web, and no shell
// sees it.
func (s *State) openURL(address string) error {
	if u, err := url.Parse(address); err != nil || u.Scheme != "https" && u.Scheme != "http" {
		return brigade.Errorf(brigade.CodeInvalid, "%q is no address to open in a browser", address)
	}
	argv := []string{"xdg-open", address}
	switch s.GOOS {
	case "darwin":
		argv[0] = "open"
	case "windows":
		argv = []string{"rundll32", "url.dll,FileProtocolHandler", address}
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = s.Environ()
	if err := cmd.Start(); err != nil {
		if errors.Is(err, exec.ErrNotFound) {
			return brigade.Errorf(brigade.CodeUnavailable, "there is no browser to open %s", address)
		}
		return fmt.Errorf("open the browser: %w", err)
	}
	go func() { _ = cmd.Wait() }()
	return nil
}
