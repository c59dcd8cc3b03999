package scripttest

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/lazyregexp"
	"github.com/brigadecore/brigade/v3/script/brigadier"
	"github.com/brigadecore/brigade/v3/script/engine"
	"github.com/brigadecore/brigade/v3/script/modules"
)

// session is one engine in which a file's tests run, from the one of that
// number on. All is done on its loop.
type session struct {
	r            *Runner
	path, source string
	from         int

	e       *engine.Engine
	lister  func(...any) (any, error) // nil until the file imports the module
	list    []listed
	start   func(...any) (any, error)
	running int  // the test that runs, -1 before the first
	told    bool // what became of it
	begun   time.Time
	log     []string
	tests   []Test
	failure *brigade.Error // of the file
	fires   int
	tokens  map[int]func(Answer, error)
	token   int
	unlimit func()
}

// listed is a test that the file has.
type listed struct{ name, mode string }

// play loads the file and runs its tests, and reports whether there is nothing
// left to run.
func (s *session) play(ctx context.Context) (over bool) {
	s.tokens = map[int]func(Answer, error){}
	env := &modules.Env{
		Vars: map[string]string{}, Args: []string{"brig", s.path}, Dir: s.r.opts.Dir, Now: s.r.opts.Now,
		Console: func(_, text string) { s.log = append(s.log, strings.Split(strings.TrimSuffix(text, "\n"), "\n")...) },
	}
	for _, dir := range []string{s.r.opts.Dir, s.r.opts.Modules} {
		if dir != "" {
			env.Roots = append(env.Roots, dir)
		}
	}
	s.e = engine.New(ctx, engine.Options{
		Modules: slices.Concat([]modules.Module{s.module()}, s.brigadier(), modules.All()),
		Env:     env, Root: s.r.opts.Dir, Packages: s.r.opts.Modules, Cache: s.r.cache,
		Turn: s.r.opts.Limit / 3, Rejected: s.rejected,
	})
	defer s.e.Close()
	s.limit()
	loaded := false
	s.e.Load(engine.Script{Name: s.path, Source: s.source}, func(err error) {
		loaded = err == nil
		if err != nil {
			s.e.Stop(err)
			return
		}
		s.e.Loop().Post(s.first)
	})
	err := s.e.Wait()
	switch {
	case ctx.Err() != nil:
		return true
	case !loaded:
		s.failure = s.loadFailure(err)
		return true
	case s.failure != nil || errors.Is(err, errOver):
		return true
	case s.running < 0:
		s.failure = &brigade.Error{Code: brigade.CodeScriptLoad, Message: fmt.Sprintf("%s: %s", s.path, reasonOf(err))}
		return true
	}
	if !s.told {
		s.abandoned(err)
	}
	return s.running+1 >= len(s.list)
}

// brigadier lets helpers that a test imports make jobs. Running one outside of
// fire is an error.
func (s *session) brigadier() []modules.Module {
	run := brigade.ScriptRun{Build: &brigade.Build{ID: buildID(0)}, Project: brigade.NewProject("acme/app")}
	return brigadier.Modules(brigadier.Options{Run: run, Host: nowhere{}, Loaded: func(brigadier.Control) {}})
}

// limit gives what comes next its time.
func (s *session) limit() {
	if s.unlimit != nil {
		s.unlimit()
	}
	s.unlimit = s.e.Loop().After(s.r.opts.Limit, true, func() { s.e.Stop(errLimit) })
}

var (
	errOver    = errors.New("all tests are over")
	errLimit   = errors.New("it took too long")
	errForever = errors.New("it waits for something that never happens")
)

// first finds out which tests there are, and runs the first one.
func (s *session) first() {
	var list any
	var err error
	s.e.Do(func() {
		if s.lister == nil {
			err = s.e.Use(Name)
		}
		if err == nil {
			list, err = s.lister()
		}
	})
	if err != nil {
		s.failure = s.loadFailure(err)
		s.e.Stop(errOver)
		return
	}
	items, _ := list.([]any)
	for _, item := range items {
		fields, _ := item.(map[string]any)
		name, _ := fields["name"].(string)
		mode, _ := fields["mode"].(string)
		s.list = append(s.list, listed{name, mode})
	}
	if len(s.list) == 0 {
		s.failure = brigade.Errorf(brigade.CodeScriptLoad, "%s has no tests", s.path).
			WithHint(`const { test, fire } = require(%q); test("it runs", async () => { (await fire({ type: "exec" })).succeeded(); });`, Name)
		s.e.Stop(errOver)
		return
	}
	s.next()
}

