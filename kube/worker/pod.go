package worker

import (
	"cmp"
	"context"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/kube/objects"
)

// Where v1's worker finds things, and the names of what brings them there.
const (
	Container = objects.ContainerWorker
	Sidecar   = objects.ContainerSidecar

	buildDir         = "/etc/brigade"
	projectDir       = "/etc/brigade-project"
	defaultScriptDir = "/etc/brigade-default-script"
	defaultConfigDir = "/etc/brigade-default-config"
	workspaceDir     = "/vcs"

	// The environment by which a worker knows itself.
	EnvBuildID = "BRIGADE_BUILD_ID"
)

// The annotations of a worker's pod, besides those of the build's Secret.
const (
	retriesAnnotation = "brigade.sh/retries" // Build.Retries when the pod was made
	inheritAnnotation = "brigade.sh/inherit" // the build whose results count
	nameAnnotation    = "projectName"        // as on the project's Secret, which the worker may not read
	cancelAnnotation  = objects.AnnotationCancel
	eventAnnotation   = objects.AnnotationEvent
)

// meta is what the pod has in common with the build's Secret: its name, its
// labels, and what v1's keys do not hold of the event.
func (w *Worker) meta(ctx context.Context, b *brigade.Build) (metav1.ObjectMeta, error) {
	name, label, ok := w.opt.Secret(b.ID)
	if !ok {
		return metav1.ObjectMeta{}, brigade.NotFound("Secret of build", b.ID)
	}
	var full metav1.ObjectMeta
	if err := objects.SetStatus(&full, b); err != nil {
		return full, err
	}
	m := metav1.ObjectMeta{Name: name, Namespace: w.opt.Client.Namespace, Labels: objects.BuildLabels(b.ProjectID, label), Annotations: map[string]string{}}
	if event := full.Annotations[eventAnnotation]; event != "" {
		m.Annotations[eventAnnotation] = event
	}
	if w.opt.Owner == nil {
		return m, nil
	}
	owner, err := w.opt.Owner(ctx, b)
	if owner != nil {
		own, yes := *owner, true
		own.Controller = &yes
		m.OwnerReferences = []metav1.OwnerReference{own}
	}
	return m, err
}

// podOf is v1's worker pod for the build of the Secret of which it has meta.
func (w *Worker) podOf(meta metav1.ObjectMeta, b *brigade.Build, p *brigade.Project) *corev1.Pod {
	own := w.ownImage(p)
	meta.Annotations[retriesAnnotation], meta.Annotations[nameAnnotation] = strconv.Itoa(b.Retries), p.Name
	if b.Inherit && b.RerunOf != "" {
		meta.Annotations[inheritAnnotation] = b.RerunOf
	}
	grace := int64((w.opt.Grace + stopMargin) / time.Second)
	pod := &corev1.Pod{
		ObjectMeta: meta,
		Spec: corev1.PodSpec{
			ServiceAccountName: w.serviceAccount(), RestartPolicy: corev1.RestartPolicyNever,
			NodeSelector:                  map[string]string{corev1.LabelOSStable: "linux"},
			Tolerations:                   w.opt.Tolerations,
			TerminationGracePeriodSeconds: &grace,
			Volumes:                       w.volumes(meta, b, p, own),
			Containers:                    []corev1.Container{w.container(meta, b, p, own)},
		},
	}
	maps.Copy(pod.Spec.NodeSelector, w.opt.NodeSelector)
	for _, name := range p.ImagePullSecrets {
		if name = strings.TrimSpace(name); name != "" {
			pod.Spec.ImagePullSecrets = append(pod.Spec.ImagePullSecrets, corev1.LocalObjectReference{Name: name})
		}
	}
	if image := w.sidecar(b, p); image != "" {
		pod.Spec.InitContainers = []corev1.Container{w.sidecarOf(image, meta, b, p)}
	}
	if limit := time.Duration(p.Limits.Timeout); limit > 0 {
		seconds := int64((limit + deadlineMargin) / time.Second)
		pod.Spec.ActiveDeadlineSeconds = &seconds
	}
	return pod
}

