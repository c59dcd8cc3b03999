package workspace

import (
	"fmt"
	"io/fs"
	"syscall"
)

const nonblock = syscall.O_NONBLOCK

// stamp tells one version of a file from every other at its place: the kernel
// changes it whenever content, mode or name do, and no program can set it back.
func stamp(info fs.FileInfo) string {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return fmt.Sprintf("%x.%x.%x", st.Ino, st.Ctim.Nano(), info.Size())
	}
	return fmt.Sprintf("%x.%x", info.ModTime().UnixNano(), info.Size())
}

// sharedGroup reports whether what is made in the directory belongs to the
// directory's group, as in a volume of a pod with an fsGroup.
func sharedGroup(info fs.FileInfo) bool { return info.Mode()&fs.ModeSetgid != 0 }
