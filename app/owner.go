package app

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/brigadecore/brigade/v3/internal/id"
)

// owner names this process among all that may run builds, over restarts too.
func owner() string {
	return fmt.Sprintf("%s/%d/%s", hostname(), os.Getpid(), id.New(time.Now()))
}

func hostname() string {
	host, err := os.Hostname()
	if err != nil {
		return "localhost"
	}
	return host
}

// OwnerDied reports whether the owner of a lease was another process of this
// machine, which has ended. A process ID that is in use again counts as alive:
// then the lease decides.
func OwnerDied(owner string) bool {
	pid, here := processOf(owner)
	return here && pid != os.Getpid() && !processExists(pid)
}

// ownerIsGone is OwnerDied for a process that owns nothing yet: an owner with
// its own process ID is one of before, as in a container, where all have 1.
func ownerIsGone(owner string) bool {
	pid, here := processOf(owner)
	return here && (pid == os.Getpid() || !processExists(pid))
}

// processOf is the process ID in an owner's name, if it is of this machine.
func processOf(owner string) (pid int, here bool) {
	parts := strings.Split(owner, "/")
	if len(parts) != 3 || parts[0] != hostname() {
		return 0, false
	}
	pid, err := strconv.Atoi(parts[1])
	return pid, err == nil && pid > 0
}

// isProcess reports whether the owner of a lease is a process of this program,
// and not v1's controller, whose worker pods run on.
func isProcess(owner string) bool { return strings.Count(owner, "/") == 2 }
