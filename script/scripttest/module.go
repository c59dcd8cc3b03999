package scripttest

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/script/modules"
)

//go:embed test.js
var source string

// module is what tests import.
func (s *session) module() modules.Module {
	return modules.Module{
		Names:  []string{Name, "brigadier/test", "@brigadecore/brigadier/test"},
		Source: source,
		Native: func(*modules.Env) map[string]any {
			return map[string]any{
				"bind":    s.bind,
				"exports": func() any { return s.e.Main() },
				"done":    s.done,
				"fire":    s.fire,
				"note":    func(line string) { s.log = append(s.log, line) },
				"answer":  func(token int, text string) { s.resolve(token, func() (Answer, error) { return readAnswer(text) }) },
				"refuse":  s.refuse,
				"fixture": s.fixture,
				"example": Example,
			}
		},
	}
}

// bind is told how to list the file's tests, once it is loaded, and how to
// start one.
func (s *session) bind(list, start func(...any) (any, error)) { s.lister, s.start = list, start }

// buildID is the ID of the nth build that a session fires.
func buildID(n int) string { return fmt.Sprintf("01test%020d", n) }

// fire plays a build. ask is called for every job with a token by which its
// answer comes back.
func (s *session) fire(text string, ask func(...any)) (modules.Async, error) {
	o, err := readOrder(text)
	if err != nil {
		return nil, err
	}
	project, err := o.project()
	if err != nil {
		return nil, err
	}
	file, script := s.r.opts.File, s.r.opts.Script
	if o.Script != "" {
		if script, err = s.fixtureIn(o.Script, "."); err != nil {
			return nil, err
		}
		file = o.Script
	}
	if strings.TrimSpace(script) == "" {
		return nil, brigade.Errorf(brigade.CodeScriptLoad, "there is no brigade.js or brigade.ts beside the test: name the script with brig test -f, or in fire({ script })")
	}
	s.fires++
	scene := scene{id: buildID(s.fires), event: o.event(), project: project, script: script, file: file, env: o.Env, cancel: o.Cancel, ask: s.asker(ask)}
	return func(ctx context.Context) (any, error) {
		b, err := s.r.playScene(ctx, scene)
		if err != nil {
			return nil, err
		}
		text, err := json.Marshal(b)
		return string(text), err
	}, nil
}

// asker asks the test what becomes of a job.
func (s *session) asker(ask func(...any)) func(brigade.JobSpec, int, func(Answer, error)) {
	return func(spec brigade.JobSpec, attempt int, answered func(Answer, error)) {
		text, err := json.Marshal(spec)
		if err != nil {
			answered(Answer{}, fmt.Errorf("encode job %s: %w", spec.Name, err))
			return
		}
		posted := s.e.Loop().Post(func() {
			s.token++
			s.tokens[s.token] = answered
			token := s.token
			s.e.Do(func() { ask(token, string(text), attempt) })
		})
		if !posted {
			answered(Answer{}, errors.New("the test is over"))
		}
	}
}

// resolve hands an answer on; a second one for the same job is dropped.
func (s *session) resolve(token int, read func() (Answer, error)) {
	answered := s.tokens[token]
	if answered == nil {
		return
	}
	delete(s.tokens, token)
	answered(read())
}

func (s *session) refuse(token int, message string) {
	s.resolve(token, func() (Answer, error) { return Answer{}, errors.New(message) })
}

// fixture is the text of a file beside the test, or in fixtures/ or testdata/.
func (s *session) fixture(name string) (string, error) {
	return s.fixtureIn(name, ".", "fixtures", "testdata")
}

func (s *session) fixtureIn(name string, dirs ...string) (string, error) {
	local := filepath.FromSlash(strings.TrimPrefix(name, "./"))
	if !filepath.IsLocal(local) {
		return "", brigade.Errorf(brigade.CodeUsage, "fixture %q is not below the test's directory", name)
	}
	root, err := os.OpenRoot(s.r.opts.Dir)
	if err != nil {
		return "", fmt.Errorf("open the test's directory: %w", err)
	}
	defer func() { _ = root.Close() }()
	beside := filepath.Dir(filepath.FromSlash(s.path))
	for _, dir := range dirs {
		file := filepath.Join(beside, dir, local)
		info, err := root.Stat(file)
		switch {
		case errors.Is(err, os.ErrNotExist):
			continue
		case err != nil:
			return "", fmt.Errorf("read fixture %s: %w", name, err)
		case info.Size() > brigade.MaxPayloadBytes:
			return "", brigade.Errorf(brigade.CodeTooLarge, "fixture %s is larger than %d MiB", name, brigade.MaxPayloadBytes>>20)
		}
		text, err := root.ReadFile(file)
		if err != nil {
			return "", fmt.Errorf("read fixture %s: %w", name, err)
		}
		return string(text), nil
	}
	return "", brigade.Errorf(brigade.CodeNotFound, "there is no file %s beside the test", name)
}

// nowhere is where jobs run that a test starts outside of fire: nowhere.
type nowhere struct{}

var _ brigade.Host = nowhere{}

// RunJob refuses.
func (nowhere) RunJob(_ context.Context, spec brigade.JobSpec) (brigade.JobResult, error) {
	return brigade.JobResult{}, brigade.Errorf(brigade.CodeUsage, "job %s is started by the test itself: jobs run in the builds that fire plays", spec.Name)
}

// JobLog knows no job.
func (nowhere) JobLog(_ context.Context, id string) (string, error) {
	return "", brigade.NotFound("job", id)
}

// Log drops the line.
func (nowhere) Log(brigade.LogLevel, string) {}

// Fired takes no notice.
func (nowhere) Fired(brigade.Lifecycle) {}
