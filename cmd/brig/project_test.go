package main

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/brigadecore/brigade/v3/projectfile"
)

const declared = `kind: Project
name: acme/app
repository: github.com/acme/app
sharedSecret: the-shared-secret
secrets: {TOKEN: the-token, nested: {key: the-nested}}
limits: {builds: 2}
schedules: [{name: nightly, cron: "0 3 * * *"}]
---
kind: Project
name: acme/other
`

// must runs a command that succeeds.
func (sh *shell) must(args ...string) string {
	sh.t.Helper()
	out, errs, code := sh.brig(args...)
	if code != 0 {
		sh.t.Fatalf("brig %s: exit %d\n%s%s", strings.Join(args, " "), code, out, errs)
	}
	return out
}

func has(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("no %q in\n%s", part, text)
		}
	}
}

func hasNot(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if strings.Contains(text, part) {
			t.Errorf("%q in\n%s", part, text)
		}
	}
}

func TestProjectApply(t *testing.T) {
	sh := newShell(t)
	sh.file("p.yaml", declared)
	if out := sh.must("project", "diff", "-f", "p.yaml"); !strings.HasPrefix(out, "acme/app is new\n") {
		t.Errorf("diff: %s", out)
	}
	has(t, sh.must("project", "apply", "-f", "p.yaml", "--dry-run"), "acme/app would be created\nacme/other would be created\n")
	if out := sh.must("project", "list"); strings.Count(out, "\n") != 1 {
		t.Errorf("a dry run created something:\n%s", out)
	}
	if out := sh.must("project", "apply", "-f", "p.yaml"); out != "acme/app created\nacme/other created\n" {
		t.Errorf("apply: %s", out)
	}
	if out := sh.must("project", "apply", "-f", "p.yaml"); out != "acme/app unchanged\nacme/other unchanged\n" {
		t.Errorf("again: %s", out)
	}
	if _, _, code := sh.brig("project", "diff", "-f", "p.yaml", "--exit-code"); code != 0 {
		t.Errorf("no difference: exit %d", code)
	}
	sh.file("p.yaml", strings.NewReplacer("builds: 2", "builds: 5", "the-token", "another-token", "0 3", "0 4", "sharedSecret: the-shared-secret\n", "").Replace(declared))
	out, _, code := sh.brig("project", "diff", "-f", "p.yaml", "--exit-code")
	if code != 1 || out != "acme/app differs\n  limits.builds: 2 → 5\n  schedules[\"nightly\"].cron: \"0 3 * * *\" → \"0 4 * * *\"\n  secrets.TOKEN: changed\n" {
		t.Errorf("exit %d\n%s", code, out)
	}
	text := sh.must("project", "apply", "-f", "p.yaml", "-o", "json")
	var plans []plan
	if err := json.Unmarshal([]byte(text), &plans); err != nil || len(plans) != 2 || plans[0].Result != "changed" || len(plans[0].Changes) != 3 || plans[1].Result != "unchanged" {
		t.Errorf("%v in %s", err, text)
	}
	hasNot(t, text, "the-", "another-token")
	exported := sh.must("project", "export", "acme/app", "--with-secrets")
	has(t, exported, "another-token", "the-nested", "sharedSecret: the-shared-secret") // kept although the file does not mention it
	sh.file("p.yaml", "kind: Project\nname: acme/app\nsecrets: {TOKEN: null}\n")
	has(t, sh.must("project", "apply", "-f", "p.yaml"), "secrets.TOKEN: removed")
}

