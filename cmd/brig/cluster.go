package main

import (
	"context"

	brigade "github.com/brigadecore/brigade/v3"
)

func (s *State) clusterBackend(context.Context, target) (*backend, error) {
	return nil, brigade.Errorf(brigade.CodeUnavailable, "not yet")
}
