package app

import (
	brigade "github.com/brigadecore/brigade/v3"
)

// leastRoom is how many bytes have to be free for builds and jobs to be
// started. What is left serves events and results, which have to be stored.
const leastRoom = 64 << 20

// roomIn tells why nothing can be started whose files are in dir.
func roomIn(dir string) func() error {
	return func() error {
		free, err := freeBytes(dir)
		known := err == nil // who cannot know does not stop everything
		if !known || free >= leastRoom {
			return nil
		}
		return brigade.Errorf(brigade.CodeUnavailable, "the disk of %s has %d MiB left, less than %d", dir, free>>20, leastRoom>>20).
			WithHint("make room on it, or delete old builds")
	}
}
