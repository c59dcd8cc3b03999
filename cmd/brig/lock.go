package main

import "github.com/brigadecore/brigade/v3/internal/filelock"

// lockFile waits until no other process has the lock that the file stands for,
// and takes it. It is given up when this process ends at the latest.
func lockFile(name string) (unlock func(), err error) { return filelock.Wait(name) }
