package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/tui"
)

// testHarness is the script that reads a file of tests, and calls what a test
// expects.
//
//go:embed testcmd.js
var testHarness string

// testCase is a test as its file declares it.
type testCase struct {
	Name      string               `json:"name"`
	Event     testEvent            `json:"event"`
	Recording string               `json:"recording"` // file with the event, as brig build get -o json prints it
	Secrets   map[string]any       `json:"secrets"`
	Jobs      map[string]jobAnswer `json:"jobs"`
	State     brigade.State        `json:"state"`  // in which it must end; default succeeded, when there is no expect
	Expect    bool                 `json:"expect"` // there is a function that checks what happened
	Skip      bool                 `json:"skip"`
}

// testEvent is the event of a test.
type testEvent struct {
	Type        string          `json:"type"`
	Provider    string          `json:"provider"`
	Payload     json.RawMessage `json:"payload"` // a text, or an object
	PayloadFile string          `json:"payloadFile"`
	Ref         string          `json:"ref"`
	Commit      string          `json:"commit"`
	ShortTitle  string          `json:"shortTitle"`
	LongTitle   string          `json:"longTitle"`
}

// testResult is how a test went.
type testResult struct {
	File    string  `json:"file"`
	Name    string  `json:"name"`
	Result  string  `json:"result"` // passed, failed or skipped
	Message string  `json:"message,omitempty"`
	Seconds float64 `json:"seconds"`

	run *rehearsal
}

type testFlags struct {
	run     runFlags
	only    string
	output  string
	verbose bool
}

func newTest(s *State) *cobra.Command {
	var f testFlags
	cmd := &cobra.Command{
		Use: "test [FILE...]", GroupID: "work", Short: "Try a script's handlers on events, and check what they do",
		Long: `Fire events in a script, with jobs that do not run but answer as a test says,
and check what happened. Tests are in files beside the script, brigade.test.js
or others that end so, which export a list:

  export default [{
    name: "a push to main is deployed",
    event: { type: "push", ref: "main", payload: { after: "abc" } },
    secrets: { TOKEN: "t" },
    jobs: { build: { output: "v1.2.3" }, "*": { exitCode: 0 } },
    expect(run, t) {
      t.equal(run.state, "succeeded");
      t.equal(run.ran, ["build", "deploy"]);
      t.equal(run.job("deploy").env.VERSION, "v1.2.3");
    },
  }];

A job's answer has exitCode, output, outputs, artifacts, sleep and error; jobs
without one succeed and print nothing. An event may also be a recording: the
file that brig build get BUILD -o json printed. What expect is given: state,
exitCode, failure, logs and log, ran (the names of jobs), jobs with all their
fields, step, state and exitCode, job(name) and before(first, second). t has
ok, equal and match. Without expect the build must succeed, or end in state.

The exit code is 1 when a test fails.`,
		Example: `  brig test
  brig test -f ci/brigade.ts --only deploy
  brig build get 01hxyz -o json > push.json      recording: "push.json"`,
		RunE: func(_ *cobra.Command, argv []string) error {
			ctx, release := s.untilInterrupted()
			defer release()
			return s.test(ctx, &f, argv)
		},
	}
	stageFlags(cmd, &f.run)
	outputFlag(cmd, &f.output)
	cmd.Flags().StringVar(&f.only, "only", "", "only tests whose names match the regular `expression`")
	cmd.Flags().BoolVarP(&f.verbose, "verbose", "v", false, "print what scripts log, too")
	return cmd
}

var testColumns = columns[testResult]{name: func(r testResult) string { return r.Name }}

func (s *State) test(ctx context.Context, f *testFlags, files []string) error {
	only, err := regexp.Compile(f.only)
	if err != nil {
		return brigade.Errorf(brigade.CodeUsage, "--only %q is not a regular expression", f.only)
	}
	st, err := s.newStage(f.run)
	if err != nil {
		return err
	}
	if files, err = st.testFiles(files); err != nil {
		return err
	}
	var all []testResult
	for _, file := range files {
		cases, err := st.cases(ctx, file)
		if err != nil {
			return err
		}
		for i, c := range cases {
			if !only.MatchString(c.Name) {
				continue
			}
			r, err := st.try(ctx, file, i, c)
			if err != nil {
				return err
			}
			all = append(all, r)
			if f.output == "" || f.output == "table" {
				s.printTest(r, f.verbose)
			}
		}
	}
	return s.sumUp(all, f.output)
}

