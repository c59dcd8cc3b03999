package term

import (
	"context"
	"time"

	tea "charm.land/bubbletea/v2"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/tui"
)

// buildKeys are the keys for what can be done with the build that is selected;
// build returns nil for none. id is what is copied, and called only when there
// is a build.
func (m *model) buildKeys(build func() *brigade.Build, id func() string) []binding {
	with := func(do func(b *brigade.Build) tea.Cmd) func() tea.Cmd {
		return func() tea.Cmd {
			if b := build(); b != nil {
				return do(b)
			}
			return nil
		}
	}
	keys := []binding{}
	if m.o.Control != nil {
		keys = append(keys,
			bind("r", "rerun", "run the build again, after a question", with(m.askRerun)),
			bind("c x", "cancel", "end the build, after a question", with(m.askCancel)))
	}
	return append(keys,
		bind("y", "copy ID", "copy the ID of what is selected", with(func(*brigade.Build) tea.Cmd { return m.copied(id()) })),
		bind("o", "browser", "open the build in the browser", with(m.browse)))
}

// copied has the terminal put the text into the clipboard.
func (m *model) copied(text string) tea.Cmd {
	text = tui.Clean(text, false)
	m.say("copied " + text)
	return tea.SetClipboard(text)
}

func (m *model) askCancel(b *brigade.Build) tea.Cmd {
	if b.State.Ended() {
		m.fail(brigade.Errorf(brigade.CodeConflict, "build %s has ended already", short(b.ID)))
		return nil
	}
	m.ask = &question{text: "End build " + short(b.ID) + " of " + tui.Clean(b.Project, false) + "?", keys: "y yes, n no",
		answers: map[string]func() tea.Cmd{"y": func() tea.Cmd {
			return m.do(func(ctx context.Context) doneMsg {
				return doneMsg{text: "canceling " + short(b.ID), err: m.o.Control.Cancel(ctx, b.ID)}
			})
		}}}
	return nil
}

func (m *model) askRerun(b *brigade.Build) tea.Cmd {
	from := m.top()
	again := func(failed bool) func() tea.Cmd {
		return func() tea.Cmd {
			return m.do(func(ctx context.Context) doneMsg {
				id, err := m.o.Control.Rerun(ctx, b.ID, failed)
				if err != nil {
					return doneMsg{err: err}
				}
				return doneMsg{text: "started build " + short(id), then: m.showNew(ctx, id, from)}
			})
		}
	}
	q := &question{text: "Run build " + short(b.ID) + " again?", keys: "y yes, n no", answers: map[string]func() tea.Cmd{"y": again(false)}}
	if b.State == brigade.StateFailed || b.State == brigade.StateCanceled {
		q.keys = "y yes, f what failed, n no"
		q.answers["f"] = again(true)
	}
	m.ask = q
	return nil
}

// showNew waits until the build is there and returns what opens it in place of
// the page from, when that shows one build; a list shows it anyway. It is
// called outside of the goroutine that owns the pages.
func (m *model) showNew(ctx context.Context, id string, from page) func() tea.Cmd {
	levels := 0
	switch from.(type) {
	case *build:
		levels = 1
	case *logPane:
		levels = 2
	default:
		return nil
	}
	for range 30 { // another process may have to store it first
		b, err := readBuild(ctx, m.o.Data, id)
		if err == nil {
			return func() tea.Cmd {
				if m.top() != from {
					return nil
				}
				m.leave(levels)
				return m.open(newBuild(m, b))
			}
		}
		wait(ctx, 100*time.Millisecond)
	}
	return nil
}

func (m *model) browse(b *brigade.Build) tea.Cmd {
	url := ""
	if m.o.BuildURL != nil {
		url = m.o.BuildURL(b.ID)
	}
	switch {
	case url == "":
		m.fail(brigade.Errorf(brigade.CodeUsage, "builds have no page in the browser here").WithHint("a server shows them: brig term --server URL"))
		return nil
	case m.o.OpenURL == nil:
		return m.copied(url)
	}
	open := m.o.OpenURL
	return m.do(func(context.Context) doneMsg { return doneMsg{text: "opened " + url, err: open(url)} })
}

// short is as much of a build's ID as a person needs.
func short(id string) string { return tui.Cut(tui.Clean(id, false), 12, "") }
