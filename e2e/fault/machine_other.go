//go:build !linux

package fault

import "errors"

// disk cannot be made here.
type disk struct{ dir string }

func newDisk(string) (*disk, error) { return nil, errors.New("not on this system") }

func (d *disk) remove() error { return nil }
func (d *disk) fill() error   { return nil }
func (d *disk) free() error   { return nil }

// CanFillDisk reports whether this process may mount a small disk.
func CanFillDisk() bool { return false }

// Without /proc nobody looks for processes and mounts.
func processesOf(string, string) []string { return nil }
func workersOf(int) []int                 { return nil }
func mountsBelow(string) []string         { return nil }
