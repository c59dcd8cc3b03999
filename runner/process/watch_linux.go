package process

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	canWatchMemory = true
	watchInterval  = 200 * time.Millisecond
)

// watchMemory calls over, once, when the job whose main process is pid uses
// more than limit bytes, not counting process skip. It returns after that, or
// when ended is closed.
func watchMemory(pid, skip int, limit int64, ended <-chan struct{}, over func(reason string)) {
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			return
		case <-tick.C:
			if used := treeMemory("/proc", pid, skip); used > limit {
				over(fmt.Sprintf("%s: %d MiB used, %d MiB allowed", reasonMemory, used>>20, limit>>20))
				return
			}
		}
	}
}

// treeMemory returns the anonymous and shared memory, in bytes, that is
// resident for a process, its descendants and the rest of its session, without
// that of skip.
func treeMemory(proc string, root, skip int) int64 {
	entries, err := os.ReadDir(proc)
	if err != nil {
		return 0
	}
	children := map[int][]int{}
	todo := []int{root}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		fields := statFields(filepath.Join(proc, entry.Name(), "stat"))
		if len(fields) < 4 {
			continue // it has ended meanwhile
		}
		parent, _ := strconv.Atoi(fields[1])
		if session, _ := strconv.Atoi(fields[3]); session == root && pid != root {
			todo = append(todo, pid)
		}
		children[parent] = append(children[parent], pid)
	}
	var sum int64
	seen := map[int]bool{}
	for len(todo) > 0 {
		pid := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[pid] {
			continue
		}
		seen[pid] = true
		if pid != skip {
			sum += residentMemory(filepath.Join(proc, strconv.Itoa(pid), "status"))
		}
		todo = append(todo, children[pid]...)
	}
	return sum
}

func residentMemory(file string) int64 {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	var sum int64
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ":")
		if name == "RssAnon" || name == "RssShmem" {
			kib, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			sum += kib << 10
		}
	}
	return sum
}
