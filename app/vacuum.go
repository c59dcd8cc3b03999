package app

import (
	"context"
	"log/slog"
	"time"

	"github.com/brigadecore/brigade/v3/kube/cluster"
	"github.com/brigadecore/brigade/v3/kube/vacuum"
)

// VacuumOptions say what to delete of a cluster, see kube/vacuum.
type VacuumOptions struct {
	Every       time.Duration // between two times; 0: never by itself
	Age         time.Duration
	MaxBuilds   int
	SkipRunning bool
	MarkerAge   time.Duration
	DryRun      bool
}

func (o VacuumOptions) options(client *cluster.Client, now func() time.Time, log *slog.Logger) vacuum.Options {
	return vacuum.Options{
		Client: client, Age: o.Age, MaxBuilds: o.MaxBuilds, SkipRunning: o.SkipRunning, MarkerAge: o.MarkerAge, DryRun: o.DryRun, Now: now, Log: log,
	}
}

// vacuum deletes once what is too old or too many.
func (k *clusterSite) vacuum(ctx context.Context, s *Server) error {
	opt := k.c.opt.Vacuum.options(k.c.client, s.opt.Now, s.opt.Log)
	opt.DeleteBuild = deletes{s.Store, s.artifacts}.DeleteBuild
	projects, err := s.Store.ListProjects(ctx)
	if err != nil {
		return err
	}
	for _, p := range projects {
		opt.Namespaces = append(opt.Namespaces, p.Kubernetes.Namespace)
	}
	_, err = vacuum.Run(ctx, opt)
	return err
}

// Vacuum deletes once what is too old or too many, as a program of its own.
func Vacuum(ctx context.Context, kube cluster.Options, opt VacuumOptions, now func() time.Time) (vacuum.Report, error) {
	client, err := cluster.Open(kube)
	if err != nil {
		return vacuum.Report{}, err
	}
	o := opt.options(client, now, kube.Log)
	if o.Namespaces, err = vacuum.Namespaces(ctx, client); err != nil {
		return vacuum.Report{}, err
	}
	return vacuum.Run(ctx, o)
}