func TestProjectApplyDirectoryAndInput(t *testing.T) {
	sh := newShell(t)
	sh.file("all/a.yaml", "kind: Project\nname: acme/a\n")
	sh.file("all/b.json", `{"kind": "Project", "name": "acme/b"}`)
	sh.file("all/README.md", "# no project")
	if out := sh.must("project", "apply", "-f", "all"); out != "acme/a created\nacme/b created\n" {
		t.Errorf("a directory: %s", out)
	}
	sh.file("all/c.yaml", "kind: Project\nname: acme/c\n---\nkind: Project\nname: acme/d\nlimts: {}\n")
	_, errs, code := sh.brig("project", "apply", "-f", "all")
	if code != 2 || !strings.Contains(errs, `c.yaml:6:1: unknown field "limts"; did you mean limits?`) {
		t.Errorf("exit %d\n%s", code, errs)
	}
	if list := sh.must("project", "list"); strings.Contains(list, "acme/c") {
		t.Errorf("something was created although a file is wrong:\n%s", list)
	}
	sh.stdin = "kind: Project\nname: acme/in\nbrigadejsPath: /abs.js\n"
	out, errs, code := sh.brig("project", "apply", "-f", "-")
	if code != 0 || out != "acme/in created\n" || !strings.Contains(errs, "warning: stdin:3:16: brigadejsPath") {
		t.Errorf("standard input: exit %d\n%s%s", code, out, errs)
	}
}

func TestProjectListGetExportDelete(t *testing.T) {
	sh := newShell(t)
	sh.file("p.yaml", declared)
	sh.must("project", "apply", "-f", "p.yaml")
	list := strings.Split(strings.TrimSpace(sh.must("project", "list")), "\n")
	if len(list) != 3 || strings.Join(strings.Fields(list[0]), " ") != "NAME ID REPO" ||
		strings.Join(strings.Fields(list[1]), " ") != "acme/app brigade-5f89da0438fa1b1767532b58bd38cda2396f39889ab9e492e7f8f2 github.com/acme/app" {
		t.Errorf("list %q", list)
	}
	var projects []map[string]any
	text := sh.must("project", "list", "-o", "json")
	if err := json.Unmarshal([]byte(text), &projects); err != nil || len(projects) != 2 {
		t.Errorf("%v in %s", err, text)
	}
	for _, output := range []string{"", "json", "yaml"} {
		got := sh.must("project", "get", "acme/app", "-o", output)
		has(t, got, "acme/app", "TOKEN")
		hasNot(t, got, "the-")
	}
	has(t, sh.must("project", "get", "acme/app"), "limits.builds: 2", "secrets.TOKEN, secrets.nested, sharedSecret")
	hasNot(t, text, "the-")
	exported := sh.must("project", "export")
	hasNot(t, exported, "the-")
	sh.file("exported.yaml", exported)
	if out := sh.must("project", "apply", "-f", "exported.yaml"); strings.Contains(out, "changed\n ") || !strings.Contains(out, "acme/app unchanged") {
		t.Errorf("applying what was exported: %s", out)
	}
	sh.file("redacted.json", strings.Replace(sh.must("project", "get", "acme/app", "-o", "json"), "{", `{"kind": "Project",`, 1))
	if _, errs, code := sh.brig("project", "apply", "-f", "redacted.json"); code != 2 || !strings.Contains(errs, "placeholder") {
		t.Errorf("applying what was redacted: exit %d %s", code, errs)
	}
	sh.file("secret.json", sh.must("project", "export", "acme/app", "--with-secrets", "-o", "secret"))
	if out := sh.must("project", "apply", "-f", "secret.json"); out != "acme/app unchanged\n" {
		t.Errorf("applying v1's Secret: %s", out)
	}
	if out, _, _ := sh.brig("__complete", "project", "get", ""); !strings.Contains(out, "acme/app\tgithub.com/acme/app") {
		t.Errorf("completion: %s", out)
	}
	if out := sh.must("project", "delete", "acme/app"); out != "Deleted acme/app\n" {
		t.Errorf("delete: %s", out)
	}
	if _, errs, code := sh.brig("project", "get", "acme/othr"); code != 4 || !strings.Contains(errs, "did you mean acme/other?") {
		t.Errorf("exit %d %s", code, errs)
	}
}

