//go:build !linux

package process

import (
	"context"
	"os"
	"runtime"
	"syscall"
)

const canWatchMemory = false

// InitMain has nothing to do here: jobs are not isolated.
func InitMain([]string) (handled bool, exit int) { return false, 0 }

func probe() level { return level{why: runtime.GOOS + " has no namespaces"} }

func startIsolated(context.Context, *Runner, *plan, *jobDirs, *os.File) (child, error) {
	return nil, &os.SyscallError{Syscall: "clone", Err: syscall.ENOSYS}
}

func watchMemory(int, int, int64, <-chan struct{}, func(string)) {}

// cgroup is never there.
type cgroup struct{}

func findCgroup(string) string                    { return "" }
func makeCgroup(*plan, *jobDirs) (*cgroup, error) { return nil, nil }
func (*cgroup) hold(*syscall.SysProcAttr)         {}
func (*cgroup) outOfMemory() bool                 { return false }
func (*cgroup) remove()                           {}
