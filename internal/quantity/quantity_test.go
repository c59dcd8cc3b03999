package quantity

import (
	"math"
	"testing"
)

func TestQuantities(t *testing.T) {
	cases := []struct {
		text  string
		bytes int64
		milli int64
	}{
		{"0", 0, 0}, {"-0", 0, 0}, {"1", 1, 1000}, {"+2", 2, 2000}, {"500m", 1, 500}, {"1.5", 2, 1500},
		{".5", 1, 500}, {"2.", 2, 2000}, {"100u", 1, 1}, {"1n", 1, 1},
		{"128Mi", 128 << 20, 128 << 20 * 1000}, {"1G", 1e9, 1e12}, {"1Gi", 1 << 30, 1000 << 30},
		{"1.5Gi", 3 << 29, 1000 * 3 << 29}, {"1e9", 1e9, 1e12}, {"1E3", 1000, 1e6}, {"12e-1", 2, 1200},
		{"1k", 1000, 1e6}, {"1Ki", 1024, 1024000}, {"1E", 1e18, math.MaxInt64},
		{"9Ei", math.MaxInt64, math.MaxInt64}, {"1e30", math.MaxInt64, math.MaxInt64},
	}
	for _, c := range cases {
		if got, err := Bytes(c.text); err != nil || got != c.bytes {
			t.Errorf("Bytes(%q) = %d, %v; want %d", c.text, got, err, c.bytes)
		}
		if got, err := Milli(c.text); err != nil || got != c.milli {
			t.Errorf("Milli(%q) = %d, %v; want %d", c.text, got, err, c.milli)
		}
	}
	if got, err := Nano("250m"); err != nil || got != 250_000_000 {
		t.Errorf("Nano(250m) = %d, %v", got, err)
	}
}

func TestBadQuantities(t *testing.T) {
	for _, text := range []string{"", "-1", "1KB", "abc", "1..2", ".", "-", "1 Mi", "1e", "1e999999999", "0x10",
		"1mi", "1MiB", "1e+-3", "１", "11111111111111111111111111111111111111111111111111111111111111111"} {
		if got, err := Bytes(text); err == nil {
			t.Errorf("Bytes(%q) = %d, want an error", text, got)
		}
	}
}

func FuzzBytes(f *testing.F) {
	for _, s := range []string{"1", "500m", "1.5Gi", "1e9", "-3"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if n, err := Bytes(s); err == nil && n < 0 {
			t.Errorf("Bytes(%q) = %d", s, n)
		}
	})
}
