package intake_test

import (
	"testing"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/intake"
)

// What others have made gets the priority and the concurrency key that an
// Intake gives its own.
func TestPreparer(t *testing.T) {
	r, err := intake.NewPreparer()
	if err != nil {
		t.Fatal(err)
	}
	p := brigade.NewProject("acme/app")
	p.Priorities = map[string]int{"exec": 7}
	for _, c := range []struct {
		of   *brigade.Concurrency
		typ  string
		key  string
		high int
	}{
		{nil, "exec", "", 7},
		{&brigade.Concurrency{Limit: 1}, "push", "all", 0},
		{&brigade.Concurrency{Limit: 1, Key: "event.type + '!'"}, "exec", "exec!", 7},
		{&brigade.Concurrency{Limit: 1, Key: "nonsense"}, "exec", "unknown:exec", 7},
	} {
		b := &brigade.Build{ProjectID: p.ID, Event: brigade.Event{Provider: "test", Type: c.typ}}
		p.Concurrency = c.of
		if r.Prepare(t.Context(), p, b); b.ConcurrencyKey != c.key || b.Priority != c.high {
			t.Errorf("%v: key %q, priority %d", c.of, b.ConcurrencyKey, b.Priority)
		}
	}
}
