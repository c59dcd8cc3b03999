package projectfile

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	brigade "github.com/brigadecore/brigade/v3"
)

// ownKey holds, as JSON, the settings that v1 does not have. v1 passes it over.
const ownKey = "brigade.v3"

// key is one entry of a project's Secret: how it is written and how read. set
// gets values that are not empty; its warning is about a value it had to guess.
type key struct {
	name     string
	get      func(*brigade.Project) (string, error)
	set      func(*brigade.Project, string) (warning string, err error)
	optional bool // not written when empty
}

// keys are all entries, in the order of v1's documentation.
var keys = []key{
	plain("sharedSecret", func(p *brigade.Project) *string { return &p.SharedSecret }),
	plain("github.token", func(p *brigade.Project) *string { return &p.Repo.Token }),
	plain("github.baseURL", func(p *brigade.Project) *string { return &p.GitHub.BaseURL }),
	plain("github.uploadURL", func(p *brigade.Project) *string { return &p.GitHub.UploadURL }),
	plain("vcsSidecar", func(p *brigade.Project) *string { return &p.Kubernetes.VCSSidecar }),
	plain("vcsSidecarResources.limits.cpu", func(p *brigade.Project) *string { return &p.Kubernetes.SidecarLimits.CPU }),
	plain("vcsSidecarResources.limits.memory", func(p *brigade.Project) *string { return &p.Kubernetes.SidecarLimits.Memory }),
	plain("vcsSidecarResources.requests.cpu", func(p *brigade.Project) *string { return &p.Kubernetes.SidecarRequests.CPU }),
	plain("vcsSidecarResources.requests.memory", func(p *brigade.Project) *string { return &p.Kubernetes.SidecarRequests.Memory }),
	plain("namespace", func(p *brigade.Project) *string { return &p.Kubernetes.Namespace }),
	plain("serviceAccount", func(p *brigade.Project) *string { return &p.Kubernetes.ServiceAccount }),
	plain("buildStorageSize", func(p *brigade.Project) *string { return &p.Kubernetes.BuildStorageSize }),
	plain("defaultScript", func(p *brigade.Project) *string { return &p.DefaultScript }),
	plain("defaultScriptName", func(p *brigade.Project) *string { return &p.DefaultScriptName }),
	plain("defaultConfig", func(p *brigade.Project) *string { return &p.DefaultConfig }),
	plain("defaultConfigName", func(p *brigade.Project) *string { return &p.DefaultConfigName }),
	plain("repository", func(p *brigade.Project) *string { return &p.Repository }),
	plain("cloneURL", func(p *brigade.Project) *string { return &p.Repo.CloneURL }),
	lines("sshKey", func(p *brigade.Project) *string { return &p.Repo.SSHKey }),
	lines("sshCert", func(p *brigade.Project) *string { return &p.Repo.SSHCert }),
	absent("knownHosts", func(p *brigade.Project) *string { return &p.Repo.KnownHosts }),
	{name: "secrets", get: getSecrets, set: setSecrets},
	plain("worker.registry", func(p *brigade.Project) *string { return &p.Worker.Registry }),
	plain("worker.name", func(p *brigade.Project) *string { return &p.Worker.Name }),
	plain("worker.tag", func(p *brigade.Project) *string { return &p.Worker.Tag }),
	plain("worker.pullPolicy", func(p *brigade.Project) *string { return &p.Worker.PullPolicy }),
	plain("workerCommand", func(p *brigade.Project) *string { return &p.WorkerCommand }),
	truth("initGitSubmodules", func(p *brigade.Project) *bool { return &p.Repo.InitSubmodules }),
	{name: "imagePullSecrets", get: getPullSecrets, set: setPullSecrets},
	truth("allowPrivilegedJobs", func(p *brigade.Project) *bool { return &p.AllowPrivilegedJobs }),
	truth("allowHostMounts", func(p *brigade.Project) *bool { return &p.AllowHostMounts }),
	plain("brigadejsPath", func(p *brigade.Project) *string { return &p.ScriptPath }),
	plain("brigadeConfigPath", func(p *brigade.Project) *string { return &p.ConfigPath }),
	plain("genericGatewaySecret", func(p *brigade.Project) *string { return &p.GenericGatewaySecret }),
	plain("kubernetes.cacheStorageClass", func(p *brigade.Project) *string { return &p.Kubernetes.CacheStorageClass }),
	plain("kubernetes.buildStorageClass", func(p *brigade.Project) *string { return &p.Kubernetes.BuildStorageClass }),
	truth("kubernetes.allowSecretKeyRef", func(p *brigade.Project) *bool { return &p.Kubernetes.AllowSecretKeyRef }),
	{name: ownKey, get: getOwn, set: setOwn, optional: true},
}

func isKey(name string) bool {
	for _, k := range keys {
		if k.name == name {
			return true
		}
	}
	return false
}

func keyNames() []string {
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = k.name
	}
	return names
}

