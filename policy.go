package brigade

// Allows reports the first thing that the job asks for and the project's
// settings do not allow, naming the setting, as an Error of CodeJobForbidden.
func (p *Project) Allows(spec JobSpec) error {
	deny := func(what, setting string) error {
		return Errorf(CodeJobForbidden, "the project does not allow %s, which job %q asks for", what, spec.Name).
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