// image is the worker's: the project's, else the installation's.
func (w *Worker) image(p *brigade.Project) (name string, pull corev1.PullPolicy) {
	name, pull = w.opt.Image, corev1.PullPolicy(w.opt.PullPolicy)
	if p.Worker.Name != "" {
		name = p.Worker.Name
		if p.Worker.Registry != "" {
			name = p.Worker.Registry + "/" + name
		}
		if p.Worker.Tag != "" {
			name += ":" + p.Worker.Tag
		}
	}
	if p.Worker.PullPolicy != "" {
		pull = corev1.PullPolicy(p.Worker.PullPolicy)
	}
	if pull == "" {
		pull = corev1.PullIfNotPresent
	}
	return name, pull
}

// ownImage reports whether the worker is this program.
func (w *Worker) ownImage(p *brigade.Project) bool {
	return w.opt.Own && p.Worker.Name == "" && p.WorkerCommand == ""
}

func (w *Worker) container(meta metav1.ObjectMeta, b *brigade.Build, p *brigade.Project, own bool) corev1.Container {
	image, pull := w.image(p)
	c := corev1.Container{
		Name: Container, Image: image, ImagePullPolicy: pull,
		Env: w.env(meta, b, p, true),
		VolumeMounts: []corev1.VolumeMount{
			{Name: "brigade-build", MountPath: buildDir, ReadOnly: true},
			{Name: "brigade-project", MountPath: projectDir, ReadOnly: true},
		},
		Resources: resources(w.opt.Requests, w.opt.Limits),
	}
	switch {
	case p.WorkerCommand != "":
		c.Command = strings.Fields(p.WorkerCommand)
	case p.Worker.Name == "":
		c.Command = w.opt.Command
	}
	if w.sidecar(b, p) != "" {
		c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: Sidecar, MountPath: workspaceDir})
	}
	if p.DefaultScriptName != "" {
		c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: "brigade-default-script", MountPath: defaultScriptDir, ReadOnly: true})
	}
	if p.DefaultConfigName != "" {
		c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: "brigade-default-config", MountPath: defaultConfigDir, ReadOnly: true})
	}
	if own {
		c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: "tmp", MountPath: "/tmp"})
		c.SecurityContext = restricted()
	}
	return c
}

func (w *Worker) volumes(meta metav1.ObjectMeta, b *brigade.Build, p *brigade.Project, own bool) []corev1.Volume {
	volumes := []corev1.Volume{
		{Name: "brigade-build", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: meta.Name}}},
		{Name: "brigade-project", VolumeSource: corev1.VolumeSource{Secret: w.projectSecret(b, p)}},
	}
	if w.sidecar(b, p) != "" {
		volumes = append(volumes, corev1.Volume{Name: Sidecar, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}})
	}
	for _, m := range []struct{ volume, name string }{{"brigade-default-script", p.DefaultScriptName}, {"brigade-default-config", p.DefaultConfigName}} {
		if m.name != "" {
			volumes = append(volumes, corev1.Volume{Name: m.volume, VolumeSource: corev1.VolumeSource{
				ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: m.name}},
			}})
		}
	}
	if own {
		volumes = append(volumes, corev1.Volume{Name: "tmp", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}})
	}
	return volumes
}

// harmless are the keys of a project's Secret that hold no secret.
var harmless = []string{
	"repository", "cloneURL", "defaultScript", "defaultScriptName", "defaultConfig", "defaultConfigName", "brigadejsPath", "brigadeConfigPath",
	"namespace", "serviceAccount", "vcsSidecar", "vcsSidecarResources.limits.cpu", "vcsSidecarResources.limits.memory",
	"vcsSidecarResources.requests.cpu", "vcsSidecarResources.requests.memory", "buildStorageSize", "initGitSubmodules", "knownHosts", "imagePullSecrets",
	"allowPrivilegedJobs", "allowHostMounts", "kubernetes.cacheStorageClass", "kubernetes.buildStorageClass", "kubernetes.allowSecretKeyRef",
	"worker.registry", "worker.name", "worker.tag", "worker.pullPolicy", "workerCommand", "github.baseURL", "github.uploadURL",
}

