package brigade

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Project is what events belong to: a repository, its settings and its secrets.
// The settings and their defaults are those of Brigade v1; unset strings mean
// the installation's default.
type Project struct {
	ID         string `json:"id"`                   // follows from the name, see ProjectID; to be left out
	Name       string `json:"name"`                 // as people type it, such as "acme/app"
	Repository string `json:"repository,omitempty"` // such as "github.com/acme/app"; scripts see it as project.name
	Repo       Repo   `json:"repo"`                 // where the files are

	DefaultScript     string `json:"defaultScript,omitempty"`     // the script when neither the event nor the repository has one
	DefaultScriptName string `json:"defaultScriptName,omitempty"` // a ConfigMap, in a cluster
	DefaultConfig     string `json:"defaultConfig,omitempty"`     // the brigade.json when neither the event nor the repository has one
	DefaultConfigName string `json:"defaultConfigName,omitempty"` // a ConfigMap, in a cluster
	ScriptPath        string `json:"brigadejsPath,omitempty"`     // relative to the repository
	ConfigPath        string `json:"brigadeConfigPath,omitempty"` // relative to the repository

	SharedSecret         string         `json:"sharedSecret,omitempty"`         // what webhooks are signed with
	GenericGatewaySecret string         `json:"genericGatewaySecret,omitempty"` // what the generic gateway asks for
	Secrets              map[string]any `json:"secrets,omitempty"`              // values may be nested
	GitHub               GitHub         `json:"github"`                         // addresses of a GitHub Enterprise server

	Kubernetes       Kubernetes  `json:"kubernetes"`                 // what only means something in a cluster
	Worker           WorkerImage `json:"worker"`                     // the image of a custom worker, in a cluster
	WorkerCommand    string      `json:"workerCommand,omitempty"`    // what a custom worker runs, in a cluster
	ImagePullSecrets []string    `json:"imagePullSecrets,omitempty"` // names of Secrets, in a cluster

	AllowPrivilegedJobs bool `json:"allowPrivilegedJobs"` // jobs may be privileged
	AllowHostMounts     bool `json:"allowHostMounts"`     // jobs may mount paths of the host and the engine's socket

	// What v1 does not have.
	Limits        Limits          `json:"limits,omitzero"`          // what the project may use
	Concurrency   *Concurrency    `json:"concurrency,omitempty"`    // bounds builds that share a key
	Priorities    map[string]int  `json:"priorities,omitempty"`     // event type → priority; higher first, default 0
	Subscriptions []Subscription  `json:"subscriptions,omitempty"`  // events taken although they do not name the project
	Schedules     []Schedule      `json:"schedules,omitempty"`      // builds started by the clock
	Retry         *Retry          `json:"retry,omitempty"`          // of whole builds that fail
	Retention     *Retention      `json:"retention,omitempty"`      // how long builds are kept
	Forks         Forks           `json:"forks,omitzero"`           // what pull requests from elsewhere may do
	Registry      RegistryGateway `json:"registryGateway,omitzero"` // who may report pushed images
	NoReports     bool            `json:"noReports,omitempty"`      // do not report build results back to the forge
	PublicBadge   bool            `json:"publicBadge,omitempty"`    // everybody may see the badge with the state of its last build
}

// Limits bound what a project may use. Zero means the installation's limit.
type Limits struct {
	Builds  int      `json:"builds,omitempty"`  // running at once
	Jobs    int      `json:"jobs,omitempty"`    // running at once
	Events  int      `json:"events,omitempty"`  // accepted per minute
	Timeout Duration `json:"timeout,omitempty"` // of a build
}

// Concurrency bounds builds that share a key.
type Concurrency struct {
	Key      string   `json:"key"`                // CEL over event and project, gives a string; "" groups all builds
	Limit    int      `json:"limit,omitempty"`    // default 1
	Strategy Strategy `json:"strategy,omitempty"` // what happens to builds beyond the limit; default queue
}

// Strategy says what happens to builds beyond a concurrency limit.
type Strategy string

// The strategies.
const (
	StrategyQueue        Strategy = "queue"         // they wait; the default
	StrategyCancelOldest Strategy = "cancel-oldest" // the oldest running one is canceled to make room
	StrategyNewestWins   Strategy = "newest-wins"   // of those that wait only the newest is kept
	StrategyReject       Strategy = "reject"        // they are not started at all
)

// Subscription makes a project take events that do not name it.
type Subscription struct {
	Provider string   `json:"provider,omitempty"` // empty: any
	Types    []string `json:"types,omitempty"`    // empty: any; a * at the end matches the rest
	Filter   string   `json:"filter,omitempty"`   // CEL over event, payload (parsed) and project; empty: all
}

// Schedule starts a build by the clock.
type Schedule struct {
	Name     string   `json:"name"`               // tells it from the other ones of the project
	Cron     string   `json:"cron"`               // five fields or @hourly, @daily …
	TimeZone string   `json:"timeZone,omitempty"` // IANA name; default UTC
	Event    string   `json:"event,omitempty"`    // default "cron"
	Payload  string   `json:"payload,omitempty"`  // the event's payload
	Ref      string   `json:"ref,omitempty"`      // git ref of the event
	Jitter   Duration `json:"jitter,omitempty"`   // up to this much later, the same for each name
	CatchUp  string   `json:"catchUp,omitempty"`  // after downtime: none (default), last, all
	Paused   bool     `json:"paused,omitempty"`   // it starts nothing for now
}

// Retry runs something that failed again.
type Retry struct {
	Limit   int      `json:"limit"`             // how often at the most, after the first time
	Backoff Duration `json:"backoff,omitempty"` // before the first repeat, doubled each time; default 1 s, at most 10 min
}

