// Package cron reads schedules of five fields and tells when they are due. It
// is smaller than a dependency on a parser would be, and decides what the
// known ones leave open: what happens when clocks are put forward or back.
//
// The time zone database comes with the program, because Windows and minimal
// images have none; that is 0.4 MiB of the binary.
package cron

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // see above

	"github.com/brigadecore/brigade/v3"
)

// horizon is how far ahead a due time is looked for: February 29 can be eight
// years away.
const horizon = 9 * 366

// Schedule is a parsed schedule. The zero value is never due.
//
// As in Vixie's cron, a day is due when day of month and day of week both
// match, or, when neither of them starts with a *, when one of them does.
//
// When clocks go forward, a time that is left out is due at the moment of the
// change, once. When they go back, a time that comes twice is due the first
// time only. A schedule whose hour starts with a * follows the passing of
// time instead: it skips what is left out and is due both times.
type Schedule struct {
	minute, hour, day, month, weekday uint64 // a bit per value
	anyHour                           bool   // the hour starts with *
	eitherDay                         bool   // day or weekday is enough
	zone                              *time.Location
}

// field describes one of the five.
type field struct {
	name     string
	min, max int
	names    []string // of the values from min on
}

var fields = [5]field{
	{name: "minute", min: 0, max: 59},
	{name: "hour", min: 0, max: 23},
	{name: "day of month", min: 1, max: 31},
	{name: "month", min: 1, max: 12, names: []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}},
	{name: "day of week", min: 0, max: 7, names: []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}},
}

var nicknames = map[string]string{
	"@hourly":   "0 * * * *",
	"@daily":    "0 0 * * *",
	"@midnight": "0 0 * * *",
	"@weekly":   "0 0 * * 0",
	"@monthly":  "0 0 1 * *",
	"@yearly":   "0 0 1 1 *",
	"@annually": "0 0 1 1 *",
}

// Parse reads a schedule in a time zone (an IANA name; "" is UTC). Its errors
// are CodeInvalid ones.
func Parse(text, zone string) (*Schedule, error) {
	s := &Schedule{zone: time.UTC}
	if zone != "" {
		loc, err := time.LoadLocation(zone)
		if err != nil || strings.EqualFold(zone, "local") {
			return nil, brigade.Errorf(brigade.CodeInvalid, "there is no time zone %q", zone).WithHint("write it like Europe/Berlin")
		}
		s.zone = loc
	}
	line := strings.ToLower(strings.TrimSpace(text))
	if strings.HasPrefix(line, "@") {
		full, known := nicknames[line]
		if !known {
			return nil, brigade.Errorf(brigade.CodeInvalid, "%q is no schedule", text).
				WithHint("use @hourly, @daily, @weekly, @monthly, @yearly or five fields")
		}
		line = full
	}
	parts := strings.Fields(line)
	if len(parts) != len(fields) {
		return nil, brigade.Errorf(brigade.CodeInvalid, "the schedule %q has %d fields, not five", text, len(parts)).
			WithHint("write minute, hour, day of month, month, day of week, such as \"30 4 * * mon-fri\"")
	}
	var sets [5]uint64
	for i, part := range parts {
		set, err := fields[i].parse(part)
		if err != nil {
			return nil, brigade.Errorf(brigade.CodeInvalid, "the schedule %q, field %d: %w", text, i+1, err)
		}
		sets[i] = set
	}
	s.minute, s.hour, s.day, s.month, s.weekday = sets[0], sets[1], sets[2], sets[3], sets[4]
	s.weekday |= s.weekday >> 7 & 1 // 7 is Sunday too
	s.anyHour = parts[1][0] == '*'
	s.eitherDay = parts[2][0] != '*' && parts[4][0] != '*'
	if s.Next(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return nil, brigade.Errorf(brigade.CodeInvalid, "the schedule %q never comes: no such day exists", text)
	}
	return s, nil
}

// parse reads one field: a list of *, values and ranges, with steps.
func (f field) parse(text string) (set uint64, err error) {
	for item := range strings.SplitSeq(text, ",") {
		span, step, stepped := strings.Cut(item, "/")
		low, high, err := f.span(span, stepped)
		if err != nil {
			return 0, err
		}
		by := 1
		if stepped {
			if by, err = number(step); err != nil || by < 1 || by > f.max {
				return 0, fmt.Errorf("%q is no step of the %s", step, f.name)
			}
		}
		for v := low; v <= high; v += by {
			set |= 1 << v
		}
	}
	return set, nil
}