func TestProjectCreate(t *testing.T) {
	sh := newShell(t)
	sh.stdin = strings.Join([]string{
		"acme app", "acme/app", "yes", "github.com/acme/app", "https://github.com/acme/app.git", "repo-token",
		"yes", "KEY", "key-value", "", "maybe", "make", "type", "typed", "no",
	}, "\n") + "\n"
	out, errs, code := sh.brig("project", "create")
	if code != 0 || !strings.HasPrefix(out, "Created acme/app (brigade-5f89") {
		t.Fatalf("exit %d\n%s%s", code, out, errs)
	}
	hasNot(t, out+errs, "repo-token", "key-value", "typed")
	has(t, errs, "blanks", "answer with one of make, type, none")
	has(t, out, "Shared secret of webhooks: ", "not shown again")
	_, made, _ := strings.Cut(out, "Shared secret of webhooks: ")
	made, _, _ = strings.Cut(made, "\n")
	exported := sh.must("project", "export", "acme/app", "--with-secrets")
	has(t, exported, "token: repo-token", "KEY: key-value", "genericGatewaySecret: typed", "cloneURL: https://github.com/acme/app.git", "sharedSecret: "+made)
	if len(made) != 24 {
		t.Errorf("the secret that was made: %q", made)
	}
	sh.stdin = "acme/app\n"
	if _, errs, code := sh.brig("project", "create"); code != 5 || !strings.Contains(errs, "add -r") {
		t.Errorf("again: exit %d %s", code, errs)
	}
	sh.stdin = "\n\n\n\n\n\n\n\ny\nci/brigade.js\n" // the rest as it is
	out, errs, code = sh.brig("project", "create", "-r", "-p", "acme/app")
	if code != 0 || !strings.Contains(out, "Replaced acme/app") || !strings.Contains(out, `  brigadejsPath: (not set) → "ci/brigade.js"`) || strings.Count(out, "→") != 1 {
		t.Errorf("replace: exit %d\n%s%s", code, out, errs)
	}
	has(t, sh.must("project", "export", "acme/app", "--with-secrets"), "token: repo-token", "sharedSecret: "+made, "brigadejsPath: ci/brigade.js")
}

func TestProjectCreateFromFiles(t *testing.T) {
	sh := newShell(t)
	v1, err := os.ReadFile(filepath.Join(testRoot(t), "projectfile", "testdata", "good", "v1-data.json"))
	if err != nil {
		t.Fatal(err)
	}
	sh.file("v1.json", string(v1))
	out := sh.must("project", "create", "-x", "-D", "-f", "v1.json", "-o", "out.json")
	has(t, out, "kind: Project", "github.com/acme/app", "Left out, and kept")
	hasNot(t, out, "gh-token")
	if list := sh.must("project", "list"); strings.Count(list, "\n") != 1 {
		t.Errorf("a dry run created something:\n%s", list)
	}
	info, err := os.Stat("out.json")
	if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	written, _ := os.ReadFile("out.json")
	var secret projectfile.Secret
	if err := json.Unmarshal(written, &secret); err != nil || secret.StringData["sshKey"] != "BEGIN$abc$END$" || secret.StringData["github.token"] != "gh-token" {
		t.Errorf("%v in %s", err, written)
	}
	sh.must("project", "create", "-x", "-f", "v1.json")
	if out := sh.must("project", "apply", "-f", "out.json"); out != "acme/app unchanged\n" {
		t.Errorf("what was written is not what was read: %s", out)
	}
	sh.must("project", "create", "-x", "acme/bare")
	sh.must("project", "create", "-x", "-p", "acme/app", "acme/copy")
	has(t, sh.must("project", "export", "acme/copy", "--with-secrets"), "gh-token")
	sh.file("two.yaml", "kind: Project\nname: a/b\n---\nkind: Project\nname: a/c\n")
	for want, args := range map[string][]string{
		"-x asks nothing":              {"-x"},
		"holds 2 projects":             {"-x", "-f", "two.yaml"},
		"there is no project file":     {"-x", "-f", "nope.yaml"},
		"cannot be used together":      {"-x", "-f", "v1.json", "-p", "acme/app"},
		"both the file and the answer": {"-f", "-"},
		"there is a project":           {"-x", "-f", "v1.json"},
		`there is no project "nope"`:   {"-x", "-p", "nope"},
		"cannot be printed":            {"-x", "a b"},
		"has no name":                  {},
	} {
		if out, errs, code := sh.brig(append([]string{"project", "create"}, args...)...); code == 0 || code == 70 || !strings.Contains(errs, want) {
			t.Errorf("%v: exit %d, want %q\n%s%s", args, code, want, out, errs)
		}
	}
}

