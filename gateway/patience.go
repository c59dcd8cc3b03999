package gateway

import (
	"context"
	"slices"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/gateway/forge"
)

// completion finishes the events of a request: see brigade.Reading.
type completion = func(context.Context, *brigade.Project, []brigade.Event) ([]brigade.Event, error)

// How long a forge that does not answer is waited for before it is asked once
// more: in all that is less than forges wait for the answer to a webhook.
const (
	firstPause   = 250 * time.Millisecond // doubled each time
	longestPause = time.Second
	longestWait  = 5 * time.Second // as the forge wants it
)

// patient repeats a completion while the forge that it asks cannot be reached
// or says that it is busy. Forges send most of their webhooks once only: what
// is refused because of a hiccup would be lost until somebody redelivers it.
func patient(complete completion) completion {
	if complete == nil {
		return nil
	}
	return func(ctx context.Context, p *brigade.Project, events []brigade.Event) ([]brigade.Event, error) {
		for pause := firstPause; ; pause *= 2 {
			completed, err := complete(ctx, p, slices.Clone(events))
			again, after := forge.Again(err)
			wait := max(pause, after)
			if !again || pause > longestPause || wait > longestWait || !sleep(ctx, wait) {
				return completed, err
			}
		}
	}
}

// sleep waits, and reports whether it did: not when ctx would end meanwhile.
func sleep(ctx context.Context, d time.Duration) bool {
	if deadline, ends := ctx.Deadline(); ends && time.Until(deadline) <= d {
		return false
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
