package process

import (
	"strconv"

	"golang.org/x/sys/unix"
)

// startTime returns when a process started, "" when there is none or it has
// ended.
func startTime(pid int) string {
	const zombie = 5 // SZOMB in sys/proc.h
	info, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil || int(info.Proc.P_pid) != pid || info.Proc.P_stat == zombie {
		return ""
	}
	return strconv.FormatInt(info.Proc.P_starttime.Sec*1_000_000+int64(info.Proc.P_starttime.Usec), 10)
}
