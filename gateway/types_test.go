package gateway

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	brigade "github.com/brigadecore/brigade/v3"
)

// Whatever a golden file says that a gateway sends is among the types, but for
// the two gateways whose senders choose the type.
func TestEventTypesAreThoseThatAreSent(t *testing.T) {
	types := EventTypes()
	files, err := filepath.Glob("testdata/*/*.golden")
	if err != nil || len(files) < 50 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	checked := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var golden struct{ Events []brigade.Event }
		if err := json.Unmarshal(text, &golden); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, e := range golden.Events {
			names := append([]string{e.Type}, e.Also...)
			switch filepath.Base(filepath.Dir(file)) {
			case "webhook":
				continue
			case "cloudevents":
				names = names[:1]
			}
			for _, name := range names {
				base, _, _ := strings.Cut(name, ":")
				if checked++; !slices.Contains(types, name) && !slices.Contains(types, base+":") {
					t.Errorf("%s has %q, which EventTypes does not list", file, name)
				}
			}
		}
	}
	if checked < 50 {
		t.Errorf("only %d types were looked at", checked)
	}
	for name := range actions {
		if !slices.Contains(types, name+":") {
			t.Errorf("no gateway sends %s with an action", name)
		}
	}
}
