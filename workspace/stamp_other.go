//go:build !linux

package workspace

import (
	"fmt"
	"io/fs"
)

const nonblock = 0

// stamp tells one version of a file from another at its place, as far as its
// times do.
func stamp(info fs.FileInfo) string {
	return fmt.Sprintf("%x.%x.%o", info.ModTime().UnixNano(), info.Size(), info.Mode())
}

// sharedGroup is about pods, which run on Linux.
func sharedGroup(fs.FileInfo) bool { return false }