func (s *State) printTest(r testResult, verbose bool) {
	word := map[string]string{"passed": "ok  ", "failed": "FAIL", "skipped": "skip"}[r.Result]
	fmt.Fprintf(s.Stdout, "%s  %s (%s)\n", word, tui.Clean(r.Name, false), tui.Duration(time.Duration(r.Seconds*float64(time.Second))))
	for line := range strings.Lines(r.Message) {
		fmt.Fprintln(s.Stdout, "      "+tui.Clean(strings.TrimRight(line, "\n"), false))
	}
	if r.run == nil || !verbose && r.Result != "failed" {
		return
	}
	for _, line := range r.run.Logs {
		fmt.Fprintln(s.Stdout, "      | "+tui.Clean(line, false))
	}
	for _, j := range r.run.Jobs {
		fmt.Fprintf(s.Stdout, "      step %d: %s %s\n", j.Step, j.Name, j.State)
	}
}

// sumUp ends a run of tests.
func (s *State) sumUp(all []testResult, output string) error {
	failed := 0
	for _, r := range all {
		if r.Result == "failed" {
			failed++
		}
	}
	if failed > 0 {
		s.exit = brigade.ExitBuildFailed
	}
	if output != "" && output != "table" {
		return printList(s, &listFlags{output: output}, testColumns, all)
	}
	if len(all) == 0 {
		return brigade.Errorf(brigade.CodeUsage, "there are no such tests")
	}
	_, err := fmt.Fprintf(s.Stdout, "%s, %d failed\n", count(len(all), "test"), failed)
	return err
}

// testFiles are those that were named, relative to the script's directory, or
// all beside the script.
func (st *stage) testFiles(named []string) ([]string, error) {
	if len(named) == 0 {
		for _, ending := range scriptEndings {
			found, err := filepath.Glob(filepath.Join(st.dir, filepath.FromSlash(path.Dir(st.file)), "*.test"+ending))
			if err != nil {
				return nil, err
			}
			named = append(named, found...)
		}
		slices.Sort(named)
		if len(named) == 0 {
			return nil, brigade.Errorf(brigade.CodeUsage, "there is no brigade.test.js beside %s", st.file).WithHint("brig test --help shows what is in one")
		}
	}
	var files []string
	for _, name := range named {
		if _, err := readInput("test", name, brigade.MaxScriptBytes); err != nil {
			return nil, err
		}
		abs, err := filepath.Abs(name)
		if err != nil {
			return nil, err
		}
		rel, err := filepath.Rel(filepath.Join(st.dir, filepath.FromSlash(path.Dir(st.file))), abs)
		if err != nil {
			return nil, err
		}
		files = append(files, filepath.ToSlash(rel))
	}
	return files, nil
}

const listMark = "\x02brig-tests\x02"

// harness is the script that reads that file of tests.
func harness(file string) string {
	return strings.NewReplacer(`"./TESTFILE"`, strconv.Quote("./"+file), `"MARK"`, strconv.Quote(listMark)).Replace(testHarness)
}

