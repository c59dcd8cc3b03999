package docker

import brigade "github.com/brigadecore/brigade/v3"

// Abandon makes the runner forget the execution as if its process had ended:
// the container and its files stay.
func Abandon(x brigade.Execution) {
	e := x.(*execution)
	e.r.hold(e.id)
}
