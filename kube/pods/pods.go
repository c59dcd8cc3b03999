// Package pods runs jobs as pods, named and shaped as Brigade v1's are:
// brigade.Runner, Attacher and Sweeper on a Kubernetes namespace.
//
// Nothing is polled: one watched list of job pods per namespace serves all
// jobs. A job costs one request for its Secret (if it needs one), one for its
// pod and one or two for its log.
package pods

import (
	"context"
	"log/slog"
	"regexp"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/kube/cluster"
)

// Options configure the runner. Only Cluster is required.
type Options struct {
	Cluster *cluster.Client
	// Namespace is where jobs of projects run that name none; default is the
	// cluster's.
	Namespace string
	// Owner returns what the objects of a build belong to: its Secret, so that
	// deleting that deletes all. nil, or a nil reference: they belong to
	// nothing. It must be in the namespace of the jobs.
	Owner func(ctx context.Context, b *brigade.Build) (*metav1.OwnerReference, error)

	// RunBy says who runs the jobs: objects.RunnerController or RunnerWorker.
	RunBy string
	// Builds are the only ones whose jobs it runs, as their pods' label has them; nil
	// is any. The worker of one build need not hear of all others.
	Builds []string
	// Turns has every pod wait for its turn: it is made with a scheduling gate,
	// objects.GateTurn, which somebody takes away who knows how many jobs may
	// run. The clock of the job's time limit is held until then.
	Turns bool

	// Source says how jobs get the build's files; default SourceSidecar.
	Source SourceMode
	// VCSImage fetches the files for projects that name no sidecar image of
	// their own, by VCSCommand; "" for none.
	VCSImage   string
	VCSCommand []string
	// KnownHosts are the SSH servers that it may clone from, as lines of a
	// known_hosts file, besides those of the project; "" is all, as in v1.
	KnownHosts string
	// BuildStorage and Cache say what the directories are that jobs share;
	// default StorageRWX.
	BuildStorage StorageMode
	Cache        StorageMode
	// BuildStorageClass and CacheStorageClass are those of projects that name
	// none; "" is the cluster's default.
	BuildStorageClass string
	CacheStorageClass string
	// Workspace brings files to pods and home again where volumes do not. nil:
	// there is none, and no job's artifacts are kept.
	Workspace      Workspace
	WorkspaceImage string // what its containers run: the program's own image
	// RemoteArtifacts says that who serves the workspace keeps artifacts,
	// without JobRun.Keep.
	RemoteArtifacts bool

	// ServiceAccount is that of jobs that name none; "" is the namespace's
	// default. ServiceAccounts is a regular expression for those they may
	// name (v1's BRIGADE_SERVICE_ACCOUNT_REGEX); "" and "*": all.
	ServiceAccount  string
	ServiceAccounts string
	// Overlay lists what scripts may set with job.pod, see DefaultOverlay; nil
	// is DefaultOverlay, an empty list nothing.
	Overlay []string
	// Restricted gives pods what the Pod Security Standard "restricted" asks
	// for, as far as the job is not privileged. Images that run as root run as
	// user RestrictedUser then.
	Restricted bool

	// Grace is how long a job has to end by itself when it is stopped; default
	// 30 s. PullPatience is how long a pull may fail for a reason that passes;
	// default 1 min. LogPatience is how long a node may be silent while the rest of
	// a log is read after the job's end; default 10 s.
	Grace        time.Duration
	PullPatience time.Duration
	LogPatience  time.Duration
	// Events has the cluster's warnings about pods watched, for what their
	// status does not say: a volume that cannot be mounted. It takes the right
	// to list and watch events.
	Events bool

	Now func() time.Time // default time.Now
	Log *slog.Logger     // what operators may want to know; nil drops it
}

// SourceMode says how jobs get the build's files.
type SourceMode string

// StorageMode says what the directories are that jobs share.
type StorageMode string

// The modes.
const (
	SourceSidecar   SourceMode = "sidecar"   // each job clones, in an init container, as v1 does
	SourceWorkspace SourceMode = "workspace" // one clone per build, served by the workspace

	StorageRWX       StorageMode = "pvc-rwx"   // a volume that many nodes mount, as v1 has it
	StorageRWO       StorageMode = "pvc-rwo"   // a volume of one node; the jobs that use it run there
	StorageWorkspace StorageMode = "workspace" // no volume: the workspace carries the files
)