// next runs the test after the one that is over.
func (s *session) next() {
	for {
		if s.running++; s.running < s.from {
			s.running = s.from
		}
		if s.running >= len(s.list) {
			s.e.Stop(errOver)
			return
		}
		t := s.list[s.running]
		if s.r.opts.Filter != nil && !s.r.opts.Filter.MatchString(t.name) {
			continue
		}
		only := slices.ContainsFunc(s.list, func(t listed) bool { return t.mode == "only" })
		if t.mode == "skip" || only && t.mode != "only" {
			s.begun = s.r.opts.Now()
			s.over(Test{State: Skipped})
			continue
		}
		break
	}
	s.limit()
	s.begun, s.log, s.told = s.r.opts.Now(), nil, false
	number := s.running
	s.e.Do(func() {
		var thrown *engine.Thrown
		if _, err := s.start(number); errors.As(err, &thrown) { // else the engine has ended
			s.done(number, thrown.Text, thrown.Stack())
		}
	})
}

// done is told by the test module that a test is over.
func (s *session) done(number int, message, stack string) {
	if number != s.running || s.told {
		return // it was given up before
	}
	t := Test{State: Passed}
	if message != "" {
		t.State, t.Message = Failed, message
		s.place(&t, stack)
	}
	s.over(t)
	s.e.Loop().Post(func() { s.next() })
}

func (s *session) over(t Test) {
	t.Name, t.Millis, t.Log = s.list[s.running].name, s.r.opts.Now().Sub(s.begun).Milliseconds(), s.log
	s.log, s.told = nil, true
	s.tests = append(s.tests, t)
	s.r.opts.Tested(s.path, t)
}

// abandoned fails the test that ran when the engine ended.
func (s *session) abandoned(err error) {
	t := Test{State: Failed}
	var thrown *engine.Thrown
	switch {
	case err == nil:
		err = errForever
	case errors.Is(err, errLimit):
		err = fmt.Errorf("it was not over after %s", s.r.opts.Limit)
	case errors.As(err, &thrown):
		s.place(&t, thrown.Stack())
	}
	t.Message = reasonOf(err)
	s.over(t)
}

// rejected is told of a promise that was rejected while nobody listened: what
// a test forgot to await.
func (s *session) rejected(t *engine.Thrown) bool {
	if s.running < 0 || s.running >= len(s.list) {
		return false
	}
	s.done(s.running, "a promise that the test does not await was rejected: "+t.Text, t.Stack())
	return true
}

func reasonOf(err error) string {
	var public *brigade.Error
	var exit *engine.Exit
	switch {
	case err == nil:
		return errForever.Error()
	case errors.As(err, &public):
		return public.Message
	case errors.As(err, &exit):
		return fmt.Sprintf("it called process.exit(%d)", exit.Code)
	}
	return err.Error()
}

// loadFailure is why a file of tests does not load.
func (s *session) loadFailure(err error) *brigade.Error {
	var public *brigade.Error
	var thrown *engine.Thrown
	switch {
	case errors.As(err, &thrown):
		e := &brigade.Error{Code: brigade.CodeScriptLoad, Message: s.e.Explain(thrown), Err: err}
		if errors.As(thrown.Err, &public) && (public.Code == brigade.CodeModule || public.Code == brigade.CodeScriptLoad) {
			e.Code, e.Message, e.Hint = public.Code, s.e.Locate(public.Message, thrown), public.Hint
		}
		return e
	case errors.As(err, &public):
		return public
	case errors.Is(err, errLimit):
		err = fmt.Errorf("it was not loaded after %s", s.r.opts.Limit)
	}
	return &brigade.Error{Code: brigade.CodeScriptLoad, Message: fmt.Sprintf("%s: %s", s.path, reasonOf(err)), Err: err}
}

// framePlace matches the place that a stack frame ends with.
var framePlace = lazyregexp.New(`([^\s()][^()]*):(\d+):(\d+)\)?$`)

// place says where a test failed: the innermost line of the stack that is of a
// file of the project.
func (s *session) place(t *Test, stack string) {
	for _, line := range strings.Split(stack, "\n") {
		at, isFrame := strings.CutPrefix(strings.TrimSpace(line), "at ")
		if !isFrame {
			continue
		}
		m := framePlace.FindStringSubmatch(at)
		if m == nil || strings.Contains(m[1], "node_modules/") {
			continue
		}
		t.File = m[1]
		t.Line, _ = strconv.Atoi(m[2])
		t.Column, _ = strconv.Atoi(m[3])
		if filepath.ToSlash(s.path) == t.File {
			if lines := strings.Split(s.source, "\n"); t.Line >= 1 && t.Line <= len(lines) {
				t.Source = strings.TrimSpace(lines[t.Line-1])
			}
		}
		return
	}
}
