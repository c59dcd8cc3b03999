package api

import (
	"strings"
	"time"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/mask"
)

// The shapes of Brigade v1: names and order of the fields are what its
// clients, Kashti among them, expect.

type v1ProjectShape struct {
	ID                   string            `json:"id"`
	Name                 string            `json:"name"`
	Repo                 v1Repo            `json:"repo"`
	DefaultScript        string            `json:"defaultScript"`
	DefaultScriptName    string            `json:"defaultScriptName"`
	DefaultConfig        string            `json:"defaultConfig"`
	DefaultConfigName    string            `json:"defaultConfigName"`
	Kubernetes           v1Kubernetes      `json:"kubernetes"`
	GitHub               v1GitHub          `json:"github"`
	Secrets              map[string]string `json:"secrets"`
	Worker               v1WorkerImage     `json:"worker"`
	InitGitSubmodules    bool              `json:"initGitSubmodules"`
	AllowPrivilegedJobs  bool              `json:"allowPrivilegedJobs"`
	AllowHostMounts      bool              `json:"allowHostMounts"`
	ImagePullSecrets     string            `json:"imagePullSecrets"`
	WorkerCommand        string            `json:"workerCommand"`
	BrigadejsPath        string            `json:"brigadejsPath"`
	BrigadeConfigPath    string            `json:"brigadeConfigPath"`
	GenericGatewaySecret string            `json:"genericGatewaySecret"`
}

type v1Repo struct {
	Name     string `json:"name"`
	CloneURL string `json:"cloneURL"`
}

type v1Kubernetes struct {
	Namespace         string `json:"namespace"`
	VCSSidecar        string `json:"vcsSidecar"`
	BuildStorageSize  string `json:"buildStorageSize"`
	BuildStorageClass string `json:"buildStorageClass"`
	CacheStorageClass string `json:"cacheStorageClass"`
	AllowSecretKeyRef bool   `json:"allowSecretKeyRef"`
	ServiceAccount    string `json:"serviceAccount"`
}

type v1GitHub struct {
	BaseURL   string `json:"baseURL"`
	UploadURL string `json:"uploadURL"`
}

type v1WorkerImage struct {
	Registry   string `json:"registry"`
	Name       string `json:"name"`
	Tag        string `json:"tag"`
	PullPolicy string `json:"pullPolicy"`
}

type v1BuildShape struct {
	ID         string     `json:"id"`
	ProjectID  string     `json:"project_id"`
	Type       string     `json:"type"`
	Provider   string     `json:"provider"`
	ShortTitle string     `json:"short_title"`
	LongTitle  string     `json:"long_title"`
	CloneURL   string     `json:"clone_url"`
	Revision   v1Revision `json:"revision"`
	Payload    []byte     `json:"payload"`
	Script     []byte     `json:"script"`
	Config     []byte     `json:"config"`
	Worker     *v1Worker  `json:"worker"`
	LogLevel   string     `json:"log_level,omitempty"`
}

type v1Revision struct {
	Commit string `json:"commit"`
	Ref    string `json:"ref"`
}

type v1Worker struct {
	ID        string    `json:"id"`
	BuildID   string    `json:"build_id"`
	ProjectID string    `json:"project_id"`
	StartTime time.Time `json:"start_time"`
	EndTime   time.Time `json:"end_time"`
	ExitCode  int       `json:"exit_code"`
	Status    string    `json:"status"`
}

type v1JobShape struct {
	ID           string    `json:"id"`
	Name         string    `json:"name"`
	Image        string    `json:"image"`
	CreationTime time.Time `json:"creation_time"`
	StartTime    time.Time `json:"start_time"`
	EndTime      time.Time `json:"end_time"`
	ExitCode     int       `json:"exit_code"`
	Status       string    `json:"status"`
}

type v1Summary struct {
	Project   v1ProjectShape `json:"project"`
	LastBuild *v1BuildShape  `json:"lastBuild"`
}

