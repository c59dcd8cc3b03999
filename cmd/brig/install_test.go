package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestInstallForgetsWhatNobodyUses(t *testing.T) {
	sh := newShell(t)
	sh.file("brigade.json", "{}")
	trees := filepath.Join(sh.state, "cache", "npm", "trees")
	for name, age := range map[string]time.Duration{"old": 91 * 24 * time.Hour, "new": 89 * 24 * time.Hour} {
		dir := filepath.Join(trees, name)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		used := time.Now().Add(-age)
		if err := os.Chtimes(dir, used, used); err != nil {
			t.Fatal(err)
		}
	}
	if out, errs, code := sh.brig("install"); code != 0 {
		t.Fatalf("exit %d: %s%s", code, out, errs)
	}
	left, err := os.ReadDir(trees)
	if err != nil || len(left) != 1 || left[0].Name() != "new" {
		t.Errorf("left in the cache: %v, %v", left, err)
	}
}
