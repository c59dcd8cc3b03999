//go:build !linux

package engine

import (
	"context"
	"errors"
	"os"
)

var errLinux = errors.New("the engine for tests needs Linux")

func supported() error { return errLinux }

func (e *Engine) configure(context.Context) error { return errLinux }

func (e *Engine) flags() []string { return nil }

type service struct{}

func startService(*Engine) (*service, error) { return nil, errLinux }

func (s *service) answers(context.Context, string) error { return errLinux }

func (s *service) kill() {}

func endStragglers(string) {}

func removeTree(dir string) error { return os.RemoveAll(dir) }
