package workspace

import (
	"context"
	"encoding/json"
	"path"
	"strconv"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
)

// Pod is what a job's pod gets so that its files come and go: it names no type
// of Kubernetes, and everything in it is as a pod's specification has it.
// Containers run the image of the program, as whatever user can read what the
// job writes: the job's own user, where that is known, else root.
type Pod struct {
	// Token goes into a Secret; both containers have it as TokenEnv.
	Token string
	// Env are the further variables of both containers.
	Env map[string]string
	// Init is an init container that ends before the job begins. nil: the job
	// needs none.
	Init *Container
	// Sidecar is an init container with restartPolicy Always: it is asked to
	// end once the job's container has, and brings home what that left. nil:
	// there is nothing to bring home.
	Sidecar *Container
	// Mounts and JobEnv are for the container of the job.
	Mounts []Mount
	JobEnv map[string]string
	// Volumes are those that the mounts name, each an emptyDir.
	Volumes []Volume
	// Grace is the pod's terminationGracePeriodSeconds at least: how long the
	// sidecar may take.
	Grace time.Duration
}

// Container is one beside that of the job.
type Container struct {
	Name   string
	Args   []string // for the image's entrypoint, the program itself
	Mounts []Mount
}

// Mount puts a volume at a path.
type Mount struct {
	Volume, Path string
	ReadOnly     bool
}

// Volume is an emptyDir.
type Volume struct {
	Name string
	Size int64 // bytes, for sizeLimit; 0: none
}

// Environment of the two containers, and the variable of the job that names the
// file for its outputs.
const (
	URLEnv    = "BRIGADE_WORKSPACE_URL"
	TokenEnv  = "BRIGADE_WORKSPACE_TOKEN"
	CAEnv     = "BRIGADE_WORKSPACE_CA"
	JobEnv    = "BRIGADE_WORKSPACE_JOB"
	OutputEnv = "BRIGADE_OUTPUT"
)

// Names of volumes, and where they are in the sidecar. In the job's container
// they are where the job wants them.
const (
	SourceVolume = "vcs-sidecar" // the name v1 gives it
	shareVolume  = "brigade-share"
	cacheVolume  = "brigade-cache"
	outputVolume = "brigade-output"
	stateVolume  = "brigade-workspace"

	at        = "/brigade/"
	sourceAt  = at + "source"
	shareAt   = at + "share"
	cacheAt   = at + "cache"
	outputAt  = at + "output"
	stateAt   = at + "state"
	outputDir = "/mnt/brigade/output"
	outputs   = "outputs"
)

// Want says which of a job's files go over the workspace.
type Want struct {
	Source    bool // the build's files, below spec.MountPath
	Share     bool // the build's storage
	Cache     bool
	Artifacts bool
	Outputs   bool // $BRIGADE_OUTPUT, at most brigade.MaxOutputsBytes
	// SourceMounted says that the pod has SourceVolume at spec.MountPath
	// already, such as one that brig vcs fills.
	SourceMounted bool
}

// Wants is what a job asks for by itself. Outputs come along where there is a
// sidecar anyway; for other jobs the 4 KiB of a termination message have to do,
// unless somebody sets Outputs.
func Wants(run brigade.JobRun) Want {
	spec := run.Job.Spec
	w := Want{
		Source: spec.UseSource && run.Source != "", Share: spec.Storage.Enabled, Cache: spec.Cache.Enabled,
		Artifacts: len(spec.Artifacts) > 0,
	}
	w.Outputs = w.Share || w.Cache || w.Artifacts
	return w
}

// DefaultGrace is how long a sidecar may take to bring everything home.
const DefaultGrace = 10 * time.Minute

// Address is where a pod reaches the server.
type Address struct{ URL, CA string }

// Address is where pods reach the server, as its options say.
func (s *Server) Address() Address { return Address{s.opt.URL, s.opt.CA} }

