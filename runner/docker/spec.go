package docker

import (
	"crypto/rand"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/distribution/reference"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/quantity"
)

// The labels by which containers and volumes are found again.
const (
	labelHeritage = "heritage"
	labelBuild    = "sh.brigade.build"
	labelJob      = "sh.brigade.job"
	labelProject  = "sh.brigade.project"
	labelAttempt  = "sh.brigade.attempt"
	labelOwner    = "sh.brigade.owner"
	labelStart    = "sh.brigade.start" // what tells two starts of one attempt apart
	labelFiles    = "sh.brigade.files" // how the job got its files: mounted or copied
)

// The values of labelFiles.
const (
	filesMounted = "mounted"
	filesCopied  = "copied"
)

// heritage is the value of labelHeritage.
const heritage = "brigade"

// Where things are inside a container.
const (
	hookDir    = "/hook"
	outputDir  = "/brigade/output"
	outputName = "outputs"
)

// sharesPerCore is the shares of one core, as Kubernetes counts them.
const sharesPerCore = 1024

// plan is a job on its way to become a container.
type plan struct {
	run    brigade.JobRun
	spec   brigade.JobSpec
	source string // "" when the job gets none
	name   string
	start  string // a random name for this start
	dir    string // host directory of the job's copies; "" when they go through the API
	labels map[string]string
	binds  []string
	mounts mounts
	// restoring is the volume from which the job's cache is filled; "" for none.
	restoring string
	// copying is the copy of the source into dir; nil for none.
	copying *copying
	notes   []string // what the job asked for and an engine does not have
}

// planOf checks what can be checked without the engine.
func (r *Runner) planOf(run brigade.JobRun, e *engine) (*plan, error) {
	spec := run.Job.Spec.WithDefaults()
	p := &plan{run: run, spec: spec, name: containerName(run.Job), start: strings.ToLower(rand.Text()[:10])}
	if spec.Image == "" {
		return nil, brigade.Errorf(brigade.CodeJobStart, "job %q names no image", spec.Name).
			WithHint(`containers need one: new Job(%q, "alpine:3.20", …)`, spec.Name)
	}
	if _, err := reference.ParseNormalizedNamed(spec.Image); err != nil {
		return nil, pullFailure(p, credential{}, err)
	}
	if spec.UseSource {
		p.source = run.Source
	}
	for _, at := range []struct{ field, path string }{
		{"mountPath", spec.MountPath}, {"cache.path", spec.Cache.Path}, {"storage.path", spec.Storage.Path},
	} {
		if err := checkTarget(spec.Name, at.field, at.path); err != nil {
			return nil, err
		}
	}
	for name, value := range spec.Env {
		if err := checkEnv(spec.Name, name, value); err != nil {
			return nil, err
		}
	}
	p.labels = map[string]string{
		labelHeritage: heritage, labelOwner: r.opts.Owner,
		labelBuild: run.Job.BuildID, labelJob: run.Job.ID, labelAttempt: strconv.Itoa(run.Job.Attempt),
		labelStart: p.start, labelFiles: filesCopied,
	}
	if run.Project != nil {
		p.labels[labelProject] = run.Project.ID
	}
	if e.shared {
		p.dir = r.jobDir(run.Job, p.start)
		p.labels[labelFiles] = filesMounted
	}
	p.note()
	return p, nil
}

// note collects what only means something in a cluster.
func (p *plan) note() {
	for _, n := range []struct {
		asked bool
		what  string
	}{
		{p.spec.Host.Name != "", "host.name"}, {p.spec.Host.OS != "" && p.spec.Host.OS != "linux", "host.os"},
		{len(p.spec.Host.NodeSelector) > 0, "host.nodeSelector"}, {p.spec.ServiceAccount != "", "serviceAccount"},
		{len(p.spec.Pod) > 0, "pod"}, {len(p.spec.Sidecars) > 0, "sidecars"},
	} {
		if n.asked {
			p.notes = append(p.notes, n.what)
		}
	}
}

// running is the sentence people read when the job runs.
func (p *plan) running() string {
	text := "running in " + p.spec.Image
	if len(p.notes) > 0 {
		text += " (" + strings.Join(p.notes, ", ") + " only count in a cluster)"
	}
	return text
}

func checkTarget(job, field, target string) error {
	clean := path.Clean(target)
	if !path.IsAbs(target) || clean == "/" || strings.ContainsRune(target, 0) {
		return brigade.Errorf(brigade.CodeJobStart, "job %q: %s %q must be an absolute path other than /", job, field, target)
	}
	return nil
}

