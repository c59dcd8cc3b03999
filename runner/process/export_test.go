package process

// Force makes a runner isolate in this way, whatever the machine gives.
func (r *Runner) Force(userNS, newProc, old bool) {
	r.forced = &level{isolated: true, userNS: userNS, newProc: newProc, old: old}
}

// ParseQuantity and the following are tested on their own.
var (
	ParseQuantity = parseQuantity
	StartTime     = startTime
)

// WriteIdentity writes a file that names a process.
func WriteIdentity(path string, pid int, start string) error {
	return writeIdentity(path, identity{pid, start})
}
