package npm

import (
	"encoding/json"
	"os"
	"slices"
	"testing"
)

// TestRanges compares with what node-semver 7 (loose, as npm calls it)
// answered for the same ranges and versions; null is "not a range".
func TestRanges(t *testing.T) {
	text, err := os.ReadFile("testdata/ranges.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Versions []string
		Ranges   map[string][]string
	}
	if err := json.Unmarshal(text, &golden); err != nil {
		t.Fatal(err)
	}
	if len(golden.Ranges) < 100 {
		t.Fatalf("only %d ranges", len(golden.Ranges))
	}
	for text, want := range golden.Ranges {
		r, err := ParseRange(text)
		if (err != nil) != (want == nil) {
			t.Errorf("%q: error %v, node-semver says range: %v", text, err, want != nil)
			continue
		}
		if err != nil {
			continue
		}
		got := []string{}
		for _, s := range golden.Versions {
			v, ok := parseVersion(s)
			if !ok {
				t.Fatalf("version %q is not read", s)
			}
			if r.Has(v) {
				got = append(got, s)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q:\n got  %v\n want %v", text, got, want)
		}
	}
}
