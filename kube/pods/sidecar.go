package pods

import (
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/kube/objects"
)

// cloneURL is where the build's files are: where the event says, else where
// the project does.
func cloneURL(run brigade.JobRun) string {
	if run.Build != nil && run.Build.Event.CloneURL != "" {
		return run.Build.Event.CloneURL
	}
	if run.Project != nil {
		return run.Project.Repo.CloneURL
	}
	return ""
}

// sidecarImage is the image of the container that fetches the job's files: the
// project's, else the installation's. "" when the job gets none: it wants none,
// there is nothing to clone, or the project says NONE.
func (r *Runner) sidecarImage(run brigade.JobRun, spec brigade.JobSpec) string {
	if !spec.UseSource || r.opt.Source != SourceSidecar || cloneURL(run) == "" {
		return ""
	}
	if run.Project != nil && run.Project.Kubernetes.VCSSidecar != "" {
		if strings.EqualFold(run.Project.Kubernetes.VCSSidecar, noSidecar) {
			return ""
		}
		return run.Project.Kubernetes.VCSSidecar
	}
	return r.opt.VCSImage
}

// addSidecar adds the container that fetches the files, with the environment
// that v1 gives it: there are images of other people's for it.
func (r *Runner) addSidecar(p *plan) {
	image := r.sidecarImage(p.run, p.spec)
	if image == "" {
		return
	}
	c := corev1.Container{
		Name: objects.ContainerSidecar, Image: image, ImagePullPolicy: corev1.PullIfNotPresent,
		Env:          r.sidecarEnv(p),
		VolumeMounts: []corev1.VolumeMount{{Name: SourceVolume, MountPath: sidecarDir}},
	}
	if p.run.Project == nil || p.run.Project.Kubernetes.VCSSidecar == "" {
		c.Command = r.opt.VCSCommand
		p.asRoot(&c)
	}
	if p.run.Project != nil {
		// They were checked when the project was stored; a bad amount is left out.
		c.Resources, _ = resourcesOf(p.run.Project.Kubernetes.SidecarRequests, p.run.Project.Kubernetes.SidecarLimits)
	}
	p.pod.Spec.InitContainers = append(p.pod.Spec.InitContainers, c)
	p.pod.Spec.Volumes = append(p.pod.Spec.Volumes, corev1.Volume{Name: SourceVolume, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}})
	p.main().VolumeMounts = append(p.main().VolumeMounts, corev1.VolumeMount{Name: SourceVolume, MountPath: p.spec.MountPath})
}

func (r *Runner) sidecarEnv(p *plan) []corev1.EnvVar {
	b, project := or(p.run.Build, &brigade.Build{}), or(p.run.Project, &brigade.Project{})
	level := string(b.Event.LogLevel)
	var env []corev1.EnvVar
	for _, v := range []struct{ name, value string }{
		{"CI", "true"},
		{"BRIGADE_BUILD_ID", p.run.Job.BuildID},
		{"BRIGADE_BUILD_NAME", p.worker},
		{"BRIGADE_COMMIT_ID", b.Event.Revision.Commit},
		{"BRIGADE_COMMIT_REF", b.Event.Revision.Ref},
		{"BRIGADE_EVENT_PROVIDER", b.Event.Provider},
		{"BRIGADE_EVENT_TYPE", b.Event.Type},
		{"BRIGADE_PROJECT_ID", project.ID},
		{"BRIGADE_LOG_LEVEL", level},
		{"BRIGADE_REMOTE_URL", cloneURL(p.run)},
		{"BRIGADE_WORKSPACE", sidecarDir},
		{"BRIGADE_PROJECT_NAMESPACE", p.pod.Namespace},
		{"BRIGADE_SUBMODULES", strconv.FormatBool(project.Repo.InitSubmodules)},
	} {
		env = append(env, corev1.EnvVar{Name: v.name, Value: dollars(v.value)})
	}
	if hosts := objects.KnownHosts(r.opt.KnownHosts, project); hosts != "" {
		env = append(env, corev1.EnvVar{Name: objects.EnvKnownHosts, Value: dollars(hosts)})
	}
	secret := project.Repo.SSHKey + project.Repo.SSHCert + project.Repo.Token
	if at := b.Event.CloneURL; at != "" && project.Repo.CloneURL != "" && at != project.Repo.CloneURL && secret != "" {
		// Says for which host the credentials are: brig vcs sends them nowhere else.
		env = append(env, corev1.EnvVar{Name: "BRIGADE_PROJECT_CLONE_URL", Value: dollars(project.Repo.CloneURL)})
	}
	for _, c := range []struct{ name, key, value string }{
		{"BRIGADE_REPO_KEY", "sshKey", project.Repo.SSHKey},
		{"BRIGADE_REPO_SSH_CERT", "sshCert", project.Repo.SSHCert},
		{"BRIGADE_REPO_AUTH_TOKEN", "github.token", project.Repo.Token},
	} {
		switch {
		case c.value == "":
		case p.pod.Namespace == r.opt.Namespace:
			env = append(env, corev1.EnvVar{Name: c.name, ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
				LocalObjectReference: corev1.LocalObjectReference{Name: project.ID}, Key: c.key, Optional: new(true),
			}}})
		default: // the project's Secret is in another namespace
			env = append(env, p.secretEnv(c.name, c.value))
		}
	}
	return env
}

// dollars keeps Kubernetes from replacing $(…) in a value that somebody else
// has chosen.
func dollars(value string) string { return strings.ReplaceAll(value, "$(", "$$(") }
