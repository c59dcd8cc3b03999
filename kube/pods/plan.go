package pods

import (
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/mask"
	"github.com/brigadecore/brigade/v3/internal/traceparent"
	"github.com/brigadecore/brigade/v3/kube/objects"
)

// plan is a job on its way to become a pod. Its pod and Secret follow from the
// job, the build, the project and the options alone.
type plan struct {
	run     brigade.JobRun
	spec    brigade.JobSpec
	pod     *corev1.Pod
	secret  *corev1.Secret                  // nil: the job needs none
	claims  []*corev1.PersistentVolumeClaim // to be there before the pod
	private map[string]bool                 // keys of the Secret that the job does not see at /hook
	want    Want
	rooted  map[string]bool // containers of ours that run as root unless the pod runs as somebody else
	worker  string          // the name of the build's Secret
	project *brigade.Project
}

// planOf checks the job and describes its objects. It asks the cluster nothing.
func (r *Runner) planOf(run brigade.JobRun, owner *metav1.OwnerReference) (*plan, error) {
	spec := run.Job.Spec.WithDefaults()
	p := &plan{run: run, spec: spec, private: map[string]bool{}, rooted: map[string]bool{}, worker: objects.WorkerName(run.Job.BuildID), project: or(run.Project, &brigade.Project{})}
	if owner != nil {
		p.worker = owner.Name // not all are named by v1's rule
	}
	if spec.Image == "" {
		return nil, brigade.Errorf(brigade.CodeJobStart, "job %q names no image", spec.Name).
			WithHint(`pods need one: new Job(%q, "alpine:3.20", …)`, spec.Name)
	}
	if err := r.forbidden(run, spec); err != nil {
		return nil, err
	}
	p.pod = &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: podName(run.Job), Namespace: r.namespace(run.Project), Labels: jobLabels(run.Job, p.project, p.worker),
			Annotations: map[string]string{annotationAttempt: strconv.Itoa(run.Job.Attempt)},
		},
		Spec: r.specOf(run, spec),
	}
	for name, value := range spec.Annotations {
		if !strings.HasPrefix(name, ownPrefix) {
			p.pod.Annotations[name] = value
		}
	}
	if r.opt.RunBy != "" {
		p.pod.Annotations[objects.AnnotationRunner] = r.opt.RunBy
	}
	if err := p.limit(); err != nil {
		return nil, err
	}
	if err := p.env(); err != nil {
		return nil, err
	}
	if err := r.volumes(p); err != nil {
		return nil, err
	}
	r.addSidecar(p)
	if r.opt.Restricted {
		p.restrict()
	}
	return p, nil
}

// finish adds what needs the whole pod: the equipment from the workspace, the
// overlay, and the record.
func (r *Runner) finish(ctx context.Context, p *plan, owner *metav1.OwnerReference) error {
	p.want = r.wants(p.run, p.spec)
	if p.want.any() {
		e, err := r.opt.Workspace.Equip(ctx, p.run, p.want)
		if err != nil {
			return err
		}
		p.equip(r.opt.WorkspaceImage, e)
		if r.opt.Restricted {
			p.restrict()
		}
	}
	if err := r.overlay(p); err != nil {
		return err
	}
	if r.opt.Turns {
		p.gate()
	}
	p.users()
	p.mountSecret()
	p.record()
	if owner != nil {
		p.own(*owner)
	}
	return nil
}

// owner asks what the build's objects belong to.
func (r *Runner) owner(ctx context.Context, b *brigade.Build) (*metav1.OwnerReference, error) {
	if r.opt.Owner == nil || b == nil {
		return nil, nil
	}
	return r.opt.Owner(ctx, b)
}

// own makes the build the owner of the job's objects.
func (p *plan) own(owner metav1.OwnerReference) {
	p.pod.OwnerReferences = []metav1.OwnerReference{owner}
	if p.secret != nil {
		p.secret.OwnerReferences = []metav1.OwnerReference{owner}
	}
	for _, c := range p.claims {
		if c.Labels[objects.LabelComponent] == objects.ComponentBuildStorage {
			c.OwnerReferences = []metav1.OwnerReference{owner}
		}
	}
}

