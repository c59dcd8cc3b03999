package app

import (
	"net/http"
	"testing"
)

func TestRemote(t *testing.T) {
	trusted, err := ParseProxies([]string{"10.0.0.0/8", "127.0.0.1", "::1"})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		addr      string
		forwarded []string
		want      string
	}{
		"no proxy":           {"192.0.2.1:5", nil, "192.0.2.1"},
		"a liar":             {"192.0.2.1:5", []string{"198.51.100.7"}, "192.0.2.1"},
		"a proxy":            {"10.1.2.3:5", []string{"198.51.100.7"}, "198.51.100.7"},
		"two proxies":        {"10.1.2.3:5", []string{"198.51.100.7, 10.9.9.9"}, "198.51.100.7"},
		"a liar behind one":  {"10.1.2.3:5", []string{"203.0.113.9, 198.51.100.7"}, "198.51.100.7"},
		"several headers":    {"10.1.2.3:5", []string{"203.0.113.9", "198.51.100.7"}, "198.51.100.7"},
		"nonsense":           {"10.1.2.3:5", []string{"not an address"}, "10.1.2.3"},
		"proxies all along":  {"10.1.2.3:5", []string{"10.0.0.9"}, "10.0.0.9"},
		"IPv6 and no header": {"[::1]:5", nil, "::1"},
	} {
		r := &http.Request{RemoteAddr: c.addr, Header: http.Header{"X-Forwarded-For": c.forwarded}}
		if got := remoteOf(trusted)(r); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	if _, err := ParseProxies([]string{"nonsense"}); err == nil {
		t.Error("nonsense was taken for a network")
	}
}
