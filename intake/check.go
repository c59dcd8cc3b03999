package intake

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/intake/cron"
	"github.com/brigadecore/brigade/v3/intake/filter"
)

// Bounds of a project's settings.
const (
	maxSubscriptions = 100
	maxSchedules     = 100
	maxScheduleName  = 100
	maxPayload       = 1 << 20 // of a schedule, in bytes
	maxJitter        = 24 * time.Hour
)

// checking compiles the expressions of projects that are checked.
var checking = sync.OnceValues(filter.New)

// Check reports everything that is wrong with what a project says about
// events: limits, concurrency, subscriptions, schedules, retries, retention.
// It is a CodeInvalid error that names each setting as JSON does, and in
// expressions the line and the column. Call it before a project is stored.
func Check(p *brigade.Project) error {
	filters, err := checking()
	if err != nil {
		return err
	}
	c := &checker{filters: filters}
	c.limits(p)
	c.concurrency(p.Concurrency)
	c.subscriptions(p.Subscriptions)
	c.schedules(p.Schedules)
	if len(c.wrong) == 0 {
		return nil
	}
	e := brigade.Errorf(brigade.CodeInvalid, "%s", strings.Join(c.wrong, "; "))
	e.Hint = c.hint
	return e
}

// checker collects what is wrong.
type checker struct {
	filters *filter.Set
	wrong   []string
	hint    string // of the first that has one
}

func (c *checker) add(where, format string, args ...any) {
	c.wrong = append(c.wrong, where+": "+fmt.Sprintf(format, args...))
}

func (c *checker) err(where string, err error) {
	if err == nil {
		return
	}
	c.add(where, "%s", err)
	var e *brigade.Error
	if errors.As(err, &e) && c.hint == "" {
		c.hint = e.Hint
	}
}

// count checks a number that must not be negative.
func (c *checker) count(where string, n int) {
	if n < 0 {
		c.add(where, "it cannot be negative")
	}
}

func (c *checker) limits(p *brigade.Project) {
	c.count("limits.builds", p.Limits.Builds)
	c.count("limits.jobs", p.Limits.Jobs)
	c.count("limits.events", p.Limits.Events)
	c.count("limits.timeout", int(p.Limits.Timeout))
	if r := p.Retry; r != nil {
		c.count("retry.limit", r.Limit)
		c.count("retry.backoff", int(r.Backoff))
	}
	if r := p.Retention; r != nil {
		c.count("retention.age", int(r.Age))
		c.count("retention.failedAge", int(r.FailedAge))
		c.count("retention.count", r.Count)
	}
	for event := range p.Priorities {
		c.name("priorities", event)
	}
}

// name checks the name of an event or a provider.
func (c *checker) name(where, name string) {
	if name == "" || len(name) > maxName || strings.ContainsFunc(name, unprintable) {
		c.add(where, "%q is no name of an event", name)
	}
}

func (c *checker) concurrency(of *brigade.Concurrency) {
	if of == nil {
		return
	}
	c.count("concurrency.limit", of.Limit)
	switch of.Strategy {
	case "", brigade.StrategyQueue, brigade.StrategyCancelOldest, brigade.StrategyNewestWins, brigade.StrategyReject:
	default:
		c.add("concurrency.strategy", "there is no strategy %q: use %s, %s, %s or %s", of.Strategy,
			brigade.StrategyQueue, brigade.StrategyCancelOldest, brigade.StrategyNewestWins, brigade.StrategyReject)
	}
	if of.Key != "" {
		c.err("concurrency.key", c.filters.CheckText(of.Key))
	}
}

func (c *checker) subscriptions(list []brigade.Subscription) {
	if len(list) > maxSubscriptions {
		c.add("subscriptions", "there are %d, more than %d", len(list), maxSubscriptions)
		return
	}
	for i, s := range list {
		where := fmt.Sprintf("subscriptions[%d].", i)
		if s.Provider != "" {
			c.name(where+"provider", s.Provider)
		}
		for _, pattern := range s.Types {
			c.name(where+"types", pattern)
			if at := strings.Index(pattern, "*"); at >= 0 && at < len(pattern)-1 {
				c.add(where+"types", "%q: a * stands only at the end", pattern)
			}
		}
		if s.Filter != "" {
			c.err(where+"filter", c.filters.CheckMatch(s.Filter))
		}
	}
}

func (c *checker) schedules(list []brigade.Schedule) {
	if len(list) > maxSchedules {
		c.add("schedules", "there are %d, more than %d", len(list), maxSchedules)
		return
	}
	seen := map[string]bool{}
	for i, s := range list {
		where := fmt.Sprintf("schedules[%d].", i)
		switch {
		case s.Name == "" || len(s.Name) > maxScheduleName || strings.ContainsFunc(s.Name, unprintable):
			c.add(where+"name", "%q is no name: it has 1 to %d bytes of text", s.Name, maxScheduleName)
		case seen[s.Name]:
			c.add(where+"name", "there is another schedule %q", s.Name)
		}
		seen[s.Name] = true
		_, err := cron.Parse(s.Cron, s.TimeZone)
		c.err(where+"cron", err)
		if s.Event != "" {
			c.name(where+"event", s.Event)
		}
		if len(s.Payload) > maxPayload {
			c.add(where+"payload", "it has %d bytes, more than %d", len(s.Payload), maxPayload)
		}
		if len(s.Ref) > maxRef || strings.ContainsFunc(s.Ref, unprintable) {
			c.add(where+"ref", "it is no ref")
		}
		if d := time.Duration(s.Jitter); d < 0 || d > maxJitter {
			c.add(where+"jitter", "%v is not between 0 and %v", d, maxJitter)
		}
		switch s.CatchUp {
		case "", catchNone, catchLast, catchAll:
		default:
			c.add(where+"catchUp", "there is no policy %q: use %s, %s or %s", s.CatchUp, catchNone, catchLast, catchAll)
		}
	}
}
