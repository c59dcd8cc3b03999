package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/script/scripttest"
	"github.com/brigadecore/brigade/v3/tui"
)

// testResult is how a test went.
type testResult struct {
	File    string   `json:"file"`
	Name    string   `json:"name,omitempty"` // empty: the file does not load
	Result  string   `json:"result"`         // passed, failed or skipped
	Message string   `json:"message,omitempty"`
	At      string   `json:"at,omitempty"` // where it failed: file:line:column
	Seconds float64  `json:"seconds"`
	Log     []string `json:"log,omitempty"`
}

type testFlags struct {
	run     runFlags
	only    string
	output  string
	limit   time.Duration
	verbose bool
	watch   bool
}

func newTest(s *State) *cobra.Command {
	var f testFlags
	cmd := &cobra.Command{
		Use: "test [FILE...]", GroupID: "work", Short: "Try a script's handlers on events, and check what they do",
		Long: `Fire events in a script, with jobs that do not run but play what a test says of
them, and check what happened. Tests are in files beside the script,
brigade.test.js or others that end so (.ts, .mjs …):

  const { test, fire, example } = require("brigade/test");

  test("a push to main is deployed", async () => {
    const build = await fire({
      ...example("github", "push"),
      project: { secrets: { TOKEN: "t" } },
      jobs: { build: { output: "v1.2.3" }, lint: { delay: 500 } },
    });
    build.succeeded().order("build", "deploy").together("build", "lint");
    require("assert").equal(build.job("deploy").env.VERSION, "v1.2.3");
  });

A played build has a time of its own: nobody waits for it, and what ends first
is what the test says. A file may also export a list of cases, each with event,
jobs and expect. The exit code is 1 when a test fails, 3 when a file of tests
does not load.`,
		Example: `  brig test
  brig test -f ci/brigade.ts --only deploy
  brig test --watch`,
		RunE: func(_ *cobra.Command, argv []string) error {
			ctx, release := s.untilInterrupted()
			defer release()
			if f.watch && !s.isApart() {
				return s.testAgain(ctx, &f, argv)
			}
			return s.testOnce(ctx, &f, argv)
		},
	}
	triedFlags(cmd, &f.run)
	outputFlag(cmd, &f.output)
	fl := cmd.Flags()
	fl.StringVar(&f.only, "only", "", "only tests whose names match the regular `expression`")
	fl.StringVar(&f.only, "filter", "", "")
	_ = fl.MarkHidden("filter")
	fl.DurationVar(&f.limit, "timeout", scripttest.DefaultLimit, "longest a test may take")
	fl.BoolVarP(&f.verbose, "verbose", "v", false, "print what passing tests print, too")
	fl.BoolVarP(&f.watch, "watch", "w", false, "run them again whenever a file changes")
	return cmd
}

var testColumns = columns[testResult]{name: func(r testResult) string { return r.Name }}

func (s *State) testOnce(ctx context.Context, f *testFlags, named []string) error {
	return s.apart(ctx, &f.run, func(ctx context.Context) error { return s.test(ctx, f, named) })
}

func (s *State) test(ctx context.Context, f *testFlags, named []string) error {
	only, err := regexp.Compile(f.only)
	if err != nil {
		return brigade.Errorf(brigade.CodeUsage, "--only %q is not a regular expression", f.only)
	}
	t, err := s.tried(ctx, &f.run)
	if err != nil {
		return err
	}
	files, err := t.testFiles(named)
	if err != nil {
		return err
	}
	show := &testPrinter{s: s, flags: f, many: len(files) > 1}
	runner := scripttest.New(scripttest.Options{
		Dir: t.dir, Script: t.text, File: t.file, Modules: t.modules, Limit: f.limit, Filter: only, Tested: show.tested, Now: s.Now,
	})
	began := s.Now()
	for _, file := range files {
		text, err := readInput("test", filepath.Join(t.dir, filepath.FromSlash(file)), brigade.MaxScriptBytes)
		if err != nil {
			return err
		}
		result, err := runner.Run(ctx, file, text)
		if err != nil {
			return err
		}
		show.file(result)
	}
	return show.sumUp(s.Now().Sub(began))
}

// testFiles are those that were named, also by their directory, or all beside
// the script; relative to dir.
func (t *triedScript) testFiles(named []string) ([]string, error) {
	if len(named) == 0 {
		found, err := testsIn(filepath.Join(t.dir, filepath.FromSlash(t.beside("."))))
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			return nil, brigade.Errorf(brigade.CodeUsage, "there is no brigade.test.js beside %s", t.file).WithHint("brig test --help shows what is in one")
		}
		named = found
	}
	var files []string
	for _, name := range named {
		list := []string{name}
		if info, err := os.Stat(name); err == nil && info.IsDir() {
			if list, err = testsIn(name); err != nil {
				return nil, err
			}
		}
		for _, file := range list {
			if _, err := readInput("test", file, brigade.MaxScriptBytes); err != nil {
				return nil, err
			}
			rel, err := below(t.dir, file, "test")
			if err != nil {
				return nil, err
			}
			files = append(files, rel)
		}
	}
	return files, nil
}

// testsIn are the files of tests in a directory.
func testsIn(dir string) (files []string, err error) {
	for _, ending := range scriptEndings {
		found, err := filepath.Glob(filepath.Join(dir, "*.test"+ending))
		if err != nil {
			return nil, fmt.Errorf("look for tests in %s: %w", dir, err)
		}
		files = append(files, found...)
	}
	slices.Sort(files)
	return files, nil
}

// testPrinter shows tests as they end, and keeps them.
type testPrinter struct {
	s      *State
	flags  *testFlags
	many   bool // files
	shown  string
	all    []testResult
	broken int // files that do not load
}

