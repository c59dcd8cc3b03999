package pods

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	kjson "sigs.k8s.io/json"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/kube/objects"
)

// What an overlay policy may name besides paths of fields.
const (
	overlaySidecars = "sidecars" // containers beside the job's
	overlayNarrow   = "narrow"   // security contexts that take rights away
)

// DefaultOverlay lists what scripts may set with job.pod unless the
// installation says otherwise: where and how urgently a pod runs, labels and
// annotations, further containers, and fewer rights.
func DefaultOverlay() []string {
	return []string{
		"metadata.labels", "metadata.annotations",
		"spec.nodeSelector", "spec.tolerations", "spec.affinity", "spec.topologySpreadConstraints",
		"spec.priorityClassName", "spec.runtimeClassName", overlaySidecars, overlayNarrow,
	}
}

// checkOverlay reports a policy that names what no policy can.
func checkOverlay(policy []string) error {
	for _, field := range policy {
		if field != overlaySidecars && field != overlayNarrow && !strings.HasPrefix(field, "spec.") && !strings.HasPrefix(field, "metadata.") {
			return brigade.Errorf(brigade.CodeUsage, "a pod overlay cannot be allowed to set %q", field).
				WithHint("name fields such as spec.tolerations or metadata.labels, or %s or %s", overlaySidecars, overlayNarrow)
		}
	}
	return nil
}

// reserved are fields that no policy opens: the job would not be ours any more.
var reserved = []string{
	"metadata.name", "metadata.generateName", "metadata.namespace", "metadata.ownerReferences", "metadata.finalizers",
	"spec.restartPolicy", "spec.activeDeadlineSeconds", "spec.terminationGracePeriodSeconds",
}

// keyOf is by which field the elements of a list are told apart when two lists
// are merged. Elements of other lists of objects are added; lists of plain
// values are replaced.
var keyOf = map[string]string{
	"containers": "name", "initContainers": "name", "volumes": "name", "env": "name", "imagePullSecrets": "name",
	"volumeMounts": "mountPath", "hostAliases": "ip", "ports": "containerPort",
}

// overlay merges what the script asks for with job.pod and job.sidecars into
// the pod, as far as the policy allows it.
func (r *Runner) overlay(p *plan) error {
	patch, err := overlayOf(p.spec)
	if err != nil || len(patch) == 0 {
		return err
	}
	o := overlaying{r: r, p: p}
	if err := o.check(patch, ""); err != nil {
		return err
	}
	sidecars, err := o.sidecars(patch)
	if err != nil {
		return err
	}
	merged, err := mergePod(p.pod, patch)
	if err != nil {
		return brigade.Errorf(brigade.CodeJobStart, "job %q: pod: %w", p.spec.Name, err)
	}
	if err := o.result(merged); err != nil {
		return err
	}
	merged.Spec.InitContainers = append(merged.Spec.InitContainers, sidecars...)
	p.pod = merged
	if r.opt.Restricted {
		p.restrict()
	}
	return nil
}

// result judges the merged pod: what is by value, not by field.
func (o overlaying) result(merged *corev1.Pod) error {
	for k, v := range merged.Labels {
		old, had := o.p.pod.Labels[k]
		if had && v != old || !had && servicesSelect(k) {
			return o.deny("metadata.labels."+k, "Brigade, or the services around it, find their pods by it")
		}
	}
	for k, v := range merged.Annotations {
		if strings.HasPrefix(k, ownPrefix) && v != o.p.pod.Annotations[k] {
			return o.deny("metadata.annotations."+k, "it is Brigade's own")
		}
	}
	if name := merged.Spec.PriorityClassName; strings.HasPrefix(name, "system-") {
		return o.deny("spec.priorityClassName", name+" is for the cluster's own pods")
	}
	project := or(o.p.run.Project, &brigade.Project{})
	untrusted := o.p.run.Build != nil && o.p.run.Build.Event.Untrusted
	for i, v := range merged.Spec.Volumes {
		if i < len(o.p.pod.Spec.Volumes) && v.Name == o.p.pod.Spec.Volumes[i].Name && reflect.DeepEqual(v, o.p.pod.Spec.Volumes[i]) {
			continue
		}
		var fields map[string]any
		if err := convert(v, &fields); err != nil {
			return err
		}
		switch {
		case ours[v.Name]:
			return o.deny("spec.volumes["+v.Name+"]", "it is Brigade's own")
		case v.HostPath != nil && !project.AllowHostMounts:
			return o.deny("spec.volumes["+v.Name+"]", "the project's setting allowHostMounts does not let jobs mount paths of the host")
		case len(secretsIn(fields)) > 0 && (untrusted || !project.Kubernetes.AllowSecretKeyRef):
			return o.deny("spec.volumes["+v.Name+"]", "the project's setting kubernetes.allowSecretKeyRef does not let jobs refer to Secrets")
		}
	}
	return nil
}

