package api

import (
	"net"
	"sync"
	"time"
)

// limiter counts failures by remote: a bucket that fills again over a minute.
type limiter struct {
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

func newLimiter(perMinute int) *limiter {
	return &limiter{perMinute: float64(perMinute), buckets: map[string]bucket{}}
}

// ok reports whether the remote has failures left.
func (l *limiter) ok(remote string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.level(network(remote), now) >= 1
}

// take counts a failure. It returns how long to wait when there were too many.
func (l *limiter) take(remote string, now time.Time) time.Duration {
	key := network(remote)
	l.mu.Lock()
	defer l.mu.Unlock()
	left := l.level(key, now)
	if left < 1 {
		return max(time.Duration((1-left)/l.perMinute*float64(time.Minute)), time.Second)
	}
	if len(l.buckets) >= maxBuckets {
		l.makeRoom(now)
	}
	l.buckets[key] = bucket{left - 1, now}
	return 0
}

func (l *limiter) level(key string, now time.Time) float64 {
	b, ok := l.buckets[key]
	if !ok {
		return l.perMinute
	}
	return min(l.perMinute, b.left+now.Sub(b.at).Minutes()*l.perMinute)
}

// makeRoom forgets those that are full again, or else everybody.
func (l *limiter) makeRoom(now time.Time) {
	for key := range l.buckets {
		if l.level(key, now) >= l.perMinute {
			delete(l.buckets, key)
		}
	}
	if len(l.buckets) >= maxBuckets {
		clear(l.buckets)
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
