package cluster

import (
	"context"
	"errors"
)

// NodeName is the name of the real node.
const NodeName = "node"

type node struct{}

// CanNode reports why there can be no real node on this machine, or nil.
func CanNode() error { return errors.New("not yet") }

func (c *Cluster) prepareNode(context.Context) error { return nil }
func (c *Cluster) startNode(context.Context) error   { return nil }
func (c *Cluster) nodeAddress() string               { return "127.0.0.1" }
