package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

func document(t *testing.T) map[string]any {
	t.Helper()
	data, err := openAPIDocument()
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestEveryRouteIsDescribedAndTheReverse(t *testing.T) {
	a := newWorld(t).api
	described := map[string]map[string]any{}
	for path, item := range document(t)["paths"].(map[string]any) {
		for method, op := range item.(map[string]any) {
			if method != "parameters" {
				described[strings.ToUpper(method)+" "+path] = op.(map[string]any)
			}
		}
	}
	seen := map[any]bool{}
	for _, rt := range a.routes {
		method, path := rt.split()
		op := described[method+" "+path]
		if op == nil {
			t.Errorf("%s is not in openapi.yaml", rt.pattern)
			continue
		}
		delete(described, method+" "+path)
		scope, _ := op["x-scope"].(string)
		if scope == "" {
			scope = "read"
		}
		security, open := op["security"].([]any)
		switch {
		case rt.need == "" && (!open || len(security) != 0):
			t.Errorf("%s needs no token, openapi.yaml says otherwise", rt.pattern)
		case rt.need != "" && open:
			t.Errorf("%s needs a token, openapi.yaml says otherwise", rt.pattern)
		case rt.need != "" && rt.need != scopeAny && string(rt.need) != scope:
			t.Errorf("%s needs %s, openapi.yaml says %s", rt.pattern, rt.need, scope)
		}
		if id := op["operationId"]; id == nil || seen[id] {
			t.Errorf("%s has the operationId %v, which is not its own", rt.pattern, id)
		} else {
			seen[id] = true
		}
		if (method != "GET") != (rt.action != "") {
			t.Errorf("%s: what changes something is audited, and nothing else", rt.pattern)
		}
	}
	for name := range described {
		t.Errorf("openapi.yaml has %s, which is not served", name)
	}
}

// schemas compiles the schema of an answer.
type schemas struct {
	t   *testing.T
	c   *jsonschema.Compiler
	doc map[string]any
}

func newSchemas(t *testing.T) *schemas {
	t.Helper()
	doc := document(t)
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	if err := c.AddResource("https://brigade.test/openapi.json", doc); err != nil {
		t.Fatal(err)
	}
	return &schemas{t, c, doc}
}

// check validates an answer of a route.
func (s *schemas) check(method, path string, got answer) {
	s.t.Helper()
	where := "#/paths/" + escape(path) + "/" + strings.ToLower(method)
	kind, _, _ := strings.Cut(got.header.Get("Content-Type"), ";")
	status := fmt.Sprint(got.status)
	op := s.at(where)
	responses := op["responses"].(map[string]any)
	response, ok := responses[status].(map[string]any)
	if !ok {
		status = "default"
		if response, ok = responses[status].(map[string]any); !ok {
			s.t.Errorf("%s %s: the status %d is not described", method, path, got.status)
			return
		}
	}
	where += "/responses/" + status
	if ref, ok := response["$ref"].(string); ok {
		where = ref
		response = s.at(ref)
	}
	content, _ := response["content"].(map[string]any)
	if content == nil {
		if got.body != "" && got.status != http.StatusRequestedRangeNotSatisfiable {
			s.t.Errorf("%s %s: a body that is not described: %s", method, path, got.body)
		}
		return
	}
	if content[kind] == nil {
		s.t.Errorf("%s %s: %d with the content type %q is not described", method, path, got.status, kind)
		return
	}
	if !strings.HasSuffix(kind, "json") {
		return
	}
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(got.body))
	if err != nil {
		s.t.Errorf("%s %s: %v: %s", method, path, err, got.body)
		return
	}
	s.validate(where+"/content/"+escape(kind)+"/schema", v)
}

func (s *schemas) validate(where string, v any) {
	s.t.Helper()
	schema, err := s.c.Compile("https://brigade.test/openapi.json" + where)
	if err != nil {
		s.t.Fatalf("compile %s: %v", where, err)
	}
	if err := schema.Validate(v); err != nil {
		s.t.Errorf("%s: %v\n%v", where, err, v)
	}
}

func escape(s string) string {
	return strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D").Replace(s)
}

func (s *schemas) at(pointer string) map[string]any {
	s.t.Helper()
	var at any = s.doc
	for _, part := range strings.Split(strings.TrimPrefix(pointer, "#/"), "/") {
		at = at.(map[string]any)[strings.NewReplacer("~1", "/", "~0", "~", "%7B", "{", "%7D", "}").Replace(part)]
	}
	return at.(map[string]any)
}

// TestAnswersAreAsDescribed asks for everything that can be asked for and
// looks for secrets in all answers.
func TestAnswersAreAsDescribed(t *testing.T) {
	w := newWorld(t)
	s := newSchemas(t)
	w.do(w.admin, "PUT", "/api/projects/third", "{}").want(t, http.StatusCreated, nil) // for the audit log
	var leaks []string
	for _, secret := range w.secrets {
		quoted, _ := json.Marshal(secret)
		leaks = append(leaks, secret, string(quoted[1:len(quoted)-1]))
	}
	grep := func(where, text string) {
		t.Helper()
		if i := slices.IndexFunc(leaks, func(l string) bool { return strings.Contains(text, l) }); i >= 0 {
			t.Errorf("%s shows the secret %s: %s", where, leaks[i], text)
		}
	}
	asked := 0
	for _, rt := range w.api.routes {
		method, path := rt.split()
		if method != "GET" || path == "/api/watch" {
			continue
		}
		for _, query := range []string{"", "?stream=true", "?format=text", "?light", "?limit=1", "?state=failed,running&text=fix&since=9999d&type=push&project=acme/app", "?limit=0", "?follow"} {
			if strings.HasPrefix(path, "/v1") && strings.Contains(query, "follow") || strings.HasPrefix(rt.pattern, "GET /metrics") && query != "" {
				continue
			}
			got := w.do(w.admin, method, w.fill(strings.TrimPrefix(rt.pattern, "GET "))+query, nil)
			if got.status != http.StatusOK && query == "" {
				t.Errorf("%s: %d %s", rt.pattern, got.status, got.body)
			}
			s.check(method, path, got)
			grep(rt.pattern+query, got.body)
			grep(rt.pattern+query, fmt.Sprint(got.header))
			if decoded := decodeBase64(got.body); decoded != "" {
				grep(rt.pattern+query+" in base64", decoded)
			}
			asked++
		}
		s.check(method, path, w.do(w.admin, method, strings.ReplaceAll(w.fill(strings.TrimPrefix(rt.pattern, "GET ")), w.build.ID, "nope"), nil))
	}
	if asked < 150 {
		t.Errorf("only %d answers were looked at", asked)
	}
	stream := w.open(w.admin, "/api/watch?build="+w.build.ID+"&logs")
	for {
		e := stream.next()
		if e.name == "synced" {
			break
		}
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(e.data))
		w.must(err)
		s.validate("#/components/schemas/Change", v)
		grep("watch", e.data)
	}
}
