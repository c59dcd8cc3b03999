package workspace_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/workspace"
)

func TestArtifactsAndOutputs(t *testing.T) {
	h := newHouse(t, workspace.Limits{Artifact: 1000, Artifacts: 1500})
	kept := map[string]string{}
	r := run("b1", "package", func(r *brigade.JobRun) {
		r.Job.Spec.UseSource = false
		r.Job.Spec.Artifacts = []string{"dist/**", "missing", "odd"}
		r.Keep = func(name string, size int64, content io.Reader) error {
			text, err := io.ReadAll(content)
			if kept[name] = string(text); int64(len(text)) != size {
				t.Errorf("%s has %d bytes, %d were promised", name, len(text), size)
			}
			return err
		}
	})
	p := h.pod(r)
	if p.told.Init != nil {
		t.Error("an init container that has nothing to fetch")
	}
	p.write("/src/dist/app", "binary")
	p.write("/src/dist/empty", "")
	p.write("/src/dist/üml aut?#%2F.txt", "name")
	p.write("/src/dist/large", strings.Repeat("x", 1001))
	p.write("/src/other", "not wanted")
	p.write("/src/odd", "odd")
	text := `{"a":"` + strings.Repeat("x", 10_000) + `"}`
	output := p.told.JobEnv[workspace.OutputEnv]
	p.write(output, text)
	if err := p.client.Save(t.Context(), p.saved()); err != nil {
		t.Fatal(err)
	}
	h.restart()
	if err := p.client.Save(t.Context(), p.saved()); err != nil { // a sidecar that was started again
		t.Fatal(err)
	}
	result, err := h.server.Collect(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "artifacts", kept, map[string]string{"dist/app": "binary", "dist/empty": "", "dist/üml aut?#%2F.txt": "name", "odd": "odd"})
	if string(result.Outputs) != text {
		t.Errorf("%d bytes of outputs", len(result.Outputs))
	}
	if told := strings.Join(result.Problems, "\n"); len(result.Problems) != 2 || !strings.Contains(told, "dist/large is not kept: it is larger") || !strings.Contains(told, "missing") {
		t.Errorf("problems: %s", told)
	}
	second := r
	second.Job = &brigade.Job{ID: r.Job.ID, Name: r.Job.Name, Attempt: 2, Spec: r.Job.Spec}
	if got, err := h.server.Collect(t.Context(), second); err != nil || got.Reported || got.Outputs != nil || got.Artifacts != nil {
		t.Errorf("another attempt has %+v, %v", got, err)
	}
	more := h.pod(run("b1", "more", func(r *brigade.JobRun) { r.Job.Spec.Artifacts = []string{"x", "y"} }))
	more.write("/src/x", strings.Repeat("x", 900))
	more.write("/src/y", strings.Repeat("y", 900))
	if got := more.save(); len(got.Artifacts) != 1 || len(got.Problems) != 1 || !strings.Contains(got.Problems[0], "artifacts of the build") {
		t.Errorf("%+v", got)
	}
}

