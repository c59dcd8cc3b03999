package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/client"
	"github.com/brigadecore/brigade/v3/tui"
	"github.com/brigadecore/brigade/v3/tui/term"
)

func newTerm(s *State) *cobra.Command {
	var interval string
	var fake bool
	cmd := &cobra.Command{
		Use: "term", Short: "Look at builds in a dashboard in the terminal", GroupID: "work",
		Long: `Look at projects, their builds, the jobs of a build over time and their logs, in
the terminal. Builds can be run again and ended. Press ? for the keys.

A server tells what happens. This machine's store is read every now and then,
see --reload-interval.`,
		Example: "  brig term\n  brig term --server https://ci.example.org\n  brig term --fake            with invented data, to try it",
		Args:    args(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			every, err := reloadInterval(interval)
			if err != nil {
				return err
			}
			if _, _, terminal := s.Terminal(); !tui.Animates(s.Getenv, terminal) || !s.InputTerminal() {
				return brigade.Errorf(brigade.CodeUsage, "the dashboard needs a terminal").WithHint("brig build list and brig build get print what it shows")
			}
			return s.term(every, fake)
		},
	}
	cmd.Flags().StringVar(&interval, "reload-interval", "1s", "`time` between two looks at what tells nothing by itself, such as 3s")
	cmd.Flags().BoolVar(&fake, "fake", false, "show invented data")
	return cmd
}

// reloadInterval reads a duration; a bare number is seconds.
func reloadInterval(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if n, numErr := strconv.Atoi(text); numErr == nil {
		d, err = time.Duration(n)*time.Second, nil
	}
	if err != nil || d < 50*time.Millisecond || d > time.Hour {
		return 0, brigade.Errorf(brigade.CodeUsage, "--reload-interval %q is no time between 50ms and 1h", text).WithHint("write it like 3s")
	}
	return d, nil
}

// term shows the dashboard. A signal ends it.
func (s *State) term(every time.Duration, fake bool) error {
	ctx, release := s.untilInterrupted()
	defer release()
	o := term.Options{
		Interval: every, In: s.Stdin, Out: s.Stdout, Environ: s.Environ(), Now: s.Now, OpenURL: s.openURL,
		Color: !s.noColor && tui.WantsColor(s.Getenv, true), ASCII: !tui.IsUTF8(s.Getenv, s.GOOS),
	}
	o.Width, o.Height, _ = s.Terminal()
	if fake {
		f := term.NewFake(s.Now)
		o.Data, o.Control, o.Feed, o.Source = f, f, f, "invented data"
		return left(term.Run(ctx, o))
	}
	b, err := s.backend(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = b.Close() }()
	o.Data, o.Control, o.Source, o.Feed = b, termControl{s, b}, b.at.where(), b.feed
	if b.cluster != nil {
		o.Source = b.cluster.c.Namespace() // there is not much room
	}
	if b.server != nil {
		o.BuildURL = func(id string) string { return buildURL(b.server.URL(), id) }
	}
	return left(term.Run(ctx, o))
}

// left is no error when a person ended the dashboard.
func left(err error) error {
	if brigade.CodeOf(err) == brigade.CodeCanceled {
		return nil
	}
	return err
}

// termControl ends builds and runs them again.
type termControl struct {
	s *State
	b *backend
}

// Cancel implements term.Control.
func (c termControl) Cancel(ctx context.Context, id string) error {
	_, err := c.s.cancelBuild(ctx, c.b, id, "")
	return err
}

// Rerun implements term.Control. On this machine the build runs in a process
// of its own, with the files of the current directory.
func (c termControl) Rerun(ctx context.Context, id string, failed bool) (string, error) {
	if c.b.place != nil {
		b, err := c.b.place.Rerun(ctx, id, failed, client.Overrides{})
		if err != nil {
			return "", err
		}
		return b.ID, nil
	}
	program, err := c.s.Program()
	if err != nil {
		return "", fmt.Errorf("find this program: %w", err)
	}
	cmd := exec.CommandContext(ctx, program, "rerun", id, "--background", "-o", "json", "--no-color", "--failed="+strconv.FormatBool(failed))
	cmd.Env = c.s.Environ()
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	answer, err := cmd.Output()
	if err != nil {
		text := strings.Join(strings.Fields(complaint.String()), " ")
		return "", brigade.Errorf(brigade.CodeUnavailable, "the build was not started: %s", strings.TrimPrefix(text, "error: "))
	}
	var started struct {
		Build string `json:"build"`
	}
	if err := json.Unmarshal(answer, &started); err != nil {
		return "", fmt.Errorf("read which build was started: %w", err)
	}
	return started.Build, nil
}

// termFeed watches a server.
type termFeed struct{ server *client.Client }

// Watch implements term.Feed.
func (f termFeed) Watch(ctx context.Context, buildID string, changed func(brigade.Change)) error {
	o := client.WatchOptions{BuildID: buildID, Logs: buildID != ""}
	return f.server.Watch(ctx, o, func(c brigade.Change) error {
		changed(c)
		return nil
	})
}
