package intake

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/brigadecore/brigade/v3"
)

// lanesFresh is how long the builds of a project that share limits are taken
// to be those this process knows of; another one may add to them.
const lanesFresh = 15 * time.Second

// lanes know the builds that have not ended of projects whose concurrency
// strategy is not to wait: which of them share a key.
type lanes struct {
	store brigade.Builds
	now   func() time.Time
	later bool // others store builds, too: see Decision

	mu       sync.Mutex
	projects map[string]*lane
}

// lane holds the builds of one project, by key. mu is taken before a group's.
type lane struct {
	mu     sync.Mutex
	loaded time.Time
	groups map[string]*group
}

// group holds the builds of one key. One at a time decides about them.
type group struct {
	mu     sync.Mutex
	builds map[string]member // by ID
}

// member is a build of a group.
type member struct {
	stored bool   // false: about to be
	cause  string // see causeOf
}

// causeOf names what a build was started by. Builds with the same cause are two
// names of one event, such as GitHub's pull_request and pull_request:opened:
// they make no room for each other, and count as one where others have to.
func causeOf(b *brigade.Build) string {
	e := &b.Event
	if same := strings.Replace(e.Key, ":"+e.Type, "", 1); same != e.Key {
		return same
	}
	return b.ID
}

// causes are the causes of the builds, in their order.
func causes(builds []*brigade.Build) []string {
	var list []string
	for _, b := range builds {
		if c := causeOf(b); !slices.Contains(list, c) {
			list = append(list, c)
		}
	}
	return list
}

// turn is a build's place in its group. The zero value is that of a build
// whose strategy is to wait.
type turn struct {
	group    *group
	build    *brigade.Build
	strategy brigade.Strategy
	limit    int
}

func newLanes(store brigade.Builds, now func() time.Time, d Decision) *lanes {
	return &lanes{store: store, now: now, later: d != DecideHere, projects: map[string]*lane{}}
}

// enter takes a place for b, which is about to be stored. With the strategy
// reject it marks b as canceled when there is no room.
func (l *lanes) enter(ctx context.Context, b *brigade.Build, p *brigade.Project) (turn, error) {
	c := p.Concurrency
	if c == nil || b.ConcurrencyKey == "" || strings.HasPrefix(b.ConcurrencyKey, unknownKey) {
		return turn{}, nil
	}
	switch c.Strategy {
	case brigade.StrategyCancelOldest, brigade.StrategyNewestWins, brigade.StrategyReject:
	default:
		return turn{}, nil
	}
	if l.later {
		return turn{}, nil // somebody else looks at all of them
	}
	g, err := l.group(ctx, p.ID, b)
	if err != nil {
		return turn{}, err
	}
	t := turn{group: g, build: b, strategy: c.Strategy, limit: max(c.Limit, 1)}
	if c.Strategy == brigade.StrategyReject {
		if err := l.rejectFull(ctx, t); err != nil {
			t.leave()
			return turn{}, err
		}
	}
	return t, nil
}

// group returns b's group with b in it.
func (l *lanes) group(ctx context.Context, projectID string, b *brigade.Build) (*group, error) {
	l.mu.Lock()
	of := l.projects[projectID]
	if of == nil {
		of = &lane{groups: map[string]*group{}}
		l.projects[projectID] = of
	}
	l.mu.Unlock()
	of.mu.Lock()
	defer of.mu.Unlock()
	if age := l.now().Sub(of.loaded); of.loaded.IsZero() || age > lanesFresh || age < 0 {
		if err := l.load(ctx, projectID, of); err != nil {
			return nil, err
		}
		of.loaded = l.now()
	}
	g := of.add(b.ConcurrencyKey)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.builds[b.ID] = member{cause: causeOf(b)}
	return g, nil
}

func (of *lane) add(key string) *group {
	g := of.groups[key]
	if g == nil {
		g = &group{builds: map[string]member{}}
		of.groups[key] = g
	}
	return g
}

// load brings the lane in line with the store. The caller holds of.mu.
func (l *lanes) load(ctx context.Context, projectID string, of *lane) error {
	known := map[string]bool{}
	for _, g := range of.groups {
		g.mu.Lock()
		for id, m := range g.builds {
			known[id] = m.stored
		}
		g.mu.Unlock()
	}
	f := brigade.BuildFilter{ProjectID: projectID, States: []brigade.State{brigade.StatePending, brigade.StateRunning}, Limit: 1000}
	open := map[string]bool{}
	for {
		page, err := l.store.ListBuilds(ctx, f)
		if err != nil {
			return err
		}
		for _, b := range page {
			if b.ConcurrencyKey == "" {
				continue
			}
			open[b.ID] = true
			g := of.add(b.ConcurrencyKey)
			g.mu.Lock()
			g.builds[b.ID] = member{stored: true, cause: causeOf(b)}
			g.mu.Unlock()
		}
		if len(page) < f.Limit {
			break
		}
		f.Before = page[len(page)-1].ID
	}
	for key, g := range of.groups {
		g.mu.Lock()
		for id, m := range g.builds {
			if m.stored && known[id] && !open[id] {
				delete(g.builds, id) // it ended
			}
		}
		empty := len(g.builds) == 0
		g.mu.Unlock()
		if empty {
			delete(of.groups, key)
		}
	}
	return nil
}

// leave gives the place back of a build that was not stored.
func (t turn) leave() {
	if t.group == nil {
		return
	}
	t.group.mu.Lock()
	defer t.group.mu.Unlock()
	delete(t.group.builds, t.build.ID)
}

