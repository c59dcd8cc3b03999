package engine

import (
	"os"
	"testing"
)

// Required reports whether tests must fail, and not be skipped, when no engine
// can be started: in CI, or when BRIGADE_TEST_ENGINE is "required".
func Required() bool {
	return os.Getenv("CI") == "true" || os.Getenv("BRIGADE_TEST_ENGINE") == "required"
}

// Start starts an engine for a test and closes it at the test's end. Without
// one the test is skipped, or fails where Required says so.
func Start(t testing.TB, opts Options) *Engine {
	t.Helper()
	if err := Available(); err != nil {
		if Required() {
			t.Fatalf("a container engine is required here: %v", err)
		}
		t.Skipf("SKIPPED, no container engine: %v", err)
	}
	e, err := Open(t.Context(), opts)
	if err != nil {
		t.Fatalf("start an engine: %v", err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Errorf("close the engine: %v", err)
		}
	})
	return e
}
