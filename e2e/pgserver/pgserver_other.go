//go:build !unix

// Package pgserver starts PostgreSQL servers for tests; not on this platform.
package pgserver

import (
	"context"
	"errors"
)

// Server is one that runs.
type Server struct{}

// ErrMissing is the error of everything here.
var ErrMissing = errors.New("PostgreSQL servers for tests are not started on this platform")

// Start fails.
func Start() (*Server, error) { return nil, ErrMissing }

// DSN is empty.
func (s *Server) DSN(string) string { return "" }

// Execute fails.
func (s *Server) Execute(context.Context, string) error { return ErrMissing }

// Resume fails.
func (s *Server) Resume() error { return ErrMissing }

// Stop fails.
func (s *Server) Stop() error { return ErrMissing }

// Kill fails.
func (s *Server) Kill() error { return ErrMissing }

// Close fails.
func (s *Server) Close() error { return ErrMissing }
