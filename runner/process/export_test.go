package process

// Force makes a runner isolate in this way, whatever the machine gives.
func (r *Runner) Force(userNS, newProc, old bool) {
	r.forced = &level{isolated: true, userNS: userNS, newProc: newProc, old: old}
}

// StartTime is tested on its own.
var StartTime = startTime

// WriteIdentity writes a file that names a process.
func WriteIdentity(path string, pid int, start string) error {
	return writeIdentity(path, identity{pid, start})
}
