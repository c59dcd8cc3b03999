//go:build !unix

package cluster

import (
	"context"
	"errors"
)

func lock(context.Context, string, func()) (func(), error) {
	return nil, errors.New("there is no lock for this system")
}
