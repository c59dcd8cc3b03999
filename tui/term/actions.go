package term

import (
	"context"

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
	again := func(failed bool) func() tea.Cmd {
		return func() tea.Cmd {
			return m.do(func(ctx context.Context) doneMsg {
				id, err := m.o.Control.Rerun(ctx, b.ID, failed)
				return doneMsg{text: "started build " + short(id), err: err}
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
