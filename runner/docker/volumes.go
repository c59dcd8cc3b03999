package docker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/client"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/quantity"
)

// mounts are in the order in which they have to be mounted.
type mounts []mount.Mount

func (m mounts) sort() {
	slices.SortStableFunc(m, func(a, b mount.Mount) int {
		return strings.Count(a.Target, "/") - strings.Count(b.Target, "/")
	})
}

// addVolumes adds the job's volumes: its own, the build's storage, its cache,
// the engine's socket.
func (p *plan) addVolumes(ctx context.Context, e *engine) error {
	if p.spec.Storage.Enabled {
		name := "brigade-share-" + p.run.Job.BuildID
		if err := p.addNamed(ctx, e, name, p.spec.Storage.Path); err != nil {
			return err
		}
	}
	if p.spec.Cache.Enabled {
		project := p.run.Job.BuildID
		if p.run.Project != nil {
			project = strings.TrimPrefix(p.run.Project.ID, "brigade-")
		}
		add, name := p.addNamed, "brigade-cache-"+project+"-"+p.spec.Name
		if p.untrusted() {
			name = "brigade-cache-forks-" + project + "-" + p.spec.Name
		}
		if p.spec.Cache.Key != "" {
			add = p.addKeyed
		}
		if err := add(ctx, e, name, p.spec.Cache.Path); err != nil {
			return err
		}
	}
	if p.spec.Docker.Enabled {
		p.binds = append(p.binds, e.socketPath()+":/var/run/docker.sock")
	}
	for _, m := range p.spec.VolumeMounts {
		if err := p.addMount(ctx, e, m); err != nil {
			return err
		}
	}
	return nil
}

// untrusted reports whether the job is one of a fork or a stranger: it has caches
// of its own, as what it leaves must not get into other builds.
func (p *plan) untrusted() bool { return p.run.Build != nil && p.run.Build.Event.Untrusted }

// addNamed mounts a volume that outlives the job, making it when missing. The
// engine would make it by itself, but without labels. A cache has no label of
// a build: it stays.
func (p *plan) addNamed(ctx context.Context, e *engine, name, target string) error {
	name = safeName(name)
	labels := map[string]string{labelHeritage: heritage, labelOwner: p.labels[labelOwner], labelProject: p.labels[labelProject]}
	if strings.HasPrefix(name, "brigade-cache-") {
		labels[labelJob] = p.spec.Name
	} else {
		labels[labelBuild] = p.run.Job.BuildID
	}
	if _, err := e.VolumeCreate(ctx, client.VolumeCreateOptions{Name: name, Labels: labels}); err != nil {
		return p.refused(err, "make the volume "+name)
	}
	p.mounts = append(p.mounts, mount.Mount{Type: mount.TypeVolume, Source: name, Target: path.Clean(target)})
	return nil
}

func (p *plan) addMount(ctx context.Context, e *engine, m brigade.VolumeMount) error {
	if err := checkTarget(p.spec.Name, "volumeMounts.mountPath", m.MountPath); err != nil {
		return err
	}
	if m.SubPath != "" && !filepath.IsLocal(filepath.FromSlash(m.SubPath)) {
		return brigade.Errorf(brigade.CodeJobStart, "job %q: the subPath %q leaves its volume", p.spec.Name, m.SubPath)
	}
	i := slices.IndexFunc(p.spec.Volumes, func(v brigade.Volume) bool { return v.Name == m.Name })
	if i < 0 {
		return brigade.Errorf(brigade.CodeJobStart, "job %q mounts volume %q, which it does not have", p.spec.Name, m.Name)
	}
	switch v := p.spec.Volumes[i]; {
	case v.EmptyDir != nil:
		return p.addEmptyDir(ctx, e, m, v.EmptyDir)
	case v.HostPath != nil:
		return p.addHostPath(e, m, v.HostPath)
	default:
		return brigade.Errorf(brigade.CodeJobStart, "job %q: volume %q is of a kind that there is only in a cluster", p.spec.Name, m.Name).
			WithHint("emptyDir and hostPath work everywhere; values belong into the environment")
	}
}