func testRoot(t *testing.T) string {
	t.Helper()
	_, file, _, ok := runtime.Caller(0)
	if !ok {
		t.Fatal("where is this file?")
	}
	return filepath.Join(filepath.Dir(file), "..", "..")
}

func TestSecrets(t *testing.T) {
	sh := newShell(t)
	sh.must("project", "create", "-x", "acme/app")
	sh.stdin = "the-token\n"
	_, errs, code := sh.brig("secret", "set", "acme/app", "TOKEN")
	if code != 0 || errs != "Set TOKEN of acme/app\n" {
		t.Errorf("exit %d %s", code, errs)
	}
	sh.file("nested.json", `{"key": "the-nested"}`)
	sh.must("secret", "set", "acme/app", "NESTED", "-f", "nested.json", "--json")
	sh.file("id", "the-key\n")
	sh.must("secret", "set", "acme/app", "repo.sshKey", "--setting", "-f", "id")
	shown := sh.must("secret", "set", "acme/app", "sharedSecret", "--setting", "--generate")
	exported := sh.must("project", "export", "acme/app", "--with-secrets")
	has(t, exported, "TOKEN: the-token\n", "key: the-nested", "sshKey: |\n    the-key", "sharedSecret: "+shown)
	list := sh.must("secret", "list", "acme/app")
	has(t, list, "TOKEN", "NESTED", "repo.sshKey", "sharedSecret")
	hasNot(t, list+sh.must("secret", "list", "acme/app", "-o", "json"), "the-", strings.TrimSpace(shown))
	sh.must("secret", "unset", "acme/app", "TOKEN")
	sh.must("secret", "unset", "acme/app", "repo.sshKey", "--setting")
	hasNot(t, sh.must("secret", "list", "acme/app"), "TOKEN", "sshKey")
	if out, _, _ := sh.brig("__complete", "secret", "unset", "acme/app", ""); !strings.Contains(out, "NESTED") {
		t.Errorf("completion: %s", out)
	}
	sh.file("bad.json", "{the-bad")
	for want, args := range map[string][]string{
		"does not belong on the command line": {"set", "acme/app", "KEY=the-value"},
		"is empty":                            {"set", "acme/app", "KEY"},
		"is not JSON":                         {"set", "acme/app", "KEY", "--json", "-f", "bad.json"},
		"use one of sharedSecret":             {"set", "acme/app", "cloneURL", "--setting"},
		"there is no secret":                  {"unset", "acme/app", "nope"},
		"there is no project":                 {"list", "nope"},
		"cannot be used together":             {"set", "acme/app", "KEY", "-f", "x", "--generate"},
	} {
		sh.stdin = ""
		out, errs, code := sh.brig(append([]string{"secret"}, args...)...)
		if code == 0 || code == 70 || !strings.Contains(errs, want) || strings.Contains(out+errs, "the-") {
			t.Errorf("%v: exit %d, want %q\n%s%s", args, code, want, out, errs)
		}
	}
}

// TestQuestionsCanBeInterrupted waits for an answer that never comes.
func TestQuestionsCanBeInterrupted(t *testing.T) {
	interrupts := make(chan os.Signal, 1)
	interrupts <- os.Interrupt
	r, w := io.Pipe()
	defer w.Close()
	s := &State{
		Stdin: r, Stderr: io.Discard, Interrupts: interrupts,
		Terminal: func() (int, int, bool) { return 0, 0, false }, InputTerminal: func() bool { return false },
	}
	if _, err := newQuestions(s).ask("name", "", nil); err == nil || !strings.Contains(err.Error(), "interrupted") {
		t.Errorf("%v", err)
	}
}
