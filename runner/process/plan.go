package process

import (
	"fmt"
	"maps"
	"os"
	"os/user"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/quantity"
)

// plan is a job, checked and made into what this machine can do.
type plan struct {
	spec    brigade.JobSpec
	level   level
	source  string // real path, "" for none
	shell   string // real path of the shell
	mount   string // spec.MountPath, cleaned
	storage bool
	cache   bool
	keeps   bool    // files are kept at the end
	memory  int64   // bytes, 0 for no limit
	cpu     float64 // cores, 0 for no limit
	cgroup  string  // the parent cgroup, "" without
	base    []string
	volumes map[string]brigade.Volume
	notes   []string // what is different from a container
}

// plan checks the job's spec.
func (r *Runner) plan(run brigade.JobRun, lvl level) (*plan, error) {
	p := &plan{spec: run.Job.Spec.WithDefaults(), level: lvl}
	p.storage, p.cache, p.keeps = p.spec.Storage.Enabled, p.spec.Cache.Enabled, keeps(run)
	if !filepath.IsAbs(r.opts.StateDir) {
		return nil, brigade.Errorf(brigade.CodeJobStart, "the process runner's state directory %q is not an absolute path", r.opts.StateDir)
	}
	if len(p.spec.Tasks) == 0 {
		return nil, p.refuse("has no tasks, and what its image would run is not known on this machine").
			WithHint("give the job tasks, or run it in a container with --runner docker")
	}
	for _, check := range []func() error{p.checkEnv, p.checkHost, p.checkPaths, p.checkVolumes} {
		if err := check(); err != nil {
			return nil, err
		}
	}
	if err := p.findSource(run.Source); err != nil {
		return nil, err
	}
	p.base = r.baseEnv()
	if err := p.findShell(); err != nil {
		return nil, err
	}
	return p, p.readLimits(r.opts.Cgroup)
}

// refuse is the error of a job that cannot start.
func (p *plan) refuse(format string, args ...any) *brigade.Error {
	return brigade.Errorf(brigade.CodeJobStart, "job %q %s", p.spec.Name, fmt.Sprintf(format, args...))
}

func (p *plan) note(format string, args ...any) {
	p.notes = append(p.notes, fmt.Sprintf(format, args...))
}

// notice is the sentence that goes with the running state: what this runner
// cannot give the job, or "". That the image is not used is said once for all
// jobs, by whoever chose the runner.
func (p *plan) notice() string { return strings.Join(p.notes, "; ") }

func (p *plan) checkEnv() error {
	for _, name := range slices.Sorted(maps.Keys(p.spec.Env)) {
		v := p.spec.Env[name]
		switch {
		case name == "" || strings.ContainsAny(name, "=\x00"):
			return p.refuse("has an environment variable with the impossible name %q", name)
		case strings.Contains(v.Value, "\x00"):
			return p.refuse("has a NUL byte in environment variable %s", name)
		case v.IsRef():
			return p.refuse("takes environment variable %s from the cluster, and there is none", name).
				WithHint("set it to a string here, such as a secret of the project")
		}
	}
	for _, arg := range p.spec.Args {
		if strings.Contains(arg, "\x00") {
			return p.refuse("has a NUL byte in its args")
		}
	}
	return nil
}

func (p *plan) checkHost() error {
	if os := p.spec.Host.OS; os != "" && !strings.EqualFold(os, runtime.GOOS) {
		return p.refuse("wants to run on %s, and this machine runs %s", os, runtime.GOOS)
	}
	var left []string
	for name, asked := range map[string]bool{
		"privileged": p.spec.Privileged, "serviceAccount": p.spec.ServiceAccount != "",
		"pod": len(p.spec.Pod) > 0, "sidecars": len(p.spec.Sidecars) > 0,
		"host.name": p.spec.Host.Name != "", "host.nodeSelector": len(p.spec.Host.NodeSelector) > 0,
	} {
		if asked {
			left = append(left, name)
		}
	}
	if len(left) > 0 {
		slices.Sort(left)
		p.note("%s has no effect", strings.Join(left, ", "))
	}
	return nil
}

// forbidden are the paths nothing may be put at or below.
var forbidden = []string{"/proc", "/sys", "/dev"}

// target returns a path of the job, cleaned.
func (p *plan) target(field, value string) (string, error) {
	clean := path.Clean(value)
	bad := !path.IsAbs(value) || clean == "/" || strings.Contains(value, "\x00") || slices.Contains(strings.Split(value, "/"), "..")
	for _, f := range forbidden {
		bad = bad || clean == f || strings.HasPrefix(clean, f+"/")
	}
	if bad {
		return "", p.refuse("has %s %q, where nothing can be put", field, value).
			WithHint("use an absolute path such as /src, but not /, /proc, /sys or /dev")
	}
	return clean, nil
}

func (p *plan) checkPaths() (err error) {
	if p.mount, err = p.target("mountPath", p.spec.MountPath); err != nil {
		return err
	}
	if p.spec.Storage.Path, err = p.target("storage.path", p.spec.Storage.Path); err != nil {
		return err
	}
	p.spec.Cache.Path, err = p.target("cache.path", p.spec.Cache.Path)
	return err
}

