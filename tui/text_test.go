package tui

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
)

func TestClean(t *testing.T) {
	for _, tt := range []struct{ in, plain, colored string }{
		{"plain", "plain", "plain"},
		{"\x1b[31mred\x1b[0m!", "red!", "\x1b[31mred\x1b[0m!"},
		{"\x1b[1;32mopen", "open", "\x1b[1;32mopen\x1b[m"},
		{"\x1b[38;5;8mgrey\x1b[m", "grey", "\x1b[38;5;8mgrey\x1b[m"},
		{"\x1b[8mhidden\x1b[28m", "hidden", "hidden\x1b[28m\x1b[m"},
		{"\x1b]0;title\x07text", "text", "text"},
		{"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link", "link"},
		{"\u009b31mx\u009d0;t\u009cy", "xy", "\x1b[31mxy\x1b[m"},
		{"a\tb", "a       b", "a       b"},
		{"10%\r50%\r100%", "100%", "100%"},
		{"done\r", "done", "done"},
		{"\x1b[32m10%\r20%", "20%", "\x1b[32m20%\x1b[m"},
		{"N\bNA\bA", "NA", "NA"},
		{"\b\b\bx", "x", "x"},
		{"a\xffb", "a\uFFFDb", "a\uFFFDb"},
		{"a\u202eb\u2066c\ufeff", "abc", "abc"},
		{"\x1b[2J\x1b[1;1H\x1b[?25lx", "x", "x"},
		{"\x1b(0x\x1bcy", "xy", "xy"},
		{"\x1b]never", "", ""},
		{"x\x1b[12", "x", "x"},
		{"e\u0301 👩‍👩‍👧 漢", "e\u0301 👩‍👩‍👧 漢", "e\u0301 👩‍👩‍👧 漢"},
	} {
		if got := Clean(tt.in, false); got != tt.plain {
			t.Errorf("Clean(%q) = %q, want %q", tt.in, got, tt.plain)
		}
		if got := Clean(tt.in, true); got != tt.colored {
			t.Errorf("Clean(%q, colours) = %q, want %q", tt.in, got, tt.colored)
		}
	}
}

func TestCutAndWrap(t *testing.T) {
	for _, tt := range []struct {
		in   string
		w    int
		cut  string
		rows string
	}{
		{"hello", 5, "hello", "hello"},
		{"hello world", 7, "hello …", "hello|world"},
		{"漢字漢字", 5, "漢字…", "漢字|漢字"},
		{"漢字漢字", 4, "漢…", "漢字|漢字"},
		{"\x1b[31mabcdef\x1b[m", 4, "\x1b[31mabc\x1b[m…", "\x1b[31mabcd\x1b[m|\x1b[31mef\x1b[m"},
		{"👩‍👩‍👧👩‍👩‍👧x", 3, "👩‍👩‍👧…", "👩‍👩‍👧|👩‍👩‍👧x"},
		{"", 3, "", ""},
	} {
		if got := cut(tt.in, tt.w, "…"); got != tt.cut {
			t.Errorf("cut(%q, %d) = %q, want %q", tt.in, tt.w, got, tt.cut)
		}
		if got := strings.Join(wrap(tt.in, tt.w, 9, "…"), "|"); got != tt.rows {
			t.Errorf("wrap(%q, %d) = %q, want %q", tt.in, tt.w, got, tt.rows)
		}
	}
	if got := wrap(strings.Repeat("x", 1000), 10, 3, "…"); len(got) != 3 || got[2] != "xxxxxxxxx…" {
		t.Errorf("limited rows are %q", got)
	}
}

