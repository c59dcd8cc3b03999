package cluster

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sync/errgroup"
)

// identities are who the parts of a cluster are: RBAC decides what they may do.
var identities = []struct{ file, user, groups string }{
	{"kubeconfig", "admin", "system:masters"},
	{"controllers.kubeconfig", "system:kube-controller-manager", ""},
	{"scheduler.kubeconfig", "system:kube-scheduler", ""},
	{"proxy.kubeconfig", "system:kube-proxy", ""},
	{"kubelet.kubeconfig", "system:node:" + NodeName, "system:nodes"},
}

const (
	serviceRange = "10.96.0.0/16"
	serviceIP    = "10.96.0.1" // of the API
)

func encode(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

func (c *Cluster) path(name string) string { return filepath.Join(c.Dir, name) }

// startControlPlane starts etcd, the API server, the controllers and the
// scheduler.
func (c *Cluster) startControlPlane(ctx context.Context) error {
	var err error
	if c.apiPort, err = c.ports.reserve(); err != nil {
		return err
	}
	if c.etcdPort, err = c.ports.reserve(); err != nil {
		return err
	}
	peer, err := c.ports.reserve()
	if err != nil {
		return err
	}
	c.URL = "https://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(c.apiPort))
	if err := c.writeFiles(); err != nil {
		return err
	}
	c.admin, err = c.restFor(core)
	if err != nil {
		return err
	}
	etcd, peers := c.etcdURL(), fmt.Sprintf("http://127.0.0.1:%d", peer)
	// Nothing has to outlive the machine's next crash: no fsync.
	if _, err := c.supervisor.start(ctx, false, "etcd", c.bin.Path("etcd"),
		"--data-dir", c.path("etcd"), "--unsafe-no-fsync", "--socket-reuse-port", "--log-level=warn",
		"--listen-client-urls", etcd, "--advertise-client-urls", etcd,
		"--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers, "--initial-cluster", "default="+peers,
		"--quota-backend-bytes", strconv.Itoa(4<<30)); err != nil {
		return err
	}
	if err := c.StartAPIServer(ctx); err != nil {
		return err
	}
	if err := c.provideVolumes(ctx); err != nil {
		return err
	}
	both, bothCtx := errgroup.WithContext(ctx)
	both.Go(func() error { return c.startControllers(bothCtx) })
	both.Go(func() error { return c.startScheduler(bothCtx) })
	if err := both.Wait(); err != nil {
		return err
	}
	return c.await(ctx, "the default namespace gets its service account", nil, func() error {
		return c.get(ctx, "default", "serviceaccounts", "default", nil)
	})
}

func (c *Cluster) etcdURL() string { return fmt.Sprintf("http://127.0.0.1:%d", c.etcdPort) }

// writeFiles writes keys, certificates and kubeconfigs.
func (c *Cluster) writeFiles() error {
	ca, err := newAuthority(c.Dir)
	if err != nil {
		return err
	}
	c.authority = ca
	if c.ca, err = os.ReadFile(c.path("ca.crt")); err != nil {
		return err
	}
	if err := ca.issue("apiserver", template("kube-apiserver"), "127.0.0.1", c.address, serviceIP, "localhost",
		"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"); err != nil {
		return err
	}
	if err := ca.issue("apiserver-kubelet", template("kube-apiserver", "system:masters")); err != nil {
		return err
	}
	if err := ca.issue("kubelet", template("system:node:"+NodeName, "system:nodes"), "127.0.0.1", NodeName, c.nodeAddress()); err != nil {
		return err
	}
	if _, err := ca.writeKey("accounts.key"); err != nil {
		return err
	}
	var tokens strings.Builder
	for _, id := range identities {
		token := randomToken()
		fmt.Fprintf(&tokens, "%s,%s,%s,%q\n", token, id.user, id.user, id.groups)
		server := c.URL
		if id.file == "proxy.kubeconfig" || id.file == "kubelet.kubeconfig" {
			server = c.innerURL()
		}
		if err := c.writeKubeconfig(c.path(id.file), server, token, "default"); err != nil {
			return err
		}
		if id.user == "admin" {
			c.adminToken = token
		}
	}
	return os.WriteFile(c.path("tokens.csv"), []byte(tokens.String()), 0o600)
}

// innerURL is the address of the API for nodes.
func (c *Cluster) innerURL() string {
	return "https://" + net.JoinHostPort(c.address, strconv.Itoa(c.apiPort))
}

// StartAPIServer starts the API server and returns once it is ready. Open does
// it; tests call it again after StopAPIServer. It listens at the same address.
func (c *Cluster) StartAPIServer(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errors.New("the API server was not ready in "+patience.String()))
	defer cancel()
	bind := "127.0.0.1"
	if c.opts.Node {
		bind = "0.0.0.0"
	}
	args := append([]string{c.bin.Path("kube-apiserver"),
		"--etcd-servers=" + c.etcdURL(), "--secure-port=" + strconv.Itoa(c.apiPort), "--permit-port-sharing",
		"--bind-address=" + bind, "--advertise-address=" + c.address, "--endpoint-reconciler-type=" + c.reconciler(),
		"--cert-dir=" + c.Dir, "--tls-cert-file=apiserver.crt", "--tls-private-key-file=apiserver.key",
		"--client-ca-file=ca.crt", "--kubelet-certificate-authority=ca.crt",
		"--kubelet-client-certificate=apiserver-kubelet.crt", "--kubelet-client-key=apiserver-kubelet.key",
		"--kubelet-preferred-address-types=InternalIP", "--enable-aggregator-routing=true",
		"--service-account-key-file=accounts.key", "--service-account-signing-key-file=accounts.key",
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--token-auth-file=tokens.csv", "--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
		"--service-cluster-ip-range=" + serviceRange, "--allow-privileged=true",
		"--max-requests-inflight=3000", "--max-mutating-requests-inflight=1500", "--shutdown-delay-duration=0s", "--delete-collection-workers=16",
	}, c.opts.APIServer...)
	if c.opts.Audit {
		if err := os.WriteFile(c.path("audit.json"), []byte(auditPolicy), 0o600); err != nil {
			return err
		}
		args = append(args, "--audit-policy-file=audit.json", "--audit-log-path=audit.log")
	}
	p, err := c.supervisor.start(ctx, false, "kube-apiserver", args...)
	if err != nil {
		return err
	}
	return c.await(ctx, "the API server is ready", p, func() error {
		body, err := c.admin.Get().AbsPath("/readyz").Do(ctx).Raw()
		if err != nil {
			return fmt.Errorf("%w: %s", err, body)
		}
		return nil
	})
}