func toV1Project(p *brigade.Project) v1ProjectShape {
	secrets := make(map[string]string, len(p.Secrets))
	for name := range p.Secrets {
		secrets[name] = redacted
	}
	gateway := ""
	if p.GenericGatewaySecret != "" {
		gateway = redacted // v1 showed it
	}
	repo := p.Repository
	if repo == "" {
		repo = p.Name
	}
	k := p.Kubernetes
	return v1ProjectShape{
		ID: p.ID, Name: p.Name, Repo: v1Repo{repo, cleanURL(p.Repo.CloneURL)},
		DefaultScript: p.DefaultScript, DefaultScriptName: p.DefaultScriptName,
		DefaultConfig: p.DefaultConfig, DefaultConfigName: p.DefaultConfigName,
		Kubernetes: v1Kubernetes{
			Namespace: k.Namespace, VCSSidecar: k.VCSSidecar, BuildStorageSize: k.BuildStorageSize, BuildStorageClass: k.BuildStorageClass,
			CacheStorageClass: k.CacheStorageClass, AllowSecretKeyRef: k.AllowSecretKeyRef, ServiceAccount: k.ServiceAccount,
		},
		GitHub:  v1GitHub{cleanURL(p.GitHub.BaseURL), cleanURL(p.GitHub.UploadURL)},
		Secrets: secrets,
		Worker:  v1WorkerImage{p.Worker.Registry, p.Worker.Name, p.Worker.Tag, p.Worker.PullPolicy},

		InitGitSubmodules: p.Repo.InitSubmodules, AllowPrivilegedJobs: p.AllowPrivilegedJobs, AllowHostMounts: p.AllowHostMounts,
		ImagePullSecrets: strings.Join(p.ImagePullSecrets, ","), WorkerCommand: p.WorkerCommand,
		BrigadejsPath: p.ScriptPath, BrigadeConfigPath: p.ConfigPath, GenericGatewaySecret: gateway,
	}
}

// toV1Build converts b. hide replaces secrets.
func toV1Build(b *brigade.Build, hide func(string) string) *v1BuildShape {
	e := &b.Event
	v := &v1BuildShape{
		ID: b.ID, ProjectID: b.ProjectID, Type: e.Type, Provider: e.Provider, ShortTitle: hide(e.ShortTitle), LongTitle: hide(e.LongTitle),
		CloneURL: hide(cleanURL(e.CloneURL)), Revision: v1Revision{e.Revision.Commit, e.Revision.Ref},
		Payload: []byte(hide(mask.Payload(e.Payload))), Script: []byte(hide(e.Script)), LogLevel: string(e.LogLevel),
	}
	if e.Config != "" {
		v.Config = []byte(hide(e.Config))
	}
	if b.Attempt > 0 || !b.Started.IsZero() || b.State != brigade.StatePending {
		v.Worker = &v1Worker{
			ID: b.WorkerID(), BuildID: b.ID, ProjectID: b.ProjectID, StartTime: second(b.Started), EndTime: second(b.Ended),
			ExitCode: v1ExitCode(b.ExitCode, b.State), Status: b.State.Phase(),
		}
	}
	return v
}

func toV1Job(j *brigade.Job, hide func(string) string) v1JobShape {
	return v1JobShape{
		ID: j.ID, Name: j.Name, Image: hide(j.Spec.Image),
		CreationTime: second(j.Created), StartTime: second(j.Started), EndTime: second(j.Ended),
		ExitCode: v1ExitCode(j.ExitCode, j.State), Status: j.State.Phase(),
	}
}

// v1ExitCode is never 0 for what failed: a pod that was killed has a code, too.
func v1ExitCode(code int, s brigade.State) int {
	if code == 0 && (s == brigade.StateFailed || s == brigade.StateCanceled) {
		return 1
	}
	return code
}

// second is t as Kubernetes keeps times.
func second(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }
