package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/projectfile"
	"github.com/brigadecore/brigade/v3/tui"
)

// The levels of what lint finds.
const (
	lintError   = "error"   // it does not work
	lintWarning = "warning" // it is probably not meant
	lintNote    = "note"    // it could not be looked at
)

// lintFinding is something that is wrong with a script, or may be.
type lintFinding struct {
	Level   string `json:"level"`
	Event   string `json:"event,omitempty"`
	Job     string `json:"job,omitempty"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// knownEvents are those that gateways send, without their actions, and those of
// a script's life.
var knownEvents = []string{
	"exec", "ping", "after", "error", "cancel", "cron", "push", "pull_request", "pull_request_review", "pull_request_review_comment",
	"check_run", "check_suite", "commit_comment", "create", "delete", "deployment", "deployment_status", "issue_comment", "release", "status",
	"image_push", "simpleevent", "cloudevent", "webhook", "tag_push", "merge_request", "note", "pipeline", "pullrequest", "repo", "pr", "slack", "brig",
	"pull_request_approved", "pull_request_rejected", "pull_request_comment",
}

// maxLintJobs bounds how many jobs of an event are made to fail, one by one.
const maxLintJobs = 20

const lintMark = "\x02brig-events\x02"

// lintHarness loads the script and says which events it has handlers for.
const lintHarness = `import { events } from "brigadier";
import "./SCRIPT";
console.log("MARK" + JSON.stringify(events.eventNames().filter((name) => typeof name === "string")));
`

type lintFlags struct {
	run      runFlags
	payloads []string
	strict   bool
	list     listFlags
}

func newLint(s *State) *cobra.Command {
	var f lintFlags
	cmd := &cobra.Command{
		Use: "lint", GroupID: "work", Short: "Look for mistakes in a script",
		Long: `Load a script and look for mistakes: whether it loads, events that nobody sends,
jobs without an image or with one that changes under its name, and jobs whose
failure nobody sees. To find out, each handler is called with jobs that do not
run: once with jobs that succeed, and then once for every job with that one
failing, which the build should notice.

Handlers get {} as payload, unless --payload says otherwise. The exit code is 1
when there is an error, with --strict also when there is a warning.`,
		Example: "  brig lint\n  brig lint -f ci/brigade.ts --payload push=push.json --strict",
		Args:    args(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			ctx, release := s.untilInterrupted()
			defer release()
			found, err := s.lint(ctx, &f)
			if err != nil {
				return err
			}
			return s.showFindings(&f, found)
		},
	}
	stageFlags(cmd, &f.run)
	addListFlags(cmd, s, &f.list, lintColumns)
	cmd.Flags().StringArrayVar(&f.payloads, "payload", nil, "`EVENT=FILE` with the payload of an event; may be repeated")
	cmd.Flags().BoolVar(&f.strict, "strict", false, "warnings are errors")
	return cmd
}

var lintColumns = columns[lintFinding]{
	name: func(f lintFinding) string { return f.Level },
	all: []column[lintFinding]{
		{head: "LEVEL", of: func(_ printing, f lintFinding) string { return f.Level }},
		{head: "EVENT", of: func(_ printing, f lintFinding) string { return f.Event }},
		{head: "JOB", of: func(_ printing, f lintFinding) string { return f.Job }},
		{head: "MESSAGE", of: func(_ printing, f lintFinding) string {
			if f.Hint == "" {
				return f.Message
			}
			return f.Message + "; " + f.Hint
		}},
	},
}

func (s *State) showFindings(f *lintFlags, found []lintFinding) error {
	bad := slices.ContainsFunc(found, func(one lintFinding) bool {
		return one.Level == lintError || f.strict && one.Level == lintWarning
	})
	if bad {
		s.exit = brigade.ExitBuildFailed
	}
	if len(found) == 0 && (f.list.output == "" || f.list.output == "table") {
		_, err := fmt.Fprintln(s.Stdout, "Nothing was found.")
		return err
	}
	return printList(s, &f.list, lintColumns, found)
}

func (s *State) lint(ctx context.Context, f *lintFlags) ([]lintFinding, error) {
	payloads := map[string]string{}
	for _, pair := range f.payloads {
		event, file, ok := strings.Cut(pair, "=")
		if !ok {
			return nil, brigade.Errorf(brigade.CodeUsage, "--payload %q names no event", pair).WithHint("write --payload push=push.json")
		}
		text, err := readInput("payload", file, brigade.MaxPayloadBytes)
		if err != nil {
			return nil, err
		}
		payloads[event] = text
	}
	st, err := s.newStage(f.run)
	if err != nil {
		return nil, err
	}
	names, found, err := st.handlers(ctx)
	if err != nil || len(found) > 0 {
		return found, err
	}
	fired := map[string]bool{} // by the script itself
	for _, event := range names {
		if slices.Contains([]string{"after", "error", "cancel"}, event) {
			continue // they come with others
		}
		found = append(found, lintEvent(event)...)
		payload, given := payloads[event]
		if !given {
			payload = "{}"
		}
		more, err := st.lintHandlers(ctx, brigade.Event{Type: event, Payload: payload, Revision: brigade.Revision{Ref: "main"}}, given, fired)
		if err != nil {
			return nil, err
		}
		found = append(found, more...)
	}
	found = slices.DeleteFunc(found, func(one lintFinding) bool {
		return one.Level == lintNote && one.Message == nobodySends && fired[one.Event]
	})
	if len(names) == 0 || slices.Equal(names, []string{"ping"}) { // which every script has
		found = append(found, lintFinding{Level: lintWarning, Message: "the script has no handler for any event", Hint: `write events.on("push", …)`})
	}
	return found, nil
}

// handlers loads the script. What is found is why it does not load.
func (st *stage) handlers(ctx context.Context) (names []string, found []lintFinding, err error) {
	name := st.file[strings.LastIndex(st.file, "/")+1:]
	text := strings.NewReplacer(`"./SCRIPT"`, strconv.Quote("./"+name), `"MARK"`, strconv.Quote(lintMark)).Replace(lintHarness)
	r, err := st.run(ctx, brigade.NewProject("lint"), brigade.Event{Type: "brig:none"}, text, nil)
	if err != nil {
		return nil, nil, err
	}
	said := r.said(lintMark)
	if r.Build.Failure != nil || said == "" {
		one := lintFinding{Level: lintError, Message: "the script does not load: " + failureOf(r.Build.Failure)}
		if r.Build.Failure != nil {
			one.Hint = r.Build.Failure.Hint
		}
		return nil, []lintFinding{one}, nil
	}
	if err := json.Unmarshal([]byte(said), &names); err != nil {
		return nil, nil, fmt.Errorf("read which events the script has handlers for: %w", err)
	}
	slices.Sort(names)
	return names, nil, nil
}

const nobodySends = "no gateway sends it"

// lintEvent looks whether somebody sends an event of that name.
func lintEvent(event string) []lintFinding {
	base, _, _ := strings.Cut(event, ":")
	if slices.Contains(knownEvents, base) {
		return nil
	}
	one := lintFinding{Level: lintNote, Event: event, Message: nobodySends, Hint: "that is as it should be for events of your own"}
	if near := projectfile.Nearest(base, knownEvents); near != "" {
		one.Level, one.Hint = lintWarning, "did you mean "+near+"?"
	}
	return []lintFinding{one}
}

// lintHandlers calls the handlers of an event with jobs that answer.
func (st *stage) lintHandlers(ctx context.Context, e brigade.Event, payload bool, fired map[string]bool) ([]lintFinding, error) {
	var found []lintFinding
	p := brigade.NewProject("lint")
	r, err := st.run(ctx, p, e, "", nil)
	if err != nil {
		return nil, err
	}
	for _, name := range r.Fired {
		fired[name] = fired[name] || name != e.Type
	}
	if f := r.Build.Failure; f != nil {
		one := lintFinding{Level: lintError, Event: e.Type, Message: failureOf(f), Hint: f.Hint}
		if !payload { // it may need what real ones hold
			one.Level, one.Hint = lintNote, "with an empty payload; give one with --payload "+e.Type+"=FILE"
		}
		found = append(found, one)
	}
	seen := map[string]bool{}
	for _, j := range r.Jobs {
		if !seen[j.Name] {
			found = append(found, lintJob(e.Type, j)...)
		}
		seen[j.Name] = true
	}
	if r.Build.State != brigade.StateSucceeded {
		return found, nil
	}
	names := slices.Sorted(maps.Keys(seen))
	for _, name := range names[:min(len(names), maxLintJobs)] {
		i := slices.IndexFunc(r.Jobs, func(j rehearsedJob) bool { return j.Name == name })
		if r.Jobs[i].Fallible {
			continue // somebody meant it
		}
		failing, err := st.run(ctx, p, e, "", map[string]jobAnswer{name: {ExitCode: 1}})
		if err != nil {
			return nil, err
		}
		if failing.Build.State == brigade.StateSucceeded {
			found = append(found, lintFinding{Level: lintWarning, Event: e.Type, Job: name, Message: "nobody sees it when it fails: the build succeeds all the same",
				Hint: "await it and let its error pass, or say that it is meant with fallible = true"})
		}
	}
	return found, nil
}

// lintJob looks at a job as it would run.
func lintJob(event string, j rehearsedJob) []lintFinding {
	one := lintFinding{Event: event, Job: j.Name}
	switch {
	case j.Image == "":
		one.Level, one.Message, one.Hint = lintError, "it has no image", "containers and pods need one"
	case movingImage(j.Image):
		one.Level, one.Message, one.Hint = lintWarning, "its image "+tui.Clean(j.Image, false)+" is another one tomorrow", "name a version, such as "+baseImage(j.Image)+":1.2"
	default:
		return nil
	}
	return []lintFinding{one}
}

// movingImage reports whether an image's name says no version.
func movingImage(image string) bool {
	if strings.Contains(image, "@") {
		return false
	}
	_, tag, tagged := strings.Cut(image[strings.LastIndex(image, "/")+1:], ":")
	return !tagged || tag == "latest"
}

func baseImage(image string) string {
	dir, last := "", image
	if i := strings.LastIndex(image, "/"); i >= 0 {
		dir, last = image[:i+1], image[i+1:]
	}
	name, _, _ := strings.Cut(last, ":")
	return dir + name
}
