package filelock_test

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/brigadecore/brigade/v3/internal/filelock"
)

func TestOneHasTheLock(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lock")
	unlock, err := filelock.Try(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := filelock.Try(name); !errors.Is(err, filelock.ErrHeld) {
		t.Fatalf("the second got %v", err)
	}
	taken := make(chan error)
	go func() {
		again, err := filelock.Wait(name)
		if err == nil {
			again()
		}
		taken <- err
	}()
	unlock()
	if err := <-taken; err != nil {
		t.Fatalf("who waited got %v", err)
	}
	again, err := filelock.Try(name)
	if err != nil {
		t.Fatalf("a lock that was given up: %v", err)
	}
	again()
}

func TestAFileThatCannotBe(t *testing.T) {
	if _, err := filelock.Try(filepath.Join(t.TempDir(), "no", "lock")); err == nil || errors.Is(err, filelock.ErrHeld) {
		t.Fatalf("got %v", err)
	}
}
