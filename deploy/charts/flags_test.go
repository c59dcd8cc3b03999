package charts

import (
	"os/exec"
	"testing"
)

// TestFlags wants the program to understand every argument that the chart
// gives it, in all cases that are rendered.
func TestFlags(t *testing.T) {
	binary := brig(t)
	for _, c := range cases {
		if c.chart != "brigade" {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			files, err := render(c.chart, values(t, c.values))
			if err != nil {
				t.Fatal(err)
			}
			seen := 0
			for _, o := range objects(t, manifest(files)) {
				for _, args := range argsOf(o) {
					seen++
					// What is wrong with a flag is said before the help is.
					if out, err := exec.Command(binary, append(args, "--help")...).CombinedOutput(); err != nil {
						t.Errorf("%s: brig %q: %v\n%s", o.name(), args, err, out)
					}
				}
			}
			if seen == 0 {
				t.Error("nothing runs brig")
			}
		})
	}
}

// argsOf finds the arguments of all containers, however deep.
func argsOf(at any) [][]string {
	var all [][]string
	switch at := at.(type) {
	case object:
		return argsOf(map[string]any(at))
	case map[string]any:
		for key, value := range at {
			if list, ok := value.([]any); ok && key == "args" {
				var args []string
				for _, arg := range list {
					text, _ := arg.(string)
					args = append(args, text)
				}
				all = append(all, args)
				continue
			}
			all = append(all, argsOf(value)...)
		}
	case []any:
		for _, value := range at {
			all = append(all, argsOf(value)...)
		}
	}
	return all
}
