package term

import (
	"slices"
	"strings"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"

	"github.com/brigadecore/brigade/v3/tui"
)

// binding is what some keys do. The first key is the one that is shown.
type binding struct {
	keys  []string
	label string // for the line at the bottom; empty: not there
	help  string // for the page of all keys
	do    func() tea.Cmd
}

func bind(keys, label, help string, do func() tea.Cmd) binding {
	return binding{keys: strings.Fields(keys), label: label, help: help, do: do}
}

// always are the keys of every page.
func (m *model) always() []binding {
	back := func() tea.Cmd { return m.back(1) }
	return []binding{
		bind("?", "help", "all keys", func() tea.Cmd { return m.help() }),
		bind("q ctrl+c", "quit", "leave the dashboard; builds go on", func() tea.Cmd { return tea.Quit }),
		bind("esc backspace", "", "back", back),
		bind("ctrl+r f5", "", "read anew", func() tea.Cmd { return m.reload(m.top()) }),
		bind("ctrl+l", "", "draw the screen anew", func() tea.Cmd { return tea.ClearScreen }),
		bind("m", "", "mouse on or off; off, the terminal selects text", func() tea.Cmd {
			m.mouse = !m.mouse
			m.say("mouse " + map[bool]string{true: "on", false: "off: select text as usual"}[m.mouse])
			return nil
		}),
		bind("ctrl+z", "", "put the dashboard in the background", func() tea.Cmd { return tea.Suspend }),
	}
}

// press takes a key: first for what is being asked or typed, then for the page,
// then for every page.
func (m *model) press(msg tea.KeyPressMsg) tea.Cmd {
	key := msg.String()
	switch {
	case m.ask != nil:
		return m.answer(key)
	case m.input != nil:
		return m.typed(msg)
	}
	m.status = status{}
	for _, b := range append(m.top().bindings(), m.always()...) {
		if slices.Contains(b.keys, key) {
			return b.do()
		}
	}
	return nil
}

func (m *model) answer(key string) tea.Cmd {
	do := m.ask.answers[key]
	m.ask = nil
	if do == nil {
		return nil
	}
	return do()
}

// input is a line that is typed at the bottom.
type input struct {
	mark    string // what stands before it
	text    string
	changed func(text string) tea.Cmd
	ended   func(text string, ok bool) tea.Cmd
}

const maxInput = 200 // bytes

func (i *input) add(text string) {
	text = tui.Clean(text, false)
	if len(i.text)+len(text) <= maxInput {
		i.text += text
	}
}

func (m *model) typed(msg tea.KeyPressMsg) tea.Cmd {
	in := m.input
	switch key := msg.String(); key {
	case "enter":
		m.input = nil
		return in.ended(in.text, true)
	case "esc", "ctrl+c":
		m.input = nil
		return in.ended(in.text, false)
	case "backspace", "ctrl+h":
		if in.text == "" {
			m.input = nil
			return in.ended("", true)
		}
		_, n := utf8.DecodeLastRuneInString(in.text)
		in.text = in.text[:len(in.text)-n]
	case "ctrl+u":
		in.text = ""
	case "ctrl+w":
		in.text = strings.TrimRight(in.text, " ")
		in.text = in.text[:strings.LastIndexByte(in.text, ' ')+1]
	default:
		if msg.Text == "" {
			return nil
		}
		in.add(msg.Text)
	}
	return in.changed(in.text)
}

func (m *model) clicked(at tea.Mouse) tea.Cmd {
	if m.ask != nil || m.input != nil {
		return nil
	}
	switch {
	case at.Button == tea.MouseRight, at.Button == tea.MouseBackward:
		return m.back(1)
	case at.Button != tea.MouseLeft:
		return nil
	case at.Y == 0:
		for i, end := range m.crumbs {
			if at.X < end {
				return m.back(len(m.stack) - 1 - i)
			}
		}
		return nil
	}
	if p, ok := m.top().(pointed); ok && at.Y >= m.bodyAt {
		return p.click(at.Y - m.bodyAt)
	}
	return nil
}

func (m *model) wheeled(at tea.Mouse) tea.Cmd {
	p, ok := m.top().(pointed)
	switch {
	case !ok || m.ask != nil:
	case at.Button == tea.MouseWheelUp:
		return p.wheel(-3)
	case at.Button == tea.MouseWheelDown:
		return p.wheel(3)
	}
	return nil
}
