package app

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// unmapProgram lets go of the program's code in memory. What is used again is
// mapped again, mostly from the system's cache; the rest is what only the start
// needed, a third of a server's memory. Other parts of the program's file stay:
// they might have been changed since they were mapped.
func unmapProgram() {
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return
	}
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	for line := range strings.Lines(string(maps)) {
		begin, end, found := codeOf(line, program)
		if found {
			_, _, _ = unix.Syscall(unix.SYS_MADVISE, begin, end-begin, unix.MADV_DONTNEED) // a failure leaves all as it is
		}
	}
}

// codeOf returns where the mapping of a line of /proc/self/maps begins and
// ends, if it is code of the program that nobody can write to.
func codeOf(line, program string) (begin, end uintptr, found bool) {
	fields := strings.SplitN(strings.TrimSpace(line), " ", 6)
	if len(fields) < 6 || fields[1] != "r-xp" || strings.TrimSpace(fields[5]) != program {
		return 0, 0, false
	}
	from, to, _ := strings.Cut(fields[0], "-")
	b, errBegin := strconv.ParseUint(from, 16, 64)
	e, errEnd := strconv.ParseUint(to, 16, 64)
	if errBegin != nil || errEnd != nil || b >= e {
		return 0, 0, false
	}
	return uintptr(b), uintptr(e), true
}
