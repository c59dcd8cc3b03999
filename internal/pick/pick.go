package pick

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	maxFiles    = 10_000 // kept of one job
	maxDepth    = 200    // of directories
	maxLinks    = 100    // followed in an archive
	maxProblems = 10     // told
	maxFailures = 3      // in a row, after which there is no use in going on
)

// Keep takes a file, whose name is relative to mountPath.
type Keep func(name string, size int64, content io.Reader) error

// picker picks from one directory or archive.
type picker struct {
	keep     Keep
	used     []bool // patterns that named something
	kept     map[string]bool
	problems []string
	unsaid   int
	failures int
	over     bool
}

func (s Set) picker(keep Keep) *picker {
	p := &picker{keep: keep, used: make([]bool, len(s.patterns)), kept: map[string]bool{}}
	for _, problem := range s.problems {
		p.problem("%s", problem)
	}
	return p
}

func (p *picker) problem(format string, args ...any) {
	if len(p.problems) >= maxProblems {
		p.unsaid++
		return
	}
	p.problems = append(p.problems, fmt.Sprintf(format, args...))
}

// end returns the problems, for people.
func (p *picker) end(s Set) []string {
	for i, used := range p.used {
		if !used && !p.over {
			p.problem("nothing below mountPath is named by %s", s.patterns[i].text)
		}
	}
	if p.unsaid > 0 {
		p.problems = append(p.problems, fmt.Sprintf("and %d more", p.unsaid))
	}
	return p.problems
}

// one keeps a file.
func (p *picker) one(name string, size int64, content io.Reader, m matches) {
	for i := range p.used {
		p.used[i] = p.used[i] || m.named(i)
	}
	if p.over || p.kept[name] {
		return
	}
	if !utf8.ValidString(name) {
		p.problem("%q is not kept: its name is not UTF-8", name)
		return
	}
	if len(p.kept) == maxFiles {
		p.problem("no more than %d files are kept", maxFiles)
		p.over = true
		return
	}
	p.kept[name] = true
	if err := p.keep(name, size, io.LimitReader(content, size)); err != nil {
		p.problem("%s is not kept: %v", name, err)
		if p.failures++; p.failures == maxFailures {
			p.problem("no more files are kept, after %d failures", maxFailures)
			p.over = true
		}
		return
	}
	p.failures = 0
}

// Dir gives keep the files of root, which is mountPath, one after another, by
// name. It returns what went wrong, as sentences for people: a file that could
// not be read or kept, a pattern that named nothing. It follows no link out of
// root and does not block on what is not a file.
func (s Set) Dir(root *os.Root, keep Keep) []string {
	p := s.picker(keep)
	if len(s.patterns) > 0 {
		p.walk(root, ".", s.start(), 0)
	}
	return p.end(s)
}

func (p *picker) walk(root *os.Root, dir string, at matches, depth int) {
	if depth == maxDepth {
		p.problem("%.60s… is not looked into: it is too deep", dir)
		return
	}
	entries, err := fs.ReadDir(root.FS(), dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		p.problem("%s cannot be read: %v", dir, cause(err))
	}
	for _, entry := range entries {
		name, m := path.Join(dir, entry.Name()), at.enter(entry.Name())
		switch {
		case p.over:
			return
		case m.hopeless():
		case entry.IsDir():
			p.walk(root, name, m, depth+1)
		case m.any() && (entry.Type().IsRegular() || entry.Type()&fs.ModeSymlink != 0):
			p.file(root, name, entry, m)
		}
	}
}

// file keeps a file, or what a link leads to when that is one.
func (p *picker) file(root *os.Root, name string, entry fs.DirEntry, m matches) {
	if entry.Type()&fs.ModeSymlink != 0 {
		info, err := root.Stat(name)
		if err != nil {
			p.problem("%s is not kept: it is a link that leads to nothing here", name)
			return
		}
		if !info.Mode().IsRegular() {
			return
		}
	}
	f, err := root.OpenFile(name, os.O_RDONLY|nonblock, 0)
	if err != nil {
		p.problem("%s is not kept: %v", name, cause(err))
		return
	}
	defer f.Close() //nolint:errcheck // it was only read
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return
	}
	p.one(name, info.Size(), f, m)
}

// cause leaves out the path of an error, which is the host's.
func cause(err error) error {
	var of *fs.PathError
	if errors.As(err, &of) {
		return of.Err
	}
	return err
}

// Open returns the archive of a path below mountPath, as container engines make
// them: its entries begin with the last part of the path. fs.ErrNotExist when
// there is no such path.
type Open func(name string) (io.ReadCloser, error)

// Tar is Dir for a place that gives archives only.
func (s Set) Tar(mountPath string, open Open, keep Keep) []string {
	p := s.picker(keep)
	links := map[string]string{}
	var order []string
	for _, base := range s.Bases() {
		err := archive(open, base, func(name string, h *tar.Header, content io.Reader) bool {
			m := s.start()
			for part := range strings.SplitSeq(name, "/") {
				m = m.enter(part)
			}
			switch {
			case !m.any():
			case h.Typeflag == tar.TypeReg:
				p.one(name, h.Size, content, m)
			case h.Typeflag == tar.TypeSymlink && len(order) < maxLinks:
				links[name] = h.Linkname
				order = append(order, name)
			}
			return !p.over
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			p.problem("%s cannot be read: %v", base, err)
		}
	}
	slices.Sort(order)
	for _, name := range order {
		if !p.over {
			s.link(p, mountPath, name, links[name], open)
		}
	}
	return p.end(s)
}

// archive calls each for what is in the archive of base until it returns false.
func archive(open Open, base string, each func(name string, h *tar.Header, content io.Reader) bool) error {
	content, err := open(base)
	if err != nil {
		return err
	}
	defer content.Close() //nolint:errcheck // it was only read
	r := tar.NewReader(content)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		_, rest, _ := strings.Cut(path.Clean(h.Name), "/")
		if !each(path.Join(base, rest), h, r) {
			return nil
		}
	}
}

// link keeps the file that a link leads to, over some more links.
func (s Set) link(p *picker, mountPath, name, target string, open Open) {
	at := name
	for range 8 {
		if path.IsAbs(target) {
			rel, below := strings.CutPrefix(path.Clean(target), strings.TrimSuffix(path.Clean(mountPath), "/")+"/")
			if !below {
				break
			}
			at = rel
		} else {
			at = path.Join(path.Dir(at), target)
		}
		if at == ".." || at == "." || strings.HasPrefix(at, "../") {
			break
		}
		target = ""
		err := archive(open, at, func(_ string, h *tar.Header, content io.Reader) bool {
			switch h.Typeflag {
			case tar.TypeReg:
				m := s.start()
				for part := range strings.SplitSeq(name, "/") {
					m = m.enter(part)
				}
				p.one(name, h.Size, content, m)
			case tar.TypeSymlink:
				target = h.Linkname
			}
			return false
		})
		if err != nil {
			break
		}
		if target == "" {
			return
		}
	}
	p.problem("%s is not kept: it is a link that leads to nothing here", name)
}
