package console

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/kube/cluster"
	"github.com/brigadecore/brigade/v3/kube/objects"
)

// DialAPI connects to a port of a pod, "" for the controller that leads, which
// may or may not speak TLS, and says whether it does. Then the connection does already: its
// certificate is not looked at, for the API server vouches for the pod.
func (c *Console) DialAPI(ctx context.Context, pod string, port int) (conn net.Conn, secure bool, err error) {
	raw, err := c.Dial(ctx, pod, port)
	if err != nil {
		return nil, false, err
	}
	within, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	wrapped := tls.Client(raw, &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true})
	err = wrapped.HandshakeContext(within)
	if err == nil {
		return wrapped, true, nil
	}
	_ = raw.Close()
	var plain tls.RecordHeaderError
	if !errors.As(err, &plain) {
		return nil, false, brigade.Errorf(brigade.CodeUnavailable, "port %d of the pod cannot be reached: %w", port, err)
	}
	conn, err = c.Dial(ctx, pod, port)
	return conn, false, err
}

// handshakeTimeout bounds the time until it is known whether a port speaks TLS.
const handshakeTimeout = 20 * time.Second

// APIToken is the token for the API of those who may read Secrets; "" when
// there is none, or this person may not read it.
func (c *Console) APIToken(ctx context.Context) (string, error) {
	secret, err := c.client.Secrets("").Get(ctx, objects.APITokenSecret, getOptions)
	err = cluster.Error(err)
	switch brigade.CodeOf(err) {
	case brigade.CodeNotFound, brigade.CodeDenied:
		return "", nil
	case "":
		return string(secret.Data[objects.APITokenKey]), nil
	}
	return "", err
}
