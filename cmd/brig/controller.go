package main

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/app"
	"github.com/brigadecore/brigade/v3/artifact/s3"
	"github.com/brigadecore/brigade/v3/kube/cluster"
)

// controllerFlags are the flags of `brig controller`.
type controllerFlags struct {
	serverFlags
	store, postgresFile, mode                             string
	workerImage, workerPull, workerCommand, workerAccount string
	workerRequests, workerLimits, workerNodes             map[string]string
	vcsImage, vcsCommand                                  string
	jobs                                                  app.JobPods
	files                                                 app.WorkspaceOptions
	filesCA, cacheStore, cacheTotal                       string
	noOverlay                                             bool
	vacuum                                                vacuumFlags
	vacuumEvery                                           time.Duration
	health                                                string
	leaseDuration                                         time.Duration
}

func newController(s *State) *cobra.Command {
	var f controllerFlags
	cmd := &cobra.Command{
		Use: "controller", GroupID: "server", Short: "Run the builds of a Kubernetes cluster",
		Long: `Run the builds of a cluster: watch for the Secrets that gateways and brig make of
events, run their scripts, and run their jobs as pods. Projects, builds and pods
are as Brigade v1 has them, so what was made for v1 goes on working.

A script runs beside the controller in a process of its own (--worker
controller), which has no pod to wait for, or in a worker pod as in v1 (--worker
pod). Projects with a worker image or a worker command of their own always get a
pod.

Of several controllers one leads and the others wait. When it ends, the next
one goes on with its builds: jobs run on meanwhile and are found again.

Logs and records live as long as pods do with --store memory, and as long as
their builds with sqlite (on a volume) or postgres. Where the database is comes
from the environment or a file, as it holds a password: BRIGADE_POSTGRES, such
as postgres://brigade@db/brigade, or --postgres-file.`,
		Example: `  brig controller --namespace brigade
  brig controller --store postgres --postgres-file /etc/brigade-postgres/url --gateways :7744
  brig controller --worker pod --worker-image brigadecore/brigade-worker:v1.4.0`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return s.control(&f) },
	}
	f.register(cmd)
	return cmd
}

func (f *controllerFlags) register(cmd *cobra.Command) {
	f.api.Address, f.maxBuilds, f.drain = ":7745", 100, 0
	f.shared(cmd)
	fl := cmd.Flags()
	fl.Lookup("gateways").Usage = "`address` of the gateways, such as :7744; none by default: see brig gateway serve"
	fl.Lookup("data").Usage = "`directory` of the sqlite database, of artifacts and of sources while they are needed"
	fl.StringVar(&f.store, "store", app.StoreMemory, "what keeps jobs, logs and records: memory, sqlite, postgres")
	fl.StringVar(&f.postgresFile, "postgres-file", "", "`file` that says where the PostgreSQL database is (also: BRIGADE_POSTGRES)")
	fl.StringVar(&f.mode, "worker", "controller", "where scripts run: controller (beside it) or pod (a worker pod each)")
	fl.StringVar(&f.workerImage, "worker-image", "", "`image` of worker pods; default this program's own")
	fl.StringVar(&f.workerPull, "worker-pull-policy", "", "Always, IfNotPresent or Never")
	fl.StringVar(&f.workerCommand, "worker-command", "", "`command` of worker pods, where the image is not to run what it runs by itself")
	fl.StringVar(&f.workerAccount, "worker-service-account", "brigade-worker", "service account of worker pods")
	fl.StringToStringVar(&f.workerRequests, "worker-requests", nil, "what is set aside for worker pods, such as cpu=100m,memory=64Mi")
	fl.StringToStringVar(&f.workerLimits, "worker-limits", nil, "most that worker pods may use, such as memory=1Gi")
	fl.StringToStringVar(&f.workerNodes, "worker-node-selector", nil, "labels of the nodes for worker pods, such as pool=ci")
	fl.StringVar(&f.vcsImage, "vcs-image", "", "`image` that fetches the files of projects without a vcsSidecar; none by default, as in v1")
	fl.StringVar(&f.vcsCommand, "vcs-command", "", "`command` of that image, such as \"brig vcs\"")
	fl.StringVar(&f.jobs.BuildStorage, "build-storage", "pvc-rwx", "what the directory is that the jobs of a build share: pvc-rwx, pvc-rwo (jobs share a node), or workspace (no volume)")
	fl.StringVar(&f.jobs.Cache, "cache-storage", "", "what the caches of jobs are: pvc-rwx, pvc-rwo, or workspace; default pvc-rwx, with --cache-store workspace")
	fl.StringVar(&f.jobs.Source, "job-source", "sidecar", "how jobs get their build's files: sidecar (each clones) or workspace (one clone for all)")
	f.registerWorkspace(fl)
	fl.StringVar(&f.jobs.BuildStorageClass, "build-storage-class", "", "storage `class` of what jobs share, where their project names none")
	fl.StringVar(&f.jobs.CacheStorageClass, "cache-storage-class", "", "storage `class` of jobs' caches, where their project names none")
	fl.StringVar(&f.jobs.ServiceAccount, "job-service-account", "", "service account of jobs that name none")
	fl.StringVar(&f.jobs.ServiceAccounts, "job-service-accounts", "", "regular `expression` for those that jobs may name (also: BRIGADE_SERVICE_ACCOUNT_REGEX)")
	fl.StringSliceVar(&f.jobs.Overlay, "job-overlay", nil, "`fields` of a pod that scripts may set with job.pod, instead of the default ones")
	fl.BoolVar(&f.noOverlay, "no-job-overlay", false, "scripts may set no field of a pod with job.pod")
	fl.BoolVar(&f.jobs.Restricted, "restricted-jobs", false, "make jobs' pods fit the Pod Security Standard \"restricted\"")
	fl.DurationVar(&f.vacuumEvery, "vacuum-every", 0, "how often to delete old builds as brig vacuum does; 0 is never")
	f.vacuum.register(fl, "vacuum-")
	fl.StringVar(&f.health, "health", ":8086", "`address` of /healthz and /readyz; empty for none")
	fl.DurationVar(&f.leaseDuration, "lease-duration", 15*time.Second, "how long other controllers wait for a leader that is not heard of")
	fixed(cmd, "worker", "controller", "pod")
	fixed(cmd, "store", app.StoreMemory, app.StoreSQLite, app.StorePostgres)
	fixed(cmd, "build-storage", "pvc-rwx", "pvc-rwo", "workspace")
	fixed(cmd, "cache-storage", "pvc-rwx", "pvc-rwo", "workspace")
	fixed(cmd, "job-source", "sidecar", "workspace")
	fixed(cmd, "worker-pull-policy", "Always", "IfNotPresent", "Never")
}

