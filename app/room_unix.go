//go:build unix

package app

import "golang.org/x/sys/unix"

// freeBytes is how much a process without privileges can still write to the
// file system of dir.
func freeBytes(dir string) (uint64, error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(dir, &stat); err != nil {
		return 0, err
	}
	return stat.Bavail * uint64(stat.Bsize), nil
}
