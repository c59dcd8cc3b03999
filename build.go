package brigade

import "time"

// State is where a build or a job is in its life.
type State string

// The states. Pulling belongs to jobs only.
const (
	StatePending   State = "pending"
	StatePulling   State = "pulling"
	StateRunning   State = "running"
	StateSucceeded State = "succeeded"
	StateFailed    State = "failed"
	StateCanceled  State = "canceled"
)

// Ended reports whether s is final.
func (s State) Ended() bool {
	return s == StateSucceeded || s == StateFailed || s == StateCanceled
}

// Phase is s as v1 says it, after the phase that its pod would be in.
func (s State) Phase() string {
	switch s {
	case StatePending, StatePulling:
		return "Pending"
	case StateRunning:
		return "Running"
	case StateSucceeded:
		return "Succeeded"
	case StateFailed, StateCanceled:
		return "Failed"
	}
	return "Unknown"
}

// Build is one run of a project's script because of one event.
type Build struct {
	ID        string    `json:"id"` // lower-case ULID
	ProjectID string    `json:"projectID"`
	Project   string    `json:"project"` // the project's name, for people
	Event     Event     `json:"event"`
	State     State     `json:"state"`
	Failure   *Error    `json:"failure,omitempty"` // why it failed or was canceled
	ExitCode  int       `json:"exitCode"`          // of the worker; meaningful once ended
	Created   time.Time `json:"created"`
	Started   time.Time `json:"started,omitzero"`
	Ended     time.Time `json:"ended,omitzero"`
	Attempt   int       `json:"attempt"` // how often its script was started
	RerunOf   string    `json:"rerunOf,omitempty"`
	Inherit   bool      `json:"inherit,omitempty"`  // jobs that succeeded in RerunOf count as done
	Retries   int       `json:"retries,omitempty"`  // how often the whole build was run again because it failed
	RetriedAt time.Time `json:"retriedAt,omitzero"` // when the last of them began: jobs that failed before run again
	Runner    string    `json:"runner,omitempty"`   // which runner ran its jobs
	Script    string    `json:"script,omitempty"`   // the script as it ran
	Lease     Lease     `json:"lease,omitzero"`

	Priority       int            `json:"priority,omitempty"`       // higher ones are started first
	ConcurrencyKey string         `json:"concurrencyKey,omitempty"` // what it shares a limit with
	NotBefore      time.Time      `json:"notBefore,omitzero"`       // it waits at least until then
	Cancel         *CancelRequest `json:"cancel,omitempty"`         // somebody wants it to end
	Pinned         bool           `json:"pinned,omitempty"`         // retention leaves it alone
	Waiting        string         `json:"waiting,omitempty"`        // what a pending build waits for, for people
	History        []Step         `json:"history,omitempty"`        // every change of state
}

// CancelRequest asks for a build's end.
type CancelRequest struct {
	Time   time.Time `json:"time"`
	Actor  string    `json:"actor,omitempty"`
	Reason string    `json:"reason,omitempty"`
}

// Step is a change of state and when it happened.
type Step struct {
	State State     `json:"state"`
	Time  time.Time `json:"time"`
	Note  string    `json:"note,omitempty"`
}

// Lease says who runs a build and until when nobody else may.
type Lease struct {
	Owner   string    `json:"owner,omitempty"`
	Expires time.Time `json:"expires,omitzero"`
}

// WorkerID is the name of the worker of this build, as v1 names it.
func (b *Build) WorkerID() string { return "brigade-worker-" + b.ID }

// Lifecycle is an event fired inside the script: the build's own, after,
// error, or one the script emits itself.
type Lifecycle struct {
	Name    string    `json:"name"`              // exec, push, after, error …
	Trigger string    `json:"trigger,omitempty"` // success, failure, unhandledRejection …
	Reason  string    `json:"reason,omitempty"`
	Handled bool      `json:"handled"` // whether the script had a handler for it
	Time    time.Time `json:"time"`
}
