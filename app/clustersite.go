package app

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/dispatch"
	"github.com/brigadecore/brigade/v3/intake"
	"github.com/brigadecore/brigade/v3/kube/lead"
	"github.com/brigadecore/brigade/v3/kube/objects"
	"github.com/brigadecore/brigade/v3/kube/pods"
	kubestore "github.com/brigadecore/brigade/v3/kube/store"
	"github.com/brigadecore/brigade/v3/kube/worker"
	"github.com/brigadecore/brigade/v3/store/memory"
	"github.com/brigadecore/brigade/v3/store/postgres"
	"github.com/brigadecore/brigade/v3/store/sqlite"
	"github.com/brigadecore/brigade/v3/workspace"
)

// The stores that keep what a cluster's Secrets do not, as people type them.
const (
	StoreMemory   = "memory"
	StoreSQLite   = "sqlite"
	StorePostgres = "postgres"
)

// clusterSite is the site of a controller that leads.
type clusterSite struct {
	c       *Controller
	store   *kubestore.Store
	workers *worker.Worker
	files   *workspace.Server // nil: there is none
	shared  bool              // the token for those who may read Secrets is there

	wired chan struct{} // closed when the server works, or never will
	once  sync.Once
	s     *Server // set before wired is closed; nil when it never works
}

var _ site = (*clusterSite)(nil)

func newClusterSite(c *Controller) *clusterSite {
	return &clusterSite{c: c, wired: make(chan struct{})}
}

// open sets the store, the runner and what is beside them.
func (k *clusterSite) open(ctx context.Context, s *Server) error {
	s.decide = intake.DecideArrived // gateways, and people, store builds, too
	s.onClose("news of the cluster", func() error { k.ready(nil); return nil })
	inner, err := k.inner(ctx, s)
	if err != nil {
		return err
	}
	builds, err := intake.NewPreparer()
	if err != nil {
		return errors.Join(err, inner.Close())
	}
	k.store, err = kubestore.New(ctx, kubestore.Options{
		Client: k.c.client, Inner: inner, Durable: k.c.opt.Store != StoreMemory, Now: s.opt.Now, Log: s.opt.Log,
		Wake: func() { k.told(func(s *Server) { s.dispatcher.Wake() }) },
		Changed: func(c brigade.Change) {
			k.told(func(s *Server) {
				s.feed.Publish(c)
				if c.Build != nil {
					s.intake.Arrived(ctx, c.Build)
				}
			})
		},
		Canceled:       func(id string, req brigade.CancelRequest) { k.told(func(s *Server) { s.dispatcher.Cancel(id, req) }) },
		Prepare:        func(p *brigade.Project, b *brigade.Build) { builds.Prepare(context.WithoutCancel(ctx), p, b) },
		ProjectChanged: func(string) { k.told(func(s *Server) { s.intake.Invalidate(); s.schedules.Wake() }) },
	})
	if err != nil {
		return errors.Join(err, inner.Close())
	}
	s.Store = k.store
	s.onClose("store", k.store.Close)
	if err := k.openRunner(ctx, s); err != nil {
		return err
	}
	return s.openArtifacts(ctx)
}

// told passes on what the cluster tells, once the server works.
func (k *clusterSite) told(do func(*Server)) {
	<-k.wired
	if k.s != nil {
		do(k.s)
	}
}

func (k *clusterSite) ready(s *Server) {
	k.once.Do(func() {
		k.s = s
		close(k.wired)
	})
}

// inner is the store for what Secrets do not keep.
func (k *clusterSite) inner(ctx context.Context, s *Server) (brigade.Store, error) {
	switch k.c.opt.Store {
	case StoreMemory, "":
		return memory.New(memory.Options{Now: s.opt.Now}), nil
	case StoreSQLite:
		return sqlite.Open(ctx, sqlite.Options{Path: filepath.Join(s.opt.Dirs.State, "brigade.db"), Now: s.opt.Now, Log: s.opt.Log})
	case StorePostgres:
		return postgres.Open(ctx, postgres.Options{DSN: k.c.opt.Postgres, Log: s.opt.Log})
	}
	return nil, brigade.Errorf(brigade.CodeUsage, "there is no store %q", k.c.opt.Store).WithHint("choose one of memory, sqlite and postgres")
}

