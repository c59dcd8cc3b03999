package dispatch

import brigade "github.com/brigadecore/brigade/v3"

// forbidden reports the first thing that the spec asks for and the project's
// settings do not allow.
func forbidden(p *brigade.Project, spec brigade.JobSpec) error { return p.Allows(spec) }