func (f field) span(text string, stepped bool) (low, high int, err error) {
	if text == "*" {
		return f.min, f.max, nil
	}
	from, to, ranged := strings.Cut(text, "-")
	if low, err = f.value(from); err != nil {
		return 0, 0, err
	}
	switch {
	case ranged:
		if high, err = f.value(to); err != nil {
			return 0, 0, err
		}
		if high == 0 && f.names != nil && f.min == 0 {
			high = 7 // fri-sun
		}
	case stepped:
		high = f.max
	default:
		high = low
	}
	if high < low {
		return 0, 0, fmt.Errorf("the %s range %q ends before it begins", f.name, text)
	}
	return low, high, nil
}

func (f field) value(text string) (int, error) {
	for i, name := range f.names {
		if text == name {
			return f.min + i, nil
		}
	}
	v, err := number(text)
	if err != nil || v < f.min || v > f.max {
		return 0, fmt.Errorf("%q is no %s: it goes from %d to %d", text, f.name, f.min, f.max)
	}
	return v, nil
}

// number reads decimal digits and nothing else.
func number(text string) (int, error) {
	if len(text) > 4 || strings.TrimLeft(text, "0123456789") != "" {
		return 0, strconv.ErrSyntax
	}
	return strconv.Atoi(text)
}

// Next returns when the schedule is due next after t, in UTC; the zero time
// when it is not within nine years.
func (s *Schedule) Next(t time.Time) time.Time {
	if s.zone == nil {
		return time.Time{}
	}
	y, m, d := t.In(s.zone).Date()
	for n := range horizon {
		day := time.Date(y, m, d+n, 0, 0, 0, 0, time.UTC)
		if !s.onDay(day) {
			continue
		}
		next := s.fixed
		if s.anyHour {
			next = s.passing
		}
		if at, ok := next(day, t); ok {
			return at.UTC()
		}
	}
	return time.Time{}
}

func (s *Schedule) onDay(day time.Time) bool {
	if s.month>>day.Month()&1 == 0 {
		return false
	}
	dom, dow := s.day>>day.Day()&1 == 1, s.weekday>>day.Weekday()&1 == 1
	if s.eitherDay {
		return dom || dow
	}
	return dom && dow
}

// fixed returns the first due time of the day after t, by the clock on the wall.
func (s *Schedule) fixed(day, t time.Time) (time.Time, bool) {
	for h := range 24 {
		if s.hour>>h&1 == 0 {
			continue
		}
		for m := range 60 {
			if s.minute>>m&1 == 0 {
				continue
			}
			if at := s.wall(day.Add(time.Duration(h)*time.Hour + time.Duration(m)*time.Minute)); at.After(t) {
				return at, true
			}
		}
	}
	return time.Time{}, false
}

// passing is fixed for schedules that follow the passing of time.
func (s *Schedule) passing(day, t time.Time) (time.Time, bool) {
	at, end := s.wall(day), s.wall(day.AddDate(0, 0, 1))
	if !at.After(t) {
		at = t.Truncate(time.Minute).Add(time.Minute)
	}
	for ; at.Before(end); at = at.Add(time.Minute) {
		local := at.In(s.zone)
		if s.hour>>local.Hour()&1 == 1 && s.minute>>local.Minute()&1 == 1 {
			return at, true
		}
	}
	return time.Time{}, false
}

// wall returns the moment at which clocks of the zone show what u shows in
// UTC: the first one when there are two, the moment of the change when there
// is none.
func (s *Schedule) wall(u time.Time) time.Time {
	before, after := s.offset(u.Add(-15*time.Hour)), s.offset(u.Add(13*time.Hour))
	for _, off := range []time.Duration{max(before, after), min(before, after)} {
		if at := u.Add(-off); s.offset(at) == off {
			return at
		}
	}
	change, _ := u.Add(-before).In(s.zone).ZoneBounds()
	return change
}

func (s *Schedule) offset(t time.Time) time.Duration {
	_, seconds := t.In(s.zone).Zone()
	return time.Duration(seconds) * time.Second
}
