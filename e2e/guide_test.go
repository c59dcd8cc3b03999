package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
)

// A page's code blocks take part in tests when the line that opens them says
// so, which readers do not see:
//
//	```js run [file=brigade.js]   is written to the page's directory
//	```sh run [exit=0]            is run there, with brig in PATH; a line of it
//	                              export NAME=value holds for those after it
//	```text expect                each line is part of what the last sh printed
//	```text never                 no line is
type block struct {
	words []string // of the opening line: language, role, settings
	text  string
	line  int
}

type page struct {
	path   string
	blocks []block
}

func readPage(t *testing.T, path string) page {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	p := page{path: path}
	var current *block
	for i, l := range strings.Split(string(text), "\n") {
		switch fence := strings.HasPrefix(l, "```"); {
		case fence && current == nil:
			current = &block{words: strings.Fields(strings.TrimPrefix(l, "```")), line: i + 1}
		case fence:
			p.blocks = append(p.blocks, *current)
			current = nil
		case current != nil:
			current.text += l + "\n"
		}
	}
	if current != nil {
		t.Fatalf("%s:%d: a code block is not closed", path, current.line)
	}
	return p
}

// is reports whether b is a block of language and role.
func (b block) is(language, role string) bool {
	return len(b.words) > 1 && b.words[0] == language && b.words[1] == role
}

// setting returns the value of key=value in the opening line.
func (b block) setting(key, otherwise string) string {
	for _, word := range b.words {
		if value, ok := strings.CutPrefix(word, key+"="); ok {
			return value
		}
	}
	return otherwise
}

// only returns the text of the one block with the role.
func (p page) only(t *testing.T, role string) string {
	t.Helper()
	var found []string
	for _, b := range p.blocks {
		if slices.Contains(b.words, role) {
			found = append(found, b.text)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%s has %d blocks marked %q, want one", p.path, len(found), role)
	}
	return found[0]
}

func TestGuide(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the guide's jobs expect /src, which the process runner has on Linux only")
	}
	files, err := filepath.Glob(filepath.Join(root, "docs", "guide", "*.md"))
	if err != nil || len(files) < 5 {
		t.Fatalf("found %d pages: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".md"), func(t *testing.T) {
			t.Parallel()
			readPage(t, file).try(t)
		})
	}
}

// try does what the page says, in a directory of its own.
func (p page) try(t *testing.T) {
	m := newMachine(t, t.TempDir())
	m.withoutEngine()
	m.env = append(m.env, "PATH="+filepath.Dir(program)+string(filepath.ListSeparator)+os.Getenv("PATH"))
	m.stopServers(t)
	ports := ownAddress()
	last, tested := "", 0
	for _, b := range p.blocks {
		switch {
		case b.is("js", "run"), b.is("ts", "run"):
			file := filepath.Join(m.dir, filepath.FromSlash(b.setting("file", "brigade.js")))
			if err := os.WriteFile(file, []byte(b.text), 0o600); err != nil {
				t.Fatal(err)
			}
		case b.is("sh", "run"):
			text := ports.Replace(b.text)
			out := m.run(t, "sh", "-eu", "-c", text)
			last = out.both()
			m.keepExports(text)
			if want := b.setting("exit", "0"); strconv.Itoa(out.code) != want {
				t.Fatalf("%s:%d: exit code %d, want %s\n%s", p.path, b.line, out.code, want, last)
			}
			tested++
		case b.is("text", "expect"), b.is("text", "never"):
			for _, part := range strings.Split(strings.TrimSpace(b.text), "\n") {
				if strings.Contains(last, part) != b.is("text", "expect") {
					t.Errorf("%s:%d: %s %q, but this was printed:\n%s", p.path, b.line, b.words[1], part, clip(last))
				}
			}
		}
	}
	t.Logf("%d commands", tested)
}

// keepExports keeps the variables that a block exports for the next ones, as
// the shell of somebody who reads the page does.
func (m *machine) keepExports(text string) {
	for line := range strings.Lines(text) {
		if pair, ok := strings.CutPrefix(strings.TrimSpace(line), "export "); ok {
			m.env = append(m.env, pair)
		}
	}
}

// pages counts the pages that were given an address.
var pages atomic.Int32

// ownAddress gives the servers of a page another loopback address than the
// default one, whose ports may be in use here. Linux has many.
func ownAddress() *strings.Replacer {
	pid := os.Getpid()
	host := fmt.Sprintf("127.%d.%d.%d", 64+pid>>8&63, pid&255, 1+pages.Add(1)%250)
	return strings.NewReplacer(
		"brig server ", fmt.Sprintf("brig server --gateways %s:7744 --api %s:7745 ", host, host),
		"127.0.0.1:7744", host+":7744", "127.0.0.1:7745", host+":7745",
	)
}

// stopServers ends, with the test, a server that the page left running: its
// process ID is in server.pid.
func (m *machine) stopServers(t *testing.T) {
	t.Helper()
	t.Cleanup(func() {
		text, err := os.ReadFile(filepath.Join(m.dir, "server.pid"))
		if err != nil {
			return
		}
		if t.Failed() {
			if log, err := os.ReadFile(filepath.Join(m.dir, "server.log")); err == nil {
				t.Logf("server.log:\n%s", clip(string(log)))
			}
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil {
			return
		}
		// When all went well it has ended, and its ID may be another's by now.
		if cwd, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid)); err != nil || cwd != m.dir {
			return
		}
		if p, err := os.FindProcess(pid); err == nil {
			_ = p.Kill()
		}
	})
}
