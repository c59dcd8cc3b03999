package npm

import (
	"strings"
	"testing"
)

// TestResolve checks where packages end up. publish has a line for each
// version: name@version {fields of package.json}.
func TestResolve(t *testing.T) {
	for _, c := range []struct {
		name     string
		publish  string
		manifest string
		want     string
		warning  string
	}{
		{"hoists what does not conflict",
			"a@1.0.0 \"dependencies\":{\"b\":\"^1.0.0\"}\nb@1.0.0\nb@1.2.0 \"dependencies\":{\"c\":\"*\"}\nb@2.0.0\nc@0.1.0",
			`"dependencies":{"a":"1.0.0"}`, "a@1.0.0 b@1.2.0 c@0.1.0", ""},
		{"nests what conflicts",
			"a@1.0.0 \"dependencies\":{\"b\":\"^1.0.0\"}\nb@1.0.0\nb@2.0.0",
			`"dependencies":{"a":"1.0.0","b":"^2"}`, "a/b@1.0.0 a@1.0.0 b@2.0.0", ""},
		{"nests under the highest common place",
			"a@1.0.0 \"dependencies\":{\"x\":\"*\",\"b\":\"^1\"}\nx@1.0.0 \"dependencies\":{\"b\":\"^1\"}\nb@1.0.0\nb@2.0.0",
			`"dependencies":{"a":"*","b":"2.0.0"}`, "a/b@1.0.0 a@1.0.0 b@2.0.0 x/b@1.0.0 x@1.0.0", ""},
		{"ends a circle", "a@1.0.0 \"dependencies\":{\"b\":\"*\"}\nb@1.0.0 \"dependencies\":{\"a\":\"*\"}",
			`"dependencies":{"a":"*"}`, "a@1.0.0 b@1.0.0", ""},
		{"takes latest when it fits, not the highest", "a@1.0.0\na@1.9.0\na@1.2.0",
			`"dependencies":{"a":"^1.0.0"}`, "a@1.2.0", ""},
		{"passes over a deprecated version", "a@1.0.0\na@1.1.0 \"deprecated\":\"broken\"\na@2.0.0",
			`"dependencies":{"a":"^1.0.0"}`, "a@1.0.0", ""},
		{"takes a deprecated version that is asked for, with a warning", "a@1.1.0 \"deprecated\":\"use b\"\na@2.0.0",
			`"dependencies":{"a":"1.1.0"}`, "a@1.1.0", "a@1.1.0 is deprecated: use b"},
		{"leaves prereleases alone", "a@1.0.0\na@1.1.0-rc.1\na@2.0.0", `"dependencies":{"a":"^1.0.0"}`, "a@1.0.0", ""},
		{"understands aliases", "real@1.0.0\n@s/real@2.0.0",
			`"dependencies":{"one":"npm:real@^1","two":"npm:@s/real@2"}`, "one@1.0.0 two@2.0.0", ""},
		{"skips what is built in, also deep down", "a@1.0.0 \"dependencies\":{\"@brigadecore/brigadier\":\"^9\"}",
			`"dependencies":{"a":"1.0.0","@brigadecore/brigade-utils":"0.1.0","brigadier":"*"}`, "a@1.0.0", ""},
		{"installs peers", "plug@1.0.0 \"peerDependencies\":{\"core\":\"^1\"}\ncore@1.5.0\ncore@2.0.0",
			`"dependencies":{"plug":"*"}`, "core@1.5.0 plug@1.0.0", ""},
		{"finds one version for several peers", "p@1.0.0 \"peerDependencies\":{\"core\":\">=1\"}\nq@1.0.0 \"peerDependencies\":{\"core\":\"^1\"}\ncore@1.5.0\ncore@2.0.0",
			`"dependencies":{"p":"*","q":"*"}`, "core@1.5.0 p@1.0.0 q@1.0.0", ""},
		{"warns of a peer that does not fit", "plug@1.0.0 \"peerDependencies\":{\"core\":\"^1\"}\ncore@1.5.0\ncore@2.0.0",
			`"dependencies":{"plug":"*","core":"2"}`, "core@2.0.0 plug@1.0.0", "plug@1.0.0 wants core@^1 beside it, but 2.0.0 is there"},
		{"leaves optional peers out", "plug@1.0.0 \"peerDependencies\":{\"core\":\"^1\"},\"peerDependenciesMeta\":{\"core\":{\"optional\":true}}\ncore@1.5.0",
			`"dependencies":{"plug":"*"}`, "plug@1.0.0", ""},
		{"nests a package beside the peer it needs",
			"host@1.0.0 \"dependencies\":{\"plug\":\"*\",\"core\":\"^1\"}\nplug@1.0.0 \"peerDependencies\":{\"core\":\"^1\"}\ncore@1.0.0\ncore@2.0.0",
			`"dependencies":{"core":"2","host":"*"}`, "core@2.0.0 host/core@1.0.0 host/plug@1.0.0 host@1.0.0", ""},
		{"tolerates an optional package that does not exist", "a@1.0.0 \"optionalDependencies\":{\"gone\":\"*\"}",
			`"dependencies":{"a":"*"}`, "a@1.0.0", "optional package gone is left out"},
		{"drops an optional package whose dependency is missing, and its others",
			"a@1.0.0 \"optionalDependencies\":{\"opt\":\"*\"}\nopt@1.0.0 \"dependencies\":{\"side\":\"*\",\"gone\":\"*\"}\nside@1.0.0",
			`"dependencies":{"a":"*"}`, "a@1.0.0", "optional package opt is left out"},
		{"skips optional packages of other systems",
			"a@1.0.0 \"optionalDependencies\":{\"lin\":\"*\",\"mac\":\"*\",\"musl\":\"*\",\"notwin\":\"*\"}\nlin@1.0.0 \"os\":[\"linux\"],\"cpu\":[\"x64\"]\nmac@1.0.0 \"os\":[\"darwin\"]\nmusl@1.0.0 \"libc\":[\"musl\"]\nnotwin@1.0.0 \"os\":[\"!win32\"]",
			`"dependencies":{"a":"*"}`, "a@1.0.0 lin@1.0.0 notwin@1.0.0", ""},
		{"obeys overrides", "a@1.0.0 \"dependencies\":{\"b\":\"^1\",\"c\":\"1\"}\nb@1.0.0\nb@2.0.0\nc@1.0.0 \"dependencies\":{\"b\":\"1\"}\nd@1.0.0 \"dependencies\":{\"b\":\"1\"}",
			`"dependencies":{"a":"*","d":"*"},"overrides":{"a":{"b":"2.0.0"}}`, "a@1.0.0 b@2.0.0 c@1.0.0 d/b@1.0.0 d@1.0.0", ""},
		{"obeys overrides that refer to the project", "a@1.0.0 \"dependencies\":{\"b\":\"^1\"}\nb@1.0.0\nb@2.0.0",
			`"dependencies":{"a":"*","b":"2.0.0"},"overrides":{"b":"$b"}`, "a@1.0.0 b@2.0.0", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorkbench(t, "{"+c.manifest+"}")
			for line := range strings.SplitSeq(c.publish, "\n") {
				id, fields, _ := strings.Cut(line, " ")
				w.reg.add(id, fields)
			}
			tree := w.install(Request{SaveLock: true})
			if got := layout(t, tree); got != c.want {
				t.Errorf("layout\n got  %s\n want %s", got, c.want)
			}
			if all := strings.Join(tree.Warnings, "\n"); !strings.Contains(all, c.warning) || (c.warning == "" && all != "") {
				t.Errorf("warnings %q, want %q", all, c.warning)
			}
			// What was written has to be enough for everybody else.
			w.cache = t.TempDir()
			if again := w.install(Request{Frozen: true}); layout(t, again) != c.want {
				t.Errorf("from the lock: %s", layout(t, again))
			}
		})
	}
}

