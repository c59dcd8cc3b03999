package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	brigade "github.com/brigadecore/brigade/v3"
)

func newEvent(s *State) *cobra.Command {
	cmd := &cobra.Command{
		Use: "event", Short: "Create events, and see which ones arrive", GroupID: "work",
		Example: "  brig event create acme/app -e push -p push.json\n  brig event ls acme/app",
		Args:    unknownCommand,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newEventCreate(s), newEventList(s))
	return cmd
}

func newEventCreate(s *State) *cobra.Command {
	var f runFlags
	var key, provider string
	cmd := &cobra.Command{
		Use: "create PROJECT", Short: "Create an event of a project on a server or in a cluster",
		Long: `Create an event of a project on a server or in a cluster, which starts a build.
It returns once the build is stored; brig run PROJECT also follows it.`,
		Example: `  brig event create acme/app -e push -p push.json
  brig event create acme/app -e deploy -i '{"to":"staging"}' -r main
  brig event create acme/app -e nightly --key nightly-2026-01-02    at most one build of that key`,
		Args: args(cobra.ExactArgs(1)), ValidArgsFunction: s.completeProjects,
		RunE: func(cmd *cobra.Command, argv []string) error {
			if err := exclusive(cmd, [2]string{"payload", "inline-payload"}); err != nil {
				return err
			}
			e, err := s.serverEvent(&f)
			if err != nil {
				return err
			}
			e.Key, e.Provider = key, provider
			here := "on this machine use: brig run " + argv[0] + " -e " + f.event
			return s.withBackend(func(ctx context.Context, on *backend) error {
				if on.place == nil {
					return serverOnly("events are created", here)
				}
				b, repeat, err := on.place.Submit(ctx, argv[0], e)
				if err != nil {
					return err
				}
				if repeat {
					fmt.Fprintf(s.Stderr, "The event was created before, with the same key.\n")
				}
				if done, err := s.printObject(f.output, b, b.ID); done {
					return err
				}
				_, err = fmt.Fprintf(s.Stdout, "Build: %s, Worker: %s\n", b.ID, b.WorkerID())
				return err
			})
		},
	}
	fl := cmd.Flags()
	fl.StringVarP(&f.event, "event", "e", "exec", "`name` of the event")
	fl.StringVarP(&f.payload, "payload", "p", "", "`file` with the event's payload; - for standard input")
	fl.StringVarP(&f.inline, "inline-payload", "i", "", "the event's payload as `text`")
	fl.StringVarP(&f.commit, "commit", "c", "", "`commit` of the event")
	fl.StringVarP(&f.ref, "ref", "r", "", "git `ref` of the event; default the head of the default branch")
	fl.StringVarP(&f.level, "level", "l", "log", "least severe `level` the script logs: all, log, info, warn, error, none")
	fl.StringVar(&key, "key", "", "`text` by which a repeat is recognised: it starts no second build")
	fl.StringVar(&provider, "provider", "brigade-cli", "who the event is said to come from; others than brigade-cli and api need an admin's token")
	outputFlag(cmd, &f.output)
	return cmd
}

// seenEvent is a kind of event that arrived.
type seenEvent struct {
	Provider string    `json:"provider"`
	Type     string    `json:"type"`
	Count    int       `json:"count"`
	Last     time.Time `json:"last"`
	Build    string    `json:"build"` // the last one
	Project  string    `json:"project"`
	Payload  string    `json:"payload,omitempty"` // of the last one
}

// eventsLookedAt is how many builds event ls looks at.
const eventsLookedAt = 5000

