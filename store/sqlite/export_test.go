package sqlite

import "testing"

// Settled waits until no free page is left to give back.
func Settled(t *testing.T, s *Store) {
	t.Helper()
	for free := 1; free > 0; {
		if _, err := s.one(t.Context(), []any{&free}, "PRAGMA freelist_count"); err != nil {
			t.Fatal(err)
		}
	}
}