// cases reads the tests of a file.
func (st *stage) cases(ctx context.Context, file string) ([]testCase, error) {
	r, err := st.run(ctx, brigade.NewProject("test"), brigade.Event{Type: "brig:list"}, harness(file), nil)
	if err != nil {
		return nil, err
	}
	if r.Build.Failure != nil {
		return nil, brigade.Errorf(brigade.CodeScriptLoad, "the tests in %s cannot be read: %w", file, r.Build.Failure).WithHint("%s", r.Build.Failure.Hint)
	}
	var cases []testCase
	dec := json.NewDecoder(strings.NewReader(r.said(listMark)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&cases); err != nil {
		return nil, brigade.Errorf(brigade.CodeUsage, "the tests in %s cannot be read: %s", file, strings.TrimPrefix(err.Error(), "json: ")).WithHint("brig test --help shows what is in one")
	}
	for i := range cases {
		if cases[i].Name == "" {
			cases[i].Name = fmt.Sprintf("test %d of %s", i+1, file)
		}
	}
	return cases, nil
}

// try runs one test.
func (st *stage) try(ctx context.Context, file string, index int, c testCase) (testResult, error) {
	result := testResult{File: file, Name: c.Name, Result: "passed"}
	if c.Skip {
		result.Result = "skipped"
		return result, nil
	}
	began := time.Now()
	e, err := st.eventOf(c)
	if err != nil {
		return result, err
	}
	p := brigade.NewProject("test")
	p.Secrets = c.Secrets
	if result.run, err = st.run(ctx, p, e, "", c.Jobs); err != nil {
		return result, err
	}
	message, err := st.judge(ctx, file, index, c, result.run)
	if err != nil {
		return result, err
	}
	if message != "" {
		result.Result, result.Message = "failed", message
	}
	result.Seconds = time.Since(began).Seconds()
	return result, nil
}

// judge says what is not as the test expects it.
func (st *stage) judge(ctx context.Context, file string, index int, c testCase, r *rehearsal) (string, error) {
	want := c.State
	if want == "" && !c.Expect {
		want = brigade.StateSucceeded
	}
	if want != "" && r.Build.State != want {
		return fmt.Sprintf("the build is %s, not %s: %s", r.Build.State, want, failureOf(r.Build.Failure)), nil
	}
	if !c.Expect {
		return "", nil
	}
	payload, err := json.Marshal(map[string]any{"index": index, "run": map[string]any{
		"state": r.Build.State, "exitCode": r.Build.ExitCode, "failure": r.Build.Failure, "logs": append([]string{}, r.Logs...), "jobs": append([]rehearsedJob{}, r.Jobs...),
	}})
	if err != nil {
		return "", err
	}
	checked, err := st.run(ctx, brigade.NewProject("test"), brigade.Event{Type: "brig:expect", Payload: string(payload)}, harness(file), nil)
	if err != nil {
		return "", err
	}
	if f := checked.Build.Failure; f != nil {
		return f.Message, nil //nolint:nilerr // what the test found is no error of ours
	}
	return "", nil
}

// eventOf is the event of a test.
func (st *stage) eventOf(c testCase) (brigade.Event, error) {
	e := brigade.Event{
		Type: c.Event.Type, Provider: c.Event.Provider, ShortTitle: c.Event.ShortTitle, LongTitle: c.Event.LongTitle,
		Revision: brigade.Revision{Ref: c.Event.Ref, Commit: c.Event.Commit},
	}
	if c.Recording != "" {
		text, err := os.ReadFile(st.besideFile(c.Recording))
		if err != nil {
			return e, brigade.Errorf(brigade.CodeUsage, "the recording of %q cannot be read: %w", c.Name, err)
		}
		if e, err = recorded(text); err != nil {
			return e, brigade.Errorf(brigade.CodeUsage, "%s holds no event: %w", c.Recording, err).WithHint("record one with brig build get BUILD -o json")
		}
		if c.Event.Type != "" {
			e.Type = c.Event.Type
		}
	}
	switch {
	case c.Event.PayloadFile != "":
		text, err := readInput("payload", st.besideFile(c.Event.PayloadFile), brigade.MaxPayloadBytes)
		if err != nil {
			return e, err
		}
		e.Payload = text
	case len(c.Event.Payload) > 0 && c.Event.Payload[0] == '"':
		if err := json.Unmarshal(c.Event.Payload, &e.Payload); err != nil {
			return e, err
		}
	case len(c.Event.Payload) > 0 && !bytes.Equal(c.Event.Payload, []byte("null")):
		e.Payload = string(c.Event.Payload)
	}
	if e.Type == "" {
		return e, brigade.Errorf(brigade.CodeUsage, "the event of %q has no type", c.Name).WithHint(`write event: { type: "push" }`)
	}
	return e, nil
}

func (st *stage) besideFile(name string) string {
	return filepath.Join(st.dir, filepath.FromSlash(st.beside(name)))
}

// recorded is the event in what brig build get or brig event ls printed as JSON.
func recorded(text []byte) (brigade.Event, error) {
	var file struct {
		Event                   *brigade.Event
		Type, Provider, Payload string
	}
	if err := json.Unmarshal(text, &file); err != nil {
		return brigade.Event{}, err
	}
	e := file.Event
	if e == nil {
		e = &brigade.Event{Type: file.Type, Provider: file.Provider, Payload: file.Payload}
	}
	if e.Type == "" {
		return *e, brigade.Errorf(brigade.CodeUsage, "it has no type")
	}
	e.Key, e.Script, e.ScriptFile, e.CloneURL = "", "", "", ""
	return *e, nil
}
