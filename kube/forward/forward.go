// Package forward makes connections to ports of pods, through the API server,
// as kubectl port-forward does: for a person who may use the cluster, but is
// not in it.
//
//	Dial → WebSocket to the API server → kubelet → the pod's port
//
// Each connection is a WebSocket of its own, with the kubelet's protocol
// v4.channel.k8s.io: the first byte of a message is its channel, 0 for data and
// 1 for an error. Both channels begin with the port's number.
package forward

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/websocket"
	"k8s.io/client-go/rest"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/kube/cluster"
)

// protocol is that of the kubelet for a WebSocket.
const protocol = "v4.channel.k8s.io"

// The channels of the only port.
const (
	channelData  = 0
	channelError = 1
)

// maxMessage is the most of a connection's data that is sent as one message.
const maxMessage = 32 << 10

// dialTimeout bounds the time until a connection is there.
const dialTimeout = 30 * time.Second

// Dialer connects to pods of one namespace of a cluster. It may be used by many
// goroutines.
type Dialer struct {
	config    *rest.Config
	namespace string
	base      *url.URL
	tls       *tls.Config
}

// New makes a dialer for the client's namespace.
func New(c *cluster.Client) (*Dialer, error) {
	config := c.Config()
	base, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		return nil, brigade.Errorf(brigade.CodeUsage, "read the API server's address: %w", err)
	}
	security, err := rest.TLSConfigFor(config)
	if err != nil {
		return nil, brigade.Errorf(brigade.CodeUsage, "read the cluster's certificates: %w", err)
	}
	if base.Scheme == "https" && security == nil {
		security = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if security != nil {
		security = security.Clone()
		security.NextProtos = []string{"http/1.1"} // which a WebSocket is an upgrade of
	}
	return &Dialer{config: config, namespace: c.Namespace, base: base, tls: security}, nil
}

// Dial connects to a port of a pod. The error is CodeDenied when the person
// may not, and CodeUnavailable when nobody listens or the pod does not run.
func (d *Dialer) Dial(ctx context.Context, pod string, port int) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	header, err := d.credentials(ctx)
	if err != nil {
		return nil, cluster.Error(err)
	}
	raw, err := d.connect(ctx)
	if err != nil {
		return nil, brigade.Errorf(brigade.CodeUnavailable, "the API server at %s cannot be reached: %w", d.base.Host, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = raw.SetDeadline(time.Unix(1, 0)) })
	ws, err := d.upgrade(raw, header, pod, port)
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		_ = raw.Close()
		return nil, err
	}
	_ = raw.SetDeadline(time.Time{})
	return newConn(ws, raw, pod, port), nil
}

// credentials are the headers that let this person in: a token from the
// kubeconfig, or one that a program of it makes.
func (d *Dialer) credentials(ctx context.Context) (http.Header, error) {
	var seen http.Header
	trip, err := rest.HTTPWrappersForConfig(d.config, roundTrip(func(r *http.Request) (*http.Response, error) {
		seen = r.Header.Clone()
		return nil, errSeen
	}))
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, d.base.String(), nil)
	if err != nil {
		return nil, err
	}
	resp, err := trip.RoundTrip(r)
	if resp != nil {
		_ = resp.Body.Close()
	}
	if !errors.Is(err, errSeen) {
		return nil, err
	}
	return seen, nil
}

var errSeen = errors.New("seen")

type roundTrip func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// connect opens the connection to the API server that the upgrade is made on.
func (d *Dialer) connect(ctx context.Context) (net.Conn, error) {
	host := d.base.Host
	if d.base.Port() == "" {
		port := "80"
		if d.tls != nil {
			port = "443"
		}
		host = net.JoinHostPort(d.base.Hostname(), port)
	}
	dial := d.config.Dial
	if dial == nil {
		dial = (&net.Dialer{KeepAlive: 15 * time.Second}).DialContext
	}
	raw, err := dial(ctx, "tcp", host)
	if err != nil || d.tls == nil {
		return raw, err
	}
	security := d.tls
	if security.ServerName == "" {
		security = security.Clone()
		security.ServerName = d.base.Hostname()
	}
	secure := tls.Client(raw, security)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		return nil, err
	}
	return secure, nil
}

// upgrade makes a connection to the API server one to the pod.
func (d *Dialer) upgrade(raw net.Conn, header http.Header, pod string, port int) (*websocket.Conn, error) {
	at := *d.base
	at.Path = strings.TrimSuffix(at.Path, "/") + "/api/v1/namespaces/" + url.PathEscape(d.namespace) + "/pods/" + url.PathEscape(pod) + "/portforward"
	at.RawQuery = url.Values{"ports": {strconv.Itoa(port)}}.Encode()
	origin := *d.base
	config := &websocket.Config{Location: &at, Origin: &origin, Protocol: []string{protocol}, Version: websocket.ProtocolVersionHybi13, Header: header}
	seen := &answer{Conn: raw}
	ws, err := websocket.NewClient(config, seen)
	if err == nil {
		return ws, nil
	}
	where := fmt.Sprintf("port %d of pod %s", port, pod)
	switch status := seen.status(); status {
	case 0:
		return nil, brigade.Errorf(brigade.CodeUnavailable, "%s cannot be reached: %w", where, err)
	case http.StatusUnauthorized, http.StatusForbidden:
		return nil, brigade.Errorf(brigade.CodeDenied, "%s may not be reached by this user of the cluster", where).
			WithHint("the right is `create` (and `get`) on pods/portforward in the namespace %s", d.namespace)
	case http.StatusNotFound:
		return nil, brigade.NotFound("pod", pod)
	default:
		return nil, brigade.Errorf(brigade.CodeUnavailable, "%s cannot be reached: the API server answers %d %s", where, status, http.StatusText(status))
	}
}