func newEventList(s *State) *cobra.Command {
	var list listFlags
	var since, payload string
	cmd := &cobra.Command{
		Use: "ls [PROJECT]", Aliases: []string{"list"}, Short: "List the kinds of events that arrived, with examples",
		Long: `List the kinds of events that arrived, newest first, each with the last build it
started. With --payload it prints the payload of the last event of a type, to
try a script with; -o json shows that of every kind.`,
		Example: "  brig event ls\n  brig event ls acme/app --since 30d\n  brig event ls acme/app --payload push > push.json && brig run -e push -p push.json",
		Args:    args(cobra.MaximumNArgs(1)), ValidArgsFunction: s.completeProjects,
		RunE: func(_ *cobra.Command, argv []string) error {
			f := brigade.BuildFilter{Limit: 1000, Type: payload}
			var err error
			if f.Since, err = s.moment("--since", since); err != nil {
				return err
			}
			if len(argv) == 1 {
				f.ProjectID = brigade.ProjectID(argv[0])
			}
			return s.withBackend(func(ctx context.Context, b *backend) error {
				if payload != "" {
					return s.lastPayload(ctx, b, f)
				}
				return showList(ctx, s, b, &list, eventColumns, func(ctx context.Context) ([]seenEvent, error) {
					return seenEvents(ctx, b, f, list.output == "json" || list.output == "yaml")
				})
			})
		},
	}
	addListFlags(cmd, s, &list, eventColumns)
	watchFlag(cmd, &list)
	cmd.Flags().StringVar(&since, "since", "7d", "how far to look back: `90m`, 7d, or a time")
	cmd.Flags().StringVar(&payload, "payload", "", "print the payload of the last event of that `type`, and nothing else")
	return cmd
}

var eventColumns = columns[seenEvent]{
	name: func(e seenEvent) string { return e.Type },
	all: []column[seenEvent]{
		{head: "TYPE", of: func(_ printing, e seenEvent) string { return e.Type }},
		{head: "PROVIDER", of: func(_ printing, e seenEvent) string { return e.Provider }},
		{head: ">COUNT", of: func(_ printing, e seenEvent) string { return fmt.Sprint(e.Count) }},
		{head: "LAST", of: func(p printing, e seenEvent) string { return p.ago(e.Last) }},
		{head: "PROJECT", of: func(_ printing, e seenEvent) string { return e.Project }},
		{head: "BUILD", of: func(_ printing, e seenEvent) string { return e.Build }},
	},
}

// seenEvents groups builds by the kind of their events, newest first.
func seenEvents(ctx context.Context, b *backend, f brigade.BuildFilter, payloads bool) ([]seenEvent, error) {
	seen := []seenEvent{}
	at := map[[2]string]int{}
	for looked := 0; looked < eventsLookedAt; {
		page, err := b.ListBuilds(ctx, f)
		if err != nil {
			return nil, err
		}
		for _, build := range page {
			kind := [2]string{build.Event.Provider, build.Event.Type}
			i, ok := at[kind]
			if !ok {
				i = len(seen)
				at[kind] = i
				seen = append(seen, seenEvent{Provider: kind[0], Type: kind[1], Last: build.Created, Build: build.ID, Project: build.Project})
			}
			seen[i].Count++
		}
		looked += len(page)
		if len(page) < f.Limit {
			break
		}
		f.Before = page[len(page)-1].ID
	}
	slices.SortStableFunc(seen, func(x, y seenEvent) int { return strings.Compare(y.Build, x.Build) })
	for i := range seen {
		if !payloads {
			break
		}
		build, err := b.Build(ctx, seen[i].Build)
		if err != nil {
			return nil, err
		}
		seen[i].Payload = build.Event.Payload
	}
	return seen, nil
}

// lastPayload prints the payload of the newest build that f selects.
func (s *State) lastPayload(ctx context.Context, b *backend, f brigade.BuildFilter) error {
	f.Limit = 1
	page, err := b.ListBuilds(ctx, f)
	if err != nil {
		return err
	}
	if len(page) == 0 {
		return brigade.Errorf(brigade.CodeNotFound, "no event %q arrived", f.Type).WithHint("brig event ls lists those that did; --since looks further back")
	}
	build, err := b.Build(ctx, page[0].ID)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(s.Stdout, strings.TrimSuffix(build.Event.Payload, "\n"))
	return err
}
