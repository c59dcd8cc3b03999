package cluster

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/rest"
)

// Options say what kind of cluster to start. The zero value is a control plane
// without nodes, which is what most tests want.
type Options struct {
	// Node asks for a real node, which needs root and Debian's containerd,
	// runc and containernetworking-plugins; see CanNode.
	Node bool
	// Images are further names of the busybox image on the real node.
	Images []string
	// APIServer, Controllers, Scheduler and Kubelet are further arguments of
	// these programs: "--node-monitor-grace-period=5s".
	APIServer, Controllers, Scheduler, Kubelet []string
	// Progress gets a line now and then when something takes long; nil drops
	// them.
	Progress io.Writer
	// Audit makes the API server write down every request; see Requests.
	Audit bool
	// Keep leaves Dir where it is at the end, for its logs.
	Keep bool
	// Build builds Kubernetes when it is not in the cache, which takes minutes.
	// Without it Open returns ErrNotBuilt.
	Build bool
}

// Cluster is a running cluster. It is safe for concurrent use.
type Cluster struct {
	// Dir holds everything of the cluster, the programs' logs too
	// (kube-apiserver.log …). Close removes it.
	Dir string
	// URL is the address of the API: https://127.0.0.1:40123.
	URL string

	opts       Options
	bin        Bin
	supervisor *supervisor
	ports      ports
	apiPort    int
	etcdPort   int
	address    string // of the machine, as nodes see it
	authority  *authority
	ca         []byte // its certificate
	adminToken string
	node       *node
	fakes      atomic.Int64
	admin      rest.Interface // core/v1, as the administrator

	ctx     context.Context // ends with the cluster
	cancel  context.CancelCauseFunc
	tasks   sync.WaitGroup
	closing sync.Once
	closed  error
}

// patience is how long a part of the cluster may take to start on a machine
// that does a lot besides.
const patience = 3 * time.Minute

// Open starts a cluster and returns once it can be used. The caller closes it.
func Open(ctx context.Context, opts Options) (_ *Cluster, err error) {
	if opts.Progress == nil {
		opts.Progress = io.Discard
	}
	if opts.Node {
		if err := CanNode(); err != nil {
			return nil, err
		}
	}
	bin, err := programsIn(ctx, opts.Build, opts.Progress)
	if err != nil {
		return nil, err
	}
	// Short, for the paths of unix sockets.
	dir, err := os.MkdirTemp(tempDir(), "brigade-cluster-")
	if err != nil {
		return nil, fmt.Errorf("make the cluster's directory: %w", err)
	}
	c := &Cluster{Dir: dir, opts: opts, bin: bin, address: "127.0.0.1"}
	c.ctx, c.cancel = context.WithCancelCause(context.Background())
	if c.supervisor, err = supervise(bin.Supervise, dir); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close())
		}
	}()
	if !opts.Keep {
		if _, err := c.supervisor.ask(ctx, request{Op: "remove", Paths: []string{dir}}); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errors.New("the cluster did not start in "+patience.String()))
	defer cancel()
	if opts.Node {
		if err := c.prepareNode(ctx); err != nil {
			return nil, fmt.Errorf("prepare the node: %w", err)
		}
	}
	parts, partsCtx := errgroup.WithContext(ctx)
	parts.Go(func() error { return c.startControlPlane(partsCtx) })
	if opts.Node {
		parts.Go(func() error { return c.startContainerd(partsCtx) })
	}
	if err := parts.Wait(); err != nil {
		return nil, err
	}
	if opts.Node {
		if err := c.startNode(ctx); err != nil {
			return nil, fmt.Errorf("start the node: %w", err)
		}
	}
	return c, nil
}

// tempDir is where clusters are. A real node has a /run and a /var of its own.
func tempDir() string {
	dir := os.TempDir()
	if len(dir) > 40 || strings.HasPrefix(dir, "/run") || strings.HasPrefix(dir, "/var/run") || strings.HasPrefix(dir, "/var/l") {
		return "/tmp"
	}
	return dir
}

// Close ends the cluster and removes all that was made for it. It returns the
// same answer whenever called.
func (c *Cluster) Close() error {
	c.closing.Do(func() {
		c.cancel(errors.New("the cluster is closed"))
		c.tasks.Wait()
		c.unwire()
		c.closed = c.supervisor.close()
		c.ports.release()
		if _, err := os.Stat(c.Dir); err == nil && !c.opts.Keep {
			c.closed = errors.Join(c.closed, fmt.Errorf("%s is still there", c.Dir))
		}
	})
	return c.closed
}

// Kubeconfig is the path of the administrator's kubeconfig.
func (c *Cluster) Kubeconfig() string { return filepath.Join(c.Dir, "kubeconfig") }

// Log returns the end of a program's log: "kube-apiserver".
func (c *Cluster) Log(program string) string { return c.supervisor.tail(program) }

// Bin is where the cluster's programs are, kubectl among them.
func (c *Cluster) Bin() Bin { return c.bin }

// Run runs kubectl as the administrator and returns what it printed.
func (c *Cluster) Run(ctx context.Context, stdin io.Reader, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, c.bin.Path("kubectl"), args...)
	cmd.Env = append(c.supervisor.env(), "KUBECONFIG="+c.Kubeconfig(), "KUBECACHEDIR="+filepath.Join(c.Dir, "kubectl"))
	cmd.Stdin = stdin
	out, err := cmd.Output()
	if err != nil {
		text := err.Error()
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			text = strings.TrimSpace(string(exit.Stderr))
		}
		return string(out), fmt.Errorf("kubectl %s: %s", strings.Join(args, " "), text)
	}
	return string(out), nil
}

// writeKubeconfig writes a kubeconfig of somebody with a token.
func (c *Cluster) writeKubeconfig(path, server, token, namespace string) error {
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: brigade, cluster: {server: %q, certificate-authority-data: %s}}]
users: [{name: user, user: {token: %q}}]
contexts: [{name: brigade, context: {cluster: brigade, user: user, namespace: %q}}]
current-context: brigade
`, server, encode(c.ca), token, namespace)
	return os.WriteFile(path, []byte(text), 0o600)
}

// await calls try until it returns nil, or the context or a process ends.
func (c *Cluster) await(ctx context.Context, what string, p *process, try func() error) error {
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	done := make(chan struct{})
	if p != nil {
		done = p.done
	}
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-done:
			return fmt.Errorf("%s ended (%s) while this was waited for: %s\n%s", p.name, p.exit, what, c.Log(p.name))
		case <-ctx.Done():
			log := ""
			if p != nil {
				log = "\n" + c.Log(p.name)
			}
			return fmt.Errorf("%s: %w; at last: %w%s", what, context.Cause(ctx), err, log)
		}
	}
}

func randomToken() string { return rand.Text() }
