package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// made writes the site of this repository and returns where.
func made(t *testing.T) (*site, string) {
	t.Helper()
	s, err := build("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "site")
	if err := s.write(dir); err != nil {
		t.Fatal(err)
	}
	return s, dir
}

var resource = regexp.MustCompile(`(?:src|href)="([^"]*)"`)

// TestSite checks what the generator itself does not: that every file a page
// asks for is there, and that no page asks another host for anything.
func TestSite(t *testing.T) {
	s, dir := made(t)
	if len(s.pages) < 60 {
		t.Errorf("%d pages only", len(s.pages))
	}
	for _, p := range s.pages {
		html, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(p.url)))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range resource.FindAllStringSubmatch(string(html), -1) {
			target, _, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, ":") {
				if strings.HasPrefix(m[0], "src") {
					t.Errorf("%s takes %s from another host", p.url, target)
				}
				continue
			}
			if target == "" {
				continue
			}
			if _, err := os.Stat(filepath.Join(dir, filepath.Dir(filepath.FromSlash(p.url)), filepath.FromSlash(target))); err != nil {
				t.Errorf("%s: %s is not there", p.url, target)
			}
		}
		if n := strings.Count(string(html), `aria-current="page"`); n != 1 && p.url != "index.html" {
			t.Errorf("%s is %d times in the contents", p.url, n)
		}
		if n := strings.Count(string(html), "<h1"); n != 1 {
			t.Errorf("%s has %d titles", p.url, n)
		}
	}
}

func TestSearchIndex(t *testing.T) {
	_, dir := made(t)
	data, err := os.ReadFile(filepath.Join(dir, "search.json"))
	if err != nil {
		t.Fatal(err)
	}
	var index []section
	if err := json.Unmarshal(data, &index); err != nil {
		t.Fatal(err)
	}
	if len(data) > 1<<20 {
		t.Errorf("the index is %d bytes: too much to load for a search", len(data))
	}
	found := false
	for _, s := range index {
		found = found || s.Heading == "How a script runs" && strings.HasSuffix(s.URL, "guide/scripting.html#how-a-script-runs") && strings.Contains(s.Text, "after is fired")
	}
	if !found {
		t.Error("the section How a script runs is not in the index")
	}
}

// TestFaults builds repositories that have something wrong.
func TestFaults(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"a link to nothing":    {map[string]string{"docs/guide/a.md": "# A\n[x](b.md)"}, "b.md is not there"},
		"an anchor of nothing": {map[string]string{"docs/guide/a.md": "# A\n[x](../../README.md#no)"}, "no heading #no"},
		"its own anchor":       {map[string]string{"docs/guide/a.md": "# A\n[x](#no)"}, "no heading #no"},
		"a page without title": {map[string]string{"docs/guide/a.md": "text"}, "no title"},
		"a hidden page":        {map[string]string{"docs/guide/b.md": "# B"}, "docs/guide/b.md is not in the contents"},
		"a missing page":       {map[string]string{"docs/README.md": "**Guide** [a](guide/none.md)"}, "none.md"},
		"all is well":          {map[string]string{"docs/guide/a.md": "# A\n\n## Part\n[x](../../README.md#start) <script>alert(1)</script>"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			files := map[string]string{
				"README.md": "# Title\n\n## Start\n", "docs/README.md": "**Guide** [a](guide/a.md)", "docs/guide/a.md": "# A",
				"examples/README.md": "# Examples\n[one](one)", "examples/one/brigade.js": "// hello\n",
			}
			for file, text := range c.files {
				files[file] = text
			}
			for file, text := range files {
				if err := put(root, file, []byte(text)); err != nil {
					t.Fatal(err)
				}
			}
			s, err := build(root)
			switch {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("got %v, want %q", err, c.want)
			case err == nil:
				if html := s.bySrc["docs/guide/a.md"].html; strings.Contains(html, "<script") || !strings.Contains(html, `href="../index.html#start"`) {
					t.Errorf("%s", html)
				}
				if html := s.bySrc["examples/README.md"].html; !strings.Contains(html, `href="../examples/one.html"`) {
					t.Errorf("%s", html)
				}
			}
		})
	}
}
