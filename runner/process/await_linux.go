package process

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strconv"

	"golang.org/x/sys/unix"
)

// awaitEnd returns when the process has ended, without waiting for it: its
// number stays taken.
func (tree) awaitEnd(cmd *exec.Cmd) {
	for {
		err := unix.Waitid(unix.P_PID, cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

// startTime returns when a process started, in a form that means nothing but
// itself, and "" when there is none or it has ended.
func startTime(pid int) string {
	fields := statFields("/proc/" + strconv.Itoa(pid) + "/stat")
	if len(fields) < 20 || fields[0] == "Z" || fields[0] == "X" {
		return ""
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return fields[19] + "-" + string(bytes.TrimSpace(boot))
}

// statFields returns the fields of a stat file that follow the command's
// name: state, parent, process group, session …
func statFields(file string) []string {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	_, rest, ok := bytes.Cut(text, []byte("("))
	if i := bytes.LastIndexByte(rest, ')'); ok && i >= 0 {
		var fields []string
		for f := range bytes.FieldsSeq(rest[i+1:]) {
			fields = append(fields, string(f))
		}
		return fields
	}
	return nil
}
