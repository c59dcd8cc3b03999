package pods

import (
	"encoding/json"
	"regexp"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/kube/objects"
)

// ours are names of volumes that jobs may not use for their own.
var ours = map[string]bool{hookVolume: true, SourceVolume: true, storageVolume: true, cacheVolume: true, dockerVolume: true}

// volumes adds the job's own volumes and those that it asks for by other
// fields.
func (r *Runner) volumes(p *plan) error {
	for _, at := range []struct{ field, path string }{
		{"mountPath", p.spec.MountPath}, {"cache.path", p.spec.Cache.Path}, {"storage.path", p.spec.Storage.Path},
	} {
		if err := checkPath(p.spec.Name, at.field, at.path); err != nil {
			return err
		}
	}
	for _, v := range p.spec.Volumes {
		if ours[v.Name] {
			return brigade.Errorf(brigade.CodeJobStart, "job %q: Brigade has a volume %q of its own", p.spec.Name, v.Name).WithHint("give the volume another name")
		}
		volume, err := volumeOf(v)
		if err != nil {
			return brigade.Errorf(brigade.CodeJobStart, "job %q: volume %q: %w", p.spec.Name, v.Name, err)
		}
		p.pod.Spec.Volumes = append(p.pod.Spec.Volumes, volume)
	}
	for _, m := range p.spec.VolumeMounts {
		p.main().VolumeMounts = append(p.main().VolumeMounts, corev1.VolumeMount{Name: m.Name, MountPath: m.MountPath, SubPath: m.SubPath, ReadOnly: m.ReadOnly})
	}
	if p.spec.Docker.Enabled {
		p.mount(dockerVolume, dockerSocket, corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: dockerSocket}})
	}
	if p.spec.Cache.Enabled && r.opt.Cache != StorageWorkspace {
		if err := r.addCache(p); err != nil {
			return err
		}
	}
	if p.spec.Storage.Enabled && r.opt.BuildStorage != StorageWorkspace {
		return r.addStorage(p)
	}
	return nil
}

// mount adds a volume to the pod and shows it to the job.
func (p *plan) mount(name, path string, source corev1.VolumeSource) {
	p.pod.Spec.Volumes = append(p.pod.Spec.Volumes, corev1.Volume{Name: name, VolumeSource: source})
	p.main().VolumeMounts = append(p.main().VolumeMounts, corev1.VolumeMount{Name: name, MountPath: path})
}

// volumeOf reads a volume of any kind that Kubernetes has.
func volumeOf(v brigade.Volume) (corev1.Volume, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return corev1.Volume{}, err
	}
	var volume corev1.Volume
	return volume, strictly(text, &volume)
}

// addStorage mounts the build's storage.
func (r *Runner) addStorage(p *plan) error {
	project := p.project
	name := objectName(objects.BuildStorageName(p.worker))
	labels := objects.BuildStorageLabels(labelValue(project.ID), labelValue(p.worker), labelValue(p.run.Job.BuildID))
	err := p.claim(claim{
		name: name, labels: labels, mode: r.opt.BuildStorage, field: "the project's buildStorageSize",
		size: or(project.Kubernetes.BuildStorageSize, defaultBuildSpace), class: or(project.Kubernetes.BuildStorageClass, r.opt.BuildStorageClass),
	})
	if err != nil {
		return err
	}
	p.mount(storageVolume, p.spec.Storage.Path, claimed(name))
	p.pod.Labels[labelStorage] = "build"
	switch {
	case r.oneNode():
		p.nearProject()
	case r.opt.BuildStorage == StorageRWO:
		p.near(map[string]string{labelStorage: "build", objects.LabelBuild: p.pod.Labels[objects.LabelBuild]})
	}
	return nil
}

// cachedJob is whose cache the job has. Those of forks have caches of their own,
// under names that no job can have: what they leave must not get into others.
func (p *plan) cachedJob() string {
	if p.run.Build != nil && p.run.Build.Event.Untrusted {
		return p.spec.Name + "/forks"
	}
	return p.spec.Name
}