func (p *testPrinter) tested(file string, t scripttest.Test) {
	r := testResult{File: file, Name: t.Name, Result: string(t.State), Message: t.Message, Seconds: float64(t.Millis) / 1000, Log: t.Log}
	if t.File != "" {
		r.At = fmt.Sprintf("%s:%d:%d", t.File, t.Line, t.Column)
	}
	p.add(r, t.Source)
}

// file shows why the tests of a file were not run.
func (p *testPrinter) file(f scripttest.File) {
	if f.Failure == nil {
		return
	}
	p.broken++
	message := f.Failure.Message
	if f.Failure.Hint != "" {
		message += "\nhint: " + f.Failure.Hint
	}
	p.add(testResult{File: f.Path, Result: string(scripttest.Failed), Message: message}, "")
}

func (p *testPrinter) add(r testResult, source string) {
	p.all = append(p.all, r)
	if p.flags.output != "" && p.flags.output != "table" {
		return
	}
	out, failed := p.s.Stdout, r.Result == string(scripttest.Failed)
	if p.many && p.shown != r.File {
		p.shown = r.File
		fmt.Fprintln(out, tui.Clean(r.File, false))
	}
	name := r.Name
	if name == "" {
		name = r.File + " does not load"
	}
	took := ""
	if r.Result != string(scripttest.Skipped) {
		took = p.paint("38;5;243", " ("+tui.Duration(time.Duration(r.Seconds*float64(time.Second)))+")")
	}
	fmt.Fprintf(out, "%s  %s%s\n", p.mark(r.Result), tui.Clean(name, false), took)
	for line := range strings.Lines(strings.TrimRight(r.Message, "\n")) {
		fmt.Fprintln(out, strings.TrimRight("      "+tui.Clean(strings.TrimRight(line, "\n"), false), " "))
	}
	if failed && r.At != "" {
		fmt.Fprintln(out, "      at "+tui.Clean(r.At, false)+p.paint("38;5;243", "  "+tui.Clean(source, false)))
	}
	for _, line := range r.Log {
		if failed || p.flags.verbose {
			fmt.Fprintln(out, "      | "+tui.Clean(line, false))
		}
	}
}

// mark is what stands before a test: a sign on a terminal, else a word.
func (p *testPrinter) mark(result string) string {
	_, _, terminal := p.s.Terminal()
	signs := terminal && tui.IsUTF8(p.s.Getenv, p.s.GOOS)
	switch {
	case result == string(scripttest.Passed) && signs:
		return p.paint("38;5;28", "✓")
	case result == string(scripttest.Passed):
		return p.paint("38;5;28", "ok  ")
	case result == string(scripttest.Skipped) && signs:
		return "-"
	case result == string(scripttest.Skipped):
		return "skip"
	case signs:
		return p.paint("1;38;5;160", "✗")
	}
	return p.paint("1;38;5;160", "FAIL")
}

func (p *testPrinter) paint(code, text string) string {
	_, _, terminal := p.s.Terminal()
	if p.s.noColor || !tui.WantsColor(p.s.Getenv, terminal) {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// sumUp ends a run of tests.
func (p *testPrinter) sumUp(took time.Duration) error {
	counts := map[string]int{}
	for _, r := range p.all {
		counts[r.Result]++
	}
	failed, skipped := counts[string(scripttest.Failed)], counts[string(scripttest.Skipped)]
	switch {
	case p.broken > 0:
		p.s.exit = brigade.ExitScript
	case failed > 0:
		p.s.exit = brigade.ExitBuildFailed
	}
	if p.flags.output != "" && p.flags.output != "table" {
		return printList(p.s, &listFlags{output: p.flags.output}, testColumns, p.all)
	}
	if len(p.all) == 0 {
		return brigade.Errorf(brigade.CodeUsage, "there are no such tests")
	}
	line := fmt.Sprintf("%s, %d failed", count(len(p.all), "test"), failed)
	if skipped > 0 {
		line += fmt.Sprintf(", %d skipped", skipped)
	}
	_, err := fmt.Fprintf(p.s.Stdout, "%s (%s)\n", line, tui.Duration(took))
	return err
}

// testWatchEvery is how often files are looked at, and maxWatched how many.
const (
	testWatchEvery = 300 * time.Millisecond
	maxWatched     = 20_000
)

// testAgain runs the tests, and again whenever a file changes, until it is
// interrupted.
func (s *State) testAgain(ctx context.Context, f *testFlags, named []string) error {
	dir := f.run.dir
	if dir == "" {
		dir = "."
	}
	for {
		before := fingerprint(dir)
		if err := s.testOnce(ctx, f, named); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			_ = tui.PrintError(s.Stderr, err, false)
		}
		fmt.Fprintln(s.Stderr, "Waiting for changes; Ctrl-C ends it.")
		for fingerprint(dir) == before {
			if !wait(ctx, testWatchEvery) {
				s.exit = 0
				return nil
			}
		}
	}
}

func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// fingerprint changes when a file below dir does that a script can import.
func fingerprint(dir string) string {
	var b strings.Builder
	seen := 0
	_ = filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // what cannot be read does not change
		}
		if d.IsDir() {
			if base := d.Name(); name != dir && (base == "node_modules" || strings.HasPrefix(base, ".")) {
				return filepath.SkipDir
			}
			return nil
		}
		if seen++; seen > maxWatched {
			return filepath.SkipAll
		}
		if ext := filepath.Ext(name); ext == ".json" || slices.Contains(scriptEndings, ext) {
			if info, err := d.Info(); err == nil {
				fmt.Fprintf(&b, "%s %d %d\n", name, info.Size(), info.ModTime().UnixNano())
			}
		}
		return nil
	})
	return b.String()
}
