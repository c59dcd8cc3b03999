package pods

import (
	"encoding/json"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// restrict gives the pod what the Pod Security Standard "restricted" asks for,
// where nothing is said already and the job is not privileged.
func (p *plan) restrict() {
	if p.spec.Privileged {
		return
	}
	pod := or(p.pod.Spec.SecurityContext, &corev1.PodSecurityContext{})
	p.pod.Spec.SecurityContext = pod
	pod.RunAsNonRoot = or(pod.RunAsNonRoot, new(true))
	pod.RunAsUser = or(pod.RunAsUser, new(int64(RestrictedUser)))
	pod.RunAsGroup = or(pod.RunAsGroup, new(int64(RestrictedUser)))
	pod.FSGroup = or(pod.FSGroup, new(int64(RestrictedUser)))
	pod.SeccompProfile = or(pod.SeccompProfile, &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault})
	for _, list := range [][]corev1.Container{p.pod.Spec.InitContainers, p.pod.Spec.Containers} {
		for i := range list {
			c := or(list[i].SecurityContext, &corev1.SecurityContext{})
			list[i].SecurityContext = c
			if c.Privileged != nil && *c.Privileged {
				continue
			}
			c.AllowPrivilegeEscalation = or(c.AllowPrivilegeEscalation, new(false))
			if c.Capabilities == nil {
				c.Capabilities = &corev1.Capabilities{}
			}
			if !slices.Contains(c.Capabilities.Drop, "ALL") {
				c.Capabilities.Drop = []corev1.Capability{"ALL"}
			}
		}
	}
}

// asRoot has a container of ours run as root, as v1's sidecars do: jobs mostly
// are root, and what they write can be read, and what they find is theirs.
func (p *plan) asRoot(c *corev1.Container) {
	c.SecurityContext = &corev1.SecurityContext{RunAsUser: new(int64(0)), AllowPrivilegeEscalation: new(false)}
	p.rooted[c.Name] = true
}

// users lets our containers run as whoever the pod runs as, where the script or
// the installation says who that is.
func (p *plan) users() {
	pod := p.pod.Spec.SecurityContext
	if pod == nil || pod.RunAsUser == nil && pod.RunAsNonRoot == nil {
		return
	}
	for i, c := range p.pod.Spec.InitContainers {
		if p.rooted[c.Name] {
			p.pod.Spec.InitContainers[i].SecurityContext.RunAsUser = nil
		}
	}
}

// narrows judges a security context: it may only take rights away.
func (o overlaying) narrows(v any, at string) error {
	fields, ok := v.(map[string]any)
	if !ok {
		return o.deny(at, "it is no object")
	}
	for _, name := range sorted(fields) {
		if !narrower(name, fields[name]) {
			return o.deny(at+"."+name, "a script may only take rights away")
		}
	}
	return nil
}

// narrower reports whether a field of a security context, so set, gives no
// right that a container does not have by default.
func narrower(name string, v any) bool {
	switch name {
	case "runAsNonRoot", "readOnlyRootFilesystem":
		return v == true
	case "allowPrivilegeEscalation", "privileged":
		return v == false
	case "runAsUser", "runAsGroup", "fsGroup":
		n, ok := v.(json.Number)
		return ok && n.String() != "0" && !strings.HasPrefix(n.String(), "-")
	case "fsGroupChangePolicy":
		return true
	case "capabilities":
		c, ok := v.(map[string]any)
		added, _ := c["add"].([]any)
		return ok && len(added) == 0
	case "seccompProfile", "appArmorProfile":
		profile, ok := v.(map[string]any)
		return ok && profile["type"] == "RuntimeDefault"
	}
	return false
}

// sidecar judges a further container. It may do what the job itself may, and
// nothing more.
func (o overlaying) sidecar(c map[string]any, at string) error {
	if context, ok := c["securityContext"]; ok {
		privileged, _ := context.(map[string]any)
		allowed := o.p.run.Project != nil && o.p.run.Project.AllowPrivilegedJobs
		if !(allowed && len(privileged) == 1 && privileged["privileged"] == true) {
			if err := o.narrows(context, at+".securityContext"); err != nil {
				return err
			}
		}
	}
	for _, field := range []string{"restartPolicy", "restartPolicyRules", "volumeDevices", "lifecycle"} {
		if v, ok := c[field]; ok && !(field == "restartPolicy" && v == "Always") {
			return o.deny(at+"."+field, "containers beside the job's cannot have it")
		}
	}
	ports, _ := c["ports"].([]any)
	for _, item := range ports {
		port, _ := item.(map[string]any)
		if port["hostPort"] != nil || port["hostIP"] != nil {
			return o.deny(at+".ports", "a script may not open ports of the node")
		}
	}
	if o.secretRefs(c) {
		return o.deny(at+".env", "the project's setting kubernetes.allowSecretKeyRef does not let jobs refer to Secrets")
	}
	mounts, _ := c["volumeMounts"].([]any)
	for _, item := range mounts {
		m, _ := item.(map[string]any)
		name, _ := m["name"].(string)
		if ours[name] && name != SourceVolume && name != storageVolume && name != cacheVolume {
			return o.deny(at+".volumeMounts", "volume "+name+" is Brigade's own")
		}
	}
	return nil
}

// secretRefs reports whether a container takes variables from Secrets and its
// project, or its event, does not allow that.
func (o overlaying) secretRefs(c map[string]any) bool {
	project, build := o.p.run.Project, o.p.run.Build
	if project != nil && project.Kubernetes.AllowSecretKeyRef && (build == nil || !build.Event.Untrusted) {
		return false
	}
	text, err := json.Marshal([]any{c["env"], c["envFrom"]})
	return err != nil || strings.Contains(string(text), `"secretKeyRef"`) || strings.Contains(string(text), `"secretRef"`)
}