// RestrictedUser is who jobs run as with Options.Restricted, unless their
// script says otherwise.
const RestrictedUser = 65532

// Runner runs jobs in pods. Make it with New.
type Runner struct {
	opt      Options
	accounts *regexp.Regexp // nil: any

	over context.Context //nolint:containedctx // of the watches: it lives as long as the runner
	end  context.CancelFunc

	mu      sync.Mutex
	hubs    map[string]*hub      // by namespace
	mute    map[string]time.Time // nodes that give no logs, and until when they are not asked
	storage map[string]string    // build storage that is known to be there: namespace/claim to build
}

var (
	_ brigade.Runner    = (*Runner)(nil)
	_ brigade.Attacher  = (*Runner)(nil)
	_ brigade.Sweeper   = (*Runner)(nil)
	_ brigade.Execution = (*execution)(nil)
)

// New returns a runner. It asks the cluster nothing yet. The error is about
// the options.
func New(opt Options) (*Runner, error) {
	if opt.Cluster == nil {
		return nil, brigade.Errorf(brigade.CodeUsage, "jobs in pods need a cluster")
	}
	if opt.Namespace == "" {
		opt.Namespace = opt.Cluster.Namespace
	}
	opt.Source = or(opt.Source, SourceSidecar)
	opt.BuildStorage, opt.Cache = or(opt.BuildStorage, StorageRWX), or(opt.Cache, StorageRWX)
	opt.Grace = or(opt.Grace, 30*time.Second)
	opt.PullPatience, opt.LogPatience = or(opt.PullPatience, time.Minute), or(opt.LogPatience, 10*time.Second)
	if opt.Overlay == nil {
		opt.Overlay = DefaultOverlay()
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if err := check(opt); err != nil {
		return nil, err
	}
	r := &Runner{opt: opt, hubs: map[string]*hub{}, mute: map[string]time.Time{}, storage: map[string]string{}}
	if opt.ServiceAccounts != "" && opt.ServiceAccounts != "*" {
		accounts, err := regexp.Compile(opt.ServiceAccounts)
		if err != nil {
			return nil, brigade.Errorf(brigade.CodeUsage, "the service accounts that jobs may use: %w", err).
				WithHint("BRIGADE_SERVICE_ACCOUNT_REGEX is a regular expression such as ^ci-")
		}
		r.accounts = accounts
	}
	r.over, r.end = context.WithCancel(context.Background())
	return r, nil
}

func or[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

// check reports options that do not go together.
func check(opt Options) error {
	switch opt.Source {
	case SourceSidecar, SourceWorkspace:
	default:
		return brigade.Errorf(brigade.CodeUsage, "there is no way %q to give jobs their files", opt.Source).WithHint("there are sidecar and workspace")
	}
	needs := opt.Source == SourceWorkspace
	for _, mode := range []StorageMode{opt.BuildStorage, opt.Cache} {
		switch mode {
		case StorageRWX, StorageRWO:
		case StorageWorkspace:
			needs = true
		default:
			return brigade.Errorf(brigade.CodeUsage, "there is no storage mode %q", mode).WithHint("there are pvc-rwx, pvc-rwo and workspace")
		}
	}
	if needs && opt.Workspace == nil {
		return brigade.Errorf(brigade.CodeUsage, "files are to come from the workspace, but there is none")
	}
	return checkOverlay(opt.Overlay)
}

// Name returns "pods".
func (r *Runner) Name() string { return "pods" }

// Check reports whether the cluster answers and lets job pods be watched.
func (r *Runner) Check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return r.hub(r.opt.Namespace).view.Synced(ctx)
}

// Close ends the watches. Executions do not end by it: their jobs go on.
func (r *Runner) Close() { r.end() }

// namespace is where the project's jobs run.
func (r *Runner) namespace(p *brigade.Project) string {
	if p != nil && p.Kubernetes.Namespace != "" {
		return p.Kubernetes.Namespace
	}
	return r.opt.Namespace
}

// callTimeout bounds requests that the API server answers at once.
const callTimeout = 30 * time.Second
