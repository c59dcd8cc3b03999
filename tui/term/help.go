package term

import (
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/brigadecore/brigade/v3/tui"
)

// help is the page of all keys of the page below it.
type help struct {
	m     *model
	of    page
	top   int
	lines int
	h     int
}

var _ pointed = (*help)(nil)

func (m *model) help() tea.Cmd {
	if _, already := m.top().(*help); already {
		return m.back(1)
	}
	return m.open(&help{m: m, of: m.top()})
}

func (p *help) title() string   { return "keys" }
func (p *help) watches() string { return p.of.watches() }
func (p *help) reads() work     { return nil }

func (p *help) draw(w, h int) []string {
	m := p.m
	var lines []string
	keys := append(p.of.bindings(), m.always()...)
	wide := 0
	for _, b := range keys {
		wide = max(wide, tui.Width(keyNames(b, m.look)))
	}
	wide = min(wide, w/3)
	seen := map[string]bool{}
	for _, b := range keys {
		if b.help == "" || seen[b.keys[0]+b.help] {
			continue
		}
		seen[b.keys[0]+b.help] = true
		name := tui.Pad(tui.Cut(keyNames(b, m.look), wide, m.look.Ellipsis()), wide, false)
		for i, row := range tui.Wrap(b.help, w-wide-4, 4, "") {
			if i > 0 {
				name = strings.Repeat(" ", wide)
			}
			lines = append(lines, " "+m.look.Bold(name)+"  "+row)
		}
	}
	lines = append(lines, "", m.look.Dim(" click: select, and once more: open; wheel: scroll"),
		m.look.Dim(" right button: back; the path at the top can be clicked"))
	p.lines, p.h = len(lines), h
	p.top = max(min(p.top, len(lines)-h), 0)
	return lines[p.top:]
}

func keyNames(b binding, look tui.Look) string {
	names := make([]string, 0, 3)
	for _, k := range b.keys[:min(3, len(b.keys))] {
		names = append(names, keyName(k, look))
	}
	return strings.Join(names, " ")
}

func (p *help) bindings() []binding {
	by := func(n int) func() tea.Cmd { return func() tea.Cmd { return p.wheel(n) } }
	return []binding{
		bind("esc enter h left", "back", "back", func() tea.Cmd { return p.m.back(1) }),
		bind("down j", "down", "down", by(1)), bind("up k", "up", "up", by(-1)),
		bind("pgdown space ctrl+d ctrl+f", "", "down", by(8)), bind("pgup ctrl+u ctrl+b", "", "up", by(-8)),
		bind("home g", "", "to the start", by(-1000)), bind("end G", "", "to the end", by(1000)),
	}
}

func (p *help) click(int) tea.Cmd { return nil }

func (p *help) wheel(lines int) tea.Cmd {
	p.top = max(min(p.top+lines, p.lines-p.h), 0)
	return nil
}
