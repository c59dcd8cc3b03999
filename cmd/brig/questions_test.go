package main

import (
	"io"
	"strings"
	"sync"
	"testing"
)

// At a terminal questions are asked by fields, which take keys as they come.
func TestQuestionsAtATerminal(t *testing.T) {
	sh := newShell(t)
	sh.stored()
	in, keys := io.Pipe()
	defer keys.Close()
	out, errs := &collected{}, &collected{}
	sh.env["TERM"] = "xterm-256color"
	s := sh.shellState(out, errs)
	s.Args, s.Stdin = []string{"secret", "set", "acme/app", "TYPED"}, in
	s.Terminal = func() (int, int, bool) { return 100, 30, true }
	s.InputTerminal = func() bool { return true }
	var typing sync.WaitGroup
	typing.Go(func() {
		errs.await(t, "TYPED", 1)
		if _, err := io.WriteString(keys, "hidden\r"); err != nil {
			t.Error(err)
		}
	})
	code := Main(s)
	typing.Wait()
	if code != 0 || strings.Contains(errs.String(), "hidden") {
		t.Fatalf("exit %d\n%s%s", code, out, errs)
	}
	if text := sh.ok("project", "export", "acme/app", "--with-secrets"); !strings.Contains(text, "TYPED: hidden") {
		t.Errorf("what was typed is not kept:\n%s", text)
	}
}
