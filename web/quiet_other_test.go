//go:build !linux

package web_test

import (
	"context"
	"net"
)

func listen() (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") }

func dial(ctx context.Context, network, address string) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, network, address)
}
