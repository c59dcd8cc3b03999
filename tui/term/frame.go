package term

import (
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/brigadecore/brigade/v3/tui"
)

// View implements tea.Model: the path, the page, and a line for what is asked,
// typed, told or the most important keys.
func (m *model) View() tea.View {
	v := tea.NewView("")
	v.AltScreen = true
	if m.mouse {
		v.MouseMode = tea.MouseModeCellMotion
	}
	if m.w < 1 || m.h < 1 {
		return v
	}
	m.spun = false
	lines := []string{m.path()}
	if m.roomy() {
		lines = append(lines, "")
	}
	m.bodyAt = len(lines)
	end := m.h - 1
	if m.roomy() {
		end--
	}
	body := m.body(m.w, max(end-m.bodyAt, 0))
	lines = append(lines, body...)
	for len(lines) < m.h-1 {
		lines = append(lines, "")
	}
	if m.h > 1 {
		lines = append(lines[:m.h-1], m.bottom())
	}
	if m.input != nil {
		v.Cursor = tea.NewCursor(min(tui.Width(m.input.mark+m.input.text), m.w-1), m.h-1)
	}
	for i := range lines {
		lines[i] = tui.Cut(lines[i], m.w, "")
	}
	v.SetContent(strings.Join(lines, "\n"))
	return v
}

// roomy reports whether there is room for empty lines.
func (m *model) roomy() bool { return m.h >= 16 }

func (m *model) body(w, h int) []string {
	if r := m.reads[m.top()]; r == nil || !r.done {
		if m.failed != nil {
			return m.trouble(w, h)
		}
		m.spun = true
		return []string{m.look.Dim(" " + m.look.Spinner(m.frame) + " reading " + m.look.Ellipsis())}
	}
	lines := m.top().draw(w, h)
	return lines[:min(len(lines), h)]
}

// trouble is shown instead of a page that could not be read yet.
func (m *model) trouble(w, h int) []string {
	rows := tui.Wrap(errorText(m.failed), w-2, max(h, 1), m.look.Ellipsis())
	for i := range rows {
		rows[i] = " " + m.look.Bad(rows[i])
	}
	return rows
}

// path is the line at the top: where one is, and whether it is up to date.
func (m *model) path() string {
	state := m.connection()
	room := m.w - tui.Width(state) - 3
	if room < 16 {
		state, room = "", m.w-1
	}
	sep := " " + m.look.Pick("›", ">") + " "
	first, cost := len(m.stack)-1, tui.Width(m.top().title())
	for first > 0 && cost+tui.Width(m.stack[first-1].title()+sep) <= room {
		first--
		cost += tui.Width(m.stack[first].title() + sep)
	}
	m.crumbs = m.crumbs[:0]
	line := " "
	for i, p := range m.stack {
		if i < first {
			m.crumbs = append(m.crumbs, 0)
			continue
		}
		title := tui.Cut(p.title(), room, m.look.Ellipsis())
		if i == len(m.stack)-1 {
			line += m.look.Bold(title)
		} else {
			line += m.look.Accent(title) + m.look.Dim(sep)
		}
		m.crumbs = append(m.crumbs, tui.Width(line))
	}
	return tui.Pad(line, m.w-tui.Width(state)-1, false) + state
}

// connection says whether what is seen is up to date.
func (m *model) connection() string {
	source := tui.Clean(m.o.Source, false)
	if m.w < 60 {
		source = ""
	}
	if m.w < 100 {
		source = tui.Cut(source, 24, m.look.Ellipsis())
	}
	switch {
	case m.failed != nil:
		return m.look.Bad(m.look.Pick("✗", "x")+" cut off") + m.look.Dim(" "+source)
	case m.live:
		return m.look.Accent(m.look.Pick("●", "*")+" live") + m.look.Dim(" "+source)
	}
	return m.look.Dim(source)
}

