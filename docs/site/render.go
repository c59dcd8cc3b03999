package main

import (
	"bytes"
	"fmt"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	chroma "github.com/alecthomas/chroma/v2/formatters/html"
	"github.com/yuin/goldmark"
	highlighting "github.com/yuin/goldmark-highlighting/v2"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
)

// forge is where files of the repository are shown that are no pages.
const forge = "https://github.com/brigadecore/brigade/blob/main/"

// section is what search knows of a part of a page.
type section struct {
	Title   string `json:"t"`
	URL     string `json:"u"`
	Heading string `json:"h,omitempty"`
	Text    string `json:"x"`
}

func markdown() goldmark.Markdown {
	return goldmark.New(
		goldmark.WithExtensions(extension.GFM, highlighting.NewHighlighting(highlighting.WithFormatOptions(chroma.WithClasses(true)))),
		goldmark.WithParserOptions(parser.WithAutoHeadingID()),
	)
}

// render makes HTML of every page.
func (s *site) render() error {
	md := markdown()
	for _, p := range s.pages {
		doc := md.Parser().Parse(text.NewReader(p.text))
		p.ids = map[string]bool{}
		if err := ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
			if entering {
				s.visit(p, n)
			}
			return ast.WalkContinue, nil
		}); err != nil {
			return err
		}
		if p.title == "" {
			return fmt.Errorf("%s has no title: begin it with a line like # Title", p.source)
		}
		if p.label == "" {
			p.label = p.title
		}
		p.words = sections(p, doc)
		var b bytes.Buffer
		if err := md.Renderer().Render(&b, p.text, doc); err != nil {
			return fmt.Errorf("render %s: %w", p.source, err)
		}
		p.html = b.String()
	}
	return nil
}

// visit notes headings and turns links from the repository's into the site's.
func (s *site) visit(p *page, n ast.Node) {
	switch n := n.(type) {
	case *ast.Heading:
		id := ""
		if v, ok := n.AttributeString("id"); ok {
			id = string(v.([]byte))
		}
		p.ids[id] = true
		words := plain(n, p.text)
		if n.Level == 1 && p.title == "" {
			p.title = words
		} else if n.Level <= 3 {
			p.outline = append(p.outline, heading{ID: id, Text: words, Level: n.Level})
		}
	case *ast.Link:
		n.Destination = []byte(s.link(p, string(n.Destination), false))
	case *ast.Image:
		n.Destination = []byte(s.link(p, string(n.Destination), true))
	}
}

// link is what a link of the Markdown is on the site. Anchors are checked
// later, when all pages are known.
func (s *site) link(p *page, to string, picture bool) string {
	u, err := url.Parse(to)
	if err != nil {
		s.broken = append(s.broken, fmt.Sprintf("%s: %q is not a link", p.source, to))
		return to
	}
	if u.Scheme != "" || u.Host != "" || u.Path == "" {
		return to
	}
	dir := path.Dir(p.source)
	if p.source == "examples/"+path.Base(p.source) && path.Ext(p.source) == "" {
		dir = "examples"
	}
	target := path.Join(dir, u.Path)
	file := filepath.Join(s.root, filepath.FromSlash(target))
	if _, err := os.Stat(file); err != nil {
		s.broken = append(s.broken, fmt.Sprintf("%s: %s is not there", p.source, to))
		return to
	}
	if target == "docs/README.md" || target == "docs" {
		target = "README.md"
	}
	for _, source := range []string{target, path.Join(target, "README.md"), path.Dir(target)} {
		if other := s.bySrc[source]; other != nil && !picture && source != "." {
			return anchored(relative(p.url, other.url), u.Fragment)
		}
	}
	if picture {
		s.files[strings.TrimPrefix(target, "docs/")] = file
		return relative(p.url, strings.TrimPrefix(target, "docs/"))
	}
	return anchored(forge+target, u.Fragment)
}

func anchored(link, fragment string) string {
	if fragment == "" {
		return link
	}
	return link + "#" + fragment
}

// relative is how the page at from names the file at to.
func relative(from, to string) string {
	up := strings.Repeat("../", strings.Count(from, "/"))
	return up + to
}

// plain is the text of a node without its marks.
func plain(n ast.Node, source []byte) string {
	var b strings.Builder
	_ = ast.Walk(n, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			if n.Type() == ast.TypeBlock {
				b.WriteByte(' ')
			}
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Text:
			b.Write(n.Segment.Value(source))
			if n.SoftLineBreak() || n.HardLineBreak() {
				b.WriteByte(' ')
			}
		case *ast.FencedCodeBlock, *ast.CodeBlock:
			for i := range n.Lines().Len() {
				line := n.Lines().At(i)
				b.Write(line.Value(source))
			}
		}
		return ast.WalkContinue, nil
	})
	return strings.Join(strings.Fields(b.String()), " ")
}

// maxWords bounds what search knows of a section, in bytes.
const maxWords = 1500

// sections cuts a page at its headings, for search.
func sections(p *page, doc ast.Node) []section {
	now := section{Title: p.title, URL: p.url}
	var all []section
	flush := func() {
		if len(now.Text) > maxWords {
			now.Text = strings.ToValidUTF8(now.Text[:maxWords], "")
		}
		now.Text = strings.TrimSpace(now.Text)
		all = append(all, now)
	}
	for n := doc.FirstChild(); n != nil; n = n.NextSibling() {
		h, ok := n.(*ast.Heading)
		if !ok || h.Level > 3 {
			now.Text += plain(n, p.text) + " "
			continue
		}
		if h.Level == 1 {
			continue
		}
		flush()
		id, _ := h.AttributeString("id")
		name, _ := id.([]byte)
		now = section{Title: p.title, URL: anchored(p.url, string(name)), Heading: plain(h, p.text)}
	}
	flush()
	return slices.DeleteFunc(all, func(s section) bool { return s.Text == "" && s.Heading == "" })
}
