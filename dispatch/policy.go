package dispatch

import brigade "github.com/brigadecore/brigade/v3"

// forbidden reports the first thing that the spec asks for and the project's
// settings do not allow, naming the setting.
func forbidden(p *brigade.Project, spec brigade.JobSpec) error {
	deny := func(what, setting string) error {
		return brigade.Errorf(brigade.CodeJobForbidden, "the project does not allow %s, which job %q asks for", what, spec.Name).
			WithHint("whoever owns the project can set %s", setting)
	}
	if spec.Privileged && !p.AllowPrivilegedJobs {
		return deny("privileged jobs", "allowPrivilegedJobs (brig run: --allow-privileged)")
	}
	if spec.Docker.Enabled && !p.AllowHostMounts {
		return deny("the engine's socket in jobs", "allowHostMounts (brig run: --allow-host-mounts)")
	}
	for _, v := range spec.Volumes {
		if v.HostPath != nil && !p.AllowHostMounts {
			return deny("host paths in jobs", "allowHostMounts (brig run: --allow-host-mounts)")
		}
	}
	for _, v := range spec.Env {
		if v.SecretKeyRef != nil && !p.Kubernetes.AllowSecretKeyRef {
			return deny("references to Kubernetes Secrets", "kubernetes.allowSecretKeyRef")
		}
	}
	return nil
}