// reconciler says how the API's own service gets its endpoint. One on the
// loopback interface is refused.
func (c *Cluster) reconciler() string {
	if c.opts.Node {
		return "lease"
	}
	return "none"
}

// StopAPIServer kills the API server, as a crash would.
func (c *Cluster) StopAPIServer(ctx context.Context) error {
	return c.supervisor.stop(ctx, false, "kube-apiserver", int(syscall.SIGKILL))
}

// Kill kills one of the cluster's programs: "kube-scheduler". It stays dead.
func (c *Cluster) Kill(ctx context.Context, program string) error {
	return c.supervisor.stop(ctx, false, program, int(syscall.SIGKILL))
}

func (c *Cluster) startControllers(ctx context.Context) error {
	args := append([]string{c.bin.Path("kube-controller-manager"), "--kubeconfig=controllers.kubeconfig",
		"--authentication-kubeconfig=controllers.kubeconfig", "--authorization-kubeconfig=controllers.kubeconfig",
		"--secure-port=0", "--leader-elect=false", "--use-service-account-credentials",
		"--service-account-private-key-file=accounts.key", "--root-ca-file=ca.crt",
		// A busy machine must not lose its nodes.
		"--node-monitor-grace-period=3m", "--node-monitor-period=1s",
		"--kube-api-qps=2000", "--kube-api-burst=4000", "--concurrent-gc-syncs=30",
		"--concurrent-namespace-syncs=20", "--terminated-pod-gc-threshold=0",
	}, c.opts.Controllers...)
	_, err := c.supervisor.start(ctx, false, "kube-controller-manager", args...)
	return err
}

func (c *Cluster) startScheduler(ctx context.Context) error {
	args := append([]string{c.bin.Path("kube-scheduler"), "--kubeconfig=scheduler.kubeconfig",
		"--authentication-kubeconfig=scheduler.kubeconfig", "--authorization-kubeconfig=scheduler.kubeconfig",
		"--secure-port=0", "--leader-elect=false", "--kube-api-qps=2000", "--kube-api-burst=4000",
	}, c.opts.Scheduler...)
	_, err := c.supervisor.start(ctx, false, "kube-scheduler", args...)
	return err
}