func TestWorkerPods(t *testing.T) {
	h := newHouse(t, workspace.Limits{Kept: 100})
	token, err := h.server.BuildToken(workspace.GrantFor(&brigade.Build{ID: "b1"}, brigade.NewProject("acme/app")))
	if err != nil {
		t.Fatal(err)
	}
	remote, err := workspace.NewRemote(workspace.ClientOptions{URL: h.front.URL, Token: token, Pause: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), []byte("cloned by the worker"), 0o644); err != nil {
		t.Fatal(err)
	}
	r := run("b1", "a", storage, func(r *brigade.JobRun) { r.Source, r.Job.Spec.Artifacts = dir, []string{"*"} })
	told, err := remote.Prepare(t.Context(), r, workspace.Wants(r))
	if err != nil {
		t.Fatal(err)
	}
	p := h.pod(r)
	p.client = h.client(told.Token)
	if err := h.server.PutSource("b1", ""); err != nil { // what pod() put
		t.Fatal(err)
	}
	p.fetch()
	p.write("/src/made", "made")
	p.write("/src/refused", "x")
	p.write("/src/large", strings.Repeat("x", 101))
	if err := p.client.Save(t.Context(), p.saved()); err != nil {
		t.Fatal(err)
	}
	want := []brigade.Artifact{
		{Name: "file", Size: 20, SHA256: sum("cloned by the worker")}, {Name: "made", Size: 4, SHA256: sum("made")},
	}
	for _, when := range []string{"first", "again", "after a restart"} {
		result, err := remote.Collect(t.Context(), r)
		if err != nil || !result.Reported || len(result.Problems) != 2 {
			t.Fatalf("%s: %+v %v", when, result, err)
		}
		if got := result.Kept(); !slices.Equal(got, want) {
			t.Errorf("%s: kept %+v, want %+v", when, got, want)
		}
		if told := strings.Join(result.Problems, "\n"); !strings.Contains(told, "large is not kept: 101 bytes are more than the 100") || !strings.Contains(told, "refused is not kept: there is no room") {
			t.Errorf("%s: %q", when, told)
		}
		if left, err := h.server.Left("b1", r.Job.ID, 1); err != nil || !slices.Equal(left.Kept(), want) {
			t.Errorf("%s: left is %+v, %v", when, left, err)
		}
		h.restart()
	}
	same(t, "artifacts", h.kept, map[string]string{"b1 a-b1 file": "cloned by the worker", "b1 a-b1 made": "made"})
	// A job cannot keep anything for good, and no worker what is another build's.
	for token, status := range map[string]int{told.Token: http.StatusForbidden, h.server.Token("b2"): http.StatusNotFound, token: http.StatusOK} {
		if got, text := h.ask("POST", "results/"+r.Job.ID+"/1/artifacts/0", token, nil); got != status {
			t.Errorf("answered %d %s, want %d", got, text, status)
		}
	}
}

func sum(text string) string {
	s := sha256.Sum256([]byte(text))
	return hex.EncodeToString(s[:])
}

// TestOutputsThatDoNotComeHome make the job fail, as storage does.
func TestOutputsThatDoNotComeHome(t *testing.T) {
	h := newHouse(t, workspace.Limits{})
	p := h.pod(run("b1", "a", cached("1Mi")))
	p.fetch()
	output := p.told.JobEnv[workspace.OutputEnv]
	p.write(output, "x=1")
	if got := p.save(); got.Failure != nil || string(got.Outputs) != "x=1" {
		t.Fatalf("%+v", got)
	}
	p.remove(output)
	p.write(output+"/odd", "a directory")
	if got := p.save(); got.Failure == nil || !strings.Contains(got.Failure.Message, "the outputs of the job were not kept") || !got.Reported {
		t.Errorf("%+v", got)
	}
}

func TestBuildsEnd(t *testing.T) {
	h := newHouse(t, workspace.Limits{})
	a := h.pod(run("b1", "a", storage))
	a.fetch()
	a.write("/mnt/brigade/share/x", "1")
	a.save()
	b := h.pod(run("b2", "a", storage))
	b.fetch()
	b.write("/mnt/brigade/share/x", "2")
	b.save()
	n, err := h.server.Sweep(t.Context(), func(id string) bool { return id == "b2" })
	if n != 1 || err != nil {
		t.Fatalf("%d builds were swept, %v", n, err)
	}
	if left, _ := os.ReadDir(filepath.Join(h.dir, "builds")); len(left) != 1 {
		t.Errorf("left: %v", left)
	}
	for _, when := range []string{"before", "after"} {
		if err := a.client.Fetch(t.Context(), workspace.Fetched{Share: t.TempDir(), State: t.TempDir()}); brigade.CodeOf(err) != brigade.CodeCanceled {
			t.Errorf("%s the restart: %v", when, err)
		}
		h.restart()
	}
	if left, _ := os.ReadDir(filepath.Join(h.dir, "builds")); len(left) != 1 {
		t.Errorf("left after a late request: %v", left)
	}
	if err := h.server.EndBuild(t.Context(), "../b2"); err != nil {
		t.Fatal(err)
	}
	b.fetch()
	if b.share()["x"] != "2" {
		t.Error("another build's files went too")
	}
}

