package forward

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/websocket"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/kube/cluster"
)

// apiServer answers port-forwards as an API server with kubelets behind it: to
// port 80 something listens, to others nothing does.
func apiServer(t *testing.T) *Dialer {
	t.Helper()
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = w.Write(append([]byte("got "), body...))
	}))
	t.Cleanup(target.Close)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/namespaces/ns/pods/{pod}/portforward", func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Authorization") != "Bearer secret":
			w.WriteHeader(http.StatusUnauthorized)
			return
		case r.PathValue("pod") == "gone":
			w.WriteHeader(http.StatusNotFound)
			return
		case r.PathValue("pod") == "odd":
			w.WriteHeader(http.StatusTeapot)
			return
		}
		websocket.Server{
			Handshake: func(c *websocket.Config, _ *http.Request) error { c.Protocol = []string{protocol}; return nil },
			Handler:   func(ws *websocket.Conn) { kubelet(ws, r.FormValue("ports"), target.Listener.Addr().String()) },
		}.ServeHTTP(w, r)
	})
	server := httptest.NewTLSServer(mux)
	t.Cleanup(server.Close)
	return dialer(t, server.URL, "secret")
}

func dialer(t *testing.T, url, token string) *Dialer {
	t.Helper()
	file := filepath.Join(t.TempDir(), "kubeconfig")
	text := fmt.Sprintf("apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters: [{name: c, cluster: {server: %q, insecure-skip-tls-verify: true}}]\n"+
		"users: [{name: u, user: {token: %q}}]\ncontexts: [{name: c, context: {cluster: c, user: u, namespace: ns}}]\n", url, token)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := cluster.Open(cluster.Options{Kubeconfig: file})
	if err != nil {
		t.Fatal(err)
	}
	d, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// kubelet is the other end of one port-forward.
func kubelet(ws *websocket.Conn, ports, target string) {
	ws.PayloadType = websocket.BinaryFrame
	var number uint16
	_, _ = fmt.Sscan(ports, &number)
	for channel := range byte(2) {
		_ = websocket.Message.Send(ws, binary.LittleEndian.AppendUint16([]byte{channel}, number))
	}
	if number != 80 {
		_ = websocket.Message.Send(ws, append([]byte{channelError}, "connection refused"...))
		return
	}
	out, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	defer func() { _ = out.Close() }()
	go func() {
		buf := make([]byte, 1000)
		for {
			n, err := out.Read(buf)
			if n > 0 {
				_ = websocket.Message.Send(ws, append([]byte{channelData}, buf[:n]...))
			}
			if err != nil {
				_ = ws.Close()
				return
			}
		}
	}()
	for {
		var message []byte
		if websocket.Message.Receive(ws, &message) != nil {
			return
		}
		if len(message) > 0 && message[0] == channelData {
			_, _ = out.Write(message[1:])
		}
	}
}

func TestRequestsThroughTheAPIServer(t *testing.T) {
	d := apiServer(t)
	web := &http.Client{Timeout: time.Minute, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return d.Dial(ctx, "web", 80) },
	}}
	defer web.CloseIdleConnections()
	for _, size := range []int{0, 1, maxMessage, 1 << 20} {
		body := bytes.Repeat([]byte("x"), size)
		resp, err := web.Post("http://pod/", "text/plain", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || string(got) != "got "+string(body) {
			t.Errorf("%d bytes: got %d, %v", size, len(got), err)
		}
	}
}

func TestPortsThatDoNotAnswer(t *testing.T) {
	d := apiServer(t)
	for pod, want := range map[string]brigade.Code{"gone": brigade.CodeNotFound, "odd": brigade.CodeUnavailable} {
		if _, err := d.Dial(t.Context(), pod, 80); brigade.CodeOf(err) != want {
			t.Errorf("%s: %v", pod, err)
		}
	}
	c, err := d.Dial(t.Context(), "web", 81)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if _, err := io.ReadAll(c); brigade.CodeOf(err) != brigade.CodeUnavailable || !strings.Contains(err.Error(), "nothing answers at port 81 of pod web") {
		t.Errorf("a closed port: %v", err)
	}
	stranger := dialer(t, d.base.String(), "other")
	if _, err := stranger.Dial(t.Context(), "web", 80); brigade.CodeOf(err) != brigade.CodeDenied {
		t.Errorf("who may not: %v", err)
	}
	away := dialer(t, "https://127.0.0.1:1", "secret")
	if _, err := away.Dial(t.Context(), "web", 80); brigade.CodeOf(err) != brigade.CodeUnavailable {
		t.Errorf("no API server: %v", err)
	}
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		if c, err := silent.Accept(); err == nil {
			cancel() // nobody answers
			_, _ = io.Copy(io.Discard, c)
		}
	}()
	if _, err := dialer(t, "http://"+silent.Addr().String(), "secret").Dial(ctx, "web", 80); err == nil {
		t.Error("it did not end with its context")
	}
}

func TestServe(t *testing.T) {
	d := apiServer(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 10)
	ports := make(chan int, 10)
	over := make(chan error, 1)
	go func() {
		over <- d.Serve(ctx, l, func(context.Context) (string, int, error) { return "web", <-ports, nil }, func(err error) { failed <- err })
	}()
	web := &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}
	ports <- 80
	resp, err := web.Post("http://"+l.Addr().String(), "text/plain", strings.NewReader("hello"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil || string(text) != "got hello" {
		t.Errorf("%q %v", text, err)
	}
	ports <- 81
	if resp, err := web.Post("http://"+l.Addr().String(), "text/plain", strings.NewReader("hello")); err == nil {
		_ = resp.Body.Close()
		t.Error("a closed port answers")
	}
	if err := <-failed; brigade.CodeOf(err) != brigade.CodeUnavailable {
		t.Errorf("told %v", err)
	}
	ports <- 80
	idle, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = idle.Close() }()
	cancel()
	if err := <-over; err != nil {
		t.Errorf("serve: %v", err)
	}
}
