package intake

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/id"
)

// AuditKind is the kind of the records that hold who did what. A record's key
// is a ULID, its data an AuditEntry as JSON.
const AuditKind = "audit"

// AuditEntry says who did what to what. Its names are those of the API's
// audit log, where it is read.
type AuditEntry struct {
	ID     string    `json:"id"` // lower-case ULID
	Time   time.Time `json:"time"`
	Actor  string    `json:"actor"`
	Action string    `json:"action"` // such as "delivery.unverified"
	Target string    `json:"target"` // what it was done to: an ID
	Reason string    `json:"reason,omitempty"`
}

func (in *Intake) audit(ctx context.Context, e AuditEntry) error {
	if in.opt.Audit != nil {
		return in.opt.Audit(ctx, e)
	}
	data, err := json.Marshal(e)
	if err != nil {
		return err
	}
	return in.opt.Store.PutRecord(ctx, AuditKind, e.ID, data)
}

// Redeliver runs a recorded delivery again because actor, an administrator,
// wants that, and returns what became of it, which is a delivery of its own.
// The request is not verified this time, since nothing secret of it was kept;
// the audit record says so. The events of a delivery that was accepted start
// builds again; those of one that failed or was refused are recognised when
// their sender repeats them. The error is CodeNotFound, or CodeConflict when
// the delivery cannot be run again.
func (in *Intake) Redeliver(ctx context.Context, deliveryID, actor string) (brigade.Delivery, error) {
	old, err := in.Delivery(ctx, deliveryID)
	if err != nil {
		return brigade.Delivery{}, err
	}
	in.mu.Lock()
	gw := in.gateways[old.Gateway]
	in.mu.Unlock()
	switch {
	case gw == nil:
		return brigade.Delivery{}, brigade.Errorf(brigade.CodeConflict, "the gateway %q of the delivery is not there any more", old.Gateway)
	case old.Bytes > 0 && old.Body == "":
		return brigade.Delivery{}, brigade.Errorf(brigade.CodeConflict, "the body of the delivery was not kept").
			WithHint("bodies of more than %d KiB, and those that are no text, are not; have the sender repeat it", maxKeptBody>>10)
	}
	now := in.opt.Now()
	begun := time.Now()
	if err := in.audit(ctx, AuditEntry{
		ID: id.New(now), Time: now.UTC(), Actor: actor, Action: "delivery.unverified", Target: old.ID,
		Reason: "redelivered without verification; the request came from " + old.Remote + " and was " + string(old.Outcome),
	}); err != nil {
		return brigade.Delivery{}, fmt.Errorf("write the audit record: %w", err)
	}
	v := &visit{
		gateway: gw, redeliver: true, actor: actor,
		again: old.Outcome == brigade.OutcomeAccepted || old.Outcome == brigade.OutcomeRepeat,
		delivery: brigade.Delivery{
			ID: id.New(now), Time: now.UTC(), Gateway: old.Gateway, Route: old.Route, Remote: old.Remote,
			Path: old.Path, Query: old.Query, Header: old.Header, Reason: "redelivery of " + old.ID + " for " + actor,
		},
		inbound: brigade.Inbound{
			Route: old.Route, Path: pathOf(old.Path), Query: old.Query, Header: old.Header.Clone(), Body: []byte(old.Body), Received: now,
		},
	}
	if v.inbound.Header == nil {
		v.inbound.Header = http.Header{}
	}
	note := v.delivery.Reason
	a := in.process(context.WithoutCancel(ctx), v)
	if v.delivery.Reason != note {
		v.delivery.Reason = note + ": " + v.delivery.Reason
	}
	in.finish(v, &a, begun)
	return v.delivery, nil
}

// pathOf returns a function that gives the kept values of a path, and a
// stand-in for those that were not kept.
func pathOf(kept map[string]string) func(string) string {
	return func(name string) string {
		if value, known := kept[name]; known {
			return value
		}
		return "redelivered"
	}
}
