package cron_test

import (
	"strings"
	"testing"
	"time"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/intake/cron"
)

func at(t testing.TB, text string) time.Time {
	t.Helper()
	v, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Each case: from that moment on, these are the next due times as the zone's
// clocks show them.
func TestNext(t *testing.T) {
	for name, c := range map[string]struct{ cron, zone, from, want string }{
		"every minute":      {"* * * * *", "", "2026-03-01T10:00:30Z", "2026-03-01T10:01:00Z 2026-03-01T10:02:00Z"},
		"after, not at":     {"0 10 * * *", "", "2026-03-01T10:00:00Z", "2026-03-02T10:00:00Z"},
		"steps":             {"*/20 9-10 * * *", "", "2026-03-01T09:30:00Z", "2026-03-01T09:40:00Z 2026-03-01T10:00:00Z 2026-03-01T10:20:00Z 2026-03-01T10:40:00Z 2026-03-02T09:00:00Z"},
		"a step from":       {"50/5 3 * * *", "", "2026-03-01T00:00:00Z", "2026-03-01T03:50:00Z 2026-03-01T03:55:00Z 2026-03-02T03:50:00Z"},
		"lists and names":   {"0 12 * jan,JUL mon-wed,fri", "", "2026-01-30T13:00:00Z", "2026-07-01T12:00:00Z 2026-07-03T12:00:00Z"},
		"sunday is 0 and 7": {"0 0 * * 7", "", "2026-03-01T00:00:00Z", "2026-03-08T00:00:00Z"},
		"fri-sun":           {"0 0 * * fri-sun", "", "2026-03-05T00:00:00Z", "2026-03-06T00:00:00Z 2026-03-07T00:00:00Z 2026-03-08T00:00:00Z 2026-03-13T00:00:00Z"},
		"either day":        {"0 0 13 * fri", "", "2026-03-07T00:00:00Z", "2026-03-13T00:00:00Z 2026-03-20T00:00:00Z 2026-03-27T00:00:00Z 2026-04-03T00:00:00Z 2026-04-10T00:00:00Z 2026-04-13T00:00:00Z"},
		"both days":         {"0 0 */2 * fri", "", "2026-03-07T00:00:00Z", "2026-03-13T00:00:00Z 2026-03-27T00:00:00Z"},
		"leap day":          {"0 0 29 2 *", "", "2096-03-01T00:00:00Z", "2104-02-29T00:00:00Z"},
		"nickname":          {"@weekly", "", "2026-03-02T00:00:00Z", "2026-03-08T00:00:00Z"},
		"zone":              {"30 8 * * *", "Asia/Kolkata", "2026-03-01T00:00:00Z", "2026-03-01T08:30:00+05:30 2026-03-02T08:30:00+05:30"},

		// Berlin: 02:00 → 03:00 on 29 March, 03:00 → 02:00 on 25 October 2026.
		"gap":                       {"30 2 * * *", "Europe/Berlin", "2026-03-28T00:00:00Z", "2026-03-28T02:30:00+01:00 2026-03-29T03:00:00+02:00 2026-03-30T02:30:00+02:00"},
		"gap, several become one":   {"0,20,40 2,3 * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", "2026-03-29T03:00:00+02:00 2026-03-29T03:20:00+02:00 2026-03-29T03:40:00+02:00 2026-03-30T02:00:00+02:00"},
		"gap, every hour":           {"30 * * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", "2026-03-29T01:30:00+01:00 2026-03-29T03:30:00+02:00"},
		"gap, every two hours":      {"0 */2 * * *", "Europe/Berlin", "2026-03-28T23:30:00Z", "2026-03-29T04:00:00+02:00"},
		"overlap":                   {"30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", "2026-10-25T02:30:00+02:00 2026-10-26T02:30:00+01:00"},
		"overlap, between the two":  {"30 2 * * *", "Europe/Berlin", "2026-10-25T01:10:00Z", "2026-10-26T02:30:00+01:00"},
		"overlap, every hour":       {"30 * * * *", "Europe/Berlin", "2026-10-25T00:00:00Z", "2026-10-25T02:30:00+02:00 2026-10-25T02:30:00+01:00 2026-10-25T03:30:00+01:00"},
		"New York, gap":             {"15 2 * * *", "America/New_York", "2026-03-08T05:00:00Z", "2026-03-08T03:00:00-04:00 2026-03-09T02:15:00-04:00"},
		"New York, overlap":         {"15 1 * * *", "America/New_York", "2026-11-01T04:00:00Z", "2026-11-01T01:15:00-04:00 2026-11-02T01:15:00-05:00"},
		"Lord Howe, half an hour":   {"15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00:00Z", "2026-10-04T02:30:00+11:00 2026-10-05T02:15:00+11:00"},
		"Lord Howe, back":           {"45 1 * * *", "Australia/Lord_Howe", "2026-04-04T10:00:00Z", "2026-04-05T01:45:00+11:00 2026-04-06T01:45:00+10:30"},
		"Cairo has no midnight":     {"0 0 * * *", "Africa/Cairo", "2026-04-23T12:00:00Z", "2026-04-24T01:00:00+03:00 2026-04-25T00:00:00+03:00"},
		"Cairo, hourly at midnight": {"0 * * * *", "Africa/Cairo", "2026-04-23T20:30:00Z", "2026-04-23T23:00:00+02:00 2026-04-24T01:00:00+03:00"},
		"Samoa left a day out":      {"0 12 * * *", "Pacific/Apia", "2011-12-29T23:00:00Z", "2011-12-31T00:00:00+14:00 2011-12-31T12:00:00+14:00"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := cron.Parse(c.cron, c.zone)
			if err != nil {
				t.Fatal(err)
			}
			from := at(t, c.from)
			for want := range strings.FieldsSeq(c.want) {
				got := s.Next(from)
				if !got.Equal(at(t, want)) {
					t.Fatalf("after %v comes %v, want %s", from, got, want)
				}
				from = got
			}
		})
	}
}