func checkEnv(job, name string, value brigade.EnvValue) error {
	if value.IsRef() {
		return brigade.Errorf(brigade.CodeJobStart, "job %q: the environment variable %s refers to a Secret, ConfigMap or field, which there are only in a cluster", job, name).
			WithHint("put the value into the project's secrets and write env.%s = project.secrets.…", name)
	}
	if name == "" || strings.ContainsAny(name, "=\x00") || strings.ContainsRune(value.Value, 0) {
		return brigade.Errorf(brigade.CodeInvalid, "job %q: the environment variable %q has a name or a value that no process can have", job, name)
	}
	return nil
}

// containerName is the name of the job's container: letters, digits, dots,
// dashes and underscores.
func containerName(job *brigade.Job) string {
	return safeName(fmt.Sprintf("brigade-%s-%d", job.ID, job.Attempt))
}

func safeName(s string) string {
	return strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '-' || c == '_' {
			return c
		}
		return '-'
	}, s)
}

// command returns the entrypoint and the arguments. A shell we know reads the
// script with both its outputs in one pipe: two pipes would lose the order of
// what is printed to them. It replaces itself, so that the script sees what it
// would have seen: process 1, $0 and the arguments.
func (p *plan) command() (entrypoint, args []string) {
	if len(p.spec.Tasks) == 0 {
		return nil, p.spec.Args
	}
	script := hookDir + "/main.sh"
	switch path.Base(p.spec.Shell) {
	case "sh", "bash", "ash", "dash", "ksh", "mksh", "zsh":
		entrypoint = []string{p.spec.Shell, "-c", `exec "$0" "$@" 2>&1`, p.spec.Shell, script}
	default:
		entrypoint = []string{p.spec.Shell, script}
	}
	return entrypoint, p.spec.Args
}

func (p *plan) env() []string {
	env := make([]string, 0, len(p.spec.Env)+1)
	for _, name := range slices.Sorted(maps.Keys(p.spec.Env)) {
		env = append(env, name+"="+p.spec.Env[name].Value)
	}
	return append(env, "BRIGADE_OUTPUT="+outputDir+"/"+outputName)
}

// options is what the engine is asked to create.
func (p *plan) options(network string) (client.ContainerCreateOptions, error) {
	resources, err := p.resources()
	if err != nil {
		return client.ContainerCreateOptions{}, err
	}
	entrypoint, args := p.command()
	p.mounts.sort()
	return client.ContainerCreateOptions{
		Name: p.name,
		Config: &container.Config{
			Image: p.spec.Image, Env: p.env(), Labels: p.labels, Entrypoint: entrypoint, Cmd: args,
			AttachStdout: true, AttachStderr: true,
		},
		HostConfig: &container.HostConfig{
			Privileged:  p.spec.Privileged,
			NetworkMode: container.NetworkMode(network),
			Binds:       p.binds,
			Mounts:      p.mounts,
			Resources:   resources,
			// The one driver that every engine has and can be read from again.
			LogConfig: container.LogConfig{Type: "json-file"},
		},
	}, nil
}

func (p *plan) resources() (container.Resources, error) {
	var res container.Resources
	for _, q := range []struct {
		field, value string
		read         func(string) (int64, error)
		set          func(int64)
	}{
		{"resourceLimits.cpu", p.spec.ResourceLimits.CPU, quantity.Nano, func(n int64) { res.NanoCPUs = n }},
		{"resourceLimits.memory", p.spec.ResourceLimits.Memory, quantity.Bytes, func(n int64) { res.Memory = n }},
		{"resourceRequests.cpu", p.spec.ResourceRequests.CPU, quantity.Milli, func(n int64) { res.CPUShares = max(2, n*sharesPerCore/1000) }},
		{"resourceRequests.memory", p.spec.ResourceRequests.Memory, quantity.Bytes, func(n int64) { res.MemoryReservation = n }},
	} {
		if q.value == "" {
			continue
		}
		n, err := q.read(q.value)
		if err != nil {
			return res, brigade.Errorf(brigade.CodeInvalid, "job %q: %s: %w", p.spec.Name, q.field, err).
				WithHint(`write "500m" or "1.5" for CPUs, "128Mi" or "1G" for memory`)
		}
		if n > 0 {
			q.set(n)
		}
	}
	if res.Memory > 0 && res.MemoryReservation > res.Memory {
		return res, brigade.Errorf(brigade.CodeInvalid, "job %q requests more memory (%s) than its limit (%s)", p.spec.Name, p.spec.ResourceRequests.Memory, p.spec.ResourceLimits.Memory)
	}
	return res, nil
}