// plain is a text.
func plain(name string, of func(*brigade.Project) *string) key {
	return key{
		name: name,
		get:  func(p *brigade.Project) (string, error) { return *of(p), nil },
		set:  func(p *brigade.Project, v string) (string, error) { *of(p) = v; return "", nil },
	}
}

// absent is a text that v1 does not know: it is not written when it is empty.
func absent(name string, of func(*brigade.Project) *string) key {
	k := plain(name, of)
	k.optional = true
	return k
}

// lines is a text of several lines, with $ for their ends.
func lines(name string, of func(*brigade.Project) *string) key {
	return key{
		name: name,
		get:  func(p *brigade.Project) (string, error) { return strings.ReplaceAll(*of(p), "\n", "$"), nil },
		set: func(p *brigade.Project, v string) (string, error) {
			*of(p) = strings.ReplaceAll(v, "$", "\n")
			return "", nil
		},
	}
}

// truth is true or false. What is neither is false: the safe side of all of them.
func truth(name string, of func(*brigade.Project) *bool) key {
	return key{
		name: name,
		get:  func(p *brigade.Project) (string, error) { return strconv.FormatBool(*of(p)), nil },
		set: func(p *brigade.Project, v string) (string, error) {
			switch strings.ToLower(strings.TrimSpace(v)) {
			case "true", "1":
				*of(p) = true
			case "false", "0":
				*of(p) = false
			default:
				*of(p) = false
				return "neither true nor false, and taken as false", nil
			}
			return "", nil
		},
	}
}

// jsonText is v as JSON, without escapes for HTML. v came from JSON or YAML.
func jsonText(v any) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if enc.Encode(v) != nil {
		return "{}"
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func getSecrets(p *brigade.Project) (string, error) {
	if len(p.Secrets) == 0 {
		return "{}", nil
	}
	if _, err := json.Marshal(p.Secrets); err != nil {
		return "", fmt.Errorf("a secret cannot be written as JSON: %w", err)
	}
	return jsonText(p.Secrets), nil
}

func setSecrets(p *brigade.Project, v string) (string, error) {
	var object map[string]any
	if json.Unmarshal([]byte(v), &object) != nil { // its error may show a value
		return "", fmt.Errorf("it must hold a JSON object")
	}
	if len(object) > 0 {
		p.Secrets = object
	}
	return "", nil
}

func getPullSecrets(p *brigade.Project) (string, error) {
	return strings.Join(p.ImagePullSecrets, ","), nil
}

func setPullSecrets(p *brigade.Project, v string) (string, error) {
	for name := range strings.SplitSeq(v, ",") {
		if name = strings.TrimSpace(name); name != "" {
			p.ImagePullSecrets = append(p.ImagePullSecrets, name)
		}
	}
	return "", nil
}

// own are the settings that v1 does not have.
type own struct {
	Limits        brigade.Limits          `json:"limits,omitzero"`
	Concurrency   *brigade.Concurrency    `json:"concurrency,omitempty"`
	Priorities    map[string]int          `json:"priorities,omitempty"`
	Subscriptions []brigade.Subscription  `json:"subscriptions,omitempty"`
	Schedules     []brigade.Schedule      `json:"schedules,omitempty"`
	Retry         *brigade.Retry          `json:"retry,omitempty"`
	Retention     *brigade.Retention      `json:"retention,omitempty"`
	Forks         brigade.Forks           `json:"forks,omitzero"`
	Registry      brigade.RegistryGateway `json:"registryGateway,omitzero"`
	NoReports     bool                    `json:"noReports,omitempty"`
	PublicBadge   bool                    `json:"publicBadge,omitempty"`
}

func getOwn(p *brigade.Project) (string, error) {
	text := jsonText(own{
		p.Limits, p.Concurrency, p.Priorities, p.Subscriptions, p.Schedules,
		p.Retry, p.Retention, p.Forks, p.Registry, p.NoReports, p.PublicBadge,
	})
	if text == "{}" {
		return "", nil
	}
	return text, nil
}

func setOwn(p *brigade.Project, v string) (string, error) {
	var o own
	dec := json.NewDecoder(strings.NewReader(v))
	dec.DisallowUnknownFields()
	warning := ""
	if dec.Decode(&o) != nil { // its error may show a value
		o = own{}
		if json.Unmarshal([]byte(v), &o) != nil {
			return "", fmt.Errorf("it does not hold the settings it should")
		}
		warning = "it has settings that this version does not know"
	}
	p.Limits, p.Concurrency, p.Priorities, p.Subscriptions, p.Schedules = o.Limits, o.Concurrency, o.Priorities, o.Subscriptions, o.Schedules
	p.Retry, p.Retention, p.Forks, p.Registry, p.NoReports, p.PublicBadge = o.Retry, o.Retention, o.Forks, o.Registry, o.NoReports, o.PublicBadge
	return warning, nil
}

func decodeBase64(text string) ([]byte, error) {
	return base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
}
