package fault

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// diskSize is that of the small disk, in bytes.
const diskSize = 192 << 20

// disk is a small file system that can be filled.
type disk struct{ dir string }

// newDisk mounts one at dir. It takes root.
func newDisk(dir string) (*disk, error) {
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=700", diskSize)); err != nil {
		return nil, err
	}
	return &disk{dir: dir}, nil
}

func (d *disk) remove() error {
	if d == nil {
		return nil
	}
	return unix.Unmount(d.dir, unix.MNT_DETACH)
}

func (d *disk) ballast() string { return filepath.Join(d.dir, "ballast") }

// fill leaves not a byte.
func (d *disk) fill() error {
	f, err := os.OpenFile(d.ballast(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	for _, size := range []int{1 << 20, 4 << 10, 1} {
		block := make([]byte, size)
		for err == nil {
			_, err = f.Write(block)
		}
		if !errors.Is(err, unix.ENOSPC) {
			return errors.Join(err, f.Close())
		}
		err = nil
	}
	return f.Close()
}

func (d *disk) free() error { return os.Remove(d.ballast()) }

// CanFillDisk reports whether this process may mount a small disk.
func CanFillDisk() bool { return os.Geteuid() == 0 }

// eachProcess calls f for every process that can be read.
func eachProcess(f func(pid int, dir string)) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return
	}
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			f(pid, filepath.Join("/proc", e.Name()))
		}
	}
}

// processesOf returns the processes that run the program, and those that have
// the text in their environment.
func processesOf(program, text string) []string {
	var found []string
	eachProcess(func(pid int, dir string) {
		exe, _ := os.Readlink(filepath.Join(dir, "exe"))
		environ, _ := os.ReadFile(filepath.Join(dir, "environ")) // of others: empty
		if pid == os.Getpid() || exe != program && !bytes.Contains(environ, []byte(text)) {
			return
		}
		line, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
		if len(line) > 0 { // not one that has ended
			found = append(found, fmt.Sprintf("%d %s", pid, bytes.ReplaceAll(line, []byte{0}, []byte{' '})))
		}
	})
	return found
}

// workersOf returns the processes of scripts that the server has started.
func workersOf(server int) []int {
	var found []int
	eachProcess(func(pid int, dir string) {
		stat, err := os.ReadFile(filepath.Join(dir, "stat"))
		_, after, ok := strings.Cut(string(stat), ") ")
		fields := strings.Fields(after)
		if err != nil || !ok || len(fields) < 2 || fields[1] != strconv.Itoa(server) {
			return
		}
		line, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
		if args := strings.Split(string(line), "\x00"); len(args) > 1 && args[1] == "worker" {
			found = append(found, pid)
		}
	})
	return found
}

// mountsBelow returns what is mounted at or below a directory.
func mountsBelow(dir string) []string {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil
	}
	defer f.Close() //nolint:errcheck // it was read
	var found []string
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if fields := strings.Fields(lines.Text()); len(fields) > 4 && strings.HasPrefix(fields[4], dir) {
			found = append(found, fields[4])
		}
	}
	return found
}
