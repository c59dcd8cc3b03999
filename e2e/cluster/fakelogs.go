package cluster

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"time"
)

// fakeKubelet answers the API server's requests for the logs of a fake node's
// pods.
type fakeKubelet struct {
	port   int
	server *http.Server
	done   chan struct{}
}

func serveLogs(n *FakeNode) (*fakeKubelet, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for requests for logs: %w", err)
	}
	cert, err := tls.LoadX509KeyPair(filepath.Join(n.c.Dir, "kubelet.crt"), filepath.Join(n.c.Dir, "kubelet.key"))
	if err != nil {
		listener.Close()
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /containerLogs/{namespace}/{pod}/{container}", n.serveLog)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "a fake node runs nothing", http.StatusNotImplemented)
	})
	k := &fakeKubelet{port: listener.Addr().(*net.TCPAddr).Port, done: make(chan struct{}),
		server: &http.Server{Handler: mux, TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}}, ReadHeaderTimeout: time.Minute}}
	go func() {
		defer close(k.done)
		_ = k.server.ServeTLS(listener, "", "")
	}()
	return k, nil
}

func (k *fakeKubelet) close() {
	_ = k.server.Close()
	<-k.done
}

// serveLog writes what a pod printed; a follower gets it at once and waits for
// the pod's end.
func (n *FakeNode) serveLog(w http.ResponseWriter, r *http.Request) {
	n.mu.Lock()
	var found *fakePod
	for _, p := range n.pods {
		if p.pod.Namespace == r.PathValue("namespace") && p.pod.Name == r.PathValue("pod") {
			found = p
		}
	}
	text, since := "", time.Time{}
	if found != nil {
		text, since = found.fate.Log, found.started.UTC()
	}
	n.mu.Unlock()
	if found == nil {
		http.Error(w, "no such pod", http.StatusNotFound)
		return
	}
	if r.FormValue("timestamps") == "true" {
		text = stamped(text, since, r.FormValue("sinceTime"))
	}
	_, _ = io.WriteString(w, text)
	if r.FormValue("follow") != "true" {
		return
	}
	_ = http.NewResponseController(w).Flush()
	select {
	case <-found.ended:
	case <-r.Context().Done():
	case <-n.ctx.Done():
	}
}

// stamped is text with the time before each line, as the kubelet has it when
// asked, from the time that after names.
func stamped(text string, started time.Time, after string) string {
	from, err := time.Parse(time.RFC3339, after)
	if err != nil {
		from = time.Time{}
	}
	var out strings.Builder
	for line := range strings.Lines(text) {
		if !started.Before(from) {
			out.WriteString(started.Format(time.RFC3339Nano) + " " + line)
		}
		started = started.Add(time.Microsecond)
	}
	return out.String()
}
