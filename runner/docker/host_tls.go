package docker

import (
	"crypto/tls"
	"fmt"
	"net/http"

	"github.com/moby/moby/client"
)

// insecureTLS speaks TLS without looking at the server's certificate, which is
// what a docker context with SkipTLSVerify, and DOCKER_CERT_PATH without
// DOCKER_TLS_VERIFY, ask for. The option goes before client.WithHost.
func insecureTLS(cert, key string) (client.Opt, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true}
	if cert != "" && key != "" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return nil, fmt.Errorf("read the client certificate: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return client.WithHTTPClient(&http.Client{
		Transport:     &http.Transport{TLSClientConfig: config},
		CheckRedirect: client.CheckRedirect,
	}), nil
}