// projectSecret mounts the project. The worker of an event that is not trusted
// gets no key of it that holds a secret, whatever its image does.
func (w *Worker) projectSecret(b *brigade.Build, p *brigade.Project) *corev1.SecretVolumeSource {
	source := &corev1.SecretVolumeSource{SecretName: p.ID}
	if !b.Event.Untrusted {
		return source
	}
	yes := true
	source.Optional = &yes // keys that are not set
	for _, key := range harmless {
		source.Items = append(source.Items, corev1.KeyToPath{Key: key, Path: key})
	}
	return source
}

// sidecar is the image of the container that fetches the files, "" for none.
func (w *Worker) sidecar(b *brigade.Build, p *brigade.Project) string {
	switch {
	case strings.EqualFold(p.Kubernetes.VCSSidecar, "NONE"): // as v1's brig project create had it
		return ""
	case p.Kubernetes.VCSSidecar != "":
		return p.Kubernetes.VCSSidecar
	case p.Repo.CloneURL != "" || b.Event.CloneURL != "":
		return w.opt.Sidecar
	}
	return ""
}

// sidecarOf is v1's init container: it has the worker's environment. When the
// script is not that of the event's revision, which is a stranger's, it fetches
// where the script is: jobs get the event's files by themselves.
func (w *Worker) sidecarOf(image string, meta metav1.ObjectMeta, b *brigade.Build, p *brigade.Project) corev1.Container {
	trusted := *b
	if ref := b.Event.ScriptRef; ref != "" {
		trusted.Event.Revision, trusted.Event.CloneURL = brigade.Revision{Ref: ref}, ""
	}
	c := corev1.Container{
		Name: Sidecar, Image: image, ImagePullPolicy: corev1.PullIfNotPresent,
		Env:          w.env(meta, &trusted, p, false),
		VolumeMounts: []corev1.VolumeMount{{Name: Sidecar, MountPath: workspaceDir}},
		Resources:    resources(p.Kubernetes.SidecarRequests, p.Kubernetes.SidecarLimits),
	}
	if hosts := objects.KnownHosts(w.opt.KnownHosts, p); hosts != "" {
		c.Env = append(c.Env, corev1.EnvVar{Name: objects.EnvKnownHosts, Value: strings.ReplaceAll(hosts, "$(", "$$(")})
	}
	if p.Kubernetes.VCSSidecar == "" {
		c.Command = w.opt.SidecarCommand
		if at := trusted.Event.CloneURL; at != "" && p.Repo.CloneURL != "" && at != p.Repo.CloneURL {
			// Says for which host the credentials are: brig vcs sends them nowhere else.
			c.Env = append(c.Env, corev1.EnvVar{Name: "BRIGADE_PROJECT_CLONE_URL", Value: p.Repo.CloneURL})
		}
		if w.opt.Own {
			c.SecurityContext = restricted()
		}
	}
	return c
}

