package sqlite

import (
	"strings"
	"testing"
)

// TestQueueQueriesUseTheirIndexes looks at how SQLite goes about the queue: it
// must never go through builds that have ended, nor sort a whole queue.
func TestQueueQueriesUseTheirIndexes(t *testing.T) {
	s := opened(t)
	for _, c := range []struct {
		name, query string
		args        []any
		uses        []string
	}{
		{"inOrder", inOrder, []any{1, 2}, []string{"builds_first"}},
		{"byLane", byLane, []any{1, 2, 3}, []string{"builds_lane (project=? AND lane=?)", "COVERING INDEX builds_lane"}},
	} {
		var plan []string
		err := s.each(t.Context(), func(scan func(...any) error) error {
			var id, parent, unused int
			var step string
			err := scan(&id, &parent, &unused, &step)
			plan = append(plan, step)
			return err
		}, "EXPLAIN QUERY PLAN "+c.query, c.args...)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.Join(plan, "\n")
		for _, index := range c.uses {
			if !strings.Contains(text, index) {
				t.Errorf("%s does not use %s:\n%s", c.name, index, text)
			}
		}
		if c.name == "inOrder" && strings.Contains(text, "TEMP B-TREE") {
			t.Errorf("%s sorts:\n%s", c.name, text)
		}
		for _, step := range plan {
			if strings.HasPrefix(step, "SCAN builds") && !strings.Contains(step, "INDEX") || step == "SCAN b" || step == "SCAN n" || step == "SCAN i" {
				t.Errorf("%s goes through all builds: %s", c.name, step)
			}
		}
	}
}
