package app

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/artifact/s3"
	"github.com/brigadecore/brigade/v3/kube/lead"
	"github.com/brigadecore/brigade/v3/kube/pods"
	"github.com/brigadecore/brigade/v3/workspace"
)

// WorkspaceOptions say how the controller brings files to pods and home again.
type WorkspaceOptions struct {
	// Listen is where its server listens; without an address there is none.
	Listen Listener
	// URL is where pods reach it; "": where it listens, and where that is
	// everywhere at the address of this pod.
	URL string
	// CA is the authority of the server's certificate, as PEM, where that is
	// not a public one.
	CA string
	// Caches is the bucket that keeps caches; without a name its directory does.
	Caches s3.Options
	// CacheTotal is how large all caches may be, in bytes, and CacheAge how
	// long ago one may have been used; 0: 20 GiB and 30 days.
	CacheTotal int64
	CacheAge   time.Duration
}

// caches opens the bucket for caches; nil when there is none.
func (o WorkspaceOptions) caches(ctx context.Context, s *Server) (workspace.Caches, error) {
	if o.Caches.Bucket == "" {
		return nil, nil
	}
	store, err := s3.Open(o.Caches)
	if err != nil {
		return nil, fmt.Errorf("caches: %w", err)
	}
	limited, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	if err := store.Check(limited); err != nil {
		// Builds run without caches, too; each says so in its log.
		s.opt.Log.Error("the bucket for caches cannot be used", "bucket", o.Caches.Bucket, "err", err)
	}
	return store.Caches(s3.CacheOptions{Total: o.CacheTotal, Age: o.CacheAge, Now: s.opt.Now, Log: s.opt.Log}), nil
}

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

// Collect hands over what the job left. A pod that has not brought all of it
// home is lost, also when its job had done its work.
func (f PodFiles) Collect(ctx context.Context, run brigade.JobRun, _ pods.Want) (pods.Collected, error) {
	r, err := f.JobFiles.Collect(ctx, run)
	c := pods.Collected{Outputs: r.Outputs, Artifacts: r.Kept(), Problems: r.Problems}
	switch {
	case r.Failure != nil:
		c.Failure = r.Failure
	case err == nil && !r.Reported:
		c.Failure = brigade.Errorf(brigade.CodeJobLost, "its pod was ended before it had brought home all that it left").
			WithHint("it can be run again; job.retry does so by itself")
	}
	return c, err
}

// laterArtifacts keep artifacts where the server does, which is opened later.
type laterArtifacts struct{ s *Server }

// PutArtifact implements workspace.Artifacts.
func (a laterArtifacts) PutArtifact(ctx context.Context, buildID, jobID, name string, content io.Reader) error {
	return a.s.artifacts.PutArtifact(ctx, buildID, jobID, name, content)
}

// workspaceKey names the Secret with the key of tokens.
const workspaceKey = "brigade-workspace-key"

// openWorkspace starts the server that brings files to pods, and tells the
// runner of it.
func (k *clusterSite) openWorkspace(ctx context.Context, s *Server, opt *pods.Options) error {
	o := k.c.opt.Workspace
	if o.Listen.Address == "" {
		return nil
	}
	if opt.WorkspaceImage == "" && k.c.opt.Pod != "" {
		image, err := lead.Image(ctx, k.c.client, k.c.opt.Pod)
		if err != nil {
			return err
		}
		opt.WorkspaceImage = image
	}
	if opt.WorkspaceImage == "" {
		return brigade.Errorf(brigade.CodeUsage, "there is no image that brings files to pods").WithHint("name this program's image with --workspace-image")
	}
	key, err := lead.Key(ctx, k.c.client, workspaceKey)
	if err != nil {
		return err
	}
	late := &lateHandler{}
	if err := s.bind(ctx, "workspace", o.Listen, late); err != nil {
		return err
	}
	url, err := k.workspaceURL(ctx, s)
	if err != nil {
		return err
	}
	caches, err := o.caches(ctx, s)
	if err != nil {
		return err
	}
	k.files, err = workspace.New(workspace.Options{
		Dir: filepath.Join(s.opt.Dirs.State, "workspace"), Key: key, URL: url, CA: o.CA, Now: s.opt.Now, Log: s.opt.Log,
		Caches: caches, Artifacts: laterArtifacts{s}, Limits: workspace.Limits{CacheTotal: o.CacheTotal, CacheAge: o.CacheAge},
	})
	if err != nil {
		return err
	}
	late.Handler = k.files
	k.c.opt.Jobs.WorkspaceImage = opt.WorkspaceImage // worker pods are told of it
	opt.Workspace = PodFiles{k.files}
	return nil
}

// lateHandler is a handler that is set before anything is served.
type lateHandler struct{ http.Handler }

// workspaceURL is where pods reach the server that was just bound.
func (k *clusterSite) workspaceURL(ctx context.Context, s *Server) (string, error) {
	o := k.c.opt.Workspace
	if o.URL != "" {
		return o.URL, nil
	}
	address, port, err := net.SplitHostPort(s.Addresses()["workspace"])
	if err != nil {
		return "", err
	}
	if ip := net.ParseIP(address); ip == nil || ip.IsUnspecified() {
		address = ""
	}
	if address == "" && k.c.opt.Pod != "" {
		if address, err = lead.Address(ctx, k.c.client, k.c.opt.Pod); err != nil {
			return "", err
		}
	}
	if address == "" {
		return "", brigade.Errorf(brigade.CodeUsage, "it is not known where pods reach the workspace server").WithHint("say so with --workspace-url, such as http://brigade-workspace:7748")
	}
	scheme := "http"
	if o.Listen.CertFile != "" {
		scheme = "https"
	}
	return scheme + "://" + net.JoinHostPort(address, port), nil
}

// sweepWorkspace removes what builds left that ended while nobody led.
func (k *clusterSite) sweepWorkspace(ctx context.Context, s *Server) {
	if k.files == nil {
		return
	}
	n, err := k.files.Sweep(ctx, func(id string) bool {
		b, err := s.Store.Build(ctx, id)
		return err == nil && !b.State.Ended() || err != nil && brigade.CodeOf(err) != brigade.CodeNotFound
	})
	if n > 0 || err != nil {
		s.opt.Log.Info("removed the files of builds that are over", "builds", n, "err", err)
	}
}

// workspaceEnv gives a worker pod what it makes the tokens of its jobs with.
func (k *clusterSite) workspaceEnv(b *brigade.Build, p *brigade.Project) map[string]string {
	if k.files == nil {
		return nil
	}
	token, err := k.files.BuildToken(workspace.GrantFor(b, p))
	if err != nil {
		k.c.opt.Log.Error("no workspace for a worker", "build", b.ID, "err", err)
		return nil
	}
	address := k.files.Address()
	env := map[string]string{workspace.URLEnv: address.URL, workspace.TokenEnv: token}
	if address.CA != "" {
		env[workspace.CAEnv] = address.CA
	}
	return env
}

// remoteFiles is the workspace as a worker pod finds it in its environment; nil
// when there is none.
func remoteFiles(getenv func(string) string) (pods.Workspace, error) {
	if getenv(workspace.URLEnv) == "" {
		return nil, nil
	}
	remote, err := workspace.NewRemote(workspace.ClientOptions{URL: getenv(workspace.URLEnv), Token: getenv(workspace.TokenEnv), CA: getenv(workspace.CAEnv)})
	if err != nil {
		return nil, err
	}
	return PodFiles{remote}, nil
}