// main is the job's own container.
func (p *plan) main() *corev1.Container { return &p.pod.Spec.Containers[0] }

// accountOf is the service account of the project's jobs, as in v1.
func accountOf(p *brigade.Project) string {
	if p == nil {
		return ""
	}
	return p.Kubernetes.ServiceAccount
}

// specOf is the pod without volumes and environment.
func (r *Runner) specOf(run brigade.JobRun, spec brigade.JobSpec) corev1.PodSpec {
	main := corev1.Container{
		Name: objects.ContainerJob, Image: spec.Image, Args: spec.Args, ImagePullPolicy: corev1.PullIfNotPresent,
	}
	if spec.ImageForcePull {
		main.ImagePullPolicy = corev1.PullAlways
	}
	if len(spec.Tasks) > 0 {
		main.Command = []string{spec.Shell, hookPath + "/" + scriptKey}
	}
	if spec.Privileged {
		main.SecurityContext = &corev1.SecurityContext{Privileged: new(true)}
	}
	pod := corev1.PodSpec{
		RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{main},
		ServiceAccountName:            or(spec.ServiceAccount, or(accountOf(run.Project), r.opt.ServiceAccount)),
		NodeName:                      spec.Host.Name,
		TerminationGracePeriodSeconds: new(seconds(r.opt.Grace)),
		ActiveDeadlineSeconds:         new(seconds(time.Duration(spec.Timeout)*time.Millisecond + r.opt.Grace + deadlineMargin)),
	}
	if spec.Host.OS != "" || len(spec.Host.NodeSelector) > 0 {
		pod.NodeSelector = map[string]string{}
		if spec.Host.OS != "" {
			pod.NodeSelector[corev1.LabelOSStable] = spec.Host.OS
		}
		for k, v := range spec.Host.NodeSelector {
			pod.NodeSelector[k] = v
		}
	}
	seen := map[string]bool{}
	add := func(names []string) {
		for _, name := range names {
			if name = strings.TrimSpace(name); name != "" && !seen[name] {
				seen[name] = true
				pod.ImagePullSecrets = append(pod.ImagePullSecrets, corev1.LocalObjectReference{Name: name})
			}
		}
	}
	add(spec.ImagePullSecrets)
	if run.Project != nil {
		add(run.Project.ImagePullSecrets)
	}
	return pod
}

// limit sets what the job's container may use.
func (p *plan) limit() (err error) {
	p.main().Resources, err = resourcesOf(p.spec.ResourceRequests, p.spec.ResourceLimits)
	if err != nil {
		return brigade.Errorf(brigade.CodeJobStart, "job %q: %w", p.spec.Name, err)
	}
	return nil
}

func resourcesOf(requests, limits brigade.Resources) (corev1.ResourceRequirements, error) {
	var errs []error
	list := func(field string, r brigade.Resources) corev1.ResourceList {
		var all corev1.ResourceList
		for _, q := range []struct {
			name corev1.ResourceName
			text string
		}{{corev1.ResourceCPU, r.CPU}, {corev1.ResourceMemory, r.Memory}} {
			if q.text == "" {
				continue
			}
			v, err := resource.ParseQuantity(q.text)
			if err != nil {
				errs = append(errs, brigade.Errorf(brigade.CodeInvalid, "%s.%s %q is not an amount such as 500m or 128Mi", field, q.name, q.text))
				continue
			}
			if all == nil {
				all = corev1.ResourceList{}
			}
			all[q.name] = v
		}
		return all
	}
	out := corev1.ResourceRequirements{Requests: list("resourceRequests", requests), Limits: list("resourceLimits", limits)}
	return out, errors.Join(errs...)
}

