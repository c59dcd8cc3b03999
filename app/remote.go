package app

import (
	"net"
	"net/http"
	"net/netip"
	"strings"

	brigade "github.com/brigadecore/brigade/v3"
)

// remoteOf tells who sent a request: the address of the connection, or, when
// that is a trusted proxy's, the nearest address in X-Forwarded-For that is not.
func remoteOf(trusted []netip.Prefix) func(*http.Request) string {
	return func(r *http.Request) string {
		host, _, err := net.SplitHostPort(r.RemoteAddr)
		if err != nil {
			host = r.RemoteAddr
		}
		hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
		for i := len(hops) - 1; i >= 0 && isTrusted(trusted, host); i-- {
			hop := strings.TrimSpace(hops[i])
			if _, err := netip.ParseAddr(hop); err != nil {
				break
			}
			host = hop
		}
		return host
	}
}

func isTrusted(trusted []netip.Prefix, host string) bool {
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	for _, p := range trusted {
		if p.Contains(addr.Unmap()) {
			return true
		}
	}
	return false
}

// ParseProxies reads addresses and networks of proxies.
func ParseProxies(texts []string) ([]netip.Prefix, error) {
	var all []netip.Prefix
	for _, text := range texts {
		if addr, err := netip.ParseAddr(text); err == nil {
			all = append(all, netip.PrefixFrom(addr, addr.BitLen()))
			continue
		}
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, brigade.Errorf(brigade.CodeUsage, "%q is not an address or network of a proxy", text).WithHint("write it like 10.0.0.1 or 10.0.0.0/8")
		}
		all = append(all, p)
	}
	return all, nil
}
