package tui

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	brigade "github.com/brigadecore/brigade/v3"
)

func runSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	f, err := os.Open("../docs/reference/run-output.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	doc, err := jsonschema.UnmarshalJSON(f)
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("run.json", doc); err != nil {
		t.Fatal(err)
	}
	return c.MustCompile("run.json")
}

// check validates every line and returns them.
func checkLines(t *testing.T, schema *jsonschema.Schema, out string) []map[string]any {
	t.Helper()
	var lines []map[string]any
	for text := range strings.Lines(out) {
		doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if err := schema.Validate(doc); err != nil {
			t.Errorf("%s%v", text, err)
		}
		lines = append(lines, doc.(map[string]any))
	}
	return lines
}

func TestJSONLines(t *testing.T) {
	var out bytes.Buffer
	var st *story
	v := NewJSON(Options{Out: &out, Now: func() time.Time { return st.now }})
	st = newStory(v.Watch)
	for i := range int64(41) {
		v.Progress("installing dependencies", i, 40)
		st.after(10 * time.Millisecond)
	}
	st.pipeline(func(time.Duration) {}, func() { v.Interrupted(1) })
	if err := v.Finish(st.build, st.list()); err != nil {
		t.Fatal(err)
	}
	v.Watch(brigade.Change{Notice: "late"})
	lines := checkLines(t, runSchema(t), out.String())
	seen := map[any]int{}
	for _, line := range lines {
		seen[line["type"]]++
	}
	for _, kind := range []string{"build", "job", "fired", "log", "notice", "result"} {
		if seen[kind] == 0 {
			t.Errorf("no line of type %s", kind)
		}
	}
	if last := lines[len(lines)-1]; last["type"] != "result" || fmt.Sprint(last["exitCode"]) != "1" || seen["result"] != 1 {
		t.Errorf("the last line is %v", last)
	}
	golden(t, "run.jsonl", out.String())
}

func TestJSONOutput(t *testing.T) {
	var out bytes.Buffer
	v := NewJSON(Options{Out: &out, OutputCap: 20, Mask: func(s string) string { return strings.ReplaceAll(s, "hunter2", "***") }})
	st := newStory(v.Watch)
	st.begin()
	for _, name := range []string{"short", "long", "silent"} {
		j := &brigade.Job{
			ID: name + "-" + storyID, BuildID: storyID, Name: name, State: brigade.StateRunning, Started: st.now,
			Spec: brigade.JobSpec{Name: name, Tasks: []string{"login hunter2"}, Args: []string{"hunter2"}, Env: map[string]brigade.EnvValue{"PASSWORD": {Value: "hunter2"}}},
		}
		st.jobs[name] = j
		st.change(brigade.Change{Job: j})
		if j.Spec.Env["PASSWORD"].Value != "hunter2" || j.Spec.Tasks[0] != "login hunter2" {
			t.Error("the shared job was changed")
		}
	}
	st.log("short", "one", "two \u009b2J\x1b[0m\x7f")
	st.log("long", "0123456789", "0123456789", "x")
	for _, name := range []string{"short", "long", "silent"} {
		st.job(name, "", brigade.StateFailed, 1, brigade.Errorf(brigade.CodeJobStart, "hunter2 is wrong"))
	}
	st.end(brigade.StateSucceeded, nil)
	if err := v.Finish(st.build, nil); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "hunter2") {
		t.Error("a secret got out")
	}
	for _, bad := range []string{"\u009b", "\x1b", "\x7f"} {
		if strings.Contains(out.String(), bad) {
			t.Errorf("%q got out", bad)
		}
	}
	got := map[any]string{}
	for _, line := range checkLines(t, runSchema(t), out.String()) {
		if line["type"] == "job" && line["output"] != nil {
			got[line["job"]] = fmt.Sprint(line["output"], line["outputTruncated"])
		}
		if line["type"] == "result" && line["swallowed"] != true {
			t.Errorf("not swallowed: %v", line)
		}
	}
	want := map[any]string{"short": "one\ntwo \u009b2J\x1b[0m\x7f\n<nil>", "long": "0123456789\ntrue", "silent": "<nil>"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if len(v.outputs) != 0 {
		t.Error("outputs are kept after the end")
	}
}

// TestSchemaRefuses makes sure that the schema can say no.
func TestSchemaRefuses(t *testing.T) {
	schema := runSchema(t)
	for _, text := range []string{
		`{}`, `[]`, `{"type":"other","time":"2026-01-01T00:00:00Z"}`, `{"type":"notice","text":"x"}`,
		`{"type":"notice","time":"yesterday","text":"x"}`, `{"type":"log","time":"2026-01-01T00:00:00Z","buildID":"b","seq":0,"text":"x"}`,
		`{"type":"log","time":"2026-01-01T00:00:00Z","buildID":"b","seq":1,"text":"x","jobID":"j"}`,
		`{"type":"job","time":"2026-01-01T00:00:00Z","buildID":"b","jobID":"j","job":"j","state":"failed","spec":{"name":"j","useSource":true},"attempt":1}`,
	} {
		var doc any
		if err := json.Unmarshal([]byte(text), &doc); err != nil {
			t.Fatal(err)
		}
		if schema.Validate(doc) == nil {
			t.Errorf("the schema takes %s", text)
		}
	}
}

// TestDocumentedMembers holds run-json.md against the schema.
func TestDocumentedMembers(t *testing.T) {
	page, err := os.ReadFile("../docs/reference/run-json.md")
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile("../docs/reference/run-output.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Defs map[string]struct {
			Properties map[string]any `json:"properties"`
		} `json:"$defs"`
	}
	if err := json.Unmarshal(data, &schema); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"build", "job", "fired", "log", "notice", "result"} {
		at := bytes.Index(page, []byte("\n| `"+kind+"` |"))
		if at < 0 {
			t.Errorf("%s is not documented", kind)
			continue
		}
		row, _, _ := strings.Cut(string(page[at+1:]), "\n")
		for name := range schema.Defs[kind].Properties {
			if name != "type" && !strings.Contains(row, "`"+name+"`") {
				t.Errorf("%s.%s is not documented", kind, name)
			}
		}
	}
}
