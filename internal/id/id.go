// Package id makes build IDs: lower-case ULIDs, which sort by time.
package id

import (
	"crypto/rand"
	"strings"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"
)

var (
	mu      sync.Mutex
	entropy = ulid.Monotonic(rand.Reader, 0)
)

// New returns the ID of a build created at now. IDs made by one process are
// strictly increasing even within a millisecond.
func New(now time.Time) string {
	mu.Lock()
	defer mu.Unlock()
	u, err := ulid.New(ulid.Timestamp(now), entropy)
	if err != nil { // the monotonic part overflowed within this millisecond
		entropy = ulid.Monotonic(rand.Reader, 0)
		u = ulid.MustNew(ulid.Timestamp(now.Add(time.Millisecond)), entropy)
	}
	return strings.ToLower(u.String())
}

// Time returns when the ID was made, and false when s is not such an ID.
func Time(s string) (time.Time, bool) {
	u, err := ulid.ParseStrict(strings.ToUpper(s))
	if err != nil {
		return time.Time{}, false
	}
	return ulid.Time(u.Time()), true
}

// Lowest returns the lowest ID that may have been made at t or later, in
// milliseconds; "" for times before 1970, which no ID is below.
func Lowest(t time.Time) string {
	ms := t.UnixMilli()
	if ms <= 0 {
		return ""
	}
	var u ulid.ULID
	if err := u.SetTime(min(uint64(ms), ulid.MaxTime())); err != nil {
		return ""
	}
	return strings.ToLower(u.String())
}