// servicesSelect reports whether services find their pods by such a label: a
// job must not get requests that are for somebody else.
func servicesSelect(label string) bool {
	return label == "app" || strings.HasPrefix(label, ownPrefix) || strings.HasPrefix(label, "app.kubernetes.io/")
}

// overlayOf reads job.pod and job.sidecars as one partial pod.
func overlayOf(spec brigade.JobSpec) (map[string]any, error) {
	patch := map[string]any{}
	if len(spec.Pod) > 0 && !bytes.Equal(bytes.TrimSpace(spec.Pod), []byte("null")) {
		if err := decode(spec.Pod, &patch); err != nil {
			return nil, brigade.Errorf(brigade.CodeJobStart, "job %q: pod must be an object like a part of a Kubernetes Pod: %w", spec.Name, err)
		}
		delete(patch, "apiVersion")
		delete(patch, "kind")
		if patch["spec"] == nil && patch["metadata"] == nil && len(patch) > 0 {
			patch = map[string]any{"spec": patch}
		}
	}
	if len(spec.Sidecars) == 0 {
		return patch, nil
	}
	inner, ok := patch["spec"].(map[string]any)
	if !ok {
		inner = map[string]any{}
		patch["spec"] = inner
	}
	list, _ := inner["containers"].([]any)
	for _, raw := range spec.Sidecars {
		var c map[string]any
		if err := decode(raw, &c); err != nil {
			return nil, brigade.Errorf(brigade.CodeJobStart, "job %q: a sidecar must be an object like a container of a Kubernetes Pod: %w", spec.Name, err)
		}
		list = append(list, c)
	}
	inner["containers"] = list
	return patch, nil
}

func decode(raw json.RawMessage, into any) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	return dec.Decode(into)
}

// overlaying judges one overlay.
type overlaying struct {
	r *Runner
	p *plan
}

func (o overlaying) deny(field, why string) error {
	allowed := "nothing"
	if len(o.r.opt.Overlay) > 0 {
		allowed = strings.Join(o.r.opt.Overlay, ", ")
	}
	return brigade.Errorf(brigade.CodeJobForbidden, "job %q may not set %s of its pod: %s", o.p.spec.Name, field, why).
		WithHint("scripts may set %s; whoever runs the installation can allow more with --job-overlay", allowed)
}

// check walks the overlay down to the fields that the policy opens.
func (o overlaying) check(v any, path string) error {
	if path != "" {
		for _, field := range reserved {
			if within(path, field) {
				return o.deny(path, "it is Brigade's own")
			}
		}
		for _, field := range o.r.opt.Overlay {
			if within(path, field) {
				return nil
			}
		}
	}
	fields, isObject := v.(map[string]any)
	switch {
	case path == "spec.containers" || path == "spec.initContainers":
		return o.containers(v, path)
	case path == "spec.securityContext" && slices.Contains(o.r.opt.Overlay, overlayNarrow):
		return o.narrows(v, path)
	case path == "" || path == "spec" || path == "metadata" || isObject && o.opensBelow(path):
		if !isObject {
			return brigade.Errorf(brigade.CodeJobStart, "job %q: %s of its pod must be an object", o.p.spec.Name, or(path, "the overlay"))
		}
		for _, name := range sorted(fields) {
			if err := o.check(fields[name], strings.TrimPrefix(path+"."+name, ".")); err != nil {
				return err
			}
		}
		return nil
	}
	return o.deny(path, "the installation does not let scripts set it")
}

// opensBelow reports whether the policy opens a field within path.
func (o overlaying) opensBelow(path string) bool {
	return slices.ContainsFunc(o.r.opt.Overlay, func(field string) bool { return strings.HasPrefix(field, path+".") })
}

func within(path, field string) bool { return path == field || strings.HasPrefix(path, field+".") }

