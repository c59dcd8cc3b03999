package scripttest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestExamplesPass runs the tests of the examples, as brig test does.
func TestExamplesPass(t *testing.T) {
	files, err := filepath.Glob("../../examples/*/*.test.*")
	if err != nil || len(files) < 3 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(filepath.Dir(file)), func(t *testing.T) {
			t.Parallel()
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			dir, err := filepath.Abs(filepath.Dir(file))
			if err != nil {
				t.Fatal(err)
			}
			o := Options{Dir: dir, File: "brigade" + filepath.Ext(file), Limit: 2 * time.Minute}
			script, err := os.ReadFile(filepath.Join(dir, o.File))
			if err != nil {
				t.Fatal(err)
			}
			o.Script = string(script)
			f, err := New(o).Run(t.Context(), filepath.Base(file), string(source))
			if err != nil || f.Failure != nil || f.Count(Passed) == 0 || f.Count(Passed) != len(f.Tests) {
				t.Errorf("%v %v\n%s", err, f.Failure, strings.TrimSpace(transcript(f)))
			}
		})
	}
}
