package pods

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/lazyregexp"
	"github.com/brigadecore/brigade/v3/kube/objects"
)

// secretKey is what a key of a Secret may look like.
var secretKey = lazyregexp.New(`^[-._a-zA-Z0-9]{1,253}$`)

// env gives the job its variables: strings by way of the job's Secret,
// references as they are.
func (p *plan) env() error {
	for _, name := range sorted(p.spec.Env) {
		value := p.spec.Env[name]
		if name == "" || strings.ContainsAny(name, "=\x00") {
			return brigade.Errorf(brigade.CodeJobStart, "job %q: %q cannot be the name of an environment variable", p.spec.Name, name)
		}
		if strings.ContainsRune(value.Value, 0) {
			return brigade.Errorf(brigade.CodeJobStart, "job %q: the environment variable %s contains a NUL byte", p.spec.Name, name)
		}
		if name == outputVariable {
			continue // ours
		}
		p.main().Env = append(p.main().Env, p.variable(name, value))
	}
	if len(p.spec.Tasks) > 0 {
		p.secretData(scriptKey, p.spec.Main())
	}
	// The kubelet reads this file when the container has ended.
	p.main().Env = append(p.main().Env, corev1.EnvVar{Name: outputVariable, Value: terminationLog})
	return nil
}

func (p *plan) variable(name string, value brigade.EnvValue) corev1.EnvVar {
	from := &corev1.EnvVarSource{}
	switch {
	case value.SecretKeyRef != nil:
		from.SecretKeyRef = &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: value.SecretKeyRef.Name}, Key: value.SecretKeyRef.Key}
	case value.ConfigMapKeyRef != nil:
		from.ConfigMapKeyRef = &corev1.ConfigMapKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: value.ConfigMapKeyRef.Name}, Key: value.ConfigMapKeyRef.Key}
	case value.FieldPath != "":
		from.FieldRef = &corev1.ObjectFieldSelector{FieldPath: value.FieldPath}
	default:
		return p.secretValue(name, name, value.Value)
	}
	return corev1.EnvVar{Name: name, ValueFrom: from}
}

// secretValue puts a variable's value into the job's Secret, under a key like
// wanted where that can be one.
func (p *plan) secretValue(name, wanted, value string) corev1.EnvVar {
	if !secretKey.MatchString(wanted) || wanted == scriptKey || strings.HasPrefix(wanted, "..") {
		sum := sha256.Sum256([]byte(wanted))
		wanted = "env-" + hex.EncodeToString(sum[:])[:hashDigits]
	}
	p.secretData(wanted, value)
	return corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
		LocalObjectReference: corev1.LocalObjectReference{Name: p.secret.Name}, Key: wanted,
	}}}
}

// secretEnv is a variable of another container of the pod, which the job's own
// does not see.
func (p *plan) secretEnv(name, value string) corev1.EnvVar {
	v := p.secretValue(name, "own-"+name, value)
	p.private[v.ValueFrom.SecretKeyRef.Key] = true
	return v
}

func (p *plan) secretData(key, value string) {
	if p.secret == nil {
		labels := jobLabels(p.run.Job, p.project, p.worker)
		labels[objects.LabelExpires] = strconv.FormatInt(p.run.Job.Created.Add(keepSecret).UnixMilli(), 10)
		p.secret = &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{
				Name: secretName(p.run.Job), Namespace: p.pod.Namespace, Labels: labels,
				Annotations: map[string]string{annotationAttempt: strconv.Itoa(p.run.Job.Attempt)},
			},
			Type: objects.TypeJob, Data: map[string][]byte{},
		}
	}
	p.secret.Data[key] = []byte(value)
}

// secretName is the pod's name, as v1 has it. Further attempts, which v1 does
// not know, have Secrets of their own: what an earlier one read stays as it was,
// and no right to change or delete Secrets is needed.
func secretName(job *brigade.Job) string {
	if job.Attempt > 1 {
		return objectName(job.ID + ".attempt-" + strconv.Itoa(job.Attempt))
	}
	return podName(job)
}

// mountSecret shows the Secret to the job.
func (p *plan) mountSecret() {
	if p.secret == nil {
		return
	}
	source := &corev1.SecretVolumeSource{SecretName: p.secret.Name}
	if len(p.private) > 0 {
		for _, key := range sorted(p.secret.Data) {
			if !p.private[key] {
				source.Items = append(source.Items, corev1.KeyToPath{Key: key, Path: key})
			}
		}
		if source.Items == nil {
			return
		}
	}
	p.pod.Spec.Volumes = append([]corev1.Volume{{Name: hookVolume, VolumeSource: corev1.VolumeSource{Secret: source}}}, p.pod.Spec.Volumes...)
	p.main().VolumeMounts = append([]corev1.VolumeMount{{Name: hookVolume, MountPath: hookPath}}, p.main().VolumeMounts...)
}

func plainEnv(values map[string]string) []corev1.EnvVar {
	var env []corev1.EnvVar
	for _, name := range sorted(values) {
		env = append(env, corev1.EnvVar{Name: name, Value: values[name]})
	}
	return env
}

// setEnv adds variables, in place of those of the same name.
func setEnv(env, more []corev1.EnvVar) []corev1.EnvVar {
	for _, v := range more {
		replaced := false
		for i := range env {
			if env[i].Name == v.Name {
				env[i], replaced = v, true
			}
		}
		if !replaced {
			env = append(env, v)
		}
	}
	return env
}
