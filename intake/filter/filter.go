// Package filter evaluates the expressions of a project: the filters of its
// subscriptions and the key of its concurrency limit. They are written in CEL,
// the Common Expression Language (https://cel.dev), which has no loops without
// an end; cost and time are bounded besides. It is the only importer of the
// CEL library.
//
// An expression sees three variables:
//
//	event    provider, type, also, revision.commit, revision.ref, payload (text), actor, key,
//	         cloneURL, shortTitle, longTitle, untrusted; project: in a subscription the name of the
//	         project that the request was authenticated for, or ""
//	payload  the payload: parsed when it is JSON, else its text
//	project  id, name, repository
package filter

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/ext"
	"cel.dev/cel-go/interpreter"

	"github.com/brigadecore/brigade/v3"
)

// Bounds of an expression. A unit of cost is about one step; strings cost a
// tenth of a unit per byte that is looked at.
const (
	MaxLength = 4 << 10 // bytes of its text
	maxCost   = 1_000_000
	maxTime   = 2 * time.Second // cost ends it long before, unless the machine is busy
	maxCached = 4096
	checkEach = 100 // iterations between two looks at the clock
)

// ErrBounds is in the chain of the error of an expression that was stopped
// because it cost too much or took too long.
var ErrBounds = errors.New("the expression went over its limit of cost or time")

// view, revisionView and projectView are what expressions see.
type view struct {
	Provider   string       `cel:"provider"`
	Type       string       `cel:"type"`
	Also       []string     `cel:"also"`
	Revision   revisionView `cel:"revision"`
	Payload    string       `cel:"payload"`
	Actor      string       `cel:"actor"`
	Key        string       `cel:"key"`
	CloneURL   string       `cel:"cloneURL"`
	ShortTitle string       `cel:"shortTitle"`
	LongTitle  string       `cel:"longTitle"`
	Untrusted  bool         `cel:"untrusted"`
	Project    string       `cel:"project"`
}

type revisionView struct {
	Commit string `cel:"commit"`
	Ref    string `cel:"ref"`
}

type projectView struct {
	ID         string `cel:"id"`
	Name       string `cel:"name"`
	Repository string `cel:"repository"`
}

// Set compiles expressions once and keeps them. Its methods may be called
// concurrently.
type Set struct {
	env *cel.Env

	mu    sync.Mutex
	cache map[string]compiled
}

type compiled struct {
	program cel.Program
	err     error
}

// New returns an empty set.
func New() (*Set, error) {
	env, err := cel.NewEnv(
		ext.NativeTypes(reflect.TypeFor[view](), reflect.TypeFor[revisionView](), reflect.TypeFor[projectView](), ext.ParseStructTags(true)),
		cel.Variable("event", cel.ObjectType("filter.view")),
		cel.Variable("payload", cel.DynType),
		cel.Variable("project", cel.ObjectType("filter.projectView")),
		cel.ParserExpressionSizeLimit(MaxLength),
		cel.ParserRecursionLimit(64),
		cel.CrossTypeNumericComparisons(true),
		cel.ASTValidators(cel.ValidateRegexLiterals(), cel.ValidateDurationLiterals(), cel.ValidateTimestampLiterals()),
	)
	if err != nil {
		return nil, fmt.Errorf("prepare the expression language: %w", err)
	}
	return &Set{env: env, cache: map[string]compiled{}}, nil
}

// CheckMatch reports what is wrong with an expression that says yes or no, as
// a CodeInvalid error that names the line and the column.
func (s *Set) CheckMatch(expr string) error {
	_, err := s.compile(expr, types.BoolType)
	return err
}

// CheckText is CheckMatch for an expression that gives a text or a number.
func (s *Set) CheckText(expr string) error {
	_, err := s.compile(expr, types.StringType)
	return err
}

// Input is an event as expressions see it. It parses the payload at most once,
// and only when an expression asks for it. It may be used concurrently.
type Input struct {
	event   view
	payload func() any
}

// NewInput returns the input of e.
func NewInput(e *brigade.Event) *Input {
	text := e.Payload
	return &Input{
		event: view{
			Provider: e.Provider, Type: e.Type, Also: e.Also, Revision: revisionView(e.Revision), Payload: text,
			Actor: e.Actor, Key: e.Key, CloneURL: e.CloneURL, ShortTitle: e.ShortTitle, LongTitle: e.LongTitle, Untrusted: e.Untrusted,
		},
		payload: sync.OnceValue(func() any { return parse(text) }),
	}
}

// Of returns the input for an event that came for the project p.
func (in *Input) Of(p *brigade.Project) *Input {
	of := *in
	of.event.Project = p.Name
	return &of
}