// addEmptyDir mounts a directory of the job's own. In memory it is a tmpfs,
// unless several mounts share it: an engine's tmpfs cannot be shared.
func (p *plan) addEmptyDir(ctx context.Context, e *engine, m brigade.VolumeMount, v *brigade.EmptyDir) error {
	uses := p.uses(m.Name)
	if v.Medium == "Memory" && len(uses) == 1 && m.SubPath == "" {
		options, err := p.tmpfs(v)
		if err != nil {
			return err
		}
		p.mounts = append(p.mounts, mount.Mount{Type: mount.TypeTmpfs, Target: path.Clean(m.MountPath), ReadOnly: m.ReadOnly, TmpfsOptions: options})
		return nil
	}
	if p.dir != "" {
		at := filepath.Join(p.dir, "volumes", safeName(m.Name), filepath.FromSlash(m.SubPath))
		if err := makeOpen(at); err != nil {
			return p.refused(err, "make the volume "+m.Name)
		}
		p.bind(at, m.MountPath, m.ReadOnly)
		return nil
	}
	name := scratchName(p.run.Job, p.start, m.Name)
	if m.SubPath != "" {
		if slices.ContainsFunc(uses, func(u brigade.VolumeMount) bool { return path.Clean("/"+u.SubPath) != path.Clean("/"+m.SubPath) }) {
			return brigade.Errorf(brigade.CodeJobStart, "job %q mounts volume %q both as a whole and by subPath, which an engine that does not run on this machine cannot do", p.spec.Name, m.Name).
				WithHint("mount the whole volume, or use a volume for each")
		}
	}
	if _, err := e.VolumeCreate(ctx, client.VolumeCreateOptions{Name: name, Labels: p.labels}); err != nil {
		return p.refused(err, "make the volume "+m.Name)
	}
	p.mounts = append(p.mounts, mount.Mount{Type: mount.TypeVolume, Source: name, Target: path.Clean(m.MountPath), ReadOnly: m.ReadOnly})
	return nil
}

// scratchName is the name of a volume that goes with the job.
func scratchName(job *brigade.Job, start, volume string) string {
	return safeName(containerName(job) + "-" + start + "-" + volume)
}

// scratchVolumes lists the volumes that may have been made for the job alone.
func scratchVolumes(job *brigade.Job, start string) []string {
	var names []string
	for _, v := range job.Spec.Volumes {
		if v.EmptyDir != nil {
			names = append(names, scratchName(job, start, v.Name))
		}
	}
	return names
}

func (p *plan) uses(volume string) []brigade.VolumeMount {
	var uses []brigade.VolumeMount
	for _, m := range p.spec.VolumeMounts {
		if m.Name == volume {
			uses = append(uses, m)
		}
	}
	return uses
}

func (p *plan) tmpfs(v *brigade.EmptyDir) (*mount.TmpfsOptions, error) {
	options := &mount.TmpfsOptions{Mode: 0o1777}
	if v.SizeLimit != "" {
		n, err := quantity.Bytes(v.SizeLimit)
		if err != nil {
			return nil, brigade.Errorf(brigade.CodeInvalid, "job %q: emptyDir.sizeLimit: %w", p.spec.Name, err)
		}
		options.SizeBytes = n
	}
	return options, nil
}

// addHostPath mounts a path of the machine. Where this process sees what the
// engine sees, what is missing is noticed, or made, as the type says.
func (p *plan) addHostPath(e *engine, m brigade.VolumeMount, v *brigade.HostPath) error {
	at := filepath.Join(v.Path, filepath.FromSlash(m.SubPath))
	if !path.IsAbs(v.Path) && !filepath.IsAbs(v.Path) {
		return brigade.Errorf(brigade.CodeJobStart, "job %q: the hostPath %q is not absolute", p.spec.Name, v.Path)
	}
	if e.sees {
		if err := checkHostPath(at, v.Type, m.SubPath != ""); err != nil {
			return brigade.Errorf(brigade.CodeJobStart, "job %q: the hostPath %s cannot be mounted: %w", p.spec.Name, at, err)
		}
	} else if (v.Type == "" || v.Type == "DirectoryOrCreate") && !strings.Contains(at, ":") {
		// In this form the engine makes what is missing.
		bind := at + ":" + path.Clean(m.MountPath)
		if m.ReadOnly {
			bind += ":ro"
		}
		p.binds = append(p.binds, bind)
		return nil
	}
	p.bind(at, m.MountPath, m.ReadOnly)
	return nil
}

// checkHostPath follows Kubernetes: no type makes a missing directory too, as
// engines always did.
func checkHostPath(at, kind string, sub bool) error {
	info, err := os.Stat(at)
	missing := errors.Is(err, fs.ErrNotExist)
	if err != nil && !missing {
		return err
	}
	switch kind {
	case "", "DirectoryOrCreate":
		if missing {
			return os.MkdirAll(at, 0o755)
		}
	case "FileOrCreate":
		if missing {
			return os.WriteFile(at, nil, 0o644)
		}
	}
	if missing {
		return err
	}
	if sub {
		return nil
	}
	ok := true
	switch kind {
	case "Directory", "DirectoryOrCreate":
		ok = info.IsDir()
	case "File", "FileOrCreate":
		ok = info.Mode().IsRegular()
	case "Socket":
		ok = info.Mode().Type() == fs.ModeSocket
	}
	if !ok {
		return fmt.Errorf("it is no %s", kind)
	}
	return nil
}

// bind mounts a path of the machine.
func (p *plan) bind(from, to string, readOnly bool) {
	p.mounts = append(p.mounts, mount.Mount{Type: mount.TypeBind, Source: from, Target: path.Clean(to), ReadOnly: readOnly})
}

// makeOpen makes a directory that every user of a container may write to.
func makeOpen(dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	return os.Chmod(dir, 0o777)
}