// Whatever the zone does, due times go forward, and a schedule by the hour
// never waits longer than an hour plus what is left out.
func TestNextAlwaysMovesOn(t *testing.T) {
	for _, zone := range []string{"UTC", "Europe/Berlin", "America/New_York", "Africa/Cairo", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Kathmandu", "America/Asuncion"} {
		for _, text := range []string{"*/30 * * * *", "0 0,1,2,3 * * *"} {
			s, err := cron.Parse(text, zone)
			if err != nil {
				t.Fatal(err)
			}
			from := at(t, "2026-01-01T00:00:00Z")
			count := 0
			for end := from.AddDate(1, 0, 0); from.Before(end); count++ {
				next := s.Next(from)
				if !next.After(from) || next.Sub(from) > 22*time.Hour+time.Hour {
					t.Fatalf("%s in %s: after %v comes %v", text, zone, from, next)
				}
				from = next
			}
			most, least := 2*24*365+2, 2*24*365-3
			if text[0] != '*' {
				most, least = 4*365+1, 4*365-4
			}
			if count > most || count < least {
				t.Errorf("%s in %s: %d times a year", text, zone, count)
			}
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                    "has 0 fields",
		"* * * *":             "has 4 fields",
		"* * * * * *":         "has 6 fields",
		"60 * * * *":          `field 1: "60" is no minute`,
		"* 24 * * *":          `field 2: "24" is no hour`,
		"* * 0 * *":           "field 3",
		"* * * 13 *":          "field 4",
		"* * * * 8":           "field 5",
		"* * * foo *":         `"foo" is no month`,
		"5-1 * * * *":         "ends before it begins",
		"*/0 * * * *":         "is no step",
		"*/ * * * *":          "is no step",
		"*/-1 * * * *":        "is no step",
		"1,,2 * * * *":        "field 1",
		"+1 * * * *":          "field 1",
		"1- * * * *":          "field 1",
		"99999999999 * * * *": "field 1",
		"0 0 30 2 *":          "never comes",
		"0 0 31 4,6,9,11 *":   "never comes",
		"@every 5m":           "is no schedule",
		"@reboot":             "is no schedule",
		"? * * * *":           "field 1",
	} {
		_, err := cron.Parse(text, "")
		if brigade.CodeOf(err) != brigade.CodeInvalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	for _, zone := range []string{"Mars/Olympus", "Local", "../etc/passwd", "/etc/localtime", "Europe"} {
		if _, err := cron.Parse("@daily", zone); brigade.CodeOf(err) != brigade.CodeInvalid {
			t.Errorf("zone %q: %v", zone, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("*/5 1-3,7 * jan-mar mon", "Europe/Berlin", int64(1_790_000_000))
	f.Add("@daily", "", int64(0))
	f.Fuzz(func(t *testing.T, text, zone string, from int64) {
		s, err := cron.Parse(text, zone)
		if err != nil {
			return
		}
		start := time.Unix(from%(1<<33), 0)
		if next := s.Next(start); !next.IsZero() && !next.After(start) {
			t.Errorf("after %v comes %v", start, next)
		}
	})
}

func BenchmarkNext(b *testing.B) {
	s, err := cron.Parse("30 2 29 2 *", "Europe/Berlin")
	if err != nil {
		b.Fatal(err)
	}
	from := at(b, "2025-01-01T00:00:00Z")
	for b.Loop() {
		s.Next(from)
	}
}
