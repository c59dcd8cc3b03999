package filter_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/intake/filter"
)

var project = &brigade.Project{ID: "brigade-1", Name: "acme/app", Repository: "github.com/acme/app", SharedSecret: "hush"}

func event() *brigade.Event {
	return &brigade.Event{
		Provider: "github", Type: "push", Actor: "octocat", Also: []string{"push:main"},
		Revision: brigade.Revision{Commit: "abc", Ref: "refs/heads/main"},
		Payload:  `{"number": 7, "big": 9007199254740993, "share": 0.5, "files": ["docs/a.md", "b.go"], "none": null, "repository": {"full_name": "acme/app"}}`,
	}
}

func newSet(t testing.TB) *filter.Set {
	t.Helper()
	s, err := filter.New()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestMatch(t *testing.T) {
	s := newSet(t)
	for expr, want := range map[string]bool{
		``:                                      true,
		`true`:                                  true,
		`event.provider == "github"`:            true,
		`event.type in ["pull_request"]`:        false,
		`event.revision.ref.endsWith("/main")`:  true,
		`"push:main" in event.also`:             true,
		`event.actor != "" && !event.untrusted`: true,
		`payload.number == 7 && payload.number + 1 == 8`:      true,
		`payload.big == 9007199254740993`:                     true,
		`payload.share < 1`:                                   true,
		`payload.files.exists(f, f.startsWith("docs/"))`:      true,
		`payload.repository.full_name == project.name`:        true,
		`payload.none == null`:                                true,
		`has(payload.number) && !has(payload.x)`:              true,
		`payload.missing == 1`:                                false, // not an error: it is not there
		`payload.missing == 1 || event.type == "push"`:        true,
		`payload.number`:                                      false, // not a yes
		`payload.number == "7"`:                               false,
		`project.repository.matches("^github\\.com/acme/.+")`: true,
		`event.payload.contains("full_name")`:                 true,
	} {
		got, err := s.Match(t.Context(), expr, filter.NewInput(event()), project)
		if err != nil || got != want {
			t.Errorf("%s = %v, %v; want %v", expr, got, err, want)
		}
	}
}

func TestPayloadThatIsNotJSON(t *testing.T) {
	s := newSet(t)
	for _, payload := range []string{"", "plain", `{"a":`, `{} {}`, "\xff\xfe", strings.Repeat("[", 100_000)} {
		e := event()
		e.Payload = payload
		if got, err := s.Match(t.Context(), `type(payload) == string`, filter.NewInput(e), project); !got || err != nil {
			t.Errorf("payload %.20q is not a text: %v", payload, err)
		}
		if got, err := s.Match(t.Context(), `payload.x == 1`, filter.NewInput(e), project); got || err != nil {
			t.Errorf("payload %.20q: %v, %v", payload, got, err)
		}
	}
}

func TestText(t *testing.T) {
	s := newSet(t)
	for expr, want := range map[string]string{
		`event.revision.ref`:                      "refs/heads/main",
		`payload.number`:                          "7",
		`"pr-" + string(payload.number)`:          "pr-7",
		`payload.share`:                           "0.5",
		`payload.none`:                            "",
		`true`:                                    "true",
		`project.id + ":" + event.type`:           "brigade-1:push",
		`has(payload.pr) ? "pr" : event.provider`: "github",
	} {
		got, err := s.Text(t.Context(), expr, filter.NewInput(event()), project)
		if err != nil || got != want {
			t.Errorf("%s = %q, %v; want %q", expr, got, err, want)
		}
	}
	for _, expr := range []string{`payload.missing`, `payload.files`, `payload.number / 0`, `payload`} {
		if got, err := s.Text(t.Context(), expr, filter.NewInput(event()), project); err == nil {
			t.Errorf("%s = %q, want an error", expr, got)
		}
	}
}

func TestCheckNamesThePosition(t *testing.T) {
	s := newSet(t)
	for expr, want := range map[string]string{
		`event.typ == "push"`:             "line 1, column 6: undefined field 'typ'",
		"true &&\n  nobody":               "line 2, column 3: undeclared reference",
		`event.type ==`:                   "line 1, column 14: Syntax error",
		`event.type == 1`:                 "line 1, column 12: found no matching overload",
		`event.type`:                      "gives a string, not a bool",
		`project.sharedSecret != ""`:      "undefined field 'sharedSecret'",
		`event`:                           "not a bool",
		strings.Repeat("!", 5000):         "more than 4096",
		strings.Repeat("(", 1000):         "line 1, column",
		strings.Repeat("!(", 1500) + "x":  "line 1, column",
		"\xff\xfe":                        "line 1, column",
		`payload.matches("(")`:            "line 1, column",
		`[1].map(x, x`:                    "line 1, column",
		`filter.view{provider: "x"} == 1`: "line 1, column",
	} {
		err := s.CheckMatch(expr)
		if brigade.CodeOf(err) != brigade.CodeInvalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want %q", expr, err, want)
		}
	}
	if err := s.CheckText(`[event.type]`); err == nil || !strings.Contains(err.Error(), "not a string") {
		t.Errorf("a list as a key: %v", err)
	}
	for _, expr := range []string{`payload.x`, `event.type == "a"`, `payload.a.b.c[1] in payload.d`} {
		if err := s.CheckMatch(expr); err != nil {
			t.Errorf("%s: %v", expr, err)
		}
	}
}

// An expression that would take hours ends soon, and says why.
func TestAnExpressionCannotHang(t *testing.T) {
	s := newSet(t)
	list := "[" + strings.TrimSuffix(strings.Repeat("1,", 100), ",") + "]"
	expr := `true`
	for _, v := range []string{"a", "b", "c", "d", "e"} {
		expr = list + ".all(" + v + ", " + expr + ")"
	}
	begun := time.Now()
	got, err := s.Match(t.Context(), expr, filter.NewInput(event()), project)
	if got || !errors.Is(err, filter.ErrBounds) {
		t.Errorf("it came to %v, %v", got, err)
	}
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
	e := event()
	e.Payload = "[" + strings.TrimSuffix(strings.Repeat("1,", 20_000), ",") + "]"
	_, err = s.Match(t.Context(), `payload.all(a, payload.all(b, a == b))`, filter.NewInput(e), project)
	if !errors.Is(err, filter.ErrBounds) {
		t.Errorf("a large payload: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Text(ctx, `event.type`, filter.NewInput(event()), project); err == nil {
		t.Error("it goes on although nobody waits for it")
	}
}

func TestConcurrentUse(t *testing.T) {
	s := newSet(t)
	in := filter.NewInput(event())
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				if got, err := s.Match(t.Context(), `payload.number == 7`, in, project); !got || err != nil {
					t.Errorf("%v, %v", got, err)
				}
			}
		})
	}
	wg.Wait()
}

func FuzzExpression(f *testing.F) {
	f.Add(`event.type == "push" && payload.a[0] == 1`, `{"a":[1]}`)
	f.Add(`payload.map(x, x + "a").exists(y, y.matches(event.type))`, `["x"]`)
	s, err := filter.New()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, expr, payload string) {
		e := event()
		e.Payload = payload
		in := filter.NewInput(e)
		_, _ = s.Match(t.Context(), expr, in, project)
		_, _ = s.Text(t.Context(), expr, in, project)
	})
}

func BenchmarkMatch(b *testing.B) {
	s := newSet(b)
	for b.Loop() {
		in := filter.NewInput(event())
		if ok, err := s.Match(b.Context(), `event.type == "push" && payload.repository.full_name == project.name`, in, project); !ok {
			b.Fatal(err)
		}
	}
}
