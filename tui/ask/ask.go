// Package ask asks a person at a terminal: for a text, a secret, yes or no, one
// of several. What asks a program on the other end of a pipe is elsewhere.
package ask

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	tea "charm.land/bubbletea/v2"
	"charm.land/huh/v2"
	"github.com/charmbracelet/colorprofile"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/option"
	"github.com/brigadecore/brigade/v3/tui"
)

// Person is somebody who types at a terminal.
type Person struct {
	In  io.Reader // what is typed; a terminal is read key by key
	Out io.Writer // the terminal
	// Width and Height of the terminal in cells; 0 is 80 and 24.
	Width, Height int
	// Color allows colours.
	Color bool
	// Environ is the environment, by which the terminal is known.
	Environ []string
}

// Text asks for a line, with value there to be changed, until check is content;
// check may be nil and may be called often. Questions are one line each; who
// gives up (Ctrl-C) ends all of them with CodeCanceled.
func (p *Person) Text(ctx context.Context, question, value string, check func(string) error) (string, error) {
	field := huh.NewInput().Title(tui.Clean(question, false)).Value(&value)
	if check != nil {
		field.Validate(check)
	}
	err := p.ask(ctx, field)
	return value, p.answered(err, question, value)
}

// Secret asks for something that is not shown while it is typed, nor after.
func (p *Person) Secret(ctx context.Context, question string) (string, error) {
	value := ""
	err := p.ask(ctx, huh.NewInput().Title(tui.Clean(question, false)).EchoMode(huh.EchoModePassword).Value(&value))
	shown := "none"
	if value != "" {
		shown = "********"
	}
	return value, p.answered(err, question, shown)
}

// Yes asks a question that is answered with yes or no; value is what Enter says.
func (p *Person) Yes(ctx context.Context, question string, value bool) (bool, error) {
	err := p.ask(ctx, huh.NewConfirm().Title(tui.Clean(question, false)).Affirmative("Yes").Negative("No").Value(&value))
	return value, p.answered(err, question, map[bool]string{true: "yes", false: "no"}[value])
}

// Choose asks for one of several; value is the one that Enter takes.
func (p *Person) Choose(ctx context.Context, question, value string, choices ...string) (string, error) {
	err := p.ask(ctx, huh.NewSelect[string]().Title(tui.Clean(question, false)).Options(huh.NewOptions(choices...)...).Value(&value))
	return value, p.answered(err, question, value)
}

// room is how many lines a field takes at the most, with its help.
const room = 10

// ask shows one field until it is answered.
func (p *Person) ask(ctx context.Context, field huh.Field) error {
	width, height := p.Width, p.Height
	option.Default(&width, 80)
	option.Default(&height, 24)
	options := []tea.ProgramOption{tea.WithEnvironment(p.Environ), tea.WithoutSignalHandler(), tea.WithWindowSize(width, height)}
	if !p.Color {
		options = append(options, tea.WithColorProfile(colorprofile.ASCII))
	}
	form := huh.NewForm(huh.NewGroup(field)).WithProgramOptions(options...).WithInput(p.In).WithOutput(p.Out).WithWidth(width).
		WithTheme(huh.ThemeFunc(huh.ThemeBase16))
	fmt.Fprintf(p.Out, "%s\x1b[%dA\x1b7", strings.Repeat("\n", room), room) // there is room below, and here it begins
	err := form.RunWithContext(ctx)
	fmt.Fprint(p.Out, "\x1b8\x1b[J") // the field leaves parts of itself behind
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, huh.ErrUserAborted), errors.Is(err, tea.ErrInterrupted):
		return brigade.Errorf(brigade.CodeCanceled, "interrupted; nothing was changed")
	case err != nil:
		return fmt.Errorf("ask at the terminal: %w", err)
	}
	return nil
}

// answered leaves a line with what was answered, since the field is gone.
func (p *Person) answered(err error, question, answer string) error {
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.Out, "%s: %s\n", tui.Clean(question, false), tui.Clean(answer, false))
	return err
}
