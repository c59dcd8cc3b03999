package cluster

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	corev1 "k8s.io/api/core/v1"
)

// NodeName is the name of the real node.
const NodeName = "node"

// node is the real node: processes in namespaces of their own, so that it can
// be beside others, and so that the kernel cleans up.
type node struct {
	number int    // of its networks, of those on this machine
	link   string // the machine's end of the wire to it
	dns    *dnsServer
}

// The node's networks: one for the wire, one for the pods.
func (n *node) host() string    { return fmt.Sprintf("10.213.%d.1", n.number) }
func (n *node) address() string { return fmt.Sprintf("10.213.%d.2", n.number) }
func (n *node) pods() string    { return fmt.Sprintf("10.214.%d.0/24", n.number) }
func (n *node) gateway() string { return fmt.Sprintf("10.214.%d.1", n.number) }

// nodePrograms are what a real node needs besides Kubernetes, and the Debian
// package of each.
var nodePrograms = []struct{ program, pkg string }{
	{"containerd", "containerd"}, {"ctr", "containerd"}, {"runc", "runc"}, {"ip", "iproute2"},
	{"iptables", "iptables"}, {"busybox", "busybox-static"},
}

// CanNode reports why there can be no real node on this machine, or nil.
func CanNode() error {
	if runtime.GOOS != "linux" {
		return fmt.Errorf("a real node needs Linux, this is %s", runtime.GOOS)
	}
	if os.Geteuid() != 0 {
		return errors.New("a real node needs root")
	}
	for _, p := range nodePrograms {
		if look(p.program) == "" {
			return fmt.Errorf("a real node needs %s: apt-get install %s", p.program, p.pkg)
		}
	}
	if cniPlugins() == "" {
		return errors.New("a real node needs the CNI plugins: apt-get install containernetworking-plugins")
	}
	return nil
}

// look finds a program, those for administrators too; "" if there is none.
func look(name string) string {
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	for _, dir := range []string{"/usr/sbin", "/sbin", "/usr/local/sbin"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			return filepath.Join(dir, name)
		}
	}
	return ""
}

func cniPlugins() string {
	for _, dir := range []string{"/usr/lib/cni", "/opt/cni/bin", "/usr/libexec/cni"} {
		if _, err := os.Stat(filepath.Join(dir, "bridge")); err == nil {
			return dir
		}
	}
	return ""
}

// NodeAddress is the address of the real node; HostAddress that of this
// machine as the node and its pods see it, where tests may listen.
func (c *Cluster) NodeAddress() string { return c.nodeAddress() }

// HostAddress is the address of this machine for pods and nodes.
func (c *Cluster) HostAddress() string { return c.address }

func (c *Cluster) nodeAddress() string {
	if c.node == nil {
		return "127.0.0.1"
	}
	return c.node.address()
}