func TestTags(t *testing.T) {
	w := newWorkbench(t, `{"dependencies":{"a":"next"}}`)
	w.reg.add("a@1.0.0", "")
	w.reg.add("a@2.0.0-rc.1", "")
	w.reg.tag("a", "latest", "1.0.0")
	w.reg.tag("a", "next", "2.0.0-rc.1")
	if got := layout(t, w.install(Request{SaveLock: true})); got != "a@2.0.0-rc.1" {
		t.Error(got)
	}
	// Another tag is another wish, although the lock's version has no range to break.
	w.write("brigade.json", `{"dependencies":{"a":"latest"}}`)
	w.fail(Request{Frozen: true}, "latest")
	if got := layout(t, w.install(Request{SaveLock: true})); got != "a@1.0.0" {
		t.Error(got)
	}
	w.write("brigade.json", `{"dependencies":{"a":"beta"}}`)
	w.fail(Request{}, `no version of "a" matches "beta"`, "latest, next")
}

func TestBundled(t *testing.T) {
	w := newWorkbench(t, `{"dependencies":{"a":"1.0.0"}}`)
	w.reg.add("a@1.0.0", `"dependencies":{"in":"1","out":"1"},"bundleDependencies":["in"]`,
		entry{name: "package/node_modules/in/package.json", body: `{"name":"in","version":"1.7.0"}`})
	w.reg.add("out@1.0.0", "")
	if got := layout(t, w.install(Request{})); got != "a/in@1.7.0 a@1.0.0 out@1.0.0" {
		t.Error(got)
	}
}

