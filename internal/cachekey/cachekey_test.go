package cachekey

import (
	"strings"
	"testing"
)

func TestEncode(t *testing.T) {
	for key, want := range map[string]string{
		"":                  "",
		"npm-5f3a":          "npm-5f3a",
		"Linux/go 1.26_x.y": "_4cinux_2fgo_201_2e26_5fx_2ey",
		"ü\x00":             "_c3_bc_00",
	} {
		name := Encode(key)
		if name != want {
			t.Errorf("Encode(%q) = %q, want %q", key, name, want)
		}
		if back, ok := Decode(name); !ok || back != key {
			t.Errorf("Decode(%q) = %q, %v, want %q", name, back, ok, key)
		}
	}
	for _, name := range []string{"_", "_4", "_zz", "_61", "A", "_4C", "a.b", "_+1"} {
		if key, ok := Decode(name); ok {
			t.Errorf("Decode(%q) = %q: nobody writes that", name, key)
		}
	}
}

func FuzzPrefixes(f *testing.F) {
	f.Add("Linux-", "npm")
	f.Fuzz(func(t *testing.T, prefix, rest string) {
		if !strings.HasPrefix(Encode(prefix+rest), Encode(prefix)) {
			t.Errorf("%q is not found by %q", prefix+rest, prefix)
		}
		if back, ok := Decode(Encode(prefix + rest)); !ok || back != prefix+rest {
			t.Errorf("%q became %q", prefix+rest, back)
		}
	})
}
