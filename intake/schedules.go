package intake

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/intake/cron"
)

// ScheduleKind is the kind of the records that say how far a schedule is. A
// record's key is the project's ID, a slash and the schedule's name.
const ScheduleKind = "schedule"

// ProviderCron is the provider of events of schedules.
const ProviderCron = "cron"

// The policies for what a schedule missed.
const (
	catchNone = "none"
	catchLast = "last"
	catchAll  = "all"
)

const (
	maxCatchUp = 100              // missed times that are caught up
	lateness   = time.Minute      // later than that is missed
	lookAgain  = 20 * time.Second // at the latest: clocks may be set meanwhile
	soonest    = 5 * time.Millisecond
)

// Schedules start builds by the clock: those of the schedules of all projects.
// Several processes with one store may do that at once: the key of an event
// holds the time it was due at, so that it starts one build.
type Schedules struct {
	intake *Intake
	store  Store
	now    func() time.Time
	log    *slog.Logger
	wake   chan struct{}

	marks map[string]*mark // by record key; only Run's goroutine uses them
	known bool             // marks of schedules that are gone were looked for
}

// mark says up to which time a schedule was dealt with.
type mark struct {
	Tick   time.Time `json:"tick"`
	Spec   string    `json:"spec"` // cron and zone: a changed one starts anew
	Paused bool      `json:"paused,omitempty"`

	failing time.Time // a due time that could not be stored yet; it is never too late
}

// NewSchedules returns the schedules of the projects in the intake's store.
// They are looked at again when the intake is told of changed projects.
func NewSchedules(in *Intake) *Schedules {
	s := &Schedules{
		intake: in, store: in.opt.Store, now: in.opt.Now, log: in.opt.Log,
		wake: make(chan struct{}, 1), marks: map[string]*mark{},
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	in.onChange = append(slices.Clip(in.onChange), s.Wake)
	return s
}

// Wake makes Run look at the schedules now.
func (s *Schedules) Wake() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Run starts builds until ctx ends.
func (s *Schedules) Run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		case <-timer.C:
		}
		next, err := s.step(ctx)
		if err != nil && ctx.Err() == nil {
			s.log.Error("start what is scheduled", "err", err)
		}
		wait := lookAgain
		if !next.IsZero() {
			wait = min(wait, max(next.Sub(s.now()), soonest))
		}
		timer.Reset(wait)
	}
}

// step starts everything that is due and returns when the next is.
func (s *Schedules) step(ctx context.Context) (next time.Time, err error) {
	projects, err := s.intake.catalog.get(ctx)
	if err != nil {
		return time.Time{}, err
	}
	present := map[string]bool{}
	var first error
	for _, p := range projects.all {
		for i := range p.Schedules {
			present[markKey(p, &p.Schedules[i])] = true
			at, err := s.one(ctx, p, &p.Schedules[i])
			if err != nil && first == nil {
				first = fmt.Errorf("schedule %q of %s: %w", p.Schedules[i].Name, p.Name, err)
			}
			if !at.IsZero() && (next.IsZero() || at.Before(next)) {
				next = at
			}
		}
	}
	if err := s.forget(ctx, present); err != nil && first == nil {
		first = fmt.Errorf("forget schedules that are gone: %w", err)
	}
	return next, first
}

func markKey(p *brigade.Project, c *brigade.Schedule) string { return p.ID + "/" + c.Name }

// one deals with one schedule and returns when it is due next. With an error
// it is looked at again soon.
func (s *Schedules) one(ctx context.Context, p *brigade.Project, c *brigade.Schedule) (time.Time, error) {
	spec, err := cron.Parse(c.Cron, c.TimeZone)
	if err != nil {
		return time.Time{}, err // Check would have refused it
	}
	now := s.now()
	m, err := s.mark(ctx, p, c, now)
	if err != nil || c.Paused {
		return time.Time{}, err
	}
	jitter := jitterOf(p, c)
	if m.Tick.After(now) {
		m.Tick = now.UTC() // the clock was put back; keys of events prevent a second start
	}
	since := m.Tick
	due, last := dueTimes(spec, since, now.Add(-jitter), maxCatchUp)
	if last.IsZero() {
		return after(spec, since, jitter), nil
	}
	for _, tick := range wanted(c.CatchUp, due, now.Add(-jitter-lateness), m.failing) {
		if err := s.start(ctx, p, c, tick); err != nil {
			if m.failing.IsZero() {
				m.failing = tick
			}
			return time.Time{}, err
		}
	}
	m.Tick, m.failing = last, time.Time{}
	if err := s.put(ctx, markKey(p, c), m); err != nil {
		return time.Time{}, err
	}
	return after(spec, last, jitter), nil
}

// after is when the schedule is to start a build next.
func after(spec *cron.Schedule, since time.Time, jitter time.Duration) time.Time {
	next := spec.Next(since)
	if next.IsZero() {
		return next
	}
	return next.Add(jitter)
}

// dueTimes returns the last n due times in (since, until], and the very last.
// After a long downtime it does not go through all of them: it looks back
// further and further until there are enough.
func dueTimes(spec *cron.Schedule, since, until time.Time, n int) (due []time.Time, last time.Time) {
	for back := time.Hour; ; back *= 4 {
		from := until.Add(-back)
		if !from.After(since) || back > 20*366*24*time.Hour {
			from = since
		}
		due = due[:0]
		for t := spec.Next(from); !t.IsZero() && !t.After(until); t = spec.Next(t) {
			due = append(due, t)
		}
		if len(due) >= n || from.Equal(since) {
			break
		}
	}
	if len(due) == 0 {
		return nil, time.Time{}
	}
	last = due[len(due)-1]
	return due[max(len(due)-n, 0):], last
}

