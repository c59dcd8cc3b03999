package intake

import (
	"maps"
	"sync"
	"sync/atomic"

	"github.com/brigadecore/brigade/v3"
)

// Stats is what an Intake has done since it was made.
type Stats struct {
	// Deliveries counts answered requests by gateway and outcome.
	Deliveries map[string]map[brigade.Outcome]int64
	// Limited counts, among the refused ones, those that were over a rate limit.
	Limited int64
	// Unlogged counts deliveries that were answered but not written down,
	// because they were too many or the store failed. Their builds are stored.
	Unlogged int64
}

// counters make Stats.
type counters struct {
	limited  atomic.Int64
	unlogged atomic.Int64

	mu sync.Mutex
	by map[string]map[brigade.Outcome]int64
}

func newCounters() *counters { return &counters{by: map[string]map[brigade.Outcome]int64{}} }

func (c *counters) count(gateway string, o brigade.Outcome) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.by[gateway] == nil {
		c.by[gateway] = map[brigade.Outcome]int64{}
	}
	c.by[gateway][o]++
}

// Stats returns the counts of now.
func (in *Intake) Stats() Stats {
	c := in.stats
	s := Stats{Deliveries: map[string]map[brigade.Outcome]int64{}, Limited: c.limited.Load(), Unlogged: c.unlogged.Load()}
	c.mu.Lock()
	defer c.mu.Unlock()
	for gateway, of := range c.by {
		s.Deliveries[gateway] = maps.Clone(of)
	}
	return s
}
