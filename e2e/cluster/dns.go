package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"

	"golang.org/x/net/dns/dnsmessage"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/cache"
)

// dnsServer tells pods the addresses of services, and that nothing else has
// one: name.namespace.svc.cluster.local.
type dnsServer struct {
	conn net.PacketConn

	mu        sync.Mutex
	services  map[string]netip.Addr   // "name.namespace"
	endpoints map[string][]netip.Addr // of services without an address
}

const clusterDomain = ".svc.cluster.local."

// serveNames starts the DNS server of the real node's pods.
func (c *Cluster) serveNames(address string) (*dnsServer, error) {
	conn, err := net.ListenPacket("udp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for names: %w", err)
	}
	s := &dnsServer{conn: conn, services: map[string]netip.Addr{}, endpoints: map[string][]netip.Addr{}}
	if err := errors.Join(
		c.follow(c.ctx, "services", "", &corev1.Service{}, handle(s.service)),
		c.follow(c.ctx, "endpoints", "", &corev1.Endpoints{}, handle(s.endpoint)), //nolint:staticcheck // core/v1 is what this package speaks
	); err != nil {
		conn.Close()
		return nil, err
	}
	c.tasks.Go(s.serve)
	context.AfterFunc(c.ctx, func() { conn.Close() })
	return s, nil
}

// handle calls f for each object; gone says that there is none any more.
func handle[T any](f func(object *T, gone bool)) cache.ResourceEventHandler {
	call := func(o any, gone bool) {
		if last, ok := o.(cache.DeletedFinalStateUnknown); ok {
			o = last.Obj
		}
		if object, ok := o.(*T); ok {
			f(object, gone)
		}
	}
	return cache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { call(o, false) },
		UpdateFunc: func(_, o any) { call(o, false) },
		DeleteFunc: func(o any) { call(o, true) },
	}
}

func (s *dnsServer) service(o *corev1.Service, gone bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := o.Name + "." + o.Namespace
	address, err := netip.ParseAddr(o.Spec.ClusterIP)
	if gone || err != nil { // "None"
		delete(s.services, key)
		return
	}
	s.services[key] = address
}

func (s *dnsServer) endpoint(o *corev1.Endpoints, gone bool) { //nolint:staticcheck // see serveNames
	s.mu.Lock()
	defer s.mu.Unlock()
	key := o.Name + "." + o.Namespace
	delete(s.endpoints, key)
	if gone {
		return
	}
	for _, set := range o.Subsets {
		for _, a := range set.Addresses {
			if ip, err := netip.ParseAddr(a.IP); err == nil {
				s.endpoints[key] = append(s.endpoints[key], ip)
			}
		}
	}
}

func (s *dnsServer) serve() {
	buf := make([]byte, 4096)
	for {
		n, from, err := s.conn.ReadFrom(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		if answer, err := s.answer(buf[:n]); err == nil {
			_, _ = s.conn.WriteTo(answer, from)
		}
	}
}

func (s *dnsServer) answer(query []byte) ([]byte, error) {
	var q dnsmessage.Message
	if err := q.Unpack(query); err != nil {
		return nil, err
	}
	a := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: q.ID, Response: true, Authoritative: true, RecursionDesired: q.RecursionDesired, RecursionAvailable: true},
		Questions: q.Questions,
	}
	if len(q.Questions) != 1 {
		a.RCode = dnsmessage.RCodeFormatError
		return a.Pack()
	}
	question := q.Questions[0]
	addresses, known := s.lookup(strings.ToLower(question.Name.String()))
	if !known {
		a.RCode = dnsmessage.RCodeNameError
	}
	for _, ip := range addresses {
		if question.Type != dnsmessage.TypeA || !ip.Is4() {
			continue
		}
		a.Answers = append(a.Answers, dnsmessage.Resource{
			Header: dnsmessage.ResourceHeader{Name: question.Name, Class: dnsmessage.ClassINET, TTL: 1},
			Body:   &dnsmessage.AResource{A: ip.As4()},
		})
	}
	return a.Pack()
}

func (s *dnsServer) lookup(name string) (addresses []netip.Addr, known bool) {
	key, ok := strings.CutSuffix(name, clusterDomain)
	if !ok {
		return nil, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if ip, ok := s.services[key]; ok {
		return []netip.Addr{ip}, true
	}
	addresses, known = s.endpoints[key]
	return addresses, known
}
