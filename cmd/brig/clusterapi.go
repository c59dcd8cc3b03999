package main

import (
	"context"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/brigadecore/brigade/v3/client"
)

// sharedToken is the token that the controller shares with those who may read
// the namespace's Secrets.
type sharedToken struct {
	text string
	read time.Time
}

// sharedFor is how long it is used before it is read again: with a controller
// that keeps nothing the next one has another.
const sharedFor = 10 * time.Second

// api is the installation's own API, reached through the cluster's API server.
func (p *clusterPlace) api() (*client.Client, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.client != nil {
		return p.client, nil
	}
	c, err := p.connect(p.token)
	p.client = c
	return c, err
}

// token is what opens it: what was given, what brig login kept, or else what
// the controller shares; "" when there is none.
func (p *clusterPlace) token(ctx context.Context) (string, error) {
	if token, given, err := p.s.givenToken(); given || err != nil {
		return token, err
	}
	if _, c, err := p.s.credentialFor(p.at); err != nil || c.Token != "" {
		return c.Token, err
	}
	return p.sharedToken(ctx)
}

func (p *clusterPlace) sharedToken(ctx context.Context) (string, error) {
	p.mu.Lock()
	last := p.shared
	p.mu.Unlock()
	if last.text != "" && p.s.Now().Sub(last.read) < sharedFor {
		return last.text, nil
	}
	text, err := p.c.APIToken(ctx)
	if err != nil {
		return "", err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shared = sharedToken{text, p.s.Now()}
	return text, nil
}

// connect makes a client of the API that shows the tokens that tokens returns.
// It may speak TLS or not: what goes there goes through the API server's TLS
// and the kubelet's.
func (p *clusterPlace) connect(tokens func(context.Context) (string, error)) (*client.Client, error) {
	var plain atomic.Bool
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		if plain.Load() {
			return p.c.Dial(ctx, "", apiPort)
		}
		conn, secure, err := p.c.DialAPI(ctx, "", apiPort)
		plain.Store(err == nil && !secure)
		return conn, err
	}
	return client.New(client.Options{
		URL: "http://" + p.c.Namespace() + ".brigade:7745", Tokens: tokens, Insecure: true,
		Timeout: 30 * time.Second, Attempts: 2, UserAgent: "brig/" + versionInfo().Version,
		HTTP: &http.Transport{DialContext: dial},
	})
}
