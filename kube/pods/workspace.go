package pods

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	brigade "github.com/brigadecore/brigade/v3"
)

// Workspace is a server that brings files to jobs' pods and home again. It is
// asked before a pod is made and after its job has ended.
type Workspace interface {
	// Equip returns what the pod of the job needs so that what want names
	// comes over the workspace. It is asked again when the same attempt is
	// started again, and answers with the same.
	Equip(ctx context.Context, run brigade.JobRun, want Want) (Equipment, error)
	// Collect hands the artifacts that the job left to run.Keep, or keeps them
	// by itself, and returns what else the job left. The pod's sidecar has
	// ended by then. An error means that this is not known: the job has failed.
	Collect(ctx context.Context, run brigade.JobRun, want Want) (Collected, error)
	// EndBuild drops what it kept for the build.
	EndBuild(ctx context.Context, buildID string) error
}

// Collected is what a job left.
type Collected struct {
	Outputs   []byte
	Artifacts []brigade.Artifact // those that the workspace has kept by itself
	Problems  []string           // sentences for the job's log
	// Failure is why the job has failed although its container has not: what
	// it left for later jobs is not there.
	Failure error
}

// Want says which of a job's files go over the workspace.
type Want struct {
	Source, Storage, Cache, Artifacts, Outputs bool
	// SourceMounted says that a volume named SourceVolume is at the job's
	// mountPath already.
	SourceMounted bool
}

// any reports whether there is anything to do for the workspace.
func (w Want) any() bool { return w.Source || w.Storage || w.Cache || w.Artifacts || w.Outputs }

// SourceVolume is the volume with the build's files, as v1 names it.
const SourceVolume = "vcs-sidecar"

// Equipment is what a pod gets from the workspace. Its containers run
// Options.WorkspaceImage.
type Equipment struct {
	Secret  map[string]string // variables of both containers that nobody else may see
	Env     map[string]string // further variables of both
	Init    *Container        // runs before the job; nil: none
	Sidecar *Container        // runs beside the job and is asked to end after it; nil: none
	Mounts  []Mount           // of the job's container
	JobEnv  map[string]string // of the job's container
	Volumes []Scratch
	Grace   time.Duration // how long the sidecar may take to end
}

// Container is one beside the job's.
type Container struct {
	Name   string
	Args   []string
	Mounts []Mount
}

// Mount puts a volume at a path.
type Mount struct {
	Volume, Path string
	ReadOnly     bool
}

// Scratch is a directory that goes with the pod.
type Scratch struct {
	Name string
	Size int64 // bytes at most; 0: as much as there is
}

// wants says what of the job goes over the workspace here.
func (r *Runner) wants(run brigade.JobRun, spec brigade.JobSpec) Want {
	if r.opt.Workspace == nil {
		return Want{}
	}
	w := Want{
		Storage:   spec.Storage.Enabled && r.opt.BuildStorage == StorageWorkspace,
		Cache:     spec.Cache.Enabled && r.opt.Cache == StorageWorkspace,
		Artifacts: len(spec.Artifacts) > 0 && r.keeps(run),
	}
	if r.opt.Source == SourceWorkspace {
		w.Source = spec.UseSource && cloneURL(run) != ""
	} else {
		w.SourceMounted = r.sidecarImage(run, spec) != ""
	}
	w.Outputs = w.Storage || w.Cache || w.Artifacts
	return w
}

// keeps reports whether somebody keeps the artifacts of the job.
func (r *Runner) keeps(run brigade.JobRun) bool { return run.Keep != nil || r.opt.RemoteArtifacts }

// equip adds the equipment to the pod and its Secret.
func (p *plan) equip(image string, e Equipment) {
	have := map[string]bool{}
	for _, v := range p.pod.Spec.Volumes {
		have[v.Name] = true
	}
	for _, v := range e.Volumes {
		if have[v.Name] {
			continue
		}
		dir := &corev1.EmptyDirVolumeSource{}
		if v.Size > 0 {
			dir.SizeLimit = resource.NewQuantity(v.Size, resource.BinarySI)
		}
		p.pod.Spec.Volumes = append(p.pod.Spec.Volumes, corev1.Volume{Name: v.Name, VolumeSource: corev1.VolumeSource{EmptyDir: dir}})
	}
	main := p.main()
	main.VolumeMounts = append(main.VolumeMounts, mountsOf(e.Mounts)...)
	main.Env = setEnv(main.Env, plainEnv(e.JobEnv))
	env := plainEnv(e.Env)
	for _, name := range sorted(e.Secret) {
		env = append(env, p.secretEnv(name, e.Secret[name]))
	}
	container := func(c *Container) corev1.Container {
		out := corev1.Container{
			Name: c.Name, Image: image, Args: c.Args, ImagePullPolicy: corev1.PullIfNotPresent,
			Env: env, VolumeMounts: mountsOf(c.Mounts),
		}
		p.asRoot(&out)
		return out
	}
	if e.Init != nil {
		p.pod.Spec.InitContainers = append(p.pod.Spec.InitContainers, container(e.Init))
	}
	if e.Sidecar != nil {
		sidecar, always := container(e.Sidecar), corev1.ContainerRestartPolicyAlways
		sidecar.RestartPolicy = &always
		p.pod.Spec.InitContainers = append(p.pod.Spec.InitContainers, sidecar)
		p.pod.Annotations[annotationCollect] = e.Sidecar.Name
		p.pod.Spec.ActiveDeadlineSeconds = new(*p.pod.Spec.ActiveDeadlineSeconds + seconds(e.Grace))
	}
	p.pod.Spec.TerminationGracePeriodSeconds = new(max(*p.pod.Spec.TerminationGracePeriodSeconds, seconds(e.Grace)))
}

func mountsOf(list []Mount) []corev1.VolumeMount {
	var mounts []corev1.VolumeMount
	for _, m := range list {
		mounts = append(mounts, corev1.VolumeMount{Name: m.Volume, MountPath: m.Path, ReadOnly: m.ReadOnly})
	}
	return mounts
}
