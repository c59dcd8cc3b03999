package intake

import (
	"sync"
	"time"
)

// maxBuckets bounds how many are kept at once.
const maxBuckets = 10_000

// buckets are token buckets by name: each holds what may happen within a
// minute, and fills up evenly. The ones that are full are forgotten when there
// are many; when all are in use, they start anew.
type buckets struct {
	mu sync.Mutex
	of map[string]*bucket
}

type bucket struct {
	tokens float64
	most   float64
	at     time.Time
}

func newBuckets() *buckets { return &buckets{of: map[string]*bucket{}} }

// take takes n tokens of a bucket with perMinute, and returns 0; or takes
// nothing and returns how long it is until there are enough. More than fit
// into the bucket are let through when it is full.
func (b *buckets) take(name string, n, perMinute int, now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	most := float64(perMinute)
	one := b.of[name]
	if one == nil {
		b.makeRoom(now)
		one = &bucket{tokens: most, most: most, at: now}
		b.of[name] = one
	}
	one.most = most
	one.fill(now)
	need := min(float64(n), most)
	if one.tokens < need {
		return time.Duration((need - one.tokens) / most * float64(time.Minute))
	}
	one.tokens -= need
	return 0
}

func (one *bucket) fill(now time.Time) {
	if passed := now.Sub(one.at); passed > 0 {
		one.tokens += one.most * passed.Minutes()
	}
	one.tokens = min(one.tokens, one.most)
	one.at = now
}

func (b *buckets) makeRoom(now time.Time) {
	if len(b.of) < maxBuckets {
		return
	}
	for name, one := range b.of {
		if one.fill(now); one.tokens >= one.most {
			delete(b.of, name)
		}
	}
	if len(b.of) >= maxBuckets {
		clear(b.of)
	}
}