func TestManifests(t *testing.T) {
	w := newWorkbench(t, `{"dependencies":{"a":"1.0.0"}}`)
	w.write("package.json", `{"dependencies":{"a":"2.0.0","b":"*"},"devDependencies":{"dev":"*"}}`)
	for _, id := range []string{"a@1.0.0", "a@2.0.0", "b@1.0.0", "dev@1.0.0"} {
		w.reg.add(id, "")
	}
	for _, c := range []struct {
		req  Request
		want string
	}{
		{Request{}, "a@1.0.0 b@1.0.0"},
		{Request{Dev: true}, "a@1.0.0 b@1.0.0 dev@1.0.0"},
		{Request{BrigadeOnly: true}, "a@1.0.0"},
		{Request{Manifest: &Manifest{Dependencies: map[string]string{"b": "1"}}}, "b@1.0.0"},
	} {
		if got := layout(t, w.install(c.req)); got != c.want {
			t.Errorf("%+v: %s", c.req, got)
		}
	}
	if tree := w.install(Request{Manifest: &Manifest{}}); tree.Dir != "" || len(tree.Packages) != 0 {
		t.Errorf("a tree for nothing: %+v", tree)
	}
	for text, words := range map[string]string{
		"{\n  \"dependencies\": {\n    \"a\": \"1\",\n  }\n}":    "brigade.json:4:3",
		`{"dependencies":{"a":1}}`:                               `the version of "a" is not text`,
		`{"dependencies":{"a":"user/repo"}}`:                     "git dependencies are not supported",
		`{"dependencies":{"a":"git+ssh://git@host/x.git"}}`:      "git dependencies are not supported",
		`{"dependencies":{"a":"https://user:pw@host/x.tgz"}}`:    "//host/:_authToken",
		`{"dependencies":{"a":"workspace:*"}}`:                   "workspaces",
		`{"dependencies":{"a":"!!"}}`:                            "neither a version range nor a tag",
		`{"dependencies":{"../evil":"1"}}`:                       "not a valid package name",
		`{"dependencies":{"a":"file:../x"}}`:                     "outside the project",
		`{"dependencies":{"a":"file:/etc"}}`:                     "outside the project",
		`{"dependencies":{"a":"file:missing"}}`:                  "cannot be read",
		`{"dependencies":["a"]`:                                  "brigade.json:1:",
		`[{"dependencies":{}}]`:                                  "it may not be of the kind array",
		`{"dependencies":["a"]}`:                                 "not an object",
		`{"dependencies":{"a":"1"},"overrides":{"b":"$nobody"}}`: "no dependency of the project",
	} {
		w.write("brigade.json", text)
		w.fail(Request{BrigadeOnly: true}, words)
	}
}
