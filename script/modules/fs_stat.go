package modules

import (
	"errors"
	"io/fs"
	"syscall"
)

// statFields are the fields of fs.Stats that all platforms know.
func statFields(info fs.FileInfo) map[string]any {
	ms := float64(info.ModTime().UnixNano()) / 1e6
	return map[string]any{"mode": unixMode(info.Mode()), "size": info.Size(), "mtimeMs": ms}
}

// unixMode is the mode as the stat system call gives it.
func unixMode(m fs.FileMode) int {
	mode := int(m.Perm())
	for _, bit := range []struct {
		is   fs.FileMode
		unix int
	}{{fs.ModeSetuid, 0o4000}, {fs.ModeSetgid, 0o2000}, {fs.ModeSticky, 0o1000}} {
		if m&bit.is != 0 {
			mode |= bit.unix
		}
	}
	switch direntType(m.Type()) {
	case 1:
		return mode | 0o100000
	case 2:
		return mode | 0o040000
	case 3:
		return mode | 0o120000
	case 4:
		return mode | 0o010000
	case 5:
		return mode | 0o140000
	case 6:
		return mode | 0o020000
	case 7:
		return mode | 0o060000
	}
	return mode
}

// errnoCode names the usual system errors.
func errnoCode(err error) string {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return ""
	}
	return map[syscall.Errno]string{
		syscall.ENOENT: "ENOENT", syscall.EACCES: "EACCES", syscall.ENOTDIR: "ENOTDIR", syscall.EISDIR: "EISDIR",
		syscall.EINVAL: "EINVAL", syscall.ELOOP: "ELOOP", syscall.ENAMETOOLONG: "ENAMETOOLONG", syscall.EMFILE: "EMFILE",
	}[errno]
}