// rejectFull marks the build as canceled when the group has no room for it.
func (l *lanes) rejectFull(ctx context.Context, t turn) error {
	t.group.mu.Lock()
	defer t.group.mu.Unlock()
	others, err := l.open(ctx, t.group)
	if err != nil {
		return err
	}
	own := causeOf(t.build)
	there := map[string]bool{}
	for _, m := range t.group.builds {
		if m.cause != own {
			there[m.cause] = true
		}
	}
	if len(there) < t.limit {
		return nil
	}
	others = slices.DeleteFunc(others, func(b *brigade.Build) bool { return causeOf(b) == own })
	delete(t.group.builds, t.build.ID)
	such := ""
	if len(others) > 0 {
		such = others[0].ID
	}
	reject(t.build, t.limit, such, t.build.Created)
	return nil
}

// reject marks a build as one for which there was no room at that time. such is
// one that has it, "" when none is known.
func reject(b *brigade.Build, limit int, such string, at time.Time) {
	b.Failure = brigade.Errorf(brigade.CodeCanceled, "it was not started: %d builds with the concurrency key %q run or wait, as many as may", limit, b.ConcurrencyKey).
		WithHint("the project's strategy is to reject more; run it again when they have ended")
	if such != "" {
		b.Failure.Message += ", such as " + such
	}
	b.State, b.Ended, b.ExitCode, b.Waiting = brigade.StateCanceled, at, brigade.ExitCanceled, ""
	b.History = append(b.History, brigade.Step{State: b.State, Time: at, Note: "rejected"})
}

// open returns the stored builds of the group that have not ended, by ID, and
// forgets the others. The caller holds g.mu.
func (l *lanes) open(ctx context.Context, g *group) ([]*brigade.Build, error) {
	var open []*brigade.Build
	for id, m := range g.builds {
		if !m.stored {
			continue
		}
		b, err := l.store.Build(ctx, id)
		switch {
		case brigade.CodeOf(err) == brigade.CodeNotFound, err == nil && b.State.Ended():
			delete(g.builds, id)
		case err != nil:
			return nil, err
		default:
			open = append(open, b)
		}
	}
	slices.SortFunc(open, func(a, b *brigade.Build) int { return strings.Compare(a.ID, b.ID) })
	return open, nil
}

// settle makes room for a build that was stored, as its strategy says. What
// fails is logged: the build is stored, and waits for its turn in any case.
func (in *Intake) settle(ctx context.Context, t turn) {
	if t.group == nil {
		return
	}
	ctx = context.WithoutCancel(ctx)
	t.group.mu.Lock()
	defer t.group.mu.Unlock()
	t.group.builds[t.build.ID] = member{stored: true, cause: causeOf(t.build)}
	if t.strategy == brigade.StrategyReject {
		return
	}
	open, err := in.lanes.open(ctx, t.group)
	if err != nil {
		in.opt.Log.Error("make room for a build", "build", t.build.ID, "err", err)
		return
	}
	for _, unwanted := range t.unwanted(open, in.opt.Now()) {
		if err := in.cancel(ctx, unwanted.id, unwanted.reason, unwanted.pendingOnly); err != nil {
			in.opt.Log.Error("cancel a build to make room", "build", unwanted.id, "for", t.build.ID, "err", err)
		}
	}
}

// unwanted is a build that is to end.
type unwanted struct {
	id, reason  string
	pendingOnly bool
}

// unwanted returns which of the open builds are to end, by ID. It looks at the
// whole group and not only at what was before t's build, because builds that
// are stored at the same moment come here in any order.
func (t turn) unwanted(open []*brigade.Build, now time.Time) []unwanted {
	newest := t.strategy == brigade.StrategyNewestWins
	open = slices.DeleteFunc(open, func(b *brigade.Build) bool {
		if newest {
			return !waits(b, now)
		}
		return b.Cancel != nil
	})
	all, most, reason := causes(open), t.limit, "canceled to make room for the newer build "
	if newest {
		most, reason = 1, "superseded by the newer build "
	}
	if len(all) <= most {
		return nil
	}
	var list []unwanted
	for _, b := range open {
		if slices.Contains(all[:len(all)-most], causeOf(b)) {
			list = append(list, unwanted{id: b.ID, reason: reason + open[len(open)-1].ID, pendingOnly: newest})
		}
	}
	return list
}

// waits reports whether nobody runs b.
func waits(b *brigade.Build, now time.Time) bool {
	return b.State == brigade.StatePending && !b.Lease.Expires.After(now)
}

// errNothing ends an update that has nothing to change.
var errNothing = errors.New("nothing to change")

// cancel ends a build that waits, and asks for the end of one that runs unless
// only a waiting one is meant.
func (in *Intake) cancel(ctx context.Context, buildID, reason string, pendingOnly bool) error {
	now := in.opt.Now().UTC()
	req := brigade.CancelRequest{Time: now, Reason: reason}
	b, err := in.opt.Store.UpdateBuild(ctx, buildID, func(b *brigade.Build) error {
		switch {
		case waits(b, now):
			b.State, b.Ended, b.ExitCode, b.Waiting = brigade.StateCanceled, now, brigade.ExitCanceled, ""
			b.Failure = brigade.Errorf(brigade.CodeCanceled, "%s", reason)
			b.History = append(b.History, brigade.Step{State: b.State, Time: now, Note: reason})
		case b.State.Ended(), pendingOnly, b.Cancel != nil:
			return errNothing
		}
		b.Cancel = &req
		return nil
	})
	if errors.Is(err, errNothing) || brigade.CodeOf(err) == brigade.CodeNotFound {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cancel build %s: %w", buildID, err)
	}
	in.publish(b)
	if !b.State.Ended() && in.opt.Cancel != nil {
		in.opt.Cancel(buildID, req)
	}
	return nil
}
