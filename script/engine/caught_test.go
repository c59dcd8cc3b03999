package engine

import (
	"strings"
	"testing"
)

// TestClearer looks at the words alone; caught.js of the modules compares them
// with Node's.
func TestClearer(t *testing.T) {
	for _, c := range []struct{ message, line, want string }{ // ^ is before the place
		{"Object has no member 'rn'", "  job.rn^()", "job.rn is not a function"},
		{"Object has no member 'rn'", "  x[1].rn^()", "(intermediate value).rn is not a function"},
		{"Object has no member 'a b'", "x['a b']^()", "a b is not a function"},
		{"Object has no member 'rn'", "", "rn is not a function"},
		{"Object has no member '", "x^()", ""},
		{"Value is not an object: undefined", "f()^()", "the value is not a function"},
		{"Value is not an object: undefined", "^imported(1)", "imported is not a function"},
		{"Value is not an object: 5", "^5 instanceof 5", ""},
		{"Value is not an object: 5", "^", ""},
		{"Cannot read property 'x' of undefined", "a^.x", "Cannot read properties of undefined or null (reading 'x')"},
		{"Cannot access a variable before initialization", "^étage.x", "Cannot access 'étage' before initialization"},
		{"something else", "a^()", ""},
	} {
		before, after, _ := strings.Cut(c.line, "^")
		if got := clearerAt(c.message, []rune(before+after), len([]rune(before))); got != c.want {
			t.Errorf("%s at %s: got %q, want %q", c.message, c.line, got, c.want)
		}
	}
	lines := strings.Split("x = job\n  .host\n\t?.labels\n  .go()", "\n")
	if line, at := chained(lines, 3, 5); clearerAt("Object has no member 'go'", line, at) != "job.host?.labels.go is not a function" {
		t.Errorf("got %q, %d", string(line), at)
	}
	for number := range lines {
		for column := -1; column < 20; column++ {
			chained(lines, number, column)
		}
	}
}
