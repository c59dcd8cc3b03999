//go:build linux

package web_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// A browser gives up what it loads when the machine's network changes, and
// other tests make it change: they start containers and nodes. So servers and
// the browser are in a network of their own, where that is allowed.
var quiet struct {
	once sync.Once
	work chan func() // done in that network; nil: there is none
	path string      // of the network, for nsenter
}

func startQuiet() {
	ready := make(chan error, 1)
	work := make(chan func())
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the program
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			err = loopbackUp()
		}
		quiet.path = fmt.Sprintf("/proc/%d/task/%d/ns/net", os.Getpid(), unix.Gettid())
		ready <- err
		for err == nil {
			(<-work)()
		}
		select {} // a thread in half a network must not be used for anything else
	}()
	if <-ready == nil && exec.Command("nsenter", "--net="+quiet.path, "--", "true").Run() == nil { // a browser gets there, too
		quiet.work = work
	}
}

func loopbackUp() error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(s)
	r, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	r.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, r)
}

// quietly does something in the network of the tests.
func quietly(do func()) {
	quiet.once.Do(startQuiet)
	if quiet.work == nil {
		do()
		return
	}
	done := make(chan struct{})
	quiet.work <- func() { defer close(done); do() }
	<-done
}

func listen() (l net.Listener, err error) {
	quietly(func() { l, err = net.Listen("tcp", "127.0.0.1:0") })
	return l, err
}

func dial(ctx context.Context, network, address string) (conn net.Conn, err error) {
	address = strings.Replace(address, "localhost:", "127.0.0.1:", 1) // no thread but that one is in the network
	quietly(func() { conn, err = (&net.Dialer{}).DialContext(ctx, network, address) })
	return conn, err
}

// joinQuiet makes a command run in the network of the tests.
func joinQuiet(cmd *exec.Cmd) {
	quietly(func() {})
	if quiet.work == nil {
		return
	}
	path, err := exec.LookPath("nsenter")
	if err != nil {
		return
	}
	cmd.Args = append([]string{path, "--net=" + quiet.path, "--", cmd.Path}, cmd.Args[1:]...)
	cmd.Path = path
}