// Match reports whether the event matches for the project. The empty
// expression matches all. An expression that looks at something the event does
// not have is false, which is not an error; one that was stopped is ErrBounds.
func (s *Set) Match(ctx context.Context, expr string, in *Input, p *brigade.Project) (bool, error) {
	if expr == "" {
		return true, nil
	}
	out, err := s.eval(ctx, expr, types.BoolType, in, p)
	if errors.Is(err, ErrBounds) || brigade.CodeOf(err) == brigade.CodeInvalid {
		return false, err
	}
	yes, ok := out.(types.Bool)
	return err == nil && ok && bool(yes), nil
}

// Text returns what the expression gives as a text: "" for null. An expression
// that looks at something the event does not have is an error.
func (s *Set) Text(ctx context.Context, expr string, in *Input, p *brigade.Project) (string, error) {
	out, err := s.eval(ctx, expr, types.StringType, in, p)
	if err != nil {
		return "", err
	}
	switch v := out.(type) {
	case types.String:
		return string(v), nil
	case types.Int:
		return strconv.FormatInt(int64(v), 10), nil
	case types.Uint:
		return strconv.FormatUint(uint64(v), 10), nil
	case types.Double:
		return strconv.FormatFloat(float64(v), 'g', -1, 64), nil
	case types.Bool:
		return strconv.FormatBool(bool(v)), nil
	case types.Null:
		return "", nil
	}
	return "", fmt.Errorf("the expression gives a %s, not a text", out.Type().TypeName())
}

func (s *Set) eval(ctx context.Context, expr string, want *types.Type, in *Input, p *brigade.Project) (ref.Val, error) {
	program, err := s.compile(expr, want)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, maxTime)
	defer cancel()
	out, _, err := program.ContextEval(ctx, map[string]any{
		"event":   &in.event,
		"payload": in.payload,
		"project": &projectView{ID: p.ID, Name: p.Name, Repository: p.Repository},
	})
	var stopped interpreter.EvalCancelledError
	if errors.As(err, &stopped) || ctx.Err() != nil || err != nil && strings.Contains(err.Error(), "operation interrupted") {
		return nil, fmt.Errorf("%w: %s", ErrBounds, shorten(expr))
	}
	if err != nil {
		return nil, fmt.Errorf("evaluate %s: %w", shorten(expr), err)
	}
	return out, nil
}

func (s *Set) compile(expr string, want *types.Type) (cel.Program, error) {
	key := want.TypeName() + " " + expr
	s.mu.Lock()
	c, known := s.cache[key]
	s.mu.Unlock()
	if known {
		return c.program, c.err
	}
	c.program, c.err = s.build(expr, want)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.cache) >= maxCached {
		clear(s.cache) // expressions of projects come back at their next event
	}
	s.cache[key] = c
	return c.program, c.err
}

func (s *Set) build(expr string, want *types.Type) (cel.Program, error) {
	if len(expr) > MaxLength {
		return nil, brigade.Errorf(brigade.CodeInvalid, "the expression has %d bytes, more than %d", len(expr), MaxLength)
	}
	ast, issues := s.env.Compile(expr)
	if issues.Err() != nil {
		first := issues.Errors()[0]
		message, _, _ := strings.Cut(first.Message, "\n")
		e := brigade.Errorf(brigade.CodeInvalid, "line %d, column %d: %s", max(first.Location.Line(), 1), first.Location.Column()+1, message)
		return nil, e.WithHint("expressions are CEL over event, payload and project: https://cel.dev")
	}
	if got := ast.OutputType(); !fits(got, want) {
		return nil, brigade.Errorf(brigade.CodeInvalid, "line 1, column 1: the expression gives a %s, not a %s", got, want)
	}
	program, err := s.env.Program(ast, cel.CostLimit(maxCost), cel.InterruptCheckFrequency(checkEach))
	if err != nil {
		return nil, brigade.Errorf(brigade.CodeInvalid, "line 1, column 1: %w", err)
	}
	return program, nil
}

// fits reports whether an expression of type got can give what is wanted.
func fits(got, want *types.Type) bool {
	switch got.Kind() {
	case types.DynKind, want.Kind():
		return true
	case types.IntKind, types.UintKind, types.DoubleKind, types.BoolKind:
		return want.Kind() == types.StringKind
	}
	return false
}

// parse returns the value of a JSON document, with whole numbers as int64, or
// the text itself.
func parse(text string) any {
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return text
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return text
	}
	return numbers(v)
}

func numbers(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			v[k] = numbers(v[k])
		}
	case []any:
		for i := range v {
			v[i] = numbers(v[i])
		}
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		f, _ := v.Float64() // too large a one becomes infinite
		return f
	case nil:
		return types.NullValue
	}
	return v
}

// shorten quotes an expression for messages.
func shorten(expr string) string {
	if len(expr) > 80 {
		expr = strings.ToValidUTF8(expr[:80], "") + "…"
	}
	return strconv.Quote(expr)
}