// get asks without the client's manners.
func (h *house) ask(method, path, token string, body io.Reader) (int, string) {
	h.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, h.front.URL+workspace.Prefix+path, body)
	if err != nil {
		h.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		h.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		h.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

func TestTokens(t *testing.T) {
	h := newHouse(t, workspace.Limits{})
	good := h.pod(run("b1", "a", storage)).told.Token
	noStorage := h.pod(run("b1", "b", func(r *brigade.JobRun) { r.Job.Spec.Artifacts = []string{"x"} })).told.Token
	build := h.server.Token("b1")
	other, err := workspace.New(workspace.Options{Dir: t.TempDir(), Key: append([]byte("not "), key...)})
	if err != nil {
		t.Fatal(err)
	}
	expired, err := h.server.BuildToken(workspace.BuildGrant{Build: "b1", Expires: 1})
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(good, ".")
	swapped := strings.Join([]string{parts[0], strings.Split(h.server.Token("b2"), ".")[1], parts[2], parts[3]}, ".")
	cut := strings.Join([]string{parts[0], parts[1], parts[3]}, ".")
	foreign, err := workspace.JobToken(other.Token("b1"), workspace.JobGrant{Job: "a", Share: true})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		method, path, token string
		want                int
	}{
		"good":                       {"GET", "share", good, 200},
		"none":                       {"GET", "share", "", 401},
		"nonsense":                   {"GET", "share", "x", 401},
		"long":                       {"GET", "share", "bw1." + strings.Repeat("a", 10_000), 401},
		"cut off":                    {"GET", "share", good[:len(good)-2], 401},
		"another build's grant":      {"GET", "share", swapped, 401},
		"a job's signature alone":    {"GET", "share", cut, 401},
		"another server's":           {"GET", "share", foreign, 401},
		"expired":                    {"PUT", "source", expired, 401},
		"a build's for a job":        {"GET", "share", build, 403},
		"a job's for the build":      {"PUT", "source", good, 403},
		"without storage":            {"GET", "share", noStorage, 403},
		"without a cache":            {"GET", "cache", good, 403},
		"another job's result":       {"GET", "results/b-b1/1", good, 403},
		"its own result":             {"GET", "results/a-b1/1", good, 200},
		"any result, for the build":  {"GET", "results/b-b1/1", build, 200},
		"a result that is no job's":  {"GET", "results/..%2F..%2Fx/1", build, 400},
		"a path that does not exist": {"GET", "nothing", good, 404},
		"a method that is not one":   {"DELETE", "share", good, 405},
		"source that is not there":   {"GET", "source", good, 503},
	} {
		status, text := h.ask(c.method, c.path, c.token, nil)
		if status != c.want {
			t.Errorf("%s: %d %s, want %d", name, status, text, c.want)
		}
		var e brigade.Error
		if status >= 400 && status != 404 && status != 405 && (json.Unmarshal([]byte(text), &e) != nil || e.Code == "" || e.Message == "") {
			t.Errorf("%s: the answer says nothing: %s", name, text)
		}
	}
	if h.server.Token("../b1") != "" {
		t.Error("a token for a path")
	}
	if _, err := workspace.New(workspace.Options{Dir: t.TempDir(), Key: key[:10]}); brigade.CodeOf(err) != brigade.CodeInvalid {
		t.Errorf("a short key: %v", err)
	}
}

func TestArtifactNames(t *testing.T) {
	h := newHouse(t, workspace.Limits{})
	token := h.pod(run("b1", "a")).told.Token
	for _, name := range []string{"..%2Fx", "a%2F..%2F..%2Fx", "%2Fetc%2Fpasswd", "a%2F%2Fb", ".", "a%00b"} {
		if status, text := h.ask("PUT", "artifacts/"+name, token, bytes.NewReader([]byte("x"))); status < 300 {
			t.Errorf("%s: %d %s", name, status, text)
		}
	}
}
