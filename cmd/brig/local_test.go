package main

import (
	"strings"
	"testing"
)

func TestLocalStoreWithTheSameCommands(t *testing.T) {
	sh := newShell(t)
	sh.file("brigade.js", served)
	if _, _, code := sh.brig("run", "--runner", "dummy", "-i", "fail"); code != 1 {
		t.Fatal("it did not fail")
	}
	id := decoded[[]struct{ ID string }](t, sh.ok("build", "list", "-o", "json"))[0].ID
	out, errs, code := sh.brig("build", "rerun", id, "--failed", "--runner", "dummy", "-i", "fine")
	if code != 0 {
		t.Errorf("rerun: %d\n%s%s", code, out, errs)
	}
	again := decoded[[]struct{ ID string }](t, sh.ok("build", "list", "-o", "json"))[0].ID
	if text := sh.ok("build", "get", again, "-o", "json"); !strings.Contains(text, `"inherited": "`+id) {
		t.Errorf("nothing was taken over:\n%s", text)
	}
	if out := sh.ok("build", "logs", again, "-f", "--grep", "line 1"); !strings.Contains(out, "second | second line 1") {
		t.Errorf("logs followed: %q", out)
	}
	if out, _, code := sh.brig("build", "watch", id); code != 1 || !strings.Contains(out, "exit code 3") || !strings.HasPrefix(out, "Build: "+id+", Worker: ") {
		t.Errorf("watch: %d %s", code, out)
	}
	for _, words := range [][]string{{"build", "logs", id, "-j", ""}, {"build", "cancel", id, "--job", ""}, {"artifact", "list", id, "-j", ""}} {
		if out := sh.ok(append([]string{"__complete"}, words...)...); !strings.Contains(out, "second\tfailed") {
			t.Errorf("completion of %v:\n%s", words, out)
		}
	}
	if out := sh.ok("__complete", "build", "list", "--context", ""); !strings.Contains(out, "local\tthis machine") {
		t.Errorf("completion of contexts:\n%s", out)
	}
	sh.ok("build", "pin", id)
	sh.refused(5, "ended", "build", "cancel", id)
	if out := sh.ok("event", "ls", "-o", "json"); !strings.Contains(out, `"payload": "fine"`) || !strings.Contains(out, `"count": 2`) {
		t.Errorf("events:\n%s", out)
	}

	runner := sh.also()
	ended := make(chan int, 1)
	go func() { _, _, code := runner.brig("run", "--runner", "dummy", "-e", "long"); ended <- code }()
	list := sh.until("Running", "build", "list", "--state", "running")
	id = strings.Fields(strings.Split(list, "\n")[1])[0]
	watched := make(chan int, 1)
	watcher := sh.also()
	go func() { _, _, code := watcher.brig("build", "watch", id); watched <- code }()
	sh.ok("build", "cancel", id)
	if a, b := <-ended, <-watched; a != 130 || b != 130 {
		t.Errorf("canceled: the run ended with %d, the view with %d", a, b)
	}

	sh.refused(2, "in a cluster", "build", "logs", id, "-i")
	if out := sh.ok("build", "delete-all"); strings.Count(out, "Deleted 0") != 3 {
		t.Errorf("delete-all:\n%s", out)
	}
	if out := sh.ok("build", "list", "-o", "name"); out != "" {
		t.Errorf("they are still there: %s", out)
	}
	for want, args := range map[string][]string{
		"brig run acme/app -e push": {"event", "create", "acme/app", "-e", "push"}, "kept on a server only": {"gateway", "deliveries"},
		"brig project get": {"schedule", "list"}, "open to its user": {"token", "create", "x", "--scope", "read"}, "written down on a server only": {"audit"},
		"BRIGADE_SERVER": {"gateway", "redeliver", "x"}, "cancel the whole build": {"build", "cancel", id, "--job", "slow"},
	} {
		sh.refused(2, want, args...)
	}
}
