package app

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

// codeInMemory is how much of the program's code there is, and how much of it
// is in memory, in KiB.
func codeInMemory(t *testing.T) (size, resident int) {
	t.Helper()
	smaps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Skip("this kernel does not tell")
	}
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	code := false
	for line := range strings.Lines(string(smaps)) {
		fields := strings.Fields(line)
		if !strings.HasSuffix(fields[0], ":") {
			_, _, code = codeOf(line, program)
			continue
		}
		if !code {
			continue
		}
		switch fields[0] {
		case "Size:":
			n, _ := strconv.Atoi(fields[1])
			size += n
		case "Rss:":
			n, _ := strconv.Atoi(fields[1])
			resident += n
		}
	}
	return size, resident
}

// Most of the program's code leaves the memory, and all goes on.
func TestTheProgramIsUnmapped(t *testing.T) {
	size, _ := codeInMemory(t)
	if size == 0 {
		t.Fatal("the program's code is not found")
	}
	unmapProgram()
	if _, resident := codeInMemory(t); resident > size/4 {
		t.Errorf("%d of %d KiB are in memory", resident, size)
	}
}

func TestCodeOf(t *testing.T) {
	for line, want := range map[string]bool{
		"00400000-0231f000 r-xp 00000000 fe:00 10584154                           /bin/brig\n":           true,
		"00400000-0231f000 r-xp 00000000 fe:00 10584154                           /bin/brig (deleted)\n": false,
		"0231f000-0442b000 r--p 01f1f000 fe:00 10584154                           /bin/brig\n":           false,
		"0442b000-04810000 rwxp 0402b000 fe:00 10584154                           /bin/brig\n":           false,
		"7fc48c080000-7fc48c1d6000 r-xp 00026000 fe:00 326269                     /lib/libc.so.6\n":      false,
		"x-y r-xp 00026000 fe:00 326269 /bin/brig\n":                                                     false,
		"": false,
	} {
		if _, _, got := codeOf(line, "/bin/brig"); got != want {
			t.Errorf("%q: %v", line, got)
		}
	}
}
