package dispatch

import (
	"time"

	brigade "github.com/brigadecore/brigade/v3"
)

// remaining is what is left of a build's time limit, which counts from its
// first start, or from the start of its last retry, over restarts too.
func (r *run) remaining(limit time.Duration) time.Duration {
	since := limitCountsFrom(r.build0)
	if since.IsZero() {
		return limit
	}
	return min(max(limit-r.d.opt.Now().Sub(since), 0), limit) // a clock that was set gives no more
}

// limitCountsFrom is when the build was started, or started again by its last
// retry; zero when that has not happened yet. The time that it waited before a
// retry, for the backoff and in the queue, does not count.
func limitCountsFrom(b *brigade.Build) time.Time {
	if b.RetriedAt.IsZero() {
		return b.Started
	}
	for i := len(b.History) - 1; i >= 0; i-- {
		if b.History[i].State != brigade.StatePending {
			continue
		}
		for _, step := range b.History[i:] {
			if step.State == brigade.StateRunning {
				return step.Time
			}
		}
		return time.Time{}
	}
	return b.RetriedAt
}
