//go:build !linux

package app

// unmapProgram does nothing here.
func unmapProgram() {}