// containers judges the containers of an overlay: the job's own, of which only
// the security context may be narrowed, and further ones.
func (o overlaying) containers(v any, path string) error {
	list, ok := v.([]any)
	if !ok {
		return brigade.Errorf(brigade.CodeJobStart, "job %q: %s of its pod must be a list", o.p.spec.Name, path)
	}
	for _, item := range list {
		c, _ := item.(map[string]any)
		name, _ := c["name"].(string)
		at := path + "[" + name + "]"
		var err error
		switch {
		case name == "":
			return brigade.Errorf(brigade.CodeJobStart, "job %q: a container of its pod has no name", o.p.spec.Name)
		case name == objects.ContainerJob && path == "spec.containers":
			err = o.own(c, at)
		case o.known(name):
			return o.deny(at, "it is Brigade's own")
		case !slices.Contains(o.r.opt.Overlay, overlaySidecars):
			return o.deny(at, "the installation does not let scripts add containers")
		default:
			err = o.sidecar(c, at)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// known reports whether the pod has a container of that name.
func (o overlaying) known(name string) bool {
	for _, c := range slices.Concat(o.p.pod.Spec.InitContainers, o.p.pod.Spec.Containers) {
		if c.Name == name {
			return true
		}
	}
	return false
}

// own judges what an overlay sets of the job's container.
func (o overlaying) own(c map[string]any, at string) error {
	for _, field := range sorted(c) {
		switch {
		case field == "name":
		case slices.Contains(o.r.opt.Overlay, "spec.containers."+field):
		case field == "securityContext" && slices.Contains(o.r.opt.Overlay, overlayNarrow):
			if err := o.narrows(c[field], at+"."+field); err != nil {
				return err
			}
		default:
			return o.deny(at+"."+field, "the installation does not let scripts set it")
		}
	}
	return nil
}

// sidecars takes the further containers out of the overlay: they run as native
// sidecars, which end when the job does.
func (o overlaying) sidecars(patch map[string]any) ([]corev1.Container, error) {
	spec, _ := patch["spec"].(map[string]any)
	var out []corev1.Container
	for _, field := range []string{"initContainers", "containers"} {
		list, _ := spec[field].([]any)
		var rest []any
		for _, item := range list {
			c, _ := item.(map[string]any)
			if c["name"] == objects.ContainerJob {
				rest = append(rest, item)
				continue
			}
			var sidecar corev1.Container
			if err := convert(c, &sidecar); err != nil {
				return nil, brigade.Errorf(brigade.CodeJobStart, "job %q: container %v of its pod: %w", o.p.spec.Name, c["name"], err)
			}
			if field == "containers" {
				always := corev1.ContainerRestartPolicyAlways
				sidecar.RestartPolicy = &always
			}
			out = append(out, sidecar)
		}
		if delete(spec, field); len(rest) > 0 {
			spec[field] = rest
		}
	}
	return out, nil
}

// mergePod merges the overlay into the pod.
func mergePod(pod *corev1.Pod, patch map[string]any) (*corev1.Pod, error) {
	var whole map[string]any
	if err := convert(pod, &whole); err != nil {
		return nil, err
	}
	var merged corev1.Pod
	if err := convert(merge(whole, patch, ""), &merged); err != nil {
		return nil, err
	}
	return &merged, nil
}

// convert turns a value into another by way of JSON. Fields that do not exist
// are an error.
func convert(from, to any) error {
	text, err := json.Marshal(from)
	if err != nil {
		return err
	}
	return strictly(text, to)
}

// strictly reads JSON as the API server does: names of fields count as they are
// written. encoding/json would take HostPath for hostPath, which nobody who
// looks for hostPath has seen.
func strictly(text []byte, to any) error {
	strict, err := kjson.UnmarshalStrict(text, to)
	if err != nil {
		return err
	}
	return errors.Join(strict...)
}

// merge puts patch over base: objects field by field, lists as keyOf says. null
// changes nothing: an overlay adds.
func merge(base, patch any, field string) any {
	if patch == nil {
		return base
	}
	switch p := patch.(type) {
	case map[string]any:
		b, ok := base.(map[string]any)
		if !ok {
			b = map[string]any{}
		}
		for k, v := range p {
			b[k] = merge(b[k], v, k)
		}
		return b
	case []any:
		b, ok := base.([]any)
		if !ok {
			return p
		}
		return mergeLists(b, p, field)
	}
	return patch
}

func mergeLists(base, patch []any, field string) any {
	if _, objects := first(patch).(map[string]any); !objects {
		return patch
	}
	key := keyOf[field]
	for _, item := range patch {
		at := -1
		if m, ok := item.(map[string]any); ok && key != "" {
			at = slices.IndexFunc(base, func(e any) bool {
				b, ok := e.(map[string]any)
				return ok && fmt.Sprint(b[key]) == fmt.Sprint(m[key])
			})
		}
		if at < 0 {
			base = append(base, item)
			continue
		}
		base[at] = merge(base[at], item, "")
	}
	return base
}

func first(list []any) any {
	if len(list) == 0 {
		return nil
	}
	return list[0]
}
