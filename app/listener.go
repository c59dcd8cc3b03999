package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
)

// Listener is where a part of a server listens.
type Listener struct {
	Address  string // host:port; port 0 picks one
	CertFile string // TLS when set; read again when the file changes
	KeyFile  string
}

// part is something of the server that listens.
type part struct {
	name     string
	listener net.Listener
	http     *http.Server
}

func newPart(ctx context.Context, name string, at Listener, handler http.Handler, log *slog.Logger) (*part, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", at.Address)
	if err != nil {
		return nil, &brigade.Error{
			Code: brigade.CodeUnavailable, Err: err,
			Message: fmt.Sprintf("the %s cannot listen on %s: %v", name, at.Address, err),
			Hint:    "choose another address; something may listen there already",
		}
	}
	if at.CertFile != "" {
		keys, err := newKeyPair(at.CertFile, at.KeyFile, log.With("listener", name))
		if err != nil {
			return nil, errors.Join(err, listener.Close())
		}
		listener = tls.NewListener(listener, &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: keys.get, NextProtos: []string{"h2", "http/1.1"}})
	}
	return &part{name: name, listener: listener, http: &http.Server{
		Handler: handler, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}}, nil
}

// serve serves until shutdown.
func (p *part) serve() error {
	if err := p.http.Serve(p.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the %s: %w", p.name, err)
	}
	return nil
}

// shutdown ends it: requests under way are answered, streams are cut when ctx
// ends.
func (p *part) shutdown(ctx context.Context) error {
	err := p.http.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return p.http.Close()
	}
	return err
}

// keyPair is a certificate that is read again when its file changes.
type keyPair struct {
	cert, key string
	log       *slog.Logger

	mu      sync.Mutex
	loaded  *tls.Certificate
	changed time.Time // of the file, when it was loaded
	looked  time.Time
	told    string // what was said about a new one that cannot be read
}

func newKeyPair(cert, key string, log *slog.Logger) (*keyPair, error) {
	k := &keyPair{cert: cert, key: key, log: log}
	if _, err := k.get(nil); err != nil {
		return nil, &brigade.Error{
			Code: brigade.CodeUsage, Err: err,
			Message: fmt.Sprintf("the TLS certificate cannot be read: %v", err),
			Hint:    "name PEM files of a certificate chain and of its private key",
		}
	}
	return k, nil
}

// get returns the certificate; it looks at the file once a second at the most,
// and keeps the old one when the new one cannot be read, which is logged once.
func (k *keyPair) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	if k.loaded != nil && now.Sub(k.looked) < time.Second {
		return k.loaded, nil
	}
	k.looked = now
	info, err := os.Stat(k.cert)
	if err != nil && k.loaded != nil {
		k.keepOld(err)
		return k.loaded, nil
	}
	if err == nil && k.loaded != nil && info.ModTime().Equal(k.changed) {
		return k.loaded, nil
	}
	pair, loadErr := tls.LoadX509KeyPair(k.cert, k.key)
	if loadErr != nil {
		if k.loaded != nil {
			k.keepOld(loadErr)
			return k.loaded, nil
		}
		return nil, loadErr
	}
	if k.loaded != nil {
		k.log.Info("took over a new certificate", "file", k.cert)
	}
	k.loaded, k.told = &pair, ""
	if err == nil {
		k.changed = info.ModTime()
	}
	return k.loaded, nil
}

// keepOld says why the old certificate is still in use.
func (k *keyPair) keepOld(err error) {
	until := time.Time{}
	if leaf := k.loaded.Leaf; leaf != nil {
		until = leaf.NotAfter
	}
	if k.told != err.Error() {
		k.told = err.Error()
		k.log.Warn("the new certificate cannot be read; the old one stays in use", "err", err, "until", until)
	}
}