// addCache mounts the cache of jobs of this name.
func (r *Runner) addCache(p *plan) error {
	project := p.project
	name := cacheName(project.Name, p.cachedJob())
	err := p.claim(claim{
		name: name, mode: r.opt.Cache, size: p.spec.Cache.Size, class: or(project.Kubernetes.CacheStorageClass, r.opt.CacheStorageClass), field: "cache.size",
		labels: objects.JobCacheLabels(labelValue(project.ID), labelValue(p.spec.Name)),
	})
	if err != nil {
		return err
	}
	if p.spec.Cache.Key != "" {
		r.tell(p.run, brigade.StatePending, "its cache has no keys: here it is a volume, one for all keys; with --cache-storage workspace there is one for each")
	}
	p.mount(cacheVolume, p.spec.Cache.Path, claimed(name))
	if r.opt.Cache == StorageRWO {
		p.pod.Labels[labelCache] = labelValue(name)
	}
	switch {
	case r.oneNode():
		p.nearProject()
	case r.opt.Cache == StorageRWO:
		p.near(map[string]string{labelCache: labelValue(name)})
	}
	return nil
}

// oneNode reports whether jobs may need two volumes of one node each: a cache,
// which all builds of the project share, and the storage of a build. Then all
// jobs of the project that have a volume are kept on one node. The scheduler
// cannot be asked to keep a pod near both: of several terms, it looks for pods
// to which all apply.
func (r *Runner) oneNode() bool { return r.opt.BuildStorage == StorageRWO && r.opt.Cache == StorageRWO }

// nearProject has the pod run where the unfinished pods of the project run that
// have volumes of one node.
func (p *plan) nearProject() {
	if _, done := p.pod.Labels[labelVolumes]; done {
		return
	}
	p.pod.Labels[labelVolumes] = "one-node"
	p.near(map[string]string{labelVolumes: "one-node", objects.LabelProject: p.pod.Labels[objects.LabelProject]})
}

// noNode matches what the scheduler says of a pod whose volumes no node can have.
var noNode = regexp.MustCompile(`^0/(\d+) nodes are available: (\d+) node\(s\) (?:had volume node affinity conflict|didn't match PersistentVolume's node affinity)`)

// apart is the error of a job that waits for a node which has both its volumes,
// when these are on different nodes; else nil.
func (x *execution) apart(pod *corev1.Pod) error {
	if spec := x.run.Job.Spec; !x.r.oneNode() || !spec.Cache.Enabled || !spec.Storage.Enabled {
		return nil
	}
	for _, c := range pod.Status.Conditions {
		if c.Type != corev1.PodScheduled || c.Status != corev1.ConditionFalse {
			continue
		}
		if m := noNode.FindStringSubmatch(c.Message); m != nil && m[1] == m[2] {
			return brigade.Errorf(brigade.CodeJobStart, "job %q cannot be started: there is no node that has both the volume of its cache and that of the build's storage", x.run.Job.Name).
				WithHint("keep one of the two without volumes, such as with --cache-storage workspace, or use a storage class whose volumes any node can have")
		}
	}
	return nil
}

func claimed(name string) corev1.VolumeSource {
	return corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: name}}
}

// claim describes a PersistentVolumeClaim.
type claim struct {
	name, size, class, field string
	labels                   map[string]string
	mode                     StorageMode
}

func (p *plan) claim(c claim) error {
	size, err := resource.ParseQuantity(c.size)
	if err != nil || size.Sign() <= 0 {
		return brigade.Errorf(brigade.CodeJobStart, "job %q: %s %q is not a size such as 50Mi", p.spec.Name, c.field, c.size)
	}
	access := corev1.ReadWriteMany
	if c.mode == StorageRWO {
		access = corev1.ReadWriteOnce
	}
	pvc := &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Name: c.name, Namespace: p.pod.Namespace, Labels: c.labels},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{access},
			Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: size}},
		},
	}
	if c.class != "" {
		pvc.Spec.StorageClassName = &c.class
	}
	p.claims = append(p.claims, pvc)
	return nil
}

// near has the pod run on the node where the unfinished pods with the labels
// run. The first of them may run anywhere.
func (p *plan) near(labels map[string]string) {
	if p.pod.Spec.Affinity == nil {
		p.pod.Spec.Affinity = &corev1.Affinity{PodAffinity: &corev1.PodAffinity{}}
	}
	a := p.pod.Spec.Affinity.PodAffinity
	a.RequiredDuringSchedulingIgnoredDuringExecution = append(a.RequiredDuringSchedulingIgnoredDuringExecution, corev1.PodAffinityTerm{
		LabelSelector: &metav1.LabelSelector{MatchLabels: labels}, TopologyKey: affinityTopology,
	})
}
