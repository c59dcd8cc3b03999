package kube

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// split is how much of a processor the programs of this benchmark have used so
// far, by their names: who took the machine is who the limit is. "all" is the
// whole machine.
type split map[string]time.Duration

// used reads the split of this process and those it has started, the cluster's
// and controllers, and of scripts that have ended. It is empty where nobody knows.
func used() split {
	s, parents, own := split{}, map[string]string{}, map[string][]string{}
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it is gone
		}
		line := string(text)
		open, end := strings.IndexByte(line, '('), strings.LastIndexByte(line, ')')
		if fields := strings.Fields(line[end+1:]); open >= 0 && len(fields) >= 15 {
			pid := line[:open-1]
			parents[pid], own[pid] = fields[1], append(fields, line[open+1:end])
		}
	}
	for pid, fields := range own {
		if !ours(pid, parents) {
			continue
		}
		took, ended := ticks(fields[11])+ticks(fields[12]), ticks(fields[13])+ticks(fields[14])
		switch name := fields[len(fields)-1]; {
		case name != "brig":
			s[name] += took
		case runsScript(pid):
			s["scripts"] += took
		default:
			s["controller"] += took
			s["scripts"] += ended
		}
	}
	text, _ := os.ReadFile("/proc/stat")
	first, _, _ := strings.Cut(string(text), "\n")
	for i, field := range strings.Fields(first) {
		if i >= 1 && i <= 7 && i != 4 && i != 5 { // all but idle and waiting for disks
			s["all"] += ticks(field)
		}
	}
	return s
}

// ours reports whether a process is this one or comes from it.
func ours(pid string, parents map[string]string) bool {
	self := strconv.Itoa(os.Getpid())
	for ; pid != ""; pid = parents[pid] {
		if pid == self {
			return true
		}
	}
	return false
}

// runsScript tells a script's process from a controller.
func runsScript(pid string) bool {
	line, _ := os.ReadFile(filepath.Join("/proc", pid, "cmdline"))
	return strings.Contains(string(line), "\x00worker")
}

// ticks are a hundred a second, on every Linux that Go runs on.
func ticks(field string) time.Duration {
	n, _ := strconv.Atoi(field)
	return time.Duration(n) * 10 * time.Millisecond
}

// plus is s with what was used while f ran.
func (s split) plus(f func()) split {
	before := used()
	f()
	sum := split{}
	for name, now := range used() {
		sum[name] = s[name] + max(now-before[name], 0)
	}
	return sum
}

// each says for people who took the processors, for each of n.
func (s split) each(n int) string {
	type part struct {
		name string
		each float64
	}
	var parts []part
	for name, took := range s {
		if each := took.Seconds() * 1000 / float64(n); each >= 0.5 {
			parts = append(parts, part{name, each})
		}
	}
	slices.SortFunc(parts, func(a, b part) int {
		return cmp.Or(cmp.Compare(b.each, a.each), cmp.Compare(a.name, b.name))
	})
	var text []string
	for _, p := range parts {
		text = append(text, fmt.Sprintf("%s %.0f ms", p.name, p.each))
	}
	return strings.Join(text, ", ")
}
