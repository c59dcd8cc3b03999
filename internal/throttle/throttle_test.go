package throttle

import (
	"fmt"
	"testing"
	"time"
)

func TestFailuresComeBackOverAMinute(t *testing.T) {
	now := time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)
	f := New(3)
	for i := range 3 {
		if !f.OK("192.0.2.1", now) || f.Take("192.0.2.1", now) != 0 {
			t.Fatalf("failure %d is one too many", i)
		}
	}
	if f.OK("192.0.2.1", now) {
		t.Error("a fourth one is allowed")
	}
	if wait := f.Take("192.0.2.1", now); wait != 20*time.Second {
		t.Errorf("the wait is %v", wait)
	}
	if !f.OK("192.0.2.2", now) || !f.OK("192.0.2.1", now.Add(21*time.Second)) {
		t.Error("another address, or a later time, is held back")
	}
	f.Take("2001:db8::1", now)
	f.Take("2001:db8::2", now)
	f.Take("2001:db8::ffff", now)
	if f.OK("2001:db8::3", now) || !f.OK("2001:db8:1::3", now) {
		t.Error("a network of IPv6 is counted wrongly")
	}
}

func TestAFloodOfAddressesTakesLittle(t *testing.T) {
	now := time.Now()
	f := New(3)
	for i := range 3 * maxBuckets {
		f.Take(fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255), now)
	}
	if n := len(f.buckets); n > maxBuckets {
		t.Errorf("%d buckets", n)
	}
}