// wanted returns which of the due times start a build. Those at or before
// missed are too late, unless they failed since failing.
func wanted(policy string, due []time.Time, missed, failing time.Time) []time.Time {
	switch policy {
	case catchAll:
		return due
	case catchLast:
		if failing.IsZero() {
			return due[len(due)-1:]
		}
	}
	return slices.DeleteFunc(slices.Clone(due), func(t time.Time) bool {
		return t.Before(missed) && (failing.IsZero() || t.Before(failing))
	})
}

// start stores the build of one due time.
func (s *Schedules) start(ctx context.Context, p *brigade.Project, c *brigade.Schedule, tick time.Time) error {
	event := c.Event
	if event == "" {
		event = "cron"
	}
	_, _, err := s.intake.Submit(ctx, Submission{Project: p, Event: brigade.Event{
		Provider: ProviderCron, Type: event, Payload: c.Payload, Revision: brigade.Revision{Ref: c.Ref},
		ShortTitle: c.Name, LongTitle: "due at " + tick.UTC().Format(time.RFC3339), Actor: "schedule " + c.Name,
		Key: shortKey(fmt.Sprintf("cron:%s:%s:%s", p.ID, c.Name, tick.UTC().Format(time.RFC3339))),
	}})
	return err
}

// mark returns how far the schedule is. What is new, was changed or was paused
// begins now.
func (s *Schedules) mark(ctx context.Context, p *brigade.Project, c *brigade.Schedule, now time.Time) (*mark, error) {
	key := markKey(p, c)
	m := s.marks[key]
	if m == nil {
		m = &mark{}
		data, err := s.store.Record(ctx, ScheduleKind, key)
		switch {
		case err == nil:
			if err := json.Unmarshal(data, m); err != nil {
				s.log.Warn("the mark of a schedule cannot be read; it begins now", "schedule", key, "err", err)
				m = &mark{}
			}
		case brigade.CodeOf(err) != brigade.CodeNotFound:
			return nil, err
		}
	}
	spec := strings.Join(strings.Fields(c.Cron), " ") + " " + c.TimeZone
	if m.Spec == spec && m.Paused == c.Paused && !m.Tick.IsZero() {
		s.marks[key] = m
		return m, nil
	}
	m = &mark{Tick: now.UTC(), Spec: spec, Paused: c.Paused}
	return m, s.put(ctx, key, m)
}

func (s *Schedules) put(ctx context.Context, key string, m *mark) error {
	data, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if err := s.store.PutRecord(ctx, ScheduleKind, key, data); err != nil {
		return err
	}
	s.marks[key] = m
	return nil
}

// forget deletes the marks of schedules that are gone, so that one of that
// name which comes later does not catch up on the time between.
func (s *Schedules) forget(ctx context.Context, present map[string]bool) error {
	var gone []string
	for key := range s.marks {
		if !present[key] {
			gone = append(gone, key)
		}
	}
	if !s.known {
		q := brigade.RecordQuery{Limit: 1000}
		for {
			page, err := s.store.ListRecords(ctx, ScheduleKind, q)
			if err != nil {
				return err
			}
			for _, r := range page {
				if q.Before = r.Key; !present[r.Key] {
					gone = append(gone, r.Key)
				}
			}
			if len(page) < q.Limit {
				break
			}
		}
	}
	for _, key := range gone {
		if _, err := s.store.DeleteRecords(ctx, ScheduleKind, key, true); err != nil && brigade.CodeOf(err) != brigade.CodeNotFound {
			return err
		}
		delete(s.marks, key)
	}
	s.known = true
	return nil
}

// jitterOf is how much later than its due times the schedule starts builds:
// always the same, and spread evenly over the schedules of an installation.
func jitterOf(p *brigade.Project, c *brigade.Schedule) time.Duration {
	most := min(time.Duration(c.Jitter), maxJitter)
	if most <= 0 {
		return 0
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(markKey(p, c)))
	return time.Duration(h.Sum64() % uint64(most)).Truncate(time.Millisecond)
}

// Next returns the next n times after now at which each of p's schedules starts
// a build, by the schedule's name. Paused ones have none. The error is the
// CodeInvalid one of a schedule that cannot be read.
func Next(p *brigade.Project, n int, now time.Time) (map[string][]time.Time, error) {
	all := make(map[string][]time.Time, len(p.Schedules))
	for i := range p.Schedules {
		c := &p.Schedules[i]
		spec, err := cron.Parse(c.Cron, c.TimeZone)
		if err != nil {
			return nil, err
		}
		if c.Paused {
			continue
		}
		jitter := jitterOf(p, c)
		at := now.Add(-jitter)
		for range n {
			if at = spec.Next(at); at.IsZero() {
				break
			}
			all[c.Name] = append(all[c.Name], at.Add(jitter))
		}
	}
	return all, nil
}

// Next is the function Next from now on.
func (s *Schedules) Next(p *brigade.Project, n int) (map[string][]time.Time, error) {
	return Next(p, n, s.now())
}
