package tui

import (
	"strconv"
	"strings"

	brigade "github.com/brigadecore/brigade/v3"
)

// The colours are numbers of the 256-colour palette that keep a contrast of at
// least 3:1 against black, dark grey, white and cream (look_test.go computes
// it), so that nobody has to know what the background is.
const (
	colorGreen = 28
	colorRed   = 160
	colorAmber = 136
	colorGray  = 243
	colorBlue  = 32
)

// jobColors tell jobs apart, in the order in which the jobs come.
var jobColors = [...]int{31, 130, 98, 64, 168, 69, 100, 133, 29, 166, 63, 96}

// look is how symbols and colours are written.
type look struct{ color, ascii bool }

func (l look) paint(code, s string) string {
	if !l.color || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + sgrReset
}

func (l look) fg(color int, s string) string { return l.paint("38;5;"+strconv.Itoa(color), s) }
func (l look) bold(s string) string          { return l.paint("1", s) }
func (l look) dim(s string) string           { return l.fg(colorGray, s) }

// pick returns the symbol, or its stand-in where only ASCII may be used.
func (l look) pick(symbol, ascii string) string {
	if l.ascii {
		return ascii
	}
	return symbol
}

func (l look) ellipsis() string { return l.pick("…", "...") }
func (l look) dot() string      { return l.pick("·", "-") }
func (l look) bar() string      { return l.pick("│", "|") }
func (l look) arrow() string    { return l.pick("▸", ">") }
func (l look) warning() string  { return l.pick("!", "!") }

func (l look) spinner(frame int) string {
	if l.ascii {
		return string(`|/-\`[frame%4])
	}
	return [...]string{"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"}[frame%10]
}

// symbol stands for a state.
func (l look) symbol(s brigade.State) string {
	switch s {
	case brigade.StateSucceeded:
		return l.pick("✓", "+")
	case brigade.StateFailed:
		return l.pick("✗", "x")
	case brigade.StateCanceled:
		return l.pick("■", "#")
	case brigade.StateRunning:
		return l.pick("▸", ">")
	case brigade.StatePulling:
		return l.pick("↓", "v")
	}
	return l.pick("○", ".")
}

func stateColor(s brigade.State) int {
	switch s {
	case brigade.StateSucceeded:
		return colorGreen
	case brigade.StateFailed:
		return colorRed
	case brigade.StateCanceled, brigade.StatePulling:
		return colorAmber
	case brigade.StateRunning:
		return colorBlue
	}
	return colorGray
}

func (l look) state(s brigade.State, text string) string { return l.fg(stateColor(s), text) }

func itoa(n int) string { return strconv.Itoa(n) }

// plural writes "1 job", "2 jobs".
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

// firstLine returns s up to its first line end.
func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return strings.TrimRight(line, "\r ")
}
