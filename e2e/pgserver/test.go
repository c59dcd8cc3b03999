package pgserver

import (
	"errors"
	"os"
	"testing"
)

// For returns a server for a test and those below it. Without PostgreSQL the
// test is skipped, or fails where CI=true promises that it is there.
func For(t testing.TB) *Server {
	t.Helper()
	s, err := Start()
	if errors.Is(err, ErrMissing) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("end the PostgreSQL server: %v", err)
		}
	})
	return s
}