func (p *plan) checkVolumes() error {
	p.volumes = map[string]brigade.Volume{}
	for _, v := range p.spec.Volumes {
		p.volumes[v.Name] = v
	}
	for i, m := range p.spec.VolumeMounts {
		v, ok := p.volumes[m.Name]
		if !ok {
			return p.refuse("mounts volume %q, which it does not have", m.Name)
		}
		if v.EmptyDir == nil && v.HostPath == nil {
			return p.refuse("has volume %q of a kind that only a cluster has", m.Name).WithHint("use emptyDir or hostPath")
		}
		if !p.level.isolated {
			return p.refuse("has volumes, which need a runner that isolates jobs; here: %s", p.level.why).
				WithHint("run it with --runner docker, or use storage, whose path is in $BRIGADE_SHARE")
		}
		at, err := p.target("volumeMounts mountPath", m.MountPath)
		if err != nil {
			return err
		}
		if m.SubPath != "" && !filepath.IsLocal(m.SubPath) || strings.Contains(m.SubPath, "\x00") || slices.Contains(strings.Split(m.SubPath, "/"), "..") {
			return p.refuse("has subPath %q, which leads out of volume %q", m.SubPath, m.Name)
		}
		if i == 0 {
			p.spec.VolumeMounts = slices.Clone(p.spec.VolumeMounts)
		}
		p.spec.VolumeMounts[i].MountPath = at
	}
	for _, v := range p.spec.Volumes {
		if v.EmptyDir != nil && v.EmptyDir.SizeLimit != "" && v.EmptyDir.Medium != "Memory" {
			p.note("the sizeLimit of volume %s is not enforced", v.Name)
		}
	}
	return nil
}

// findSource resolves the source directory.
func (p *plan) findSource(source string) error {
	if source == "" || !p.spec.UseSource {
		return nil
	}
	resolved, err := filepath.EvalSymlinks(source)
	if err == nil {
		resolved, err = filepath.Abs(resolved)
	}
	if err != nil {
		return brigade.Errorf(brigade.CodeJobStart, "the files for job %q are not there: %w", p.spec.Name, err)
	}
	if info, err := os.Stat(resolved); err != nil || !info.IsDir() {
		return p.refuse("has a source that is not a directory: %s", source)
	}
	p.source = resolved
	return nil
}

const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// standardDirs are where a shell may be named though it is elsewhere here.
var standardDirs = []string{"/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/local/bin"}

// findShell looks the job's shell up: at its path, else by its name in PATH.
func (p *plan) findShell() error {
	shell := p.spec.Shell
	if strings.Contains(shell, "\x00") {
		return p.refuse("names a shell with a NUL byte")
	}
	if path.IsAbs(shell) && executable(filepath.FromSlash(shell)) {
		p.shell = filepath.FromSlash(shell)
		return nil
	}
	if !strings.Contains(shell, "/") || slices.Contains(standardDirs, path.Dir(shell)) {
		for _, dir := range filepath.SplitList(lookup(p.base, "PATH")) {
			for _, ext := range executableEndings {
				if file := filepath.Join(dir, path.Base(shell)+ext); filepath.IsAbs(file) && executable(file) {
					p.shell = file
					return nil
				}
			}
		}
	}
	return p.refuse("needs the shell %s, which is not on this machine", shell).
		WithHint("install it, name another one in job.shell, or run the job in a container with --runner docker")
}

// readLimits reads resourceLimits and says which of them nobody enforces.
func (p *plan) readLimits(cgroup string) error {
	limits := p.spec.ResourceLimits
	for _, l := range []struct {
		name, text string
		read       func(string) (int64, error)
		set        func(int64)
	}{
		{"memory", limits.Memory, quantity.Bytes, func(bytes int64) { p.memory = min(bytes, 1<<62) }},
		{"cpu", limits.CPU, quantity.Nano, func(nano int64) { p.cpu = float64(nano) / 1e9 }},
	} {
		if l.text == "" {
			continue
		}
		v, err := l.read(l.text)
		if err != nil || v <= 0 {
			return p.refuse("has resourceLimits.%s %q, which is not a quantity such as 500m or 128Mi", l.name, l.text)
		}
		l.set(v)
	}
	if p.memory == 0 && p.cpu == 0 {
		return nil
	}
	if p.cgroup = findCgroup(cgroup); p.cgroup != "" {
		return nil
	}
	if p.memory > 0 && !canWatchMemory {
		p.note("the memory limit %s is not enforced", limits.Memory)
	}
	if p.cpu > 0 {
		p.note("the cpu limit %s is not enforced, for want of a delegated cgroup", limits.CPU)
	}
	return nil
}

// baseEnv is what every job's environment starts from.
func (r *Runner) baseEnv() []string {
	or := func(name, fallback string) string {
		if v := lookup(r.opts.Environ, name); v != "" {
			fallback = v
		}
		return name + "=" + fallback
	}
	env := []string{or("PATH", defaultPath), or("LANG", "C.UTF-8"), or("USER", userName()), "TERM=dumb"}
	for _, name := range systemVariables {
		if v := lookup(r.opts.Environ, name); v != "" {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// userName is the name of the user who runs the program.
func userName() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return filepath.Base(filepath.FromSlash(strings.ReplaceAll(u.Username, `\`, "/")))
	}
	return strconv.Itoa(os.Getuid())
}

// lookup returns the last value of name in env.
func lookup(env []string, name string) string {
	for _, kv := range slices.Backward(env) {
		if k, v, ok := strings.Cut(kv, "="); ok && sameVariable(k, name) {
			return v
		}
	}
	return ""
}

// environment puts the job's variables together; the job's own win over those
// of the machine, and paths win over the job's.
func (p *plan) environment(home string, paths ...string) []string {
	env := append(slices.Clone(p.base), "HOME="+home)
	for name, v := range p.spec.Env {
		env = append(env, name+"="+v.Value)
	}
	env = append(env, paths...)
	at := map[string]int{}
	out := env[:0]
	for _, kv := range env {
		k, _, _ := strings.Cut(kv, "=")
		if i, ok := at[k]; ok {
			out[i] = kv
			continue
		}
		at[k] = len(out)
		out = append(out, kv)
	}
	return out
}