// answer remembers the first line of what the server answers: the library drops
// it.
type answer struct {
	net.Conn
	first []byte
}

// Read implements net.Conn.
func (a *answer) Read(p []byte) (int, error) {
	n, err := a.Conn.Read(p)
	if len(a.first) < 64 {
		a.first = append(a.first, p[:min(n, 64)]...)
	}
	return n, err
}

func (a *answer) status() int {
	parts := strings.Fields(string(a.first))
	if len(parts) < 2 || !strings.HasPrefix(parts[0], "HTTP/") {
		return 0
	}
	status, err := strconv.Atoi(parts[1])
	if err != nil {
		return 0
	}
	return status
}

// conn is a connection to a pod.
type conn struct {
	ws   *websocket.Conn
	raw  net.Conn
	addr address
	pod  string

	reading sync.Mutex
	left    []byte // of a message
	begun   [2]bool
	failed  error
	writing sync.Mutex
	out     []byte
}

func newConn(ws *websocket.Conn, raw net.Conn, pod string, port int) *conn {
	ws.PayloadType = websocket.BinaryFrame
	ws.MaxPayloadBytes = 16 << 20
	return &conn{ws: ws, raw: raw, addr: address(strconv.Itoa(port)), pod: pod}
}

// Read implements net.Conn.
func (c *conn) Read(p []byte) (int, error) {
	c.reading.Lock()
	defer c.reading.Unlock()
	for len(c.left) == 0 {
		if c.failed != nil {
			return 0, c.failed
		}
		c.failed = c.next()
	}
	n := copy(p, c.left)
	c.left = c.left[n:]
	return n, nil
}

// next takes the next message.
func (c *conn) next() error {
	var message []byte
	if err := websocket.Message.Receive(c.ws, &message); err != nil {
		return err
	}
	if len(message) == 0 || message[0] > channelError {
		return nil
	}
	channel, data := message[0], message[1:]
	if !c.begun[channel] {
		if len(data) < 2 || strconv.Itoa(int(binary.LittleEndian.Uint16(data))) != string(c.addr) {
			return brigade.Errorf(brigade.CodeUnavailable, "the cluster speaks another protocol to ports of pods")
		}
		c.begun[channel], data = true, data[2:]
	}
	if channel == channelError && len(data) > 0 {
		return &brigade.Error{Code: brigade.CodeUnavailable, Message: "nothing answers at port " + string(c.addr) + " of pod " + c.pod,
			Hint: "is its port another one, or is the pod about to start?", Err: errors.New(strings.TrimSpace(string(data)))}
	}
	if channel == channelData {
		c.left = data
	}
	return nil
}

// Write implements net.Conn.
func (c *conn) Write(p []byte) (int, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	written := 0
	for written < len(p) {
		part := p[written:min(len(p), written+maxMessage)]
		c.out = append(append(c.out[:0], channelData), part...)
		if err := websocket.Message.Send(c.ws, c.out); err != nil {
			return written, err
		}
		written += len(part)
	}
	return written, nil
}

// Close implements net.Conn.
func (c *conn) Close() error { return c.raw.Close() }

// LocalAddr implements net.Conn.
func (c *conn) LocalAddr() net.Addr { return c.addr }

// RemoteAddr implements net.Conn.
func (c *conn) RemoteAddr() net.Addr { return c.addr }

// SetDeadline implements net.Conn.
func (c *conn) SetDeadline(t time.Time) error { return c.raw.SetDeadline(t) }

// SetReadDeadline implements net.Conn.
func (c *conn) SetReadDeadline(t time.Time) error { return c.raw.SetReadDeadline(t) }

// SetWriteDeadline implements net.Conn.
func (c *conn) SetWriteDeadline(t time.Time) error { return c.raw.SetWriteDeadline(t) }

// address is a port of a pod.
type address string

// Network implements net.Addr.
func (a address) Network() string { return "pod" }

// String implements net.Addr.
func (a address) String() string { return string(a) }

// Serve passes what connects to l on to a port of the pod that find returns,
// until ctx ends. find is asked for every connection, so that a pod that was
// replaced is found again. failed is told of connections that could not be
// made; it may be nil.
func (d *Dialer) Serve(ctx context.Context, l net.Listener, find func(context.Context) (pod string, port int, err error), failed func(error)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	var group sync.WaitGroup
	defer group.Wait()
	for {
		in, err := l.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("accept connections: %w", err)
		}
		group.Go(func() {
			defer func() { _ = in.Close() }()
			if err := d.pass(ctx, in, find); err != nil && ctx.Err() == nil && failed != nil {
				failed(err)
			}
		})
	}
}

func (d *Dialer) pass(ctx context.Context, in net.Conn, find func(context.Context) (string, int, error)) error {
	pod, port, err := find(ctx)
	if err != nil {
		return err
	}
	out, err := d.Dial(ctx, pod, port)
	if err != nil {
		return err
	}
	closeBoth := sync.OnceFunc(func() { _ = in.Close(); _ = out.Close() })
	defer closeBoth()
	stop := context.AfterFunc(ctx, closeBoth)
	defer stop()
	go func() {
		_, _ = io.Copy(out, in) // the client is gone, or half gone: such a WebSocket cannot be half closed
		closeBoth()
	}()
	_, err = io.Copy(in, out)
	var known *brigade.Error
	if errors.As(err, &known) {
		return known
	}
	return nil // connections end in many ways
}
