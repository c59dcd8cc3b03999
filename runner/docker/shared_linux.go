package docker

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// sharesFiles reports whether bind mounts of files below dir are a way to hand
// them to containers of the engine at host. Three things have to be true. The
// process at the other end of the socket sees the very same directory under
// the very same path, which an engine in a virtual machine, in another
// container or on another host does not. It runs as this user, so that files
// its containers make can be removed. And no SELinux keeps containers from
// files without their label.
func sharesFiles(host, dir string) bool {
	path, ok := strings.CutPrefix(host, "unix://")
	if !ok || selinux() {
		return false
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return false
	}
	pid, uid, err := peer(path)
	if err != nil || pid <= 0 || uid != os.Geteuid() {
		return false
	}
	here, err := os.Stat(dir)
	if err != nil {
		return false
	}
	there, err := os.Stat(filepath.Join(fmt.Sprintf("/proc/%d/root", pid), dir))
	return err == nil && os.SameFile(here, there)
}

// peer returns who listens at the socket: the process as this one numbers it,
// 0 when it cannot see it.
func peer(path string) (pid, uid int, err error) {
	conn, err := net.Dial("unix", path)
	if err != nil {
		return 0, 0, err
	}
	defer conn.Close()
	raw, err := conn.(syscall.Conn).SyscallConn()
	if err != nil {
		return 0, 0, err
	}
	var cred *unix.Ucred
	var credErr error
	if err := raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return 0, 0, err
	}
	if credErr != nil {
		return 0, 0, credErr
	}
	return int(cred.Pid), int(cred.Uid), nil
}

func selinux() bool {
	_, err := os.Stat("/sys/fs/selinux/enforce")
	return err == nil
}