func (k *clusterSite) openRunner(ctx context.Context, s *Server) error {
	opt := k.c.opt.Jobs.options(k.c.client)
	opt.RunBy, opt.Owner, opt.Grace, opt.Now, opt.Log = objects.RunnerController, k.store.Owner, s.opt.Grace, s.opt.Now, s.opt.Log
	opt.Events = true // worker pods have no right to see events
	if err := k.openWorkspace(ctx, s, &opt); err != nil {
		return err
	}
	runner, err := pods.New(opt)
	if err != nil {
		return err
	}
	s.use(runner, "jobs run in pods")
	s.onClose("job pods", func() error { runner.Close(); return nil })
	return nil
}

// fit gives the dispatcher workers in pods, and projects the texts that they
// keep in ConfigMaps.
func (k *clusterSite) fit(ctx context.Context, s *Server, opt *dispatch.Options) error {
	w, err := k.workerOptions(ctx, s)
	if err != nil {
		return err
	}
	w.Here, w.All = opt.Worker, k.c.opt.InPods
	if k.workers, err = worker.New(ctx, w); err != nil {
		return err
	}
	s.onClose("worker pods", k.workers.Close)
	opt.Worker, opt.Complete = k.workers, k.workers.Defaults
	return nil
}

func (k *clusterSite) workerOptions(ctx context.Context, s *Server) (worker.Options, error) {
	o, jobs := k.c.opt.Workers, k.c.opt.Jobs
	if k.c.opt.Pod != "" && !o.Own {
		image, err := lead.Image(ctx, k.c.client, k.c.opt.Pod)
		if err != nil {
			return worker.Options{}, fmt.Errorf("find the image of this program for workers: %w", err)
		}
		o.Own = image != "" && (o.Image == "" || o.Image == image)
		o.Image = cmp.Or(o.Image, image)
	}
	if o.Own && len(o.Command) == 0 {
		o.Command = []string{"/brig", "worker"} // the image runs brig, which by itself only says what it can do
	}
	if o.Image == "" && k.c.opt.InPods {
		return worker.Options{}, brigade.Errorf(brigade.CodeUsage, "there is no image for workers").WithHint("name one with --worker-image")
	}
	settings, err := json.Marshal(jobs)
	if err != nil {
		return worker.Options{}, fmt.Errorf("encode the settings of jobs: %w", err)
	}
	return worker.Options{
		Client: k.c.client, Secret: k.store.SecretOf, Owner: k.store.Owner,
		Image: o.Image, PullPolicy: o.PullPolicy, Command: o.Command, Own: o.Own, Env: map[string]string{JobOptionsEnv: string(settings)},
		BuildEnv: k.buildEnv, Occupy: s.occupy, Complete: k.completeJob,
		Sidecar: jobs.VCSImage, SidecarCommand: jobs.VCSCommand, KnownHosts: jobs.KnownHosts,
		ServiceAccount: o.ServiceAccount, JobServiceAccount: jobs.ServiceAccount, JobServiceAccountRegex: jobs.ServiceAccounts,
		BuildStorageClass: jobs.BuildStorageClass, CacheStorageClass: jobs.CacheStorageClass,
		Requests: o.Requests, Limits: o.Limits, NodeSelector: o.NodeSelector,
		Jobs: k.store, KeepLogs: k.c.opt.Store != StoreMemory, Feed: s.feed, Grace: s.opt.Grace, Now: s.opt.Now, Log: s.opt.Log,
	}, nil
}

// takeOver goes on with what the leader before ran: nobody else runs builds now.
func (k *clusterSite) takeOver(ctx context.Context, s *Server) {
	s.adopt(ctx, func(owner string) bool { return owner != s.owner && isProcess(owner) })
	try, cancel := context.WithTimeout(ctx, sharePatience)
	defer cancel()
	k.shared = k.shareToken(try, s) == nil // or background goes on with it
	if err := s.open(ctx, func(b *brigade.Build) { s.intake.Arrived(ctx, b) }); err != nil {
		s.opt.Log.Error("look for builds that have to make room", "err", err)
	}
	k.ready(s)
	k.sweepWorkspace(ctx, s)
}

// background cleans up, now and then.
func (k *clusterSite) background(ctx context.Context, s *Server) {
	var sharing sync.WaitGroup
	sharing.Go(func() { k.keepSharing(ctx, s) })
	defer sharing.Wait()
	every := k.c.opt.Vacuum.Every
	if every <= 0 {
		return
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := k.vacuum(ctx, s); err != nil && ctx.Err() == nil {
			s.opt.Log.Warn("vacuum", "err", err)
		}
	}
}
