package dispatch

import (
	"strings"
	"testing"

	brigade "github.com/brigadecore/brigade/v3"
)

func TestPlainTasks(t *testing.T) {
	for _, task := range []string{
		"make", "  cd /src && go test ./...", `echo "don't; if" 'do {'`, "for i in 1 2; do echo $i; done", "if [ -f x ]; then cat x; fi", "a=$(date +%s)",
		"( cd x; make ) | tee log", "{ a; b; }", "echo ${X:-y} ${#Y}"[:13], "line one\nline two", `sed -e s/a\'b/c/`, "sleep 1 &", "f() { echo hi; }",
	} {
		if !plainTask(task) {
			t.Errorf("a plain task gets no mark: %s", task)
		}
	}
	for _, task := range []string{
		"", "  ", "# a remark", "cat <<END", "echo 'open", `echo "open`, "echo `open", `make \`, "a &&", "a ||", "a |", "&& b", "| b", "; b",
		"if true; then", "fi", "do echo $i", "done", "while read x; do", "case $x in", "esac", "f() {", "}", "(", ")", "$(", "a=(1",
		"set -x", "set +e", "exec > file", "trap 'x' EXIT", "echo $?", "echo ${?}", "echo $_", "echo $LINENO", "alias ll=ls", "printf() { :; }", "echo x # done",
	} {
		if plainTask(task) {
			t.Errorf("a task that is not plain gets a mark: %q", task)
		}
	}
}

func TestMarkedTasks(t *testing.T) {
	spec := func(shell string, tasks ...string) *brigade.JobSpec {
		return &brigade.JobSpec{Shell: shell, Tasks: tasks}
	}
	if got := marked("docker", spec("/bin/sh", "make", "make test")); strings.Join(got, "|") != `printf '\033]7777;1\007'; make|printf '\033]7777;2\007'; make test` {
		t.Errorf("marked tasks: %q", got)
	}
	for name, got := range map[string][]string{
		"a pod":          marked("pods", spec("/bin/sh", "a", "b")),
		"another shell":  marked("docker", spec("/usr/bin/python3", "a", "b")),
		"one that looks": marked("docker", spec("/bin/sh", "a", "set -x", "b")),
		"a here text":    marked("docker", spec("/bin/sh", "cat <<END", "text", "END")),
		"a loop":         marked("docker", spec("/bin/sh", "for i in 1 2", "do echo $i", "done")),
		"one task":       marked("docker", spec("/bin/sh", "a")),
	} {
		if strings.Contains(strings.Join(got, ""), "7777") {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestMarksAreTakenOut(t *testing.T) {
	const one, two, three = "\x1b]7777;1\a", "\x1b]7777;2\a", "\x1b]7777;3\a"
	for name, c := range map[string]struct{ in, plain, shown string }{
		"none":                     {"a\nb\n", "a\nb\n", "a\nb\n"},
		"lines":                    {one + "a\nb\n" + two + "c\n", "a\nb\nc\n", "<1>a\nb\n<2>c\n"},
		"nothing printed":          {one + two + three, "", ""},
		"nothing printed by one":   {one + two + "x\n" + three, "x\n", "<2>x\n"},
		"an empty line":            {one + "\n" + two + "b", "\nb", "<1>\n<2>b"},
		"in the middle of a line":  {one + "a" + two + "b\nc\n", "ab\nc\n", "<1>ab\n<2>c\n"},
		"a line that begins again": {one + "10%\r20%\r\nx\n", "10%\r20%\r\nx\n", "<1>10%\r<1>20%\r\nx\n"},
		"other escapes":            {"\x1b[31mred\x1b[0m\x1b]0;title\a\x1b]7777;x\a\x1b]7777;123456789012\a", "\x1b[31mred\x1b[0m\x1b]0;title\a\x1b]7777;x\a\x1b]7777;123456789012\a", ""},
		"an end in a mark":         {"a\n\x1b]7777;1", "a\n\x1b]7777;1", ""},
	} {
		for size := 1; size <= len(c.in)+1; size++ {
			var plain, shown strings.Builder
			m := &markReader{plain: func(p []byte) { plain.Write(p) }, shown: func(p []byte) { shown.Write(p) }}
			for rest := c.in; rest != ""; {
				n := min(size, len(rest))
				m.write([]byte(rest[:n]))
				rest = rest[n:]
			}
			m.close()
			got := strings.NewReplacer(shownMark(1), "<1>", shownMark(2), "<2>", shownMark(3), "<3>").Replace(shown.String())
			if want := firstText(c.shown, c.plain); plain.String() != c.plain || got != want {
				t.Fatalf("%s, %d bytes at once: %q shown as %q\nwant %q shown as %q", name, size, plain.String(), got, c.plain, want)
			}
		}
	}
}

func firstText(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func FuzzMarks(f *testing.F) {
	f.Add("a\x1b]7777;1\ab\r\n", 3)
	f.Fuzz(func(t *testing.T, text string, size int) {
		var plain strings.Builder
		m := &markReader{plain: func(p []byte) { plain.Write(p) }, shown: func([]byte) {}}
		size = max(1, min(size, len(text)))
		for rest := text; rest != ""; rest = rest[min(size, len(rest)):] {
			m.write([]byte(rest[:min(size, len(rest))]))
		}
		m.close()
		if !strings.Contains(text, markBegin) && plain.String() != text {
			t.Errorf("%q became %q", text, plain.String())
		}
		plainTask(text)
		takeMark(text)
	})
}
