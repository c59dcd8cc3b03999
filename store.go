package brigade

import (
	"context"
	"time"
)

// Store keeps everything. What it has answered nil to survives a crash of the
// process (store/memory excepted). All methods may be called concurrently;
// what they return belongs to the caller. Every store passes store/storetest.
type Store interface {
	Projects
	Builds
	Jobs
	Logs
	Queue
	Records
	Close() error
}

// Projects keeps projects. Missing ones are CodeNotFound.
type Projects interface {
	// Project finds one by ID or by name.
	Project(ctx context.Context, idOrName string) (*Project, error)
	// ListProjects returns all of them, by name.
	ListProjects(ctx context.Context) ([]*Project, error)
	// PutProject creates it or replaces the one with its ID. Another project
	// with its name is CodeConflict.
	PutProject(ctx context.Context, p *Project) error
	// DeleteProject forgets it; its builds stay.
	DeleteProject(ctx context.Context, id string) error
}

// Builds keeps builds.
type Builds interface {
	// CreateBuild stores b. When a build of the same project with the same
	// non-empty Event.Key exists, it stores nothing and returns that one;
	// else it returns b. A second build with b's ID is CodeConflict. A build
	// with another ID that was deleted counts, too, until KeyMemory after it
	// was created: of it only ID, ProjectID, Event.Key, Created and State are
	// returned.
	CreateBuild(ctx context.Context, b *Build) (*Build, error)
	// Build finds one by its ID, or by a prefix of it that only one build has.
	Build(ctx context.Context, id string) (*Build, error)
	// ListBuilds returns a page, newest (highest ID) first. What may be large
	// is left empty: Script and the event's Payload, Script and Config.
	ListBuilds(ctx context.Context, f BuildFilter) ([]*Build, error)
	// UpdateBuild reads the build, applies change and writes it back as one
	// step. An error of change is returned as it is and nothing is written.
	// change is called once, must be quick and must not call the store.
	UpdateBuild(ctx context.Context, id string, change func(*Build) error) (*Build, error)
	// DeleteBuild removes it with its jobs and logs.
	DeleteBuild(ctx context.Context, id string) error
}

// KeyMemory is how long after it was created a build that was deleted is known
// by its event's key: whoever delivers the event once more starts nothing.
const KeyMemory = 7 * 24 * time.Hour

// BuildFilter selects builds; empty fields select all.
type BuildFilter struct {
	ProjectID string
	States    []State
	Type      string // of the event
	Text      string // in ID, project, event type, provider, titles, ref or commit, ignoring case
	Since     time.Time
	Before    string // only builds with a lower ID: the last one of the page before
	Limit     int    // default 50, at most 1000
}

// Jobs keeps the jobs of builds. A job of a build that is missing is CodeNotFound.
type Jobs interface {
	// PutJob creates or replaces the job with j's ID.
	PutJob(ctx context.Context, j *Job) error
	// Job finds one by ID.
	Job(ctx context.Context, id string) (*Job, error)
	// ListJobs returns a build's jobs by creation.
	ListJobs(ctx context.Context, buildID string) ([]*Job, error)
}

// Logs keeps log lines.
type Logs interface {
	// AppendLog adds lines of one log (the same BuildID and JobID), whose Seq
	// go on from those before. Lines whose Seq is there already are ignored.
	// A missing build is CodeNotFound.
	AppendLog(ctx context.Context, lines []LogLine) error
	// ReadLog returns lines in order. An unknown log is empty, not an error.
	// Of what After leaves, Tail takes the end, and Limit the start of that.
	ReadLog(ctx context.Context, q LogQuery) ([]LogLine, error)
}

// Queue hands builds to whoever runs them, one owner at a time.
type Queue interface {
	// Claim takes a build that is pending, or whose owner's lease is over, for
	// owner until now+lease, adds one to Attempt and returns it. With an id it
	// takes only that one, without it the oldest (lowest ID). The state stays.
	// Nothing to take, also because it has ended, does not exist or is pending
	// before its NotBefore: nil, nil. Claim does not look at Cancel: who asks
	// for the end of a pending build sets its state.
	Claim(ctx context.Context, id, owner string, lease time.Duration) (*Build, error)
	// Renew extends the lease of owner's build; CodeConflict when it is not
	// owner's any more.
	Renew(ctx context.Context, id, owner string, lease time.Duration) error
	Waiter
}

// KindDelivery is the kind of the records that a Delivery is kept in. There
// are as many of them as requests, so they are the only ones that need not
// survive a crash of the machine; those of every other kind do.
const KindDelivery = "delivery"

// Records keeps the small things of a server: deliveries, tokens, the audit
// log, marks of schedules. A key sorts by bytes; ULIDs make it a log. An empty
// kind or key is CodeInvalid where something is written.
type Records interface {
	// PutRecord creates or replaces a record.
	PutRecord(ctx context.Context, kind, key string, data []byte) error
	// Record returns one; CodeNotFound when it is not there.
	Record(ctx context.Context, kind, key string) ([]byte, error)
	// ListRecords returns records of a kind, highest key first.
	ListRecords(ctx context.Context, kind string, q RecordQuery) ([]Record, error)
	// DeleteRecords removes the record with that key when only is set, else
	// all whose key is below it. It returns how many those were; none is no
	// error.
	DeleteRecords(ctx context.Context, kind, key string, only bool) (int, error)
}

// Record is a key and what is kept under it.
type Record struct {
	Key  string
	Data []byte
}

// RecordQuery selects records.
type RecordQuery struct {
	Before string // only lower keys, when not empty
	Limit  int    // default 50, at most 1000
}

// Waiter looks at the queue. Every Queue is one.
type Waiter interface {
	// Waiting returns the builds that can be claimed now, without what
	// ListBuilds leaves out: pending ones whose NotBefore is over, and running
	// ones, both unless they are under a lease. Of each project and
	// concurrency key it returns the first each by priority (higher first) and
	// then by age (lower ID first); of all together at most limit, in that
	// order.
	Waiting(ctx context.Context, each, limit int) ([]*Build, error)
}
