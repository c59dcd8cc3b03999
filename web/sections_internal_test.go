package web

import (
	"fmt"
	"strings"
	"testing"

	"github.com/brigadecore/brigade/v3"
)

func TestSections(t *testing.T) {
	for name, c := range map[string]struct {
		tasks []string
		lines []string
		want  string
	}{
		"none": {[]string{"make"}, []string{"a", "b"}, ""},
		"tasks that the shell shows": {
			[]string{"set -x", "make build", `echo "all  done" > $FILE`, "cd src\nmake test"},
			[]string{"+ make build", "cc x.c", "++ date", "+ echo 'all done'", "+ cd src", "+ make test", "ok"},
			"task make build 1-3, task echo 'all done' 4-4, task cd src 5-7…",
		},
		"a task that is run in a loop begins once": {[]string{"make"}, []string{"+ make", "x", "+ make", "y"}, "task make 1-4…"},
		"tasks that were skipped":                  {[]string{"a", "b", "c"}, []string{"+ a", "+ c", "+ b"}, "task a 1-1, task c 2-3…"},
		"variables":                                {[]string{"make V=$V all", "$TOOL x"}, []string{"+ make V=1 all", "+ other", "+ go x"}, "task make V=1 all 1-1, task other 2-3…"},
		"not the same":                             {[]string{"make test"}, []string{"+ make", "+ make test all", "make test"}, ""},
		"groups":                                   {nil, []string{"a", "::group::Install \x1b[1mthings\x1b[0m", "b", "::endgroup::", "c", "##[group]Two", "d"}, "group Install things 2-4, group Two 6-7…"},
		"groups do not nest":                       {nil, []string{"::group::a", "::group::b", "::endgroup::", "::endgroup::"}, "group a 1-1, group b 2-3"},
		"groups within tasks":                      {[]string{"x", "y"}, []string{"+ x", "::group::g", "+ y", "z"}, "task x 1-2, group g 2-2, task y 3-4…"},
		"GitLab's":                                 {nil, []string{"section_start:1700000000:get[collapsed=true]\r\x1b[0K\x1b[36mGet it\x1b[0m", "x", "section_end:1700000001:get\r\x1b[0K"}, "group get 1-3"},
		"an end without a start":                   {nil, []string{"::endgroup::", "section_end:1:x\r"}, ""},
		"an empty title":                           {nil, []string{"::group::", "::endgroup::"}, "group group 1-2"},
	} {
		s := newSectioner(c.tasks)
		for i, line := range c.lines {
			s.line(int64(i+1), line)
		}
		var got []string
		for _, one := range s.sections() {
			open := map[bool]string{true: "…"}[one.Open]
			got = append(got, fmt.Sprintf("%s %s %d-%d%s", one.Kind, one.Name, one.From, one.To, open))
		}
		if text := strings.Join(got, ", "); text != c.want {
			t.Errorf("%s: %s\nwant %s", name, text, c.want)
		}
	}
	s := newSectioner([]string{strings.Repeat("a ", 1<<20)})
	for i := range int64(5000) {
		s.line(i+1, "::group::"+strings.Repeat("x", 1000))
	}
	if n := len(s.sections()); n != maxSections || len(s.sections()[0].Name) > 400 {
		t.Errorf("%d sections", n)
	}
}

// A job that tells where its tasks begin needs no shell to show it.
func TestSectionsThatTheJobTellsOf(t *testing.T) {
	tasks := []string{"make deps", "for i in 1 2\ndo echo $i; done", "make test"}
	s := newSectioner(tasks)
	s.told(tasks, []brigade.LogPart{{Task: 1, Line: 1}, {Task: 2, Line: 3}, {Task: 3, Line: 4}, {Task: 9, Line: 5}, {Task: 1, Line: 6}})
	for i, line := range []string{"a", "::group::g", "b", "c", "d", "e"} {
		s.line(int64(i+1), line)
	}
	var got []string
	for _, one := range s.sections() {
		got = append(got, fmt.Sprintf("%s %s %d-%d %t", one.Kind, one.Name, one.From, one.To, one.Told))
	}
	want := "task make deps 1-2 true, group g 2-2 false, task for i in 1 2 … 3-3 true, task make test 4-5 true, task make deps 6-6 true"
	if text := strings.Join(got, ", "); text != want {
		t.Errorf("%s\nwant %s", text, want)
	}
}

func FuzzSections(f *testing.F) {
	f.Add("make $X", "+ make 1")
	f.Add("", "section_start:1:x[\r\x1b[0K")
	f.Fuzz(func(_ *testing.T, task, line string) {
		s := newSectioner([]string{task})
		s.line(1, line)
		s.line(2, "+ "+task)
		s.sections()
	})
}