// sidecarJob tells the sidecar what to bring home, in JobEnv.
type sidecarJob struct {
	MountPath string   `json:"mountPath"`
	Artifacts []string `json:"artifacts,omitempty"`
	Cache     int64    `json:"cache,omitempty"`
}

// PodFor returns what the pod of a job needs. token is the job's.
func PodFor(spec brigade.JobSpec, want Want, to Address, token string) (Pod, error) {
	spec = spec.WithDefaults()
	told := sidecarJob{MountPath: spec.MountPath, Cache: sizeOr(spec.Cache.Size, 0)}
	if want.Artifacts {
		told.Artifacts = spec.Artifacts
	}
	text, err := json.Marshal(told)
	if err != nil {
		return Pod{}, err
	}
	p := Pod{Token: token, JobEnv: map[string]string{}, Env: map[string]string{URLEnv: to.URL, JobEnv: string(text)}, Grace: DefaultGrace}
	if to.CA != "" {
		p.Env[CAEnv] = to.CA
	}
	fetch := &Container{Name: "workspace-fetch", Args: []string{"workspace", "fetch"}}
	save := &Container{Name: "workspace", Args: []string{"workspace", "sidecar", "--grace", strconv.Itoa(int(DefaultGrace / time.Second))}}
	put := func(c *Container, flag, volume, dir string) {
		c.Args = append(c.Args, flag, dir)
		c.Mounts = append(c.Mounts, Mount{Volume: volume, Path: dir})
	}
	volume := func(name, path string, size int64) {
		p.Volumes = append(p.Volumes, Volume{Name: name, Size: size})
		p.Mounts = append(p.Mounts, Mount{Volume: name, Path: path})
	}
	needsSource := want.Source || want.Artifacts
	if needsSource && !want.SourceMounted {
		volume(SourceVolume, spec.MountPath, 0)
	}
	if want.Source {
		put(fetch, "--source", SourceVolume, sourceAt)
	}
	if want.Artifacts {
		put(save, "--artifacts", SourceVolume, sourceAt)
	}
	if want.Share {
		volume(shareVolume, spec.Storage.Path, 0)
		put(fetch, "--share", shareVolume, shareAt)
		put(save, "--share", shareVolume, shareAt)
	}
	if want.Cache {
		volume(cacheVolume, spec.Cache.Path, 0)
		put(fetch, "--cache", cacheVolume, cacheAt)
		put(save, "--cache", cacheVolume, cacheAt)
	}
	if want.Outputs {
		volume(outputVolume, outputDir, 2*brigade.MaxOutputsBytes)
		p.JobEnv[OutputEnv] = path.Join(outputDir, outputs)
		put(save, "--outputs", outputVolume, outputAt)
	}
	if want.Share || want.Cache {
		p.Volumes = append(p.Volumes, Volume{Name: stateVolume})
		put(fetch, "--state", stateVolume, stateAt)
		put(save, "--state", stateVolume, stateAt)
	}
	if len(fetch.Mounts) > 0 {
		p.Init = fetch
	}
	if len(save.Mounts) > 0 {
		p.Sidecar = save
	}
	return p, nil
}

// Prepare returns what the pod of a job needs, and serves the files of
// run.Source to it until EndBuild. For the same attempt of a job the answer
// differs in the token only.
func (s *Server) Prepare(_ context.Context, run brigade.JobRun, want Want) (Pod, error) {
	b, j, err := s.grants(run, want)
	if err != nil {
		return Pod{}, err
	}
	buildToken, err := s.BuildToken(b)
	if err != nil {
		return Pod{}, err
	}
	token, err := JobToken(buildToken, j)
	if err != nil {
		return Pod{}, err
	}
	if want.Source = want.Source && run.Source != ""; want.Source { // a build without files has none
		if err := s.PutSource(run.Build.ID, run.Source); err != nil {
			return Pod{}, err
		}
	}
	return PodFor(run.Job.Spec, want, s.Address(), token)
}