// registerWorkspace adds the flags of the server that brings files to pods.
func (f *controllerFlags) registerWorkspace(fl *pflag.FlagSet) {
	fl.StringVar(&f.files.Listen.Address, "workspace", "", "`address` of the workspace server, such as :7748, which brings files to jobs and artifacts home; none by default, :7748 where something is kept by it")
	fl.StringVar(&f.files.Listen.CertFile, "workspace-tls-cert", "", "`file` of its certificate, as PEM")
	fl.StringVar(&f.files.Listen.KeyFile, "workspace-tls-key", "", "`file` of the key that belongs to it")
	fl.StringVar(&f.filesCA, "workspace-ca", "", "`file` of the authority that signed it, as PEM, for pods")
	fl.StringVar(&f.files.URL, "workspace-url", "", "where pods reach it; default the address of this pod")
	fl.StringVar(&f.jobs.WorkspaceImage, "workspace-image", "", "`image` of the containers beside jobs; default this program's own")
	fl.StringVar(&f.cacheStore, "cache-store", "", "`bucket` that keeps the caches of jobs, such as s3://caches/brigade, at the service that --s3-endpoint names; default a directory of the workspace server")
	fl.StringVar(&f.cacheTotal, "cache-total", "20Gi", "`size` of all caches with --cache-storage workspace: those go that were not used for longest")
	fl.DurationVar(&f.files.CacheAge, "cache-age", 30*24*time.Hour, "how long ago a cache may have been used before it goes, with --cache-storage workspace")
}

