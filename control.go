package brigade

import (
	"context"
	"io"
	"time"
)

// This file holds what people do to builds from outside: the API and the
// dashboard are handed the same parts.

// Submission says where an event comes from that is to become a build.
type Submission struct {
	RerunOf string // the build it repeats
	Inherit bool   // jobs that succeeded in RerunOf count as done
	Actor   string // who asked for it
}

// Control changes what runs. Its errors are answered by their code.
type Control interface {
	// Submit stores a build for the event. When the project has a build with
	// the event's key already, that one is returned and repeat is true.
	Submit(ctx context.Context, p *Project, e Event, s Submission) (b *Build, repeat bool, err error)
	// Cancel asks for the build's end; CodeConflict when it has ended.
	Cancel(ctx context.Context, buildID string, req CancelRequest) error
	// CancelJob asks for the end of the job with that ID; CodeConflict when it
	// has ended.
	CancelJob(ctx context.Context, buildID, jobID string, req CancelRequest) error
	// WaitsFor says for people what a pending build waits for; "" if nobody
	// knows. It is called for every pending build of a page and must be quick.
	WaitsFor(buildID string) string
}

// Timetable knows when schedules start builds.
type Timetable interface {
	// Next returns the next n times of each of p's schedules, by its name. A
	// paused one has none.
	Next(p *Project, n int) (map[string][]time.Time, error)
}

// DeliveryLog is the log of requests to gateways.
type DeliveryLog interface {
	// Deliveries returns at most limit of those with a lower ID than before
	// ("" for all), newest first.
	Deliveries(ctx context.Context, before string, limit int) ([]Delivery, error)
	// Delivery returns one; CodeNotFound when it is not there.
	Delivery(ctx context.Context, id string) (Delivery, error)
	// Redeliver handles the request once more for actor, an administrator, and
	// returns the new delivery.
	Redeliver(ctx context.Context, id, actor string) (Delivery, error)
}

// ArtifactOpener opens files that jobs left behind.
type ArtifactOpener interface {
	// OpenArtifact returns the content of an artifact of j. When it is an
	// io.ReadSeeker, clients may ask for a part of it. The caller closes it.
	OpenArtifact(ctx context.Context, j *Job, a Artifact) (io.ReadCloser, error)
}
