package web

import (
	"net"
	"sync"
	"time"
)

// limiter counts failed logins by network: tries that come back over a minute.
type limiter struct {
	perMinute float64
	mu        sync.Mutex
	used      map[string]tries
}

type tries struct {
	n  float64
	at time.Time
}

const maxNetworks = 4096 // bounds what a flood of addresses may take

func newLimiter(perMinute int) *limiter {
	return &limiter{perMinute: float64(perMinute), used: map[string]tries{}}
}

func (l *limiter) ok(remote string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.count(networkOf(remote), now) <= l.perMinute-1
}

func (l *limiter) take(remote string, now time.Time) {
	key := networkOf(remote)
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.count(key, now)
	if len(l.used) >= maxNetworks {
		for k := range l.used {
			if l.count(k, now) == 0 {
				delete(l.used, k)
			}
		}
		if len(l.used) >= maxNetworks {
			clear(l.used)
		}
	}
	l.used[key] = tries{n + 1, now}
}

func (l *limiter) count(key string, now time.Time) float64 {
	t := l.used[key]
	return max(0, t.n-now.Sub(t.at).Minutes()*l.perMinute)
}

// networkOf is the part of an address that one customer usually has.
func networkOf(remote string) string {
	ip := net.ParseIP(remote)
	if ip == nil || ip.To4() != nil {
		return remote
	}
	return ip.Mask(net.CIDRMask(64, 128)).String()
}
