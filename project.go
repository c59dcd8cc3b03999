package brigade

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// Project is what events belong to: a repository, its settings and its secrets.
// The settings and their defaults are those of Brigade v1; unset strings mean
// the installation's default.
type Project struct {
	ID         string `json:"id"`
	Name       string `json:"name"`                 // as people type it, such as "acme/app"
	Repository string `json:"repository,omitempty"` // such as "github.com/acme/app"; scripts see it as project.name
	Repo       Repo   `json:"repo"`

	DefaultScript     string `json:"defaultScript,omitempty"`
	DefaultScriptName string `json:"defaultScriptName,omitempty"` // a ConfigMap, in a cluster
	DefaultConfig     string `json:"defaultConfig,omitempty"`
	DefaultConfigName string `json:"defaultConfigName,omitempty"`
	ScriptPath        string `json:"brigadejsPath,omitempty"`     // relative to the repository
	ConfigPath        string `json:"brigadeConfigPath,omitempty"` // relative to the repository

	SharedSecret         string         `json:"sharedSecret,omitempty"`
	GenericGatewaySecret string         `json:"genericGatewaySecret,omitempty"`
	Secrets              map[string]any `json:"secrets,omitempty"` // values may be nested
	GitHub               GitHub         `json:"github"`

	Kubernetes       Kubernetes  `json:"kubernetes"`
	Worker           WorkerImage `json:"worker"`
	WorkerCommand    string      `json:"workerCommand,omitempty"`
	ImagePullSecrets []string    `json:"imagePullSecrets,omitempty"`

	AllowPrivilegedJobs bool `json:"allowPrivilegedJobs"`
	AllowHostMounts     bool `json:"allowHostMounts"`
}

// Repo is where a project's files are, and what opens it.
type Repo struct {
	CloneURL       string `json:"cloneURL,omitempty"`
	InitSubmodules bool   `json:"initGitSubmodules,omitempty"`
	SSHKey         string `json:"sshKey,omitempty"`
	SSHCert        string `json:"sshCert,omitempty"`
	Token          string `json:"token,omitempty"`
}

// GitHub holds the addresses of a GitHub Enterprise server; empty means github.com.
type GitHub struct {
	BaseURL   string `json:"baseURL,omitempty"`
	UploadURL string `json:"uploadURL,omitempty"`
}

// Kubernetes holds the settings that only mean something in a cluster.
type Kubernetes struct {
	Namespace         string    `json:"namespace,omitempty"`
	ServiceAccount    string    `json:"serviceAccount,omitempty"`
	VCSSidecar        string    `json:"vcsSidecar,omitempty"`
	SidecarLimits     Resources `json:"vcsSidecarResourcesLimits"`
	SidecarRequests   Resources `json:"vcsSidecarResourcesRequests"`
	BuildStorageSize  string    `json:"buildStorageSize,omitempty"`
	BuildStorageClass string    `json:"buildStorageClass,omitempty"`
	CacheStorageClass string    `json:"cacheStorageClass,omitempty"`
	AllowSecretKeyRef bool      `json:"allowSecretKeyRef,omitempty"`
}

// WorkerImage names the image of a custom worker, in a cluster.
type WorkerImage struct {
	Registry   string `json:"registry,omitempty"`
	Name       string `json:"name,omitempty"`
	Tag        string `json:"tag,omitempty"`
	PullPolicy string `json:"pullPolicy,omitempty"`
}

// NewProject returns a project with v1's defaults: privileged jobs allowed,
// host mounts not, 50Mi of build storage.
func NewProject(name string) *Project {
	return &Project{
		ID:                  ProjectID(name),
		Name:                name,
		Repository:          name,
		AllowPrivilegedJobs: true,
		Kubernetes:          Kubernetes{BuildStorageSize: "50Mi"},
	}
}

// ProjectID returns the ID of the project of that name: "brigade-" and the
// first 54 hex digits of the name's SHA-256. A name that starts with
// "brigade-" is an ID already.
func ProjectID(name string) string {
	if strings.HasPrefix(name, "brigade-") {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	return "brigade-" + hex.EncodeToString(sum[:])[:54]
}

// WithoutSecrets returns a copy of p that carries no secret of any kind, for
// logs, answers and events that are not to be trusted.
func (p *Project) WithoutSecrets() *Project {
	c := *p
	c.Secrets = nil
	c.SharedSecret, c.GenericGatewaySecret = "", ""
	c.Repo.SSHKey, c.Repo.SSHCert, c.Repo.Token = "", "", ""
	return &c
}

// SecretValues returns every secret string of p, nested ones too, for masking.
func (p *Project) SecretValues() []string {
	values := []string{p.SharedSecret, p.GenericGatewaySecret, p.Repo.SSHKey, p.Repo.SSHCert, p.Repo.Token}
	return appendStrings(values, p.Secrets)
}

func appendStrings(to []string, v any) []string {
	switch v := v.(type) {
	case string:
		return append(to, v)
	case map[string]any:
		for _, e := range v {
			to = appendStrings(to, e)
		}
	case []any:
		for _, e := range v {
			to = appendStrings(to, e)
		}
	}
	return to
}
