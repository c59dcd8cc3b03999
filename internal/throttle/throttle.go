// Package throttle bounds how often a remote may fail: guesses at tokens.
package throttle

import (
	"net"
	"sync"
	"time"
)

// Failures counts failures by network: a bucket that fills again over a
// minute. Its methods may be called concurrently.
type Failures struct {
	perMinute float64

	mu      sync.Mutex
	buckets map[string]bucket
}

type bucket struct {
	left float64
	at   time.Time
}

// maxBuckets bounds what a flood of addresses may take.
const maxBuckets = 8192

// New returns a Failures that allows perMinute of them a minute to each
// network.
func New(perMinute int) *Failures {
	return &Failures{perMinute: float64(perMinute), buckets: map[string]bucket{}}
}

// OK reports whether the remote, an IP address, has failures left.
func (f *Failures) OK(remote string, now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.level(network(remote), now) >= 1
}

// Take counts a failure. It returns how long to wait when there were too many.
func (f *Failures) Take(remote string, now time.Time) time.Duration {
	key := network(remote)
	f.mu.Lock()
	defer f.mu.Unlock()
	left := f.level(key, now)
	if left < 1 {
		return max(time.Duration((1-left)/f.perMinute*float64(time.Minute)), time.Second)
	}
	if len(f.buckets) >= maxBuckets {
		f.makeRoom(now)
	}
	f.buckets[key] = bucket{left - 1, now}
	return 0
}

func (f *Failures) level(key string, now time.Time) float64 {
	b, ok := f.buckets[key]
	if !ok {
		return f.perMinute
	}
	return min(f.perMinute, b.left+now.Sub(b.at).Minutes()*f.perMinute)
}

// makeRoom forgets those that are full again, or else everybody.
func (f *Failures) makeRoom(now time.Time) {
	for key := range f.buckets {
		if f.level(key, now) >= f.perMinute {
			delete(f.buckets, key)
		}
	}
	if len(f.buckets) >= maxBuckets {
		clear(f.buckets)
	}
}

// network is the part of an address that one customer usually has: all of an
// IPv4 address, half of an IPv6 one.
func network(remote string) string {
	ip := net.ParseIP(remote)
	if ip == nil || ip.To4() != nil {
		return remote
	}
	return ip.Mask(net.CIDRMask(64, 128)).String()
}