// prepareNode makes the node's namespaces, its network and its files.
func (c *Cluster) prepareNode(ctx context.Context) error {
	if _, err := c.supervisor.ask(ctx, request{Op: "remove", Paths: c.controlGroups()}); err != nil {
		return err
	}
	a, err := c.supervisor.ask(ctx, request{Op: "node", Dir: c.Dir, Env: c.supervisor.env()})
	if err != nil {
		return err
	}
	c.node = &node{}
	if err := c.wire(ctx, a.PID); err != nil {
		return err
	}
	c.address = c.node.host()
	for name, text := range map[string]string{
		"containerd.toml": c.containerdConfig(), "cni/10-bridge.conflist": c.cniConfig(), "kubelet.yaml": c.kubeletConfig(),
		"resolv.conf": "nameserver " + c.address + "\n",
	} {
		if err := os.MkdirAll(filepath.Dir(c.path(name)), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(c.path(name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	// An image that nobody has is to fail at once.
	_, err = c.supervisor.ask(ctx, request{Op: "bind", Node: true, Paths: []string{c.path("resolv.conf"), "/etc/resolv.conf"}})
	return err
}

// startContainerd starts what runs containers, and makes the images.
func (c *Cluster) startContainerd(ctx context.Context) error {
	p, err := c.supervisor.start(ctx, true, "containerd", look("containerd"), "--config", c.path("containerd.toml"))
	if err != nil {
		return err
	}
	if err := c.await(ctx, "containerd answers", p, func() error {
		conn, err := net.Dial("unix", c.path("containerd.sock"))
		if err == nil {
			conn.Close()
			_, err = c.ctr(ctx, "version")
		}
		return err
	}); err != nil {
		return err
	}
	return c.importBusybox(ctx)
}

// wire connects the node with the machine. The name of the machine's end says
// which networks are in use.
func (c *Cluster) wire(ctx context.Context, pid int) error {
	n, ip := c.node, look("ip")
	err := errors.New("no network is free")
	for _, number := range rand.Perm(250) {
		n.number, n.link = number, fmt.Sprintf("brig%d", number)
		if taken(n.host()) || taken(n.gateway()) {
			continue
		}
		if err = c.supervisor.run(ctx, false, ip, "link", "add", n.link, "type", "veth", "peer", "name", "eth0", "netns", strconv.Itoa(pid)); err == nil {
			break
		}
		n.link = ""
	}
	if err != nil {
		return err
	}
	for _, step := range []struct {
		node bool
		args string
	}{
		{false, "addr add " + n.host() + "/24 dev " + n.link},
		{false, "link set " + n.link + " up"},
		{true, "link set lo up"},
		{true, "addr add " + n.address() + "/24 dev eth0"},
		{true, "link set eth0 up"},
		{true, "route add default via " + n.host()},
		{false, "route add " + n.pods() + " via " + n.address()},
	} {
		if err := c.supervisor.run(ctx, step.node, append([]string{ip}, strings.Fields(step.args)...)...); err != nil {
			return err
		}
	}
	return nil
}

// taken reports whether an address belongs to a network of this machine.
func taken(address string) bool {
	ip := net.ParseIP(address)
	list, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, a := range list {
		if n, ok := a.(*net.IPNet); ok && n.Contains(ip) {
			return true
		}
	}
	return false
}

// controlGroups are the groups the node's pods may be in.
func (c *Cluster) controlGroups() []string {
	name := filepath.Base(c.Dir)
	paths := []string{filepath.Join("/sys/fs/cgroup", name)}
	trees, _ := filepath.Glob("/sys/fs/cgroup/*/cgroup.procs")
	for _, tree := range trees {
		paths = append(paths, filepath.Join(filepath.Dir(tree), name))
	}
	return paths
}

// startNode starts what needs the API.
func (c *Cluster) startNode(ctx context.Context) error {
	var err error
	if c.node.dns, err = c.serveNames(net.JoinHostPort(c.address, "53")); err != nil {
		return err
	}
	if err := c.startProxy(ctx); err != nil {
		return err
	}
	if err := c.StartKubelet(ctx); err != nil {
		return err
	}
	return c.await(ctx, "the node is ready", nil, func() error {
		var node corev1.Node
		if err := c.get(ctx, "", "nodes", NodeName, &node); err != nil {
			return fmt.Errorf("%w\n%s", err, c.Log("kubelet"))
		}
		for _, condition := range node.Status.Conditions {
			if condition.Type == corev1.NodeReady && condition.Status == corev1.ConditionTrue && len(node.Spec.Taints) == 0 {
				return nil
			}
		}
		return fmt.Errorf("%v %v\n%s", node.Status.Conditions, node.Spec.Taints, c.Log("kubelet"))
	})
}

// StartKubelet starts the real node's kubelet. Open does it; tests call it
// again after StopKubelet.
func (c *Cluster) StartKubelet(ctx context.Context) error {
	_, err := c.supervisor.start(ctx, true, "kubelet", append([]string{c.bin.Path("kubelet"),
		"--config=kubelet.yaml", "--kubeconfig=kubelet.kubeconfig", "--root-dir=" + c.path("kubelet"),
		"--cert-dir=" + c.path("pki"), "--hostname-override=" + NodeName, "--node-ip=" + c.node.address()}, c.opts.Kubelet...)...)
	return err
}

// StopKubelet kills the real node's kubelet: a node that is lost, while its
// containers run on.
func (c *Cluster) StopKubelet(ctx context.Context) error {
	return c.supervisor.stop(ctx, true, "kubelet", int(syscall.SIGKILL))
}

func (c *Cluster) startProxy(ctx context.Context) error {
	_, err := c.supervisor.start(ctx, true, "kube-proxy", c.bin.Path("kube-proxy"), "--kubeconfig=proxy.kubeconfig",
		"--hostname-override="+NodeName, "--proxy-mode=iptables", "--cluster-cidr="+c.node.pods(), "--oom-score-adj=0",
		"--conntrack-max-per-core=0", "--conntrack-min=0", "--conntrack-tcp-timeout-established=0", "--conntrack-tcp-timeout-close-wait=0")
	return err
}

// unwire removes the machine's end of the wire, and the other with it.
func (c *Cluster) unwire() {
	if c.node == nil || c.node.link == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_ = c.supervisor.run(ctx, false, look("ip"), "link", "del", c.node.link) // the kernel does it, too, later
}

func (c *Cluster) containerdConfig() string {
	snapshotter := "overlayfs"
	if overlaid(c.Dir) {
		snapshotter = "native"
	}
	return fmt.Sprintf(`version = 2
root = "%[1]s/containerd-root"
state = "%[1]s/containerd-state"
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.devmapper"]
[grpc]
  address = "%[1]s/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "%[2]s"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "%[3]s"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "%[4]s"
    conf_dir = "%[1]s/cni"
`, c.Dir, pauseImage, snapshotter, cniPlugins())
}

func (c *Cluster) cniConfig() string {
	return fmt.Sprintf(`{"cniVersion":"0.4.0","name":"bridge","plugins":[
{"type":"bridge","bridge":"cni0","isGateway":true,"ipMasq":false,"hairpinMode":true,
"ipam":{"type":"host-local","dataDir":"%s/ipam","ranges":[[{"subnet":%q,"gateway":%q}]],"routes":[{"dst":"0.0.0.0/0"}]}},
{"type":"portmap","capabilities":{"portMappings":true}}]}
`, c.Dir, c.node.pods(), c.node.gateway())
}

func (c *Cluster) kubeletConfig() string {
	return fmt.Sprintf(`apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
containerRuntimeEndpoint: unix://%[1]s/containerd.sock
cgroupDriver: cgroupfs
cgroupRoot: /%[2]s
cgroupsPerQOS: false
enforceNodeAllocatable: []
failSwapOn: false
failCgroupV1: false
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: %[1]s/ca.crt}}
authorization: {mode: Webhook}
tlsCertFile: %[1]s/kubelet.crt
tlsPrivateKeyFile: %[1]s/kubelet.key
clusterDNS: [%[3]s]
clusterDomain: cluster.local
resolvConf: %[1]s/resolv.conf
podLogsDir: %[1]s/pod-logs
evictionHard: {}
maxPods: 250
imageGCHighThresholdPercent: 100
localStorageCapacityIsolation: false
oomScoreAdj: 0
kubeAPIQPS: 500
kubeAPIBurst: 1000
eventRecordQPS: 0
registryPullQPS: 0
serializeImagePulls: false
`, c.Dir, filepath.Base(c.Dir), c.address)
}