// forbidden reports what the installation and the event do not allow. What the
// project's settings forbid was checked before, by who asks for the job.
func (r *Runner) forbidden(run brigade.JobRun, spec brigade.JobSpec) error {
	if account := spec.ServiceAccount; account != "" && r.accounts != nil && !r.accounts.MatchString(account) {
		return brigade.Errorf(brigade.CodeJobForbidden, "the installation does not allow service account %q, which job %q asks for", account, spec.Name).
			WithHint("whoever runs the installation can change BRIGADE_SERVICE_ACCOUNT_REGEX, which is %s", r.accounts)
	}
	deny := func(what, setting string) error {
		return brigade.Errorf(brigade.CodeJobForbidden, "the project does not allow %s, which job %q asks for", what, spec.Name).
			WithHint("whoever owns the project can set %s", setting)
	}
	untrusted := run.Build != nil && run.Build.Event.Untrusted
	if untrusted && spec.ServiceAccount != "" {
		return deny("events from strangers to choose a service account", "forks.secrets")
	}
	own := run.Project != nil && run.Project.Kubernetes.AllowSecretKeyRef
	for _, v := range spec.Env {
		if v.SecretKeyRef != nil && (untrusted || !own && brigadeSecret.MatchString(v.SecretKeyRef.Name)) {
			return deny("references to Secrets for this event", "forks.secrets and kubernetes.allowSecretKeyRef")
		}
	}
	for _, v := range spec.Volumes {
		for _, name := range secretsOf(v.Other) {
			switch {
			case untrusted:
				return deny("events from strangers to mount Secrets", "forks.secrets")
			case !own && brigadeSecret.MatchString(name):
				return deny("jobs to mount Brigade's own Secrets", "kubernetes.allowSecretKeyRef")
			}
		}
	}
	return nil
}

// brigadeSecret are names of projects' and builds' Secrets.
var brigadeSecret = regexp.MustCompile(`^brigade-([0-9a-f]{54}|worker-.*)$`)

// secretsOf are the Secrets that a volume shows.
func secretsOf(volume map[string]json.RawMessage) []string {
	fields := map[string]any{}
	for kind, raw := range volume {
		var v any
		if json.Unmarshal(raw, &v) == nil {
			fields[kind] = v
		}
	}
	return secretsIn(fields)
}

// secretsIn are the names of Secrets in the description of a volume, wherever
// they stand.
func secretsIn(volume map[string]any) []string {
	var names []string
	var walk func(v any, key string)
	walk = func(v any, key string) {
		switch v := v.(type) {
		case map[string]any:
			for k, e := range v {
				s, text := e.(string)
				if text && (k == "secretName" || k == "name" && (strings.HasSuffix(strings.ToLower(key), "secretref") || key == "secret")) {
					names = append(names, s)
				}
				walk(e, k)
			}
		case []any:
			for _, e := range v {
				walk(e, key)
			}
		}
	}
	walk(volume, "")
	return names
}

// record writes the job into its pod's annotation: as the store has it, so
// without the place in the trace, which the dispatcher adds, and masked.
func (p *plan) record() {
	job := *p.run.Job
	if own, ok := job.Spec.Env["TRACEPARENT"]; ok && p.run.Build != nil {
		at := traceparent.Job(p.run.Build.Event.TraceParent, job.BuildID, job.ID, job.Attempt)
		if own.Value == at.String() {
			env := map[string]brigade.EnvValue{}
			for k, v := range job.Spec.Env {
				if k != "TRACEPARENT" {
					env[k] = v
				}
			}
			if job.Spec.Env = env; len(env) == 0 {
				job.Spec.Env = nil
			}
		}
	}
	job.Handle = ""
	var secrets []string
	if p.run.Project != nil {
		secrets = p.run.Project.SecretValues()
	}
	if p.run.Build != nil {
		secrets = append(secrets, mask.PayloadSecrets(p.run.Build.Event.Payload)...)
	}
	text, err := json.Marshal(job.Spec)
	if err == nil {
		var spec brigade.JobSpec
		if err = json.Unmarshal([]byte(mask.New(secrets).String(string(text))), &spec); err == nil {
			job.Spec = spec
		}
	}
	if err != nil {
		job.Spec = brigade.JobSpec{Name: job.Spec.Name}
	}
	record, err := objects.JobRecord(&job)
	if err != nil {
		return // it came from JSON
	}
	p.pod.Annotations[objects.AnnotationJob] = record
}
