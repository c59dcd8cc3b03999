package main

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// page is one page of the site.
type page struct {
	source  string // the Markdown's path in the repository, slash-separated
	url     string // relative to the site's root
	group   string // under which it is in the contents
	label   string // its name in the contents; empty: its title
	title   string
	text    []byte // Markdown
	html    string
	outline []heading
	ids     map[string]bool // the anchors it has
	words   []section
}

// heading is an entry of a page's own contents.
type heading struct {
	ID, Text string
	Level    int
}

// site is everything that is written.
type site struct {
	root   string // of the repository
	pages  []*page
	files  map[string]string // pictures: url → file
	bySrc  map[string]*page
	broken []string // links that lead nowhere
}

// build reads, renders and checks the whole site.
func build(root string) (*site, error) {
	s := &site{root: root, files: map[string]string{}, bySrc: map[string]*page{}}
	for _, step := range []func() error{s.readContents, s.readCommands, s.readExamples, s.nothingLeftOut, s.render, s.check} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *site) add(p *page) error {
	if p.text == nil {
		text, err := os.ReadFile(filepath.Join(s.root, filepath.FromSlash(p.source)))
		if err != nil {
			return fmt.Errorf("read a page of the contents: %w", err)
		}
		p.text = text
	}
	s.pages = append(s.pages, p)
	s.bySrc[p.source] = p
	return nil
}

var (
	groupLine = regexp.MustCompile(`^\*\*(\w+)\*\*`)
	entryLink = regexp.MustCompile(`\[([^\]]+)\]\(([^)#]+\.md)\)`)
)

// readContents adds the pages that docs/README.md names, in its order.
func (s *site) readContents() error {
	if err := s.add(&page{source: "README.md", url: "index.html", label: "Brigade"}); err != nil {
		return err
	}
	contents, err := os.ReadFile(filepath.Join(s.root, "docs", "README.md"))
	if err != nil {
		return fmt.Errorf("read the contents: %w", err)
	}
	group := ""
	for line := range strings.Lines(string(contents)) {
		if m := groupLine.FindStringSubmatch(line); m != nil {
			group = m[1]
		}
		for _, m := range entryLink.FindAllStringSubmatch(line, -1) {
			source := path.Join("docs", m[2])
			label := strings.ReplaceAll(m[1], "`", "")
			if err := s.add(&page{source: source, url: urlOf(source), group: group, label: strings.ToUpper(label[:1]) + label[1:]}); err != nil {
				return err
			}
		}
	}
	return nil
}

// urlOf is where a page of docs is on the site.
func urlOf(source string) string {
	rest := strings.TrimSuffix(strings.TrimPrefix(source, "docs/"), ".md")
	if path.Base(rest) == "README" {
		rest = path.Join(path.Dir(rest), "index")
	}
	return rest + ".html"
}

// readCommands adds the reference of every command.
func (s *site) readCommands() error {
	files, err := filepath.Glob(filepath.Join(s.root, "docs", "reference", "cli", "*.md"))
	if err != nil {
		return err
	}
	slices.Sort(files)
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".md")
		if name == "README" {
			continue
		}
		source := path.Join("docs/reference/cli", name+".md")
		if err := s.add(&page{source: source, url: urlOf(source), group: "Commands", label: "brig " + name}); err != nil {
			return err
		}
	}
	return nil
}

// readExamples makes a page of every example: its files, the script first.
func (s *site) readExamples() error {
	if err := s.add(&page{source: "examples/README.md", url: "examples/index.html", group: "Examples", label: "All examples"}); err != nil {
		return err
	}
	entries, err := os.ReadDir(filepath.Join(s.root, "examples"))
	if err != nil {
		return fmt.Errorf("find the examples: %w", err)
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		text, err := s.example(e.Name())
		if err != nil {
			return err
		}
		if err := s.add(&page{source: "examples/" + e.Name(), url: "examples/" + e.Name() + ".html", group: "Examples", label: e.Name(), text: text}); err != nil {
			return err
		}
	}
	return nil
}

// languages are the files of an example that are shown, by their endings.
var languages = map[string]string{".js": "js", ".mjs": "js", ".ts": "ts", ".json": "json", ".yaml": "yaml", ".sh": "sh", ".txt": "text"}

func (s *site) example(name string) ([]byte, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "# Example: %s\n\nRun it: `brig run -f examples/%s/…`, as [the examples' own page](README.md) says.\n", name, name)
	dir := filepath.Join(s.root, "examples", name)
	var files []string
	err := filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules" {
			return filepath.SkipDir
		}
		if _, shown := languages[filepath.Ext(file)]; shown && !d.IsDir() && d.Name() != "expect.json" { // what tests expect
			files = append(files, file)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the example %s: %w", name, err)
	}
	slices.SortFunc(files, func(a, b string) int { return strings.Compare(rank(a), rank(b)) })
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read the example %s: %w", name, err)
		}
		relative, err := filepath.Rel(dir, file)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "\n## %s\n\n````%s\n%s\n````\n", filepath.ToSlash(relative), languages[filepath.Ext(file)], strings.TrimRight(string(text), "\n"))
	}
	return []byte(b.String()), nil
}

// rank sorts scripts before what they use.
func rank(file string) string {
	if strings.HasPrefix(filepath.Base(file), "brigade.") && filepath.Ext(file) != ".json" {
		return "0" + file
	}
	return "1" + file
}

// nothingLeftOut finds documents that no reader of the contents would find.
func (s *site) nothingLeftOut() error {
	return filepath.WalkDir(filepath.Join(s.root, "docs"), func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(file) != ".md" {
			return err
		}
		relative, err := filepath.Rel(s.root, file)
		if err != nil {
			return err
		}
		source := filepath.ToSlash(relative)
		if source != "docs/README.md" && s.bySrc[source] == nil {
			return fmt.Errorf("%s is not in the contents: add it to docs/README.md", source)
		}
		return nil
	})
}
