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

// ownerIsGone reports whether the owner was a process of this machine that has
// ended. A process ID that is in use again counts as alive: then the lease
// decides.
func ownerIsGone(owner string) bool {
	parts := strings.Split(owner, "/")
	if len(parts) != 3 || parts[0] != hostname() {
		return false
	}
	pid, err := strconv.Atoi(parts[1])
	if err != nil || pid <= 0 {
		return false
	}
	return pid == os.Getpid() || !processExists(pid)
}
