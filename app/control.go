package app

import (
	"context"
	"io"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/artifact"
	"github.com/brigadecore/brigade/v3/intake"
)

// control is what the API may do: new builds through intake, the end of
// builds through the store and the dispatcher.
type control struct{ s *Server }

var _ brigade.Control = control{}

func (c control) Submit(ctx context.Context, p *brigade.Project, e brigade.Event, sub brigade.Submission) (*brigade.Build, bool, error) {
	return c.s.intake.Submit(ctx, intake.Submission{Project: p, Event: e, Actor: sub.Actor, RerunOf: sub.RerunOf, Inherit: sub.Inherit})
}

// Cancel ends a pending build at once, and has a running one end. The request
// is stored first, so that it holds whatever happens to this process.
func (c control) Cancel(ctx context.Context, buildID string, req brigade.CancelRequest) error {
	b, err := c.s.Store.UpdateBuild(ctx, buildID, func(b *brigade.Build) error {
		if b.State.Ended() {
			return brigade.Errorf(brigade.CodeConflict, "build %s has ended: it is %s", b.ID, b.State)
		}
		b.Cancel = &req
		if b.State == brigade.StatePending && b.Lease.Owner == "" {
			now := c.s.opt.Now()
			b.State, b.Ended, b.ExitCode = brigade.StateCanceled, now, brigade.ExitCanceled
			b.Failure = canceledWaiting(b, req)
			b.History = append(b.History, brigade.Step{State: b.State, Time: now})
		}
		return nil
	})
	if err != nil {
		return err
	}
	c.s.feed.Publish(brigade.Change{Time: c.s.opt.Now(), BuildID: b.ID, Build: b})
	if !b.State.Ended() {
		c.s.dispatcher.Cancel(b.ID, req) // when another process runs it, that one finds the request in the store
	}
	return nil
}

// canceledWaiting says by whom, when and why a build was canceled that did not
// run.
func canceledWaiting(b *brigade.Build, req brigade.CancelRequest) *brigade.Error {
	text, when := "the build was canceled", " before it started"
	if b.Attempt > 0 {
		when = " while it waited to be run again"
	}
	if req.Actor != "" {
		text += " by " + req.Actor
	}
	text += when
	if req.Reason != "" {
		text += ": " + req.Reason
	}
	return brigade.Errorf(brigade.CodeCanceled, "%s", text)
}

func (c control) CancelJob(ctx context.Context, buildID, jobID string, req brigade.CancelRequest) error {
	j, err := c.s.Store.Job(ctx, jobID)
	if err != nil {
		return err
	}
	if j.State.Ended() {
		return brigade.Errorf(brigade.CodeConflict, "job %s has ended: it is %s", j.ID, j.State)
	}
	if !c.s.dispatcher.CancelJob(buildID, jobID, req) {
		return brigade.Errorf(brigade.CodeConflict, "job %s is not run by this server", j.ID).WithHint("cancel the whole build")
	}
	return nil
}

func (c control) WaitsFor(buildID string) string { return c.s.dispatcher.WaitsFor(buildID) }

// schedules tells when schedules are due.
type schedules struct{ now func() time.Time }

func (s schedules) Next(p *brigade.Project, n int) (map[string][]time.Time, error) {
	return intake.Next(p, n, s.now())
}

// openArtifacts opens what jobs left behind.
type openArtifacts struct{ store artifact.Store }

func (o openArtifacts) OpenArtifact(ctx context.Context, j *brigade.Job, a brigade.Artifact) (io.ReadCloser, error) {
	return o.store.OpenArtifact(ctx, j.BuildID, j.ID, a.Name)
}

// deletes is a store from which a build goes with its artifacts.
type deletes struct {
	brigade.Store
	artifacts artifact.Store
}

// DeleteBuild removes the artifacts first: what is left when it fails half-way
// can be deleted again.
func (d deletes) DeleteBuild(ctx context.Context, id string) error {
	if err := d.artifacts.DeleteArtifacts(ctx, id); err != nil {
		return err
	}
	return d.Store.DeleteBuild(ctx, id)
}
