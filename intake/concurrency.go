package intake

import (
	"context"
	"crypto/sha256"
	"encoding/hex"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/intake/filter"
)

// keyOfAll is the concurrency key of a project whose builds share one limit.
const keyOfAll = "all"

// unknownKey begins the key of events for which the project's expression
// gives none. Such builds wait for each other, and cancel nothing.
const unknownKey = "unknown:"

// maxConcurrencyKey is the longest key in bytes; longer ones end in a digest.
const maxConcurrencyKey = 256

// Preparer sets on builds that others have made, such as kubectl, what an
// Intake sets on its own. It may be used concurrently.
type Preparer struct{ filters *filter.Set }

// NewPreparer returns a Preparer.
func NewPreparer() (*Preparer, error) {
	filters, err := filter.New()
	return &Preparer{filters}, err
}

// Prepare sets the priority and the concurrency key of a build of p.
func (r *Preparer) Prepare(ctx context.Context, p *brigade.Project, b *brigade.Build) {
	b.Priority = p.Priorities[b.Event.Type]
	b.ConcurrencyKey, _ = concurrencyKey(ctx, r.filters, p, &b.Event)
}

// concurrencyKey returns what the build shares a limit with, and a note for
// people when the expression failed. An expression that gives "" takes the
// event out of the limit.
func concurrencyKey(ctx context.Context, filters *filter.Set, p *brigade.Project, e *brigade.Event) (key, note string) {
	switch {
	case p.Concurrency == nil:
		return "", ""
	case p.Concurrency.Key == "":
		return keyOfAll, ""
	}
	key, err := filters.Text(ctx, p.Concurrency.Key, filter.NewInput(e).Of(p), p)
	if err != nil {
		return unknownKey + e.Type, "the concurrency key is not known, so it waits for others of its type: " + cut(err.Error(), maxTitle)
	}
	if len(key) > maxConcurrencyKey {
		sum := sha256.Sum256([]byte(key))
		key = cut(key, maxConcurrencyKey-17) + "#" + hex.EncodeToString(sum[:8])
	}
	return cut(key, maxConcurrencyKey), ""
}