// MaxRetryDelay is the longest a repeat is waited for.
const MaxRetryDelay = 10 * time.Minute

// Delay is how long to wait before the nth repeat, counted from 1.
func (r Retry) Delay(n int) time.Duration {
	const most = MaxRetryDelay
	d := time.Duration(r.Backoff)
	if d <= 0 {
		d = time.Second
	}
	for i := 1; i < n && d < most; i++ {
		d *= 2
	}
	return min(d, most)
}

// Retention says how long builds are kept. Zero means without limit; pinned
// builds are always kept.
type Retention struct {
	Age       Duration `json:"age,omitempty"`       // how old a build may get
	FailedAge Duration `json:"failedAge,omitempty"` // of failed ones; default Age
	Count     int      `json:"count,omitempty"`     // the newest ones of the project
}

// Forks says what pull requests from elsewhere may do.
type Forks struct {
	Authors []string `json:"authors,omitempty"` // author associations that may start builds; default COLLABORATOR, OWNER, MEMBER
	Secrets bool     `json:"secrets,omitempty"` // forks get the project's secrets
	Script  bool     `json:"script,omitempty"`  // forks bring their own script instead of the base branch's
}

// RegistryGateway guards the container-registry gateway of a project.
type RegistryGateway struct {
	Token           string `json:"token,omitempty"`           // what the registry's requests must carry
	Unauthenticated bool   `json:"unauthenticated,omitempty"` // as v1: who knows the name may start builds
}

// Duration is a time.Duration that is written "1h30m" in JSON; numbers are
// read as seconds.
type Duration time.Duration

// MarshalJSON writes the text form.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(d).String()) }

// UnmarshalJSON reads "1h30m", "7d" or a number of seconds.
func (d *Duration) UnmarshalJSON(data []byte) error {
	var seconds float64
	if json.Unmarshal(data, &seconds) == nil {
		*d = Duration(seconds * float64(time.Second))
		return nil
	}
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return fmt.Errorf("a duration is a text such as \"1h30m\" or a number of seconds")
	}
	parsed, err := ParseDuration(text)
	*d = Duration(parsed)
	return err
}

// ParseDuration is time.ParseDuration that also knows days: "7d", "1d12h".
func ParseDuration(text string) (time.Duration, error) {
	days, rest, found := strings.Cut(text, "d")
	if !found {
		return time.ParseDuration(text)
	}
	n, err := strconv.ParseFloat(days, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not a duration: write it like 90s, 1h30m or 7d", text)
	}
	d := time.Duration(n * 24 * float64(time.Hour))
	if rest == "" {
		return d, nil
	}
	more, err := time.ParseDuration(rest)
	return d + more, err
}

// Repo is where a project's files are, and what opens it.
type Repo struct {
	CloneURL       string `json:"cloneURL,omitempty"`          // address to clone from
	InitSubmodules bool   `json:"initGitSubmodules,omitempty"` // fetch submodules, too
	SSHKey         string `json:"sshKey,omitempty"`            // private key for an SSH address
	SSHCert        string `json:"sshCert,omitempty"`           // certificate of that key
	Token          string `json:"token,omitempty"`             // token for an HTTPS address, and for reports to the forge
	KnownHosts     string `json:"knownHosts,omitempty"`        // lines of a known_hosts file: SSH servers that are in neither this list nor the installation's are refused
}

// GitHub holds the addresses of a GitHub Enterprise server; empty means github.com.
type GitHub struct {
	BaseURL   string `json:"baseURL,omitempty"`   // of its API
	UploadURL string `json:"uploadURL,omitempty"` // for uploads
}

// Kubernetes holds the settings that only mean something in a cluster.
type Kubernetes struct {
	Namespace         string    `json:"namespace,omitempty"`         // where workers and jobs run
	ServiceAccount    string    `json:"serviceAccount,omitempty"`    // of the worker
	VCSSidecar        string    `json:"vcsSidecar,omitempty"`        // image that fetches the files
	SidecarLimits     Resources `json:"vcsSidecarResourcesLimits"`   // most it may use
	SidecarRequests   Resources `json:"vcsSidecarResourcesRequests"` // what is set aside for it
	BuildStorageSize  string    `json:"buildStorageSize,omitempty"`  // of the volume that the jobs of a build share
	BuildStorageClass string    `json:"buildStorageClass,omitempty"` // storage class of that volume
	CacheStorageClass string    `json:"cacheStorageClass,omitempty"` // storage class of jobs' caches
	AllowSecretKeyRef bool      `json:"allowSecretKeyRef,omitempty"` // jobs may take variables from Secrets of the namespace
}

// WorkerImage names the image of a custom worker, in a cluster.
type WorkerImage struct {
	Registry   string `json:"registry,omitempty"`   // or organisation on Docker Hub
	Name       string `json:"name,omitempty"`       // of the image
	Tag        string `json:"tag,omitempty"`        // of the image
	PullPolicy string `json:"pullPolicy,omitempty"` // Always, IfNotPresent or Never
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
	c.SharedSecret, c.GenericGatewaySecret, c.Registry.Token = "", "", ""
	c.Repo.SSHKey, c.Repo.SSHCert, c.Repo.Token = "", "", ""
	return &c
}

// SecretValues returns every secret string of p, nested ones too, for masking.
func (p *Project) SecretValues() []string {
	values := []string{p.SharedSecret, p.GenericGatewaySecret, p.Registry.Token, p.Repo.SSHKey, p.Repo.SSHCert, p.Repo.Token}
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