// env is v1's environment of workers and sidecars.
func (w *Worker) env(meta metav1.ObjectMeta, b *brigade.Build, p *brigade.Project, worker bool) []corev1.EnvVar {
	e := b.Event
	level := e.LogLevel
	if level == "" {
		level = brigade.LevelLog
	}
	remote := e.CloneURL
	if remote == "" {
		remote = p.Repo.CloneURL
	}
	account := p.Kubernetes.ServiceAccount
	if account == "" {
		account = w.opt.JobServiceAccount
	}
	namespace := p.Kubernetes.Namespace
	if namespace == "" {
		namespace = meta.Namespace
	}
	env := []corev1.EnvVar{
		{Name: "CI", Value: "true"},
		{Name: EnvBuildID, Value: cmp.Or(meta.Labels[objects.LabelBuild], b.ID)},
		{Name: "BRIGADE_BUILD_NAME", Value: meta.Name},
		{Name: "BRIGADE_COMMIT_ID", Value: e.Revision.Commit},
		{Name: "BRIGADE_COMMIT_REF", Value: e.Revision.Ref},
		{Name: "BRIGADE_EVENT_PROVIDER", Value: e.Provider},
		{Name: "BRIGADE_EVENT_TYPE", Value: e.Type},
		{Name: "BRIGADE_PROJECT_ID", Value: p.ID},
		{Name: "BRIGADE_LOG_LEVEL", Value: string(level)},
		{Name: "BRIGADE_REMOTE_URL", Value: remote},
		{Name: "BRIGADE_SUBMODULES", Value: strconv.FormatBool(p.Repo.InitSubmodules)},
		{Name: "BRIGADE_WORKSPACE", Value: workspaceDir},
		{Name: "BRIGADE_PROJECT_NAMESPACE", Value: namespace},
		{Name: "BRIGADE_SERVICE_ACCOUNT", Value: account},
		{Name: "BRIGADE_SERVICE_ACCOUNT_REGEX", Value: w.opt.JobServiceAccountRegex},
		{Name: "BRIGADE_SECRET_KEY_REF", Value: strconv.FormatBool(p.Kubernetes.AllowSecretKeyRef)},
	}
	if !worker || !e.Untrusted { // the sidecar has to get into the repository in any case
		for _, ref := range [][2]string{{"BRIGADE_REPO_KEY", "sshKey"}, {"BRIGADE_REPO_SSH_CERT", "sshCert"}, {"BRIGADE_REPO_AUTH_TOKEN", "github.token"}} {
			env = append(env, fromProject(ref[0], p.ID, ref[1]))
		}
	}
	env = append(env,
		corev1.EnvVar{Name: "BRIGADE_DEFAULT_BUILD_STORAGE_CLASS", Value: w.opt.BuildStorageClass},
		corev1.EnvVar{Name: "BRIGADE_DEFAULT_CACHE_STORAGE_CLASS", Value: w.opt.CacheStorageClass},
	)
	for _, file := range [][2]string{{"BRIGADE_SCRIPT", p.ScriptPath}, {"BRIGADE_CONFIG", p.ConfigPath}} {
		if file[1] != "" && filepath.IsLocal(file[1]) && !path.IsAbs(file[1]) { // as v1: absolute ones are ignored
			env = append(env, corev1.EnvVar{Name: file[0], Value: path.Join(workspaceDir, file[1])})
		}
	}
	if worker && w.ownImage(p) {
		for _, name := range slices.Sorted(maps.Keys(w.opt.Env)) {
			env = append(env, corev1.EnvVar{Name: name, Value: w.opt.Env[name]})
		}
		if w.opt.BuildEnv != nil {
			own := w.opt.BuildEnv(b, p)
			for _, name := range slices.Sorted(maps.Keys(own)) {
				env = append(env, corev1.EnvVar{Name: name, Value: own[name]})
			}
		}
	}
	return env
}

func fromProject(name, secret, key string) corev1.EnvVar {
	yes := true
	return corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
		LocalObjectReference: corev1.LocalObjectReference{Name: secret}, Key: key, Optional: &yes,
	}}}
}

// restricted is what the Pod Security Standard of that name asks of a container.
func restricted() *corev1.SecurityContext {
	yes, no := true, false
	return &corev1.SecurityContext{
		RunAsNonRoot: &yes, AllowPrivilegeEscalation: &no,
		Capabilities:   &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}
}

// resources leaves out what is not a quantity: a typing error in a project
// must not keep its builds from running.
func resources(requests, limits brigade.Resources) corev1.ResourceRequirements {
	list := func(r brigade.Resources) corev1.ResourceList {
		var all corev1.ResourceList
		for name, text := range map[corev1.ResourceName]string{corev1.ResourceCPU: r.CPU, corev1.ResourceMemory: r.Memory} {
			if q, err := resource.ParseQuantity(text); text != "" && err == nil {
				if all == nil {
					all = corev1.ResourceList{}
				}
				all[name] = q
			}
		}
		return all
	}
	return corev1.ResourceRequirements{Requests: list(requests), Limits: list(limits)}
}
