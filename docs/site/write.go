package main

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"os"
	"path/filepath"
	"strings"

	chroma "github.com/alecthomas/chroma/v2/formatters/html"
	"github.com/alecthomas/chroma/v2/styles"
)

//go:embed assets
var assets embed.FS

// view is what the layout shows.
type view struct {
	*page
	Root    string // leads from the page to the site's root
	Nav     []group
	Body    template.HTML
	Outline []heading
	Prev    *entry
	Next    *entry
}

type group struct {
	Name    string
	Open    bool
	Entries []entry
}

type entry struct {
	Label, URL string
	Here       bool
}

// Title is the page's title: the layout reads it.
func (v view) Title() string { return v.title }

// write replaces dir by the site. What was there stays until all is written.
func (s *site) write(dir string) error {
	next := strings.TrimRight(dir, "/") + ".new"
	if err := os.RemoveAll(next); err != nil {
		return err
	}
	if err := s.writeTo(next); err != nil {
		return err
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	return os.Rename(next, dir)
}

func (s *site) writeTo(dir string) error {
	layout, err := template.ParseFS(assets, "assets/layout.html")
	if err != nil {
		return err
	}
	for i, p := range s.pages {
		var b bytes.Buffer
		if err := layout.Execute(&b, s.view(i)); err != nil {
			return fmt.Errorf("lay out %s: %w", p.source, err)
		}
		if err := put(dir, p.url, b.Bytes()); err != nil {
			return err
		}
	}
	for to, file := range s.files {
		picture, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("read a picture: %w", err)
		}
		if err := put(dir, to, picture); err != nil {
			return err
		}
	}
	return s.writeAssets(dir)
}

func (s *site) writeAssets(dir string) error {
	var index []section
	for _, p := range s.pages {
		index = append(index, p.words...)
	}
	data, err := json.Marshal(index)
	if err != nil {
		return err
	}
	if err := put(dir, "search.json", data); err != nil {
		return err
	}
	script, err := assets.ReadFile("assets/site.js")
	if err != nil {
		return err
	}
	if err := put(dir, "site.js", script); err != nil {
		return err
	}
	style, err := assets.ReadFile("assets/style.css")
	if err != nil {
		return err
	}
	colours, err := codeColours()
	if err != nil {
		return err
	}
	return put(dir, "style.css", append(style, colours...))
}

// codeColours are those of code, in light and dark.
func codeColours() ([]byte, error) {
	var b bytes.Buffer
	format := chroma.New(chroma.WithClasses(true))
	if err := format.WriteCSS(&b, styles.Get("github")); err != nil {
		return nil, err
	}
	b.WriteString("@media (prefers-color-scheme: dark) {\n")
	if err := format.WriteCSS(&b, styles.Get("github-dark")); err != nil {
		return nil, err
	}
	b.WriteString("}\n")
	return b.Bytes(), nil
}

func put(dir, name string, data []byte) error {
	file := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, data, 0o644)
}

// view is the page at i with its place among the others.
func (s *site) view(i int) view {
	p := s.pages[i]
	v := view{page: p, Root: relative(p.url, ""), Body: template.HTML(p.html), Outline: p.outline} //nolint:gosec // our own Markdown, in which HTML is not let through
	for _, other := range s.pages[1:] {
		if n := len(v.Nav); n == 0 || v.Nav[n-1].Name != other.group {
			v.Nav = append(v.Nav, group{Name: other.group})
		}
		g := &v.Nav[len(v.Nav)-1]
		here := other == p
		g.Entries = append(g.Entries, entry{Label: other.label, URL: relative(p.url, other.url), Here: here})
		g.Open = g.Open || here || g.Name == "Guide"
	}
	near := func(n int) *entry {
		if n < 0 || n >= len(s.pages) || s.pages[n].group != p.group {
			return nil
		}
		return &entry{Label: s.pages[n].label, URL: relative(p.url, s.pages[n].url)}
	}
	v.Prev, v.Next = near(i-1), near(i+1)
	return v
}