// caches reads what the flags say of jobs' caches. service is where buckets are.
func (f *controllerFlags) caches(service s3.Options) error {
	total, err := bytesFlag("--cache-total", f.cacheTotal)
	if err != nil {
		return err
	}
	f.files.CacheTotal = total
	if f.cacheStore == "" {
		f.jobs.Cache = cmp.Or(f.jobs.Cache, "pvc-rwx")
		return nil
	}
	u, err := url.Parse(f.cacheStore)
	if err != nil || u.Scheme != "s3" || u.Host == "" || u.RawQuery != "" || u.User != nil {
		return brigade.Errorf(brigade.CodeUsage, "--cache-store %q is not a bucket", f.cacheStore).WithHint("write it like s3://bucket or s3://bucket/prefix")
	}
	if f.jobs.Cache = cmp.Or(f.jobs.Cache, "workspace"); f.jobs.Cache != "workspace" {
		return brigade.Errorf(brigade.CodeUsage, "--cache-store keeps no caches that are volumes (--cache-storage %s)", f.jobs.Cache).WithHint("leave out one of the two flags")
	}
	if service.AccessKey == "" || service.SecretKey == "" {
		return brigade.Errorf(brigade.CodeUsage, "--cache-store needs the keys of its bucket").WithHint("set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
	}
	f.files.Caches = service
	f.files.Caches.Bucket, f.files.Caches.Prefix = u.Host, u.Path
	return nil
}

// workspace reads what the flags say of the workspace server.
func (f *controllerFlags) workspace() (app.WorkspaceOptions, error) {
	o := f.files
	if o.Listen.Address == "" && slices.Contains([]string{f.jobs.Source, f.jobs.BuildStorage, f.jobs.Cache}, "workspace") {
		o.Listen.Address = ":7748"
	}
	if f.filesCA == "" {
		return o, nil
	}
	text, err := os.ReadFile(f.filesCA)
	if err != nil {
		return o, brigade.Errorf(brigade.CodeUsage, "--workspace-ca: %w", err)
	}
	o.CA = string(text)
	return o, nil
}

// control runs the controller until a signal.
func (s *State) control(f *controllerFlags) error {
	opt, err := s.controllerOptions(f)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(s.Context)
	defer cancel()
	c, err := app.NewController(ctx, opt)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	finished := make(chan struct{})
	defer close(finished)
	go s.serverSignals(finished, cancel, c)
	opt.Log.Info("controller", "namespace", opt.Kube.Namespace, "store", f.store, "worker", f.mode, "health", c.Addresses()["health"], "version", versionInfo().Version)
	return c.Run(ctx)
}

func (s *State) controllerOptions(f *controllerFlags) (app.ControllerOptions, error) {
	var none app.ControllerOptions
	pod := s.ownPod()
	if f.data == "" && pod != "" {
		f.data = filepath.Join(os.TempDir(), "brigade-controller")
	}
	f.worker = "process"
	server, err := s.serverOptions(&f.serverFlags)
	if err != nil {
		return none, err
	}
	if err := f.caches(server.Bucket); err != nil {
		return none, err
	}
	opt := app.ControllerOptions{
		ServerOptions: server, Kube: s.kubeOptions("brigade-controller"), Store: f.store, Jobs: f.jobs,
		Pod: pod, Health: app.Listener{Address: f.health}, LeaseDuration: f.leaseDuration,
		Vacuum: f.vacuum.options(),
	}
	opt.Vacuum.Every = f.vacuumEvery
	switch f.mode {
	case "controller":
	case "pod":
		opt.InPods = true
	default:
		return none, brigade.Errorf(brigade.CodeUsage, "there is no worker %q", f.mode).WithHint("use controller or pod")
	}
	opt.Jobs.VCSImage, opt.Jobs.VCSCommand = f.vcsImage, strings.Fields(f.vcsCommand)
	opt.Jobs.ServiceAccounts = cmp.Or(opt.Jobs.ServiceAccounts, s.Getenv("BRIGADE_SERVICE_ACCOUNT_REGEX"))
	if f.noOverlay {
		opt.Jobs.Overlay = []string{}
	}
	opt.Workers = app.WorkerPods{
		Image: f.workerImage, PullPolicy: f.workerPull, ServiceAccount: f.workerAccount, Command: strings.Fields(f.workerCommand), NodeSelector: f.workerNodes,
	}
	if opt.Workers.Requests, err = resourcesFlag("--worker-requests", f.workerRequests); err != nil {
		return none, err
	}
	if opt.Workers.Limits, err = resourcesFlag("--worker-limits", f.workerLimits); err != nil {
		return none, err
	}
	if opt.Workspace, err = f.workspace(); err != nil {
		return none, err
	}
	opt.Postgres, err = s.postgres(f)
	return opt, err
}

// postgres says where the database is.
func (s *State) postgres(f *controllerFlags) (string, error) {
	if f.store != app.StorePostgres {
		return "", nil
	}
	text := s.Getenv("BRIGADE_POSTGRES")
	if f.postgresFile != "" {
		var err error
		if text, err = readInput("PostgreSQL address", f.postgresFile, 64<<10); err != nil {
			return "", err
		}
	}
	if text = strings.TrimSpace(text); text == "" {
		return "", brigade.Errorf(brigade.CodeUsage, "--store postgres needs to know where the database is").
			WithHint("set BRIGADE_POSTGRES to a URL such as postgres://brigade@db/brigade, or name a file that holds it with --postgres-file")
	}
	return text, nil
}

func resourcesFlag(flag string, values map[string]string) (brigade.Resources, error) {
	var r brigade.Resources
	for name, value := range values {
		switch name {
		case "cpu":
			r.CPU = value
		case "memory":
			r.Memory = value
		default:
			return r, brigade.Errorf(brigade.CodeUsage, "%s: there is no resource %q", flag, name).WithHint("write it like cpu=100m,memory=64Mi")
		}
	}
	return r, nil
}

// kubeOptions is the connection to the cluster that was asked for.
func (s *State) kubeOptions(program string) cluster.Options {
	k := s.kubeSettings()
	return cluster.Options{
		Kubeconfig: k.kubeconfig, Context: k.context, Namespace: k.namespace,
		UserAgent: fmt.Sprintf("%s/%s", program, versionInfo().Version),
	}
}

// ownPod is the pod that the program runs in, "" for none.
func (s *State) ownPod() string {
	if s.Getenv("KUBERNETES_SERVICE_HOST") == "" {
		return ""
	}
	return cmp.Or(s.Getenv("POD_NAME"), s.Getenv("HOSTNAME"))
}
