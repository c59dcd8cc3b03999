package web

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/brigadecore/brigade/v3"
)

func TestHandlersAreFound(t *testing.T) {
	for _, c := range []struct{ script, want string }{
		{"", ""},
		{`events.on("push", () => {})`, "push@1"},
		{"const { events, Job } = require('brigadier');\n\nevents.on('push', run);\nevents.once(`exec`, run)", "push@3 exec@4"},
		{`// events.on("no", f)` + "\n/* events.on('no')\n*/ events.on(\"yes\", f)", "yes@3"},
		{`console.log("events.on('no', f)")`, ""},
		{`console.log("it's", 'a "b"'); events.on("a:b", f)`, "a:b@1"},
		{"const { events: on } = require('brigadier')\non.on('push', f); stream.on('data', f)", "push@2"},
		{"import { events as ev } from '@brigadecore/brigadier'\nev\n  .on(\n  'push', f)", "push@3"},
		{`const ev = require("brigadier").events; ev.on("push", f)`, "push@1"},
		{`for (const n of names) events.on(n, f); events.on("a" + n, f); events.on(` + "`a${n}`" + `, f)`, "?@1 ?@1 ?@1"},
		{`const r = /["'` + "`" + `/*]/; events.on("push", f)`, "push@1"},
		{`x = a / b; events.on("push", f); y = c / d`, "push@1"},
		{`brigadier.events.on("push", f)`, "push@1"},
		{`events.on("it\"s", f)`, `it"s@1`},
		{"events.on(\"push", "?@1"},
		{"events.on(", "?@1"},
		{"`", ""}, {"/*", ""}, {"/", ""}, {"'", ""}, {"\\", ""}, {"\xff\xfeevents.on('x', f)", ""},
	} {
		var got []string
		for _, h := range handlersIn(c.script) {
			name := h.Event
			if name == "" {
				name = "?"
			}
			got = append(got, fmt.Sprintf("%s@%d", name, h.Line))
		}
		if text := strings.Join(got, " "); text != c.want {
			t.Errorf("%s\n has %s, want %s", c.script, text, c.want)
		}
	}
	if n := len(handlersIn(strings.Repeat("events.on('x', f)\n", 1000))); n != maxHandlers {
		t.Errorf("%d handlers", n)
	}
}

func FuzzHandlers(f *testing.F) {
	f.Add("events.on('push', /a/ / `b${1}`)")
	f.Fuzz(func(_ *testing.T, script string) { handlersIn(script) })
}

func TestRevisionsAtForges(t *testing.T) {
	const sha = "4f2a9b1c77d0e35566aa"
	for _, c := range []struct{ repository, provider, ref, commit, wantCommit, wantRef string }{
		{"github.com/acme/app", "github", "refs/heads/feat/x y", sha, "https://github.com/acme/app/commit/" + sha, "https://github.com/acme/app/tree/feat/x%20y"},
		{"github.com/acme/app", "brigade-cli", "refs/pull/12/head", "", "", "https://github.com/acme/app/pull/12"},
		{"github.com/acme/app", "github", "refs/pull/x/head", sha, "https://github.com/acme/app/commit/" + sha, ""},
		{"gitlab.example.org/a/b/c", "gitlab", "refs/merge-requests/7/head", sha, "https://gitlab.example.org/a/b/c/-/commit/" + sha, "https://gitlab.example.org/a/b/c/-/merge_requests/7"},
		{"codeberg.org/a/b", "gitea", "refs/tags/v1", "", "", "https://codeberg.org/a/b/src/tag/v1"},
		{"bitbucket.org/a/b", "bitbucket", "refs/heads/main", "", "", "https://bitbucket.org/a/b/branch/main"},
		{"javascript:alert(1)", "github", "refs/heads/main", sha, "", ""},
		{"acme/app", "github", "refs/heads/main", sha, "", ""},
		{"github.com/acme/app", "github", "main", "short", "", ""},
		{"github.com/acme/app", "github", "refs/heads/\"><script>", "../../x1234567", "", "https://github.com/acme/app/tree/%22%3E%3Cscript%3E"},
	} {
		commit, ref := revisionURLs(c.repository, c.provider, brigade.Revision{Ref: c.ref, Commit: c.commit})
		if commit != c.wantCommit || ref != c.wantRef {
			t.Errorf("%s %s %s: %s and %s", c.repository, c.ref, c.commit, commit, ref)
		}
	}
}

func TestTrends(t *testing.T) {
	minutes := func(list ...int) (times []time.Duration) {
		for _, m := range list {
			times = append(times, time.Duration(m)*time.Minute)
		}
		return times
	}
	for _, c := range []struct {
		times []time.Duration // newest first
		want  string
	}{
		{minutes(1, 2, 3), ""},
		{minutes(2, 2, 2, 2, 1, 1, 1, 1), "100% slower"},
		{minutes(5, 5, 5, 90, 10, 10, 10, 10), "50% faster"},
		{minutes(5, 5, 5, 5, 5, 5, 5, 5), "steady"},
		{minutes(0, 0, 0, 0, 0, 0, 0, 0), ""},
	} {
		var s strip
		if s.trend(c.times); s.Trend != c.want {
			t.Errorf("%v: %q, want %q", c.times, s.Trend, c.want)
		}
	}
}
