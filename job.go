package brigade

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// MaxJobNameLength is the longest name a job may have.
const MaxJobNameLength = 36

var jobName = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$`)

// JobSpec is what a script asks for with new Job(…): a container with a few
// shell tasks. The JSON names are the fields' names in JavaScript.
type JobSpec struct {
	Name             string              `json:"name"`
	Image            string              `json:"image,omitempty"`
	Shell            string              `json:"shell,omitempty"` // default /bin/sh
	Tasks            []string            `json:"tasks,omitempty"`
	Args             []string            `json:"args,omitempty"`
	Env              map[string]EnvValue `json:"env,omitempty"`
	ImageForcePull   bool                `json:"imageForcePull,omitempty"`
	ImagePullSecrets []string            `json:"imagePullSecrets,omitempty"`
	MountPath        string              `json:"mountPath,omitempty"` // where the source is; default /src
	Timeout          int64               `json:"timeout,omitempty"`   // milliseconds; default 900000
	UseSource        bool                `json:"useSource"`
	Privileged       bool                `json:"privileged,omitempty"`
	ServiceAccount   string              `json:"serviceAccount,omitempty"`
	ResourceRequests Resources           `json:"resourceRequests,omitzero"`
	ResourceLimits   Resources           `json:"resourceLimits,omitzero"`
	Host             JobHost             `json:"host,omitzero"`
	Cache            JobCache            `json:"cache,omitzero"`
	Storage          JobStorage          `json:"storage,omitzero"`
	Docker           JobDocker           `json:"docker,omitzero"`
	Volumes          []Volume            `json:"volumes,omitempty"`
	VolumeMounts     []VolumeMount       `json:"volumeMounts,omitempty"`
	Annotations      map[string]string   `json:"annotations,omitempty"`
	StreamLogs       bool                `json:"streamLogs,omitempty"`

	// What v1 does not have.
	Retry     *Retry   `json:"retry,omitempty"`     // run it again when it fails
	Fallible  bool     `json:"fallible,omitempty"`  // its failure resolves run() instead of rejecting it
	Artifacts []string `json:"artifacts,omitempty"` // paths and patterns, relative to mountPath, of files to keep

	// In a cluster only: a part of a Kubernetes Pod that is merged into the
	// job's, as far as the installation allows it, and containers that run
	// beside the job's and end with it.
	Pod      json.RawMessage   `json:"pod,omitempty"`
	Sidecars []json.RawMessage `json:"sidecars,omitempty"`
}

// EnvValue is a job's environment value: a string, or in a cluster a
// reference. In JSON it is a string, null (the empty string) or an object with
// one of the references.
type EnvValue struct {
	Value           string
	SecretKeyRef    *KeyRef
	ConfigMapKeyRef *KeyRef
	FieldPath       string
}

// KeyRef names a key of a Secret or ConfigMap.
type KeyRef struct {
	Name string `json:"name"`
	Key  string `json:"key"`
}

// IsRef reports whether the value comes from somewhere else.
func (v EnvValue) IsRef() bool {
	return v.SecretKeyRef != nil || v.ConfigMapKeyRef != nil || v.FieldPath != ""
}

type envRef struct {
	SecretKeyRef    *KeyRef   `json:"secretKeyRef,omitempty"`
	ConfigMapKeyRef *KeyRef   `json:"configMapKeyRef,omitempty"`
	FieldRef        *fieldRef `json:"fieldRef,omitempty"`
}

type fieldRef struct {
	FieldPath string `json:"fieldPath"`
}

// MarshalJSON writes a string, or an object for a reference.
func (v EnvValue) MarshalJSON() ([]byte, error) {
	if !v.IsRef() {
		return json.Marshal(v.Value)
	}
	ref := envRef{SecretKeyRef: v.SecretKeyRef, ConfigMapKeyRef: v.ConfigMapKeyRef}
	if v.FieldPath != "" {
		ref.FieldRef = &fieldRef{FieldPath: v.FieldPath}
	}
	return json.Marshal(ref)
}

// UnmarshalJSON reads what MarshalJSON writes; null is the empty string, and a
// number or boolean its text.
func (v *EnvValue) UnmarshalJSON(data []byte) error {
	*v = EnvValue{}
	data = bytes.TrimSpace(data)
	switch {
	case len(data) == 0 || bytes.Equal(data, []byte("null")):
		return nil
	case data[0] == '"':
		return json.Unmarshal(data, &v.Value)
	case data[0] == '{':
		var ref envRef
		if err := json.Unmarshal(data, &ref); err != nil {
			return err
		}
		v.SecretKeyRef, v.ConfigMapKeyRef = ref.SecretKeyRef, ref.ConfigMapKeyRef
		if ref.FieldRef != nil {
			v.FieldPath = ref.FieldRef.FieldPath
		}
		if !v.IsRef() {
			return fmt.Errorf("an environment value must be a string or have a secretKeyRef, configMapKeyRef or fieldRef")
		}
		return nil
	case data[0] == '[':
		return fmt.Errorf("an environment value must be a string, not a list")
	}
	v.Value = string(data)
	return nil
}

// Resources are Kubernetes quantities, such as cpu "500m" and memory "128Mi".
type Resources struct {
	CPU    string `json:"cpu,omitempty"`    // such as 500m: half a core
	Memory string `json:"memory,omitempty"` // such as 128Mi
}

// JobHost says on which node a job runs, in a cluster.
type JobHost struct {
	OS           string            `json:"os,omitempty"`
	Name         string            `json:"name,omitempty"`
	NodeSelector map[string]string `json:"nodeSelector,omitempty"`
}

// JobCache is a directory kept between builds for jobs of this name. Without
// a key there is one for all of them; with keys there is one for each.
type JobCache struct {
	Enabled bool   `json:"enabled,omitempty"`
	Size    string `json:"size,omitempty"` // default 5Mi
	Path    string `json:"path,omitempty"` // default /mnt/brigade/cache
	// Key names what the cache is for, such as the checksum of a lock file. A
	// job gets the cache of that key, and what it leaves is kept under it.
	Key string `json:"key,omitempty"`
	// RestoreKeys are what else will do where there is none of that key: the
	// newest whose key begins with the first of them that any begins with.
	RestoreKeys []string `json:"restoreKeys,omitempty"`
}

// Bounds of cache keys.
const (
	MaxCacheKey         = 200 // characters; what is not a to z, 0 to 9 or a dash counts three times
	MaxCacheRestoreKeys = 10
)

// Validate reports keys that cannot be used, as an Error of CodeInvalid.
func (c JobCache) Validate() error {
	if len(c.RestoreKeys) > 0 && c.Key == "" {
		return Errorf(CodeInvalid, "a cache with restoreKeys needs a key").WithHint("set job.cache.key: what the job leaves is kept under it")
	}
	if len(c.RestoreKeys) > MaxCacheRestoreKeys {
		return Errorf(CodeInvalid, "a cache has at most %d restoreKeys, not %d", MaxCacheRestoreKeys, len(c.RestoreKeys))
	}
	for _, key := range append([]string{c.Key}, c.RestoreKeys...) {
		n := 0
		for i := range len(key) {
			switch b := key[i]; {
			case b < ' ' || b == 0x7f:
				return Errorf(CodeInvalid, "the cache key %.60q is not a line of text", key)
			case b >= 'a' && b <= 'z', b >= '0' && b <= '9', b == '-':
				n++
			default:
				n += 3
			}
		}
		if n > MaxCacheKey {
			return Errorf(CodeInvalid, "the cache key %.40q… is too long", key).
				WithHint("it may have %d characters, of which others than a to z, 0 to 9 and dashes count three times: use a checksum", MaxCacheKey)
		}
	}
	return nil
}

// JobStorage is a directory shared by all jobs of one build.
type JobStorage struct {
	Enabled bool   `json:"enabled,omitempty"`
	Path    string `json:"path,omitempty"` // default /mnt/brigade/share
}

// JobDocker mounts the engine's socket into the job, where the project allows it.
type JobDocker struct {
	Enabled bool `json:"enabled,omitempty"`
}

// Volume is a Kubernetes volume. EmptyDir and HostPath are understood by every
// runner; Other keeps the rest (configMap, secret …) for runners in a cluster.
type Volume struct {
	Name     string
	EmptyDir *EmptyDir
	HostPath *HostPath
	Other    map[string]json.RawMessage
}

// EmptyDir is a directory that starts empty and goes with the job.
type EmptyDir struct {
	Medium    string `json:"medium,omitempty"` // "Memory" for tmpfs
	SizeLimit string `json:"sizeLimit,omitempty"`
}

// HostPath is a path of the machine, where the project allows host mounts.
type HostPath struct {
	Path string `json:"path"`
	Type string `json:"type,omitempty"`
}

// MarshalJSON writes the Kubernetes form.
func (v Volume) MarshalJSON() ([]byte, error) {
	m := map[string]any{"name": v.Name}
	for k, raw := range v.Other {
		m[k] = raw
	}
	if v.EmptyDir != nil {
		m["emptyDir"] = v.EmptyDir
	}
	if v.HostPath != nil {
		m["hostPath"] = v.HostPath
	}
	return json.Marshal(m)
}

// UnmarshalJSON reads the Kubernetes form.
func (v *Volume) UnmarshalJSON(data []byte) error {
	*v = Volume{}
	var m map[string]json.RawMessage
	if err := json.Unmarshal(data, &m); err != nil {
		return err
	}
	for k, raw := range m {
		var err error
		switch k {
		case "name":
			err = json.Unmarshal(raw, &v.Name)
		case "emptyDir":
			v.EmptyDir = &EmptyDir{}
			err = json.Unmarshal(raw, v.EmptyDir)
		case "hostPath":
			v.HostPath = &HostPath{}
			err = json.Unmarshal(raw, v.HostPath)
		default:
			if v.Other == nil {
				v.Other = map[string]json.RawMessage{}
			}
			v.Other[k] = raw
		}
		if err != nil {
			return fmt.Errorf("volume field %s: %w", k, err)
		}
	}
	return nil
}

// VolumeMount puts a volume at a path of the job.
type VolumeMount struct {
	Name      string `json:"name"`
	MountPath string `json:"mountPath"`
	SubPath   string `json:"subPath,omitempty"`
	ReadOnly  bool   `json:"readOnly,omitempty"`
}

// ValidJobName reports whether name follows v1's rule: at most 36 characters
// of a to z, 0 to 9, dot and dash, with a letter or digit at both ends.
func ValidJobName(name string) bool {
	return len(name) <= MaxJobNameLength && jobName.MatchString(name)
}

// WithDefaults returns s with every empty field set to its default.
func (s JobSpec) WithDefaults() JobSpec {
	set := func(to *string, value string) {
		if *to == "" {
			*to = value
		}
	}
	set(&s.Shell, "/bin/sh")
	set(&s.MountPath, "/src")
	set(&s.Cache.Size, "5Mi")
	set(&s.Cache.Path, "/mnt/brigade/cache")
	set(&s.Storage.Path, "/mnt/brigade/share")
	if s.Timeout <= 0 {
		s.Timeout = DefaultJobTimeout.Milliseconds()
	}
	return s
}

// Validate reports the first rule that s breaks, as an Error of CodeInvalid.
func (s JobSpec) Validate() error {
	if !ValidJobName(s.Name) {
		return Errorf(CodeInvalid, "job name %q is not allowed", s.Name).
			WithHint("use at most %d characters of a-z, 0-9, dot and dash, starting and ending with a letter or digit", MaxJobNameLength)
	}
	if s.Image == "" && len(s.Tasks) == 0 {
		return Errorf(CodeInvalid, "job %q has neither an image nor tasks", s.Name).
			WithHint(`write new Job(%q, "alpine:3.20", ["echo hello"])`, s.Name)
	}
	if err := s.Cache.Validate(); err != nil {
		return fmt.Errorf("job %q: %w", s.Name, err)
	}
	volumes := map[string]bool{}
	for _, v := range s.Volumes {
		volumes[v.Name] = true
	}
	for _, m := range s.VolumeMounts {
		if !volumes[m.Name] {
			return Errorf(CodeInvalid, "job %q mounts volume %q, which it does not have", s.Name, m.Name).
				WithHint("add a volume of that name to job.volumes")
		}
	}
	return nil
}

// Main returns the text of /hook/main.sh: a #! line, strict mode for shells
// that are known to have it, then the tasks, one per line. It is empty without
// tasks: then the image's own command runs.
func (s JobSpec) Main() string {
	if len(s.Tasks) == 0 {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "#!%s\n\n", s.Shell)
	switch s.Shell {
	case "/bin/sh":
		b.WriteString("set -e\n")
	case "/bin/bash":
		b.WriteString("set -eo pipefail\n")
	}
	for _, task := range s.Tasks {
		b.WriteString(task)
		b.WriteByte('\n')
	}
	return b.String()
}

// Job is one run of a JobSpec within a build.
type Job struct {
	ID        string         `json:"id"` // <name>-<build ID>: the pod's name in a cluster
	BuildID   string         `json:"buildID"`
	Name      string         `json:"name"`
	Spec      JobSpec        `json:"spec"`
	State     State          `json:"state"`
	Failure   *Error         `json:"failure,omitempty"`
	Attempt   int            `json:"attempt"`
	ExitCode  int            `json:"exitCode"` // meaningful once ended
	Created   time.Time      `json:"created"`
	Started   time.Time      `json:"started,omitzero"`
	Ended     time.Time      `json:"ended,omitzero"`
	Handle    string         `json:"handle,omitempty"` // by which its runner finds it again
	Outputs   map[string]any `json:"outputs,omitempty"`
	LogBytes  int64          `json:"logBytes"`            // as printed, before the cap
	Truncated bool           `json:"truncated,omitempty"` // the kept log is not all of it
	Inherited string         `json:"inherited,omitempty"` // the build whose result was taken over instead of running it
	Artifacts []Artifact     `json:"artifacts,omitempty"`
	History   []Step         `json:"history,omitempty"` // every change of state

	Retries      int   `json:"retries,omitempty"`      // how often it was run again because it failed, see JobSpec.Retry
	BuildRetries int   `json:"buildRetries,omitempty"` // Build.Retries when it ran: what failed before the last retry of the build runs again
	LogFrom      int64 `json:"logFrom,omitempty"`      // Seq of the last line in its log that its last attempt did not print

	Parts []LogPart `json:"parts,omitempty"` // where its tasks begin in its log, once it has ended and where its runner can tell
}

// LogPart is where the output of a task begins.
type LogPart struct {
	Task int   `json:"task"` // counts from 1
	Line int64 `json:"line"` // Seq of the first line
}

// Artifact is a file that a job left behind and that was kept.
type Artifact struct {
	Name   string `json:"name"` // its path, relative to the job's mountPath
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}
