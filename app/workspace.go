package app

import (
	"context"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/kube/pods"
	"github.com/brigadecore/brigade/v3/workspace"
)

// JobFiles is a workspace as pods need it: a workspace.Server in the
// controller, a workspace.Remote in a worker pod.
type JobFiles interface {
	Prepare(ctx context.Context, run brigade.JobRun, want workspace.Want) (workspace.Pod, error)
	Collect(ctx context.Context, run brigade.JobRun) (workspace.Result, error)
	EndBuild(ctx context.Context, buildID string) error
}

var (
	_ JobFiles       = (*workspace.Server)(nil)
	_ JobFiles       = (*workspace.Remote)(nil)
	_ pods.Workspace = PodFiles{}
)

// PodFiles brings the files of jobs to their pods, over a workspace.
type PodFiles struct{ JobFiles }

// Equip says what a job's pod gets.
func (f PodFiles) Equip(ctx context.Context, run brigade.JobRun, want pods.Want) (pods.Equipment, error) {
	p, err := f.Prepare(ctx, run, workspace.Want{
		Source: want.Source, Share: want.Storage, Cache: want.Cache, Artifacts: want.Artifacts, Outputs: want.Outputs, SourceMounted: want.SourceMounted,
	})
	if err != nil {
		return pods.Equipment{}, err
	}
	e := pods.Equipment{
		Secret: map[string]string{workspace.TokenEnv: p.Token}, Env: p.Env, JobEnv: p.JobEnv, Grace: p.Grace,
		Init: containerOf(p.Init), Sidecar: containerOf(p.Sidecar), Mounts: mountsOf(p.Mounts),
	}
	for _, v := range p.Volumes {
		e.Volumes = append(e.Volumes, pods.Scratch{Name: v.Name, Size: v.Size})
	}
	return e, nil
}

func containerOf(c *workspace.Container) *pods.Container {
	if c == nil {
		return nil
	}
	return &pods.Container{Name: c.Name, Args: c.Args, Mounts: mountsOf(c.Mounts)}
}

func mountsOf(list []workspace.Mount) []pods.Mount {
	var mounts []pods.Mount
	for _, m := range list {
		mounts = append(mounts, pods.Mount{Volume: m.Volume, Path: m.Path, ReadOnly: m.ReadOnly})
	}
	return mounts
}

// Collect hands over what the job left. What later jobs miss is an error.
func (f PodFiles) Collect(ctx context.Context, run brigade.JobRun, _ pods.Want) ([]byte, []string, error) {
	r, err := f.JobFiles.Collect(ctx, run)
	switch {
	case err != nil:
	case r.Failure != nil:
		err = r.Failure
	case !r.Reported:
		r.Problems = append(r.Problems, "files: the sidecar of the job's pod was ended before it had brought all of them home")
	}
	return r.Outputs, r.Problems, err
}
