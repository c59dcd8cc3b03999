package tui

import (
	"errors"
	"io"
	"strings"

	brigade "github.com/brigadecore/brigade/v3"
)

// PrintError writes err as the last thing a person sees of a command:
//
//	error: message
//	  (further lines of the message, such as a code frame, as they are)
//	hint: what to do next
//	(code)
//
// An error that is no brigade.Error is printed plainly. Nothing is written for
// nil.
func PrintError(w io.Writer, err error, color bool) error {
	if err == nil {
		return nil
	}
	l := look{color: color}
	var be *brigade.Error
	if !errors.As(err, &be) {
		return writeLines(w, messageLines(l, err.Error()))
	}
	message := err.Error()
	if err == error(be) {
		message = be.Message // its cause is for operators
	}
	lines := append(messageLines(l, message), hintLines(l, be.Hint)...)
	if be.Code != "" {
		lines = append(lines, l.dim("("+Clean(string(be.Code), false)+")"))
	}
	return writeLines(w, lines)
}

// messageLines are the message after "error: ", its further lines unchanged
// but for what a terminal must not see.
func messageLines(l look, message string) []string {
	lines := cleanLines(message)
	if len(lines) == 0 {
		lines = []string{"something went wrong, and it did not say what"}
	}
	lines[0] = l.paint("1;38;5;160", "error:") + " " + l.bold(lines[0])
	return lines
}

func hintLines(l look, hint string) []string {
	lines := cleanLines(hint)
	for i := range lines {
		if i == 0 {
			lines[i] = l.fg(colorBlue, "hint:") + " " + lines[i]
		} else {
			lines[i] = "      " + lines[i]
		}
	}
	return lines
}

// cleanLines splits text from outside into safe lines without empty ones at
// the ends.
func cleanLines(text string) []string {
	text = strings.Trim(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	if strings.TrimSpace(text) == "" {
		return nil
	}
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(Clean(lines[i], false), " ")
	}
	return lines
}

func writeLines(w io.Writer, lines []string) error {
	if len(lines) == 0 {
		return nil
	}
	_, err := io.WriteString(w, strings.Join(lines, "\n")+"\n")
	return err
}
