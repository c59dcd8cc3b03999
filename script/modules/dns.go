package modules

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
)

func nativeNet(*Env) map[string]any {
	return map[string]any{"family": func(text string) int {
		addr, err := netip.ParseAddr(text)
		switch {
		case err != nil:
			return 0
		case addr.Is4():
			return 4
		}
		return 6
	}}
}

func nativeDNS(env *Env) map[string]any {
	run := func(done func(...any), work func(ctx context.Context) ([]any, error)) {
		release := env.Loop.Hold()
		go func() {
			defer release()
			list, err := work(env.Loop.Context())
			code := dnsCode(err)
			if code == "" && len(list) == 0 {
				code = "ENOTFOUND"
			}
			env.Loop.Post(func() { done(code, list) })
		}()
	}
	return map[string]any{
		"lookup": func(host string, family int, done func(...any)) {
			run(done, func(ctx context.Context) ([]any, error) { return lookupIP(ctx, host, family) })
		},
		"resolve": func(kind, host string, done func(...any)) {
			run(done, func(ctx context.Context) ([]any, error) { return resolveRecords(ctx, kind, host) })
		},
	}
}

func dnsCode(err error) string {
	var dnsErr *net.DNSError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &dnsErr) && dnsErr.IsNotFound:
		return "ENOTFOUND"
	case errors.As(err, &dnsErr) && dnsErr.IsTimeout:
		return "ETIMEOUT"
	}
	return "EAI_AGAIN"
}

func lookupIP(ctx context.Context, host string, family int) ([]any, error) {
	network := map[int]string{4: "ip4", 6: "ip6"}[family]
	if network == "" {
		network = "ip"
	}
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, network, host)
	out := make([]any, 0, len(addrs))
	for _, a := range addrs {
		out = append(out, a.Unmap().String())
	}
	return out, err
}

func resolveRecords(ctx context.Context, kind, host string) ([]any, error) {
	r := net.DefaultResolver
	var out []any
	switch kind {
	case "A":
		return lookupIP(ctx, host, 4)
	case "AAAA":
		return lookupIP(ctx, host, 6)
	case "TXT":
		list, err := r.LookupTXT(ctx, host)
		for _, t := range list {
			out = append(out, []any{t})
		}
		return out, err
	case "MX":
		list, err := r.LookupMX(ctx, host)
		for _, m := range list {
			out = append(out, map[string]any{"exchange": strings.TrimSuffix(m.Host, "."), "priority": int(m.Pref)})
		}
		return out, err
	case "NS":
		list, err := r.LookupNS(ctx, host)
		for _, n := range list {
			out = append(out, strings.TrimSuffix(n.Host, "."))
		}
		return out, err
	case "SRV":
		_, list, err := r.LookupSRV(ctx, "", "", host)
		for _, s := range list {
			out = append(out, map[string]any{"name": strings.TrimSuffix(s.Target, "."), "port": int(s.Port), "priority": int(s.Priority), "weight": int(s.Weight)})
		}
		return out, err
	case "CNAME":
		name, err := r.LookupCNAME(ctx, host)
		return []any{strings.TrimSuffix(name, ".")}, err
	}
	names, err := r.LookupAddr(ctx, host)
	for _, n := range names {
		out = append(out, strings.TrimSuffix(n, "."))
	}
	return out, err
}