func TestTable(t *testing.T) {
	tab := NewTable("NAME", ">JOBS", "AGE")
	tab.Add("acme/shop", "3", "5m")
	tab.Add("漢字", "12", "")
	tab.Add("\x1b[31mred\x1b[m\nx", "7", "1d", "too much")
	tab.Add("alone")
	var out bytes.Buffer
	if err := tab.Write(&out); err != nil {
		t.Fatal(err)
	}
	want := "NAME       JOBS  AGE\n" +
		"acme/shop     3  5m\n" +
		"漢字         12\n" +
		"red x         7  1d\n" +
		"alone\n"
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

func TestPrintError(t *testing.T) {
	cause := errors.New("dial tcp: refused")
	for _, tt := range []struct {
		err  error
		want string
	}{
		{nil, ""},
		{errors.New("disk full\x1b[2J"), "error: disk full\n"},
		{errors.New(""), "error: something went wrong, and it did not say what\n"},
		{brigade.NotFound("build", "x"), "error: there is no build \"x\"\n(not_found)\n"},
		{(&brigade.Error{Code: brigade.CodeUnavailable, Message: "no engine", Err: cause}).WithHint("start podman\nor use --runner process"), "error: no engine\nhint: start podman\n      or use --runner process\n(unavailable)\n"},
		{fmt.Errorf("run hello: %w", brigade.Errorf(brigade.CodeScriptLoad, "brigade.js:1:5: bad\n  1 | let let\n    |     ^")), "error: run hello: brigade.js:1:5: bad\n  1 | let let\n    |     ^\n(script_load)\n"},
	} {
		var plain, colored bytes.Buffer
		if err := PrintError(&plain, tt.err, false); err != nil {
			t.Fatal(err)
		}
		if plain.String() != tt.want {
			t.Errorf("got\n%s\nwant\n%s", plain.String(), tt.want)
		}
		_ = PrintError(&colored, tt.err, true)
		lines := strings.Split(colored.String(), "\n")
		for i := range lines {
			lines[i] = Clean(lines[i], false)
		}
		if got := strings.Join(lines, "\n"); got != tt.want {
			t.Errorf("in colour\n%s\nwant\n%s", got, tt.want)
		}
	}
}

func TestUnits(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-1: "0ms", 34 * time.Millisecond: "34ms", 999600 * time.Microsecond: "1.0s", 1234 * time.Millisecond: "1.2s",
		59960 * time.Millisecond: "1m00s", 185 * time.Second: "3m05s", 2*time.Hour + 10*time.Minute: "2h10m", 76 * time.Hour: "3d4h",
	} {
		if got := Duration(d); got != want {
			t.Errorf("Duration(%d) = %s, want %s", d, got, want)
		}
	}
	now := storyBegin
	for d, want := range map[time.Duration]string{-time.Hour: "0s", 12 * time.Second: "12s", 5 * time.Minute: "5m", 3 * time.Hour: "3h", 50 * time.Hour: "2d", 9000 * time.Hour: "1y"} {
		if got := Age(now.Add(-d), now); got != want {
			t.Errorf("Age(%s) = %s, want %s", d, got, want)
		}
	}
	if Age(time.Time{}, now) != "" {
		t.Error("no time has an age")
	}
	for image, want := range map[string]string{
		"alpine:3.20": "alpine:3.20", "quay.io:5000/a/b:1": "b:1", "a/b@sha256:0123456789": "b@0123456", "b:1@sha256:0123456789": "b:1", "x@": "x@", "": "",
	} {
		if got := shortImage(image); got != want {
			t.Errorf("shortImage(%s) = %s, want %s", image, got, want)
		}
	}
}

func TestEnvironment(t *testing.T) {
	env := func(kv ...string) func(string) string {
		return func(name string) string {
			for i := 0; i < len(kv); i += 2 {
				if kv[i] == name {
					return kv[i+1]
				}
			}
			return ""
		}
	}
	if !WantsColor(env("TERM", "xterm"), true) || WantsColor(env("NO_COLOR", "1"), true) || WantsColor(env("TERM", "dumb"), true) || WantsColor(env(), false) {
		t.Error("WantsColor")
	}
	if !IsUTF8(env("LANG", "de_DE.UTF-8"), "linux") || IsUTF8(env("LC_ALL", "C", "LANG", "de_DE.utf8"), "linux") || IsUTF8(env(), "linux") || !IsUTF8(env(), "windows") {
		t.Error("IsUTF8")
	}
	build := &brigade.Build{State: brigade.StateFailed, Failure: brigade.Errorf(brigade.CodeScriptLoad, "x")}
	if ExitCode(build) != brigade.ExitScript || ExitCode(nil) == 0 || ExitCode(&brigade.Build{State: brigade.StateFailed}) != brigade.ExitBuildFailed {
		t.Error("ExitCode")
	}
}

// TestContrast computes WCAG's contrast of every colour against the usual
// backgrounds.
func TestContrast(t *testing.T) {
	luminance := func(r, g, b int) float64 {
		lin := func(c int) float64 {
			v := float64(c) / 255
			if v <= 0.03928 {
				return v / 12.92
			}
			return math.Pow((v+0.055)/1.055, 2.4)
		}
		return 0.2126*lin(r) + 0.7152*lin(g) + 0.0722*lin(b)
	}
	of := func(n int) float64 {
		if n >= 232 {
			g := 8 + (n-232)*10
			return luminance(g, g, g)
		}
		steps := []int{0, 95, 135, 175, 215, 255}
		return luminance(steps[(n-16)/36], steps[(n-16)/6%6], steps[(n-16)%6])
	}
	seen := map[int]bool{}
	for _, n := range append(jobColors[:], colorGreen, colorRed, colorAmber, colorGray, colorBlue) {
		if seen[n] {
			t.Errorf("colour %d is used twice", n)
		}
		seen[n] = true
		for name, bg := range map[string]float64{"black": 0, "dark": luminance(0x1e, 0x1e, 0x1e), "white": 1, "cream": luminance(0xfd, 0xf6, 0xe3)} {
			if c := (max(of(n), bg) + 0.05) / (min(of(n), bg) + 0.05); c < 3 {
				t.Errorf("colour %d on %s: contrast %.2f", n, name, c)
			}
		}
	}
}

func TestAxis(t *testing.T) {
	for total, want := range map[time.Duration]string{
		3300 * time.Millisecond: "0           1s          2s          3.3s",
		90 * time.Minute:        "0            30m           1h      1h30m",
		12 * time.Millisecond:   "0                5ms                12ms",
	} {
		tl := &timeline{from: storyBegin, to: storyBegin.Add(total)}
		if got := tl.axis(40); got != want {
			t.Errorf("axis of %s is %q, want %q", total, got, want)
		}
	}
	if axisStep(math.MaxInt64, 1) <= 0 || axisStep(1, 0) <= 0 {
		t.Error("an axis without steps")
	}
}
