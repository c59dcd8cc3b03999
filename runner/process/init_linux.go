package process

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// This file runs as process 1 of a job's pid namespace.

// stageCapabilities are what the init stage needs: to mount, and to give
// capabilities up.
var stageCapabilities = []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_SETPCAP}

// jobCapabilities are what a job of root keeps, within its namespaces: what
// containers have by default, without making devices.
var jobCapabilities = map[uintptr]bool{
	unix.CAP_CHOWN: true, unix.CAP_DAC_OVERRIDE: true, unix.CAP_FOWNER: true, unix.CAP_FSETID: true, unix.CAP_KILL: true,
	unix.CAP_SETGID: true, unix.CAP_SETUID: true, unix.CAP_SETPCAP: true, unix.CAP_NET_BIND_SERVICE: true, unix.CAP_NET_RAW: true,
	unix.CAP_SYS_CHROOT: true, unix.CAP_AUDIT_WRITE: true, unix.CAP_SETFCAP: true,
}

const exitInit = 70 // the init stage itself failed

// initMain is the init stage: it builds the job's root, starts the job, adopts
// its orphans, and ends with it.
func initMain() (code int) {
	const control, reports = 3, 4
	unix.CloseOnExec(control)
	unix.CloseOnExec(reports)
	in := bufio.NewReader(os.NewFile(control, "control"))
	out := json.NewEncoder(os.NewFile(reports, "reports"))
	fail := func(err error) int {
		_ = out.Encode(report{Error: err.Error()}) // nobody listens: nothing to do about it
		return exitInit
	}
	defer func() { // the job's log is no place for a stack trace
		if p := recover(); p != nil {
			code = fail(fmt.Errorf("the init stage broke: %v", p))
		}
	}()
	if os.Getpid() != 1 {
		return fail(errors.New("this command is how jobs start, it is not for people"))
	}
	line, err := in.ReadBytes('\n')
	var s stage
	if err == nil {
		err = json.Unmarshal(line, &s)
	}
	if err != nil {
		return fail(fmt.Errorf("read what to start: %w", err))
	}
	if err := buildRoot(s); err != nil {
		return fail(err)
	}
	if s.Probe {
		_ = out.Encode(report{Running: true})
		return 0
	}
	pid, err := startMain(s)
	if err != nil {
		return fail(err)
	}
	_ = out.Encode(report{Running: true})
	go obey(in)
	end := reap(pid, s)
	if s.Linger {
		endRest()
		_ = out.Encode(end)
		select {} // obey ends it
	}
	_ = out.Encode(end)
	unix.Exit(end.Code) // at once: whatever else a program does at its end would hold the job up
	return end.Code
}

// obey carries out what the runner asks for, and ends everything when it is
// gone.
func obey(in io.ByteReader) {
	for {
		command, err := in.ReadByte()
		if err != nil {
			os.Exit(128 + int(unix.SIGKILL))
		}
		if command == commandTerm {
			_ = unix.Kill(-1, unix.SIGTERM) // nobody is left: fine
		}
	}
}

// reap waits for every process that ends until the main one does.
func reap(main int, s stage) report {
	var mu sync.Mutex
	end := report{Ended: true}
	if s.Memory > 0 {
		go watchInside(s.Memory, func(reason string) {
			mu.Lock()
			end.Reason = reason
			mu.Unlock()
			_ = unix.Kill(-1, unix.SIGKILL)
		})
	}
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, 0, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return report{Error: "the job's main process is gone: " + err.Error()}
		}
		if pid != main {
			continue
		}
		mu.Lock()
		defer mu.Unlock()
		end.Code = status.ExitStatus()
		if status.Signaled() {
			end.Code = 128 + int(status.Signal())
		}
		return end
	}
}

// endRest ends what the main process left behind and waits for it.
func endRest() {
	_ = unix.Kill(-1, unix.SIGKILL) // nobody is left: fine
	for {
		if _, err := unix.Wait4(-1, nil, 0, nil); err != nil && !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

// watchInside watches all the job's processes, the init stage left out.
func watchInside(limit int64, over func(string)) {
	self, err := os.Readlink("/proc/self") // our number where /proc comes from
	if err != nil {
		return
	}
	var pid int
	if _, err := fmt.Sscan(self, &pid); err != nil {
		return
	}
	watchMemory(pid, pid, limit, nil, over)
}

// startMain starts the job's main process, with nothing of the init stage's
// powers.
func startMain(s stage) (int, error) {
	type started struct {
		pid int
		err error
	}
	result := make(chan started)
	go func() {
		// What is given up is the thread's; the thread goes with the goroutine.
		runtime.LockOSThread()
		pid, err := startPowerless(s)
		result <- started{pid, err}
	}()
	r := <-result
	return r.pid, r.err
}

func startPowerless(s stage) (int, error) {
	unix.Umask(0o022)
	// The session keyring may hold the user's tickets and keys.
	_, _ = unix.KeyctlJoinSessionKeyring("") // no keyrings: nothing to hide
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return 0, fmt.Errorf("give up privileges: %w", err)
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return 0, fmt.Errorf("give up ambient capabilities: %w", err)
	}
	for c := uintptr(0); c < 64; c++ {
		if jobCapabilities[c] {
			continue
		}
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); errors.Is(err, unix.EINVAL) {
			break // that is all there are
		} else if err != nil {
			return 0, fmt.Errorf("give up capability %d: %w", c, err)
		}
	}
	pid, err := syscall.ForkExec(s.Argv[0], s.Argv, &syscall.ProcAttr{
		Dir: s.Dir, Env: s.Env, Files: []uintptr{0, 1, 2}, Sys: &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return 0, fmt.Errorf("%s in %s: %w", s.Argv[0], s.Dir, err)
	}
	return pid, nil
}
