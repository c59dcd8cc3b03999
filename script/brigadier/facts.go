package brigadier

import (
	"encoding/json"

	"github.com/brigadecore/brigade/v3"
)

// The event and the project as handlers get them. The order of the fields is
// the order in which a script sees them.
type facts struct {
	Event   event   `json:"event"`
	Project project `json:"project"`
	// Also are further names under which the event is fired.
	Also []string `json:"also"`
}

type event struct {
	BuildID  string           `json:"buildID"`
	WorkerID string           `json:"workerID"`
	Type     string           `json:"type"`
	Provider string           `json:"provider"`
	CloneURL string           `json:"cloneURL"`
	Revision revision         `json:"revision"`
	Payload  string           `json:"payload"` // put in by brigadier.js
	LogLevel brigade.LogLevel `json:"logLevel"`
}

type revision struct {
	Commit string `json:"commit"`
	Ref    string `json:"ref"`
}

type project struct {
	ID                  string         `json:"id"`
	Name                string         `json:"name"`
	Repo                repo           `json:"repo"`
	Kubernetes          kubernetes     `json:"kubernetes"`
	Secrets             map[string]any `json:"secrets"`
	AllowPrivilegedJobs bool           `json:"allowPrivilegedJobs"`
	AllowHostMounts     bool           `json:"allowHostMounts"`
}

type repo struct {
	Name              string `json:"name"`
	CloneURL          string `json:"cloneURL"`
	InitGitSubmodules bool   `json:"initGitSubmodules"`
	SSHKey            string `json:"sshKey"`
	SSHCert           string `json:"sshCert"`
	Token             string `json:"token"`
}

type kubernetes struct {
	Namespace         string `json:"namespace"`
	VCSSidecar        string `json:"vcsSidecar"`
	BuildStorageSize  string `json:"buildStorageSize"`
	BuildStorageClass string `json:"buildStorageClass"`
	CacheStorageClass string `json:"cacheStorageClass"`
	LimitsCPU         string `json:"vcsSidecarResourcesLimitsCPU"`
	LimitsMemory      string `json:"vcsSidecarResourcesLimitsMemory"`
	RequestsCPU       string `json:"vcsSidecarResourcesRequestsCPU"`
	RequestsMemory    string `json:"vcsSidecarResourcesRequestsMemory"`
}

// facts returns the event and the project as JSON text, without the payload.
func (b *binding) facts() (string, error) {
	build, p := b.Run.Build, b.Run.Project
	f := facts{
		Event: event{
			BuildID:  build.ID,
			WorkerID: build.WorkerID(),
			Type:     build.Event.Type,
			Provider: build.Event.Provider,
			CloneURL: build.Event.CloneURL,
			Revision: revision{Commit: build.Event.Revision.Commit, Ref: build.Event.Revision.Ref},
			LogLevel: build.Event.LogLevel,
		},
		Project: project{
			ID:   p.ID,
			Name: p.Repository,
			Repo: repo{
				Name: p.Name, CloneURL: p.Repo.CloneURL, InitGitSubmodules: p.Repo.InitSubmodules,
				SSHKey: p.Repo.SSHKey, SSHCert: p.Repo.SSHCert, Token: p.Repo.Token,
			},
			Kubernetes: kubernetes{
				Namespace:         p.Kubernetes.Namespace,
				VCSSidecar:        p.Kubernetes.VCSSidecar,
				BuildStorageSize:  p.Kubernetes.BuildStorageSize,
				BuildStorageClass: p.Kubernetes.BuildStorageClass,
				CacheStorageClass: p.Kubernetes.CacheStorageClass,
				LimitsCPU:         p.Kubernetes.SidecarLimits.CPU,
				LimitsMemory:      p.Kubernetes.SidecarLimits.Memory,
				RequestsCPU:       p.Kubernetes.SidecarRequests.CPU,
				RequestsMemory:    p.Kubernetes.SidecarRequests.Memory,
			},
			Secrets:             p.Secrets,
			AllowPrivilegedJobs: p.AllowPrivilegedJobs,
			AllowHostMounts:     p.AllowHostMounts,
		},
	}
	f.Also = append([]string{}, build.Event.Also...)
	if f.Event.CloneURL == "" {
		f.Event.CloneURL = p.Repo.CloneURL
	}
	if f.Event.LogLevel == "" {
		f.Event.LogLevel = brigade.LevelLog
	}
	if f.Project.Secrets == nil {
		f.Project.Secrets = map[string]any{}
	}
	data, err := json.Marshal(f)
	return string(data), err
}