// bottom is the last line.
func (m *model) bottom() string {
	cut := func(s string) string { return tui.Cut(s, m.w, m.look.Ellipsis()) }
	switch {
	case m.ask != nil:
		text := tui.Cut(m.ask.text, m.w-tui.Width(m.ask.keys)-4, m.look.Ellipsis())
		return cut(m.look.Warn(m.look.Bold(" "+text)) + "  " + m.ask.keys)
	case m.input != nil:
		text := m.input.mark + m.input.text
		if over := tui.Width(text) - (m.w - 1); over > 0 {
			text = tui.Slice(text, over, m.w-1)
		}
		return text
	case m.status.text != "" && m.status.bad:
		return cut(" " + m.look.Bad(m.status.text))
	case m.status.text != "":
		return cut(" " + m.status.text)
	case m.failed != nil && m.reads[m.top()] != nil && m.reads[m.top()].done:
		return cut(" " + m.look.Bad(errorText(m.failed)))
	}
	return m.keyLine()
}

// keyLine names as many keys as there is room for, help and quit among them.
func (m *model) keyLine() string {
	item := func(b binding) string { return m.look.Bold(keyName(b.keys[0], m.look)) + " " + m.look.Dim(b.label) }
	var last []string
	for _, b := range m.always()[:2] {
		last = append(last, item(b))
	}
	tail := strings.Join(last, "  ")
	place := ""
	if p, ok := m.top().(listed); ok && m.w >= 60 {
		if at, n := p.place(); n > 0 {
			place = count(at) + " of " + count(n)
		}
	}
	room := m.w - 1 - tui.Width(tail) - tui.Width(place)
	line := " "
	for _, b := range m.top().bindings() {
		if b.label == "" {
			continue
		}
		text := item(b) + "  "
		if tui.Width(line)+tui.Width(text) > room {
			break
		}
		line += text
	}
	line += tail
	return tui.Cut(tui.Pad(line, m.w-tui.Width(place)-1, false)+m.look.Dim(place), m.w, "")
}

// keyName is how a key is written for people.
func keyName(key string, look tui.Look) string {
	switch key {
	case "enter":
		return look.Pick("↵", "Enter")
	case "up":
		return look.Pick("↑", "Up")
	case "down":
		return look.Pick("↓", "Down")
	case "left":
		return look.Pick("←", "Left")
	case "right":
		return look.Pick("→", "Right")
	case "space", "esc", "tab", "home", "end", "backspace":
		return strings.ToUpper(key[:1]) + key[1:]
	case "shift+tab":
		return "Shift-Tab"
	case "pgup":
		return "PgUp"
	case "pgdown":
		return "PgDn"
	}
	if rest, ok := strings.CutPrefix(key, "ctrl+"); ok {
		return "^" + strings.ToUpper(rest)
	}
	if len(key) > 1 && key[0] == 'f' {
		return strings.ToUpper(key)
	}
	return key
}

const (
	groundOfDark  = "\x1b[48;5;236m"
	groundOfLight = "\x1b[48;5;254m"
)

// selected marks a line that is selected, or leaves room for the mark. The
// mark can be seen without colours; the background is set once it is known
// whether the terminal is dark or light.
func (m *model) selected(line string, w int, is bool) string {
	if !is {
		return " " + tui.Cut(line, w-1, "")
	}
	line = m.look.Accent(m.look.Pick("▌", ">")) + tui.Pad(tui.Cut(line, w-1, ""), w-1, false)
	var ground string
	switch {
	case !m.look.Color():
		ground = "\x1b[7m"
	case m.ground == groundDark:
		ground = groundOfDark
	case m.ground == groundLight:
		ground = groundOfLight
	default:
		return m.look.Bold(strings.ReplaceAll(line, "\x1b[m", "\x1b[m\x1b[1m"))
	}
	return ground + strings.ReplaceAll(line, "\x1b[m", "\x1b[m"+ground) + "\x1b[m"
}
