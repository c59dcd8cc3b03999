package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/client"
)

// serverRunFlags are the flags of run and rerun that mean something to a
// server; the others are about this machine.
var serverRunFlags = []string{
	"file", "event", "payload", "inline-payload", "commit", "ref", "level", "config", "failed",
	"background", "no-progress", "output", "verbose",
	"server", "context", "token-file", "ca-file", "insecure", "no-color", "kubeconfig", "kube-context", "namespace",
}

// runOnServer has the server run a build of a project, or one that ran again,
// and follows it.
func (s *State) runOnServer(cmd *cobra.Command, f *runFlags, project, again string) error {
	if err := checkOutput(f.output, "json", "table"); err != nil {
		return err
	}
	var local []string
	cmd.Flags().Visit(func(flag *pflag.Flag) {
		if !slices.Contains(serverRunFlags, flag.Name) {
			local = append(local, "--"+flag.Name)
		}
	})
	if len(local) > 0 {
		at, err := s.target()
		if err != nil {
			return err
		}
		return brigade.Errorf(brigade.CodeUsage, "%s is about this machine, but the build runs elsewhere (%s): %s", strings.Join(local, ", "), at.said, at.where()).
			WithHint("leave it out, or run the build here with --context local")
	}
	e, err := s.serverEvent(f)
	if err != nil {
		return err
	}
	return s.withBackend(func(ctx context.Context, b *backend) error {
		build, err := s.startOnServer(ctx, b.place, cmd, f, project, again, e)
		if err != nil {
			return err
		}
		return s.afterStart(ctx, b, build, f)
	})
}

// startOnServer creates an event of the project, or runs a build again.
func (s *State) startOnServer(ctx context.Context, c place, cmd *cobra.Command, f *runFlags, project, again string, e brigade.Event) (*brigade.Build, error) {
	if again == "" {
		build, _, err := c.Submit(ctx, project, e)
		return build, err
	}
	var o client.Overrides
	for flag, set := range map[string]func(){
		"event": func() { o.Type = &e.Type }, "payload": func() { o.Payload = &e.Payload }, "inline-payload": func() { o.Payload = &e.Payload },
		"ref": func() { o.Ref = &e.Revision.Ref }, "commit": func() { o.Commit = &e.Revision.Commit },
		"level":  func() { level := string(e.LogLevel); o.LogLevel = &level },
		"config": func() { o.Config = &e.Config }, "file": func() { o.Script, o.ScriptFile = &e.Script, &e.ScriptFile },
	} {
		if cmd.Flags().Changed(flag) {
			set()
		}
	}
	return c.Rerun(ctx, again, f.failed, o)
}

// serverEvent is the event that the flags describe. Unlike on this machine, an
// event without a revision is about the head of the project's default branch.
func (s *State) serverEvent(f *runFlags) (brigade.Event, error) {
	e := brigade.Event{
		Provider: "brigade-cli", Type: f.event, LogLevel: brigade.LogLevel(strings.ToUpper(f.level)),
		Revision: brigade.Revision{Commit: f.commit, Ref: f.ref},
	}
	if e.Type == "" {
		return e, brigade.Errorf(brigade.CodeUsage, "the event has no name").WithHint("name it with -e, such as -e push")
	}
	if !e.LogLevel.Valid() {
		return e, brigade.Errorf(brigade.CodeUsage, "there is no log level %q", f.level).WithHint("use one of all, log, info, warn, error, none")
	}
	if err := s.payload(f, &e); err != nil {
		return e, err
	}
	return e, readScripts(f, "", &e)
}

// afterStart says which build was started, with v1's words, and follows it
// unless it is to run in the background.
func (s *State) afterStart(ctx context.Context, b *backend, build *brigade.Build, f *runFlags) error {
	if f.background && f.output == "json" {
		return writeJSON(s.Stdout, map[string]string{"build": build.ID, "worker": build.WorkerID()})
	}
	if f.output != "json" {
		fmt.Fprintf(s.Stdout, "Event created. Waiting for worker pod named %q.\n", build.WorkerID())
	}
	if f.background {
		_, err := fmt.Fprintf(s.Stdout, "Build: %s, Worker: %s\n", build.ID, build.WorkerID())
		return err
	}
	return s.showFollowed(ctx, b, build.ID, f) // its first line is v1's second
}
