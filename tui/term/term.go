// Package term is the dashboard in the terminal: projects with their last
// build, the builds of one, a build with its jobs over time, and logs.
//
//	Data → page (reads, draws, has keys) → model (a stack of pages) → terminal
//
// It knows no store and no server: Data, Control and Feed are what this
// machine's store and the client of a server have in common, or what the
// command puts around them. NewFake invents all three.
//
// One goroutine, the one of the terminal library, owns every page. What takes
// time is read elsewhere and handed back as a function that it calls. Texts
// from outside pass tui.Clean where they are drawn.
package term

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/tui"
)

// Data is where builds are read. A brigade.Store and a client of a server are
// one. Its methods are called concurrently.
type Data interface {
	// ListProjects returns all of them, by name.
	ListProjects(ctx context.Context) ([]*brigade.Project, error)
	// ListBuilds returns a page, newest first, without what may be large.
	ListBuilds(ctx context.Context, f brigade.BuildFilter) ([]*brigade.Build, error)
	// ListJobs returns a build's jobs by creation.
	ListJobs(ctx context.Context, buildID string) ([]*brigade.Job, error)
	// ReadLog returns lines in order. An unknown log is empty, not an error.
	ReadLog(ctx context.Context, q brigade.LogQuery) ([]brigade.LogLine, error)
}

// Control changes builds.
type Control interface {
	// Cancel asks for a build's end, which may take a while.
	Cancel(ctx context.Context, buildID string) error
	// Rerun starts the build's event once more and returns the ID of the new
	// build. With failed, jobs that succeeded then are not run again.
	Rerun(ctx context.Context, buildID string, failed bool) (string, error)
}

// Feed tells of changes.
type Feed interface {
	// Watch calls changed for every change of that build, its log lines
	// among them, or with "" for every build's and job's change of state, until
	// ctx ends or an error keeps it from going on.
	Watch(ctx context.Context, buildID string, changed func(brigade.Change)) error
}

// Options say what to show, and where. Data, In and Out are required.
type Options struct {
	Data     Data
	Control  Control       // nil: nothing can be changed
	Feed     Feed          // nil: Data is read every Interval
	Interval time.Duration // between two reads while no feed tells of changes; default 1 s
	Source   string        // where the data comes from, for people: "this machine"
	// BuildURL is the address of a build's page; nil, or "", without one.
	BuildURL func(buildID string) string
	// OpenURL opens an address in the browser; nil: it is copied instead.
	OpenURL func(url string) error

	In      io.Reader // a terminal, or what a test types
	Out     io.Writer // a terminal, or what a test looks at
	Environ []string  // TERM and what else describes the terminal
	Color   bool      // colours are wanted
	ASCII   bool      // the locale is not UTF-8: no symbols beyond ASCII of our own
	Width   int       // of the terminal, where Out cannot tell
	Height  int
	Now     func() time.Time // default time.Now
}

// safely is how often data is read although a feed tells of changes: a feed
// that has been cut off may not notice for a while.
const safely = 15 * time.Second

func (o Options) withDefaults() Options {
	if o.Interval <= 0 {
		o.Interval = time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// Run shows the dashboard until the person leaves it or ctx ends, and restores
// the terminal. It returns the cause of ctx's end, or what is wrong with the
// terminal.
func Run(ctx context.Context, o Options) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	_, err := newProgram(ctx, o.withDefaults()).Run()
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, tea.ErrProgramPanic):
		return brigade.Errorf(brigade.CodeInternal, "the dashboard broke: %w", err)
	case err != nil:
		return fmt.Errorf("show the dashboard: %w", err)
	}
	return nil
}

// newProgram joins a model with a terminal. What it starts ends with ctx.
func newProgram(ctx context.Context, o Options) *tea.Program {
	m := newModel(o)
	options := []tea.ProgramOption{
		tea.WithContext(ctx), tea.WithInput(o.In), tea.WithOutput(o.Out), tea.WithEnvironment(o.Environ),
		tea.WithoutSignalHandler(), tea.WithColorProfile(profile(o)),
	}
	if o.Width > 0 && o.Height > 0 {
		options = append(options, tea.WithWindowSize(o.Width, o.Height))
	}
	program := tea.NewProgram(m, options...)
	m.run = func(f func(context.Context) tea.Msg) tea.Cmd {
		return func() tea.Msg { return f(ctx) }
	}
	m.watch = func(buildID string, generation int) context.CancelFunc {
		ctx, stop := context.WithCancel(ctx)
		go follow(ctx, o, buildID, func(msg feedMsg) {
			msg.generation = generation
			program.Send(msg)
		})
		return stop
	}
	return program
}

// profile is how many colours the terminal has, or none where none are wanted.
func profile(o Options) colorprofile.Profile {
	p := colorprofile.Env(o.Environ)
	if !o.Color && p > colorprofile.ASCII {
		return colorprofile.ASCII
	}
	return p
}

func (o Options) look() tui.Look { return tui.NewLook(o.Color, o.ASCII) }
