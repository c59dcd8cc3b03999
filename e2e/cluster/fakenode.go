package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	coordination "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/workqueue"
)

// Annotations of a pod that say what happens to it on a fake node. Without any
// it succeeds at once.
const (
	// FakeNap is how long its containers run: "1.5s", or "forever".
	FakeNap = "fake.brigade.sh/nap"
	// FakeExit is the exit code of its main containers: "3".
	FakeExit = "fake.brigade.sh/exit"
	// FakeInitExit is the exit code of its first init container; when it is not
	// 0 the others do not run.
	FakeInitExit = "fake.brigade.sh/init-exit"
	// FakeMessage is the termination message of its first main container.
	FakeMessage = "fake.brigade.sh/message"
	// FakeReason is why its main containers ended: "OOMKilled". "Evicted" is a
	// reason of the pod.
	FakeReason = "fake.brigade.sh/reason"
	// FakeWaiting is why its containers never start: "ImagePullBackOff".
	FakeWaiting = "fake.brigade.sh/waiting"
	// FakeLog is what its main containers print.
	FakeLog = "fake.brigade.sh/log"
)

// Forever is a nap that only a deletion ends.
const Forever time.Duration = -1

// Fate is what happens to a pod on a fake node.
type Fate struct {
	Nap      time.Duration // how long its containers run; 0: it is never seen running
	Exit     int           // code of its main containers
	InitExit int           // code of its first init container
	Message  string        // termination message
	Reason   string        // OOMKilled, Error …; Evicted
	Waiting  string        // why it never starts
	Log      string        // what its containers print
}

// FakeNodeOptions say what kind of node to pretend.
type FakeNodeOptions struct {
	// Name of the node; the default is fake-1, fake-2 and so on.
	Name string
	// Pods is how many pods it takes at once; the default is 2000.
	Pods int
	// Labels and Taints of the node.
	Labels map[string]string
	Taints []corev1.Taint
	// Run decides on a pod; nil means FateOf, which asks its annotations. It
	// is called once for each pod and must not block.
	Run func(*corev1.Pod) Fate
}

// FakeNode is a node that runs nothing: it keeps its lease, takes the pods
// bound to it and reports on them what their annotations say, as a kubelet
// would. It answers requests for logs.
type FakeNode struct {
	Name string

	c       *Cluster
	opts    FakeNodeOptions
	logs    *fakeKubelet
	ctx     context.Context
	cancel  context.CancelFunc
	tasks   sync.WaitGroup
	leases  rest.Interface
	queue   workqueue.TypedRateLimitingInterface[types.UID] // pods to look at
	removed sync.Once

	mu     sync.Mutex
	pods   map[types.UID]*fakePod
	silent bool
	number int
}

// FakeNode adds a fake node for the time of a test and returns when pods are
// scheduled to it.
func (c *Cluster) FakeNode(t testing.TB, opts FakeNodeOptions) *FakeNode {
	t.Helper()
	n, err := c.AddFakeNode(testContext(t), opts)
	if err != nil {
		t.Fatalf("add a fake node: %v", err)
	}
	t.Cleanup(n.Remove)
	return n
}

// AddFakeNode adds a fake node and returns when pods are scheduled to it. It is
// there until Remove, or the cluster's end.
func (c *Cluster) AddFakeNode(ctx context.Context, opts FakeNodeOptions) (*FakeNode, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errors.New("the node was not ready in "+patience.String()))
	defer cancel()
	if opts.Name == "" {
		opts.Name = fmt.Sprintf("fake-%d", c.fakes.Add(1))
	}
	if opts.Pods == 0 {
		opts.Pods = 2000
	}
	if opts.Run == nil {
		opts.Run = FateOf
	}
	n := &FakeNode{Name: opts.Name, c: c, opts: opts, pods: map[types.UID]*fakePod{}}
	n.queue = workqueue.NewTypedRateLimitingQueue(workqueue.NewTypedItemExponentialFailureRateLimiter[types.UID](20*time.Millisecond, 5*time.Second))
	n.ctx, n.cancel = context.WithCancel(c.ctx)
	var err error
	if n.leases, err = c.restFor(leases); err != nil {
		n.cancel()
		return nil, err
	}
	if n.logs, err = serveLogs(n); err != nil {
		n.cancel()
		return nil, err
	}
	n.work()
	if err := n.register(ctx); err != nil {
		n.Remove()
		return nil, err
	}
	if err := c.follow(n.ctx, "pods", "spec.nodeName="+n.Name, &corev1.Pod{}, n.handler()); err != nil {
		n.Remove()
		return nil, err
	}
	err = c.await(ctx, "the node takes pods", nil, func() error {
		var node corev1.Node
		if err := c.get(ctx, "", "nodes", n.Name, &node); err != nil {
			return err
		}
		for _, taint := range node.Spec.Taints {
			if taint.Key == corev1.TaintNodeNotReady {
				return errors.New("it is not ready")
			}
		}
		return nil
	})
	if err != nil {
		n.Remove()
		return nil, err
	}
	return n, nil
}

func (n *FakeNode) register(ctx context.Context) error {
	labels := map[string]string{
		corev1.LabelHostname: n.Name, corev1.LabelOSStable: "linux", corev1.LabelArchStable: "amd64", "fake.brigade.sh/node": "true",
	}
	for k, v := range n.opts.Labels {
		labels[k] = v
	}
	much := corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("10000"), corev1.ResourceMemory: resource.MustParse("100Ti"),
		corev1.ResourceEphemeralStorage: resource.MustParse("100Ti"), corev1.ResourcePods: *resource.NewQuantity(int64(n.opts.Pods), resource.DecimalSI),
	}
	node := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: n.Name, Labels: labels},
		Spec:       corev1.NodeSpec{Taints: n.opts.Taints},
		Status: corev1.NodeStatus{
			Capacity: much, Allocatable: much, Conditions: ready(),
			Addresses:       []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: "127.0.0.1"}, {Type: corev1.NodeHostName, Address: n.Name}},
			DaemonEndpoints: corev1.NodeDaemonEndpoints{KubeletEndpoint: corev1.DaemonEndpoint{Port: int32(n.logs.port)}},
			NodeInfo:        corev1.NodeSystemInfo{KubeletVersion: Version(), OperatingSystem: "linux", Architecture: "amd64", ContainerRuntimeVersion: "fake://1", OSImage: "fake"},
		},
	}
	if err := create(ctx, n.c.admin, "", "nodes", node); err != nil {
		return fmt.Errorf("register the node: %w", err)
	}
	seconds := int32(40)
	lease := &coordination.Lease{
		ObjectMeta: metav1.ObjectMeta{Name: n.Name},
		Spec:       coordination.LeaseSpec{HolderIdentity: &n.Name, LeaseDurationSeconds: &seconds, RenewTime: &metav1.MicroTime{Time: time.Now()}},
	}
	if err := create(ctx, n.leases, corev1.NamespaceNodeLease, "leases", lease); err != nil && !exists(err) {
		return fmt.Errorf("make the node's lease: %w", err)
	}
	return nil
}

func ready() []corev1.NodeCondition {
	now := metav1.Now()
	condition := func(kind corev1.NodeConditionType, status corev1.ConditionStatus) corev1.NodeCondition {
		return corev1.NodeCondition{Type: kind, Status: status, LastHeartbeatTime: now, LastTransitionTime: now, Reason: "Fake"}
	}
	return []corev1.NodeCondition{
		condition(corev1.NodeReady, corev1.ConditionTrue), condition(corev1.NodeMemoryPressure, corev1.ConditionFalse),
		condition(corev1.NodeDiskPressure, corev1.ConditionFalse), condition(corev1.NodePIDPressure, corev1.ConditionFalse),
	}
}

// beat renews the node's lease every ten seconds, as a kubelet does.
func (n *FakeNode) beat() {
	tick := time.NewTicker(10 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-n.ctx.Done():
			return
		case <-tick.C:
		}
		if n.isSilent() {
			continue
		}
		now, _ := json.Marshal(metav1.MicroTime{Time: time.Now()})
		patch := fmt.Appendf(nil, `{"spec":{"renewTime":%s}}`, now)
		_ = n.leases.Patch(types.MergePatchType).Namespace(corev1.NamespaceNodeLease).Resource("leases").Name(n.Name).
			Body(patch).Do(n.ctx).Error() // the next one may succeed
	}
}

// Silence is a node that is lost: it reports nothing any more, and answers no
// deletion, until Silence(false).
func (n *FakeNode) Silence(silent bool) {
	n.mu.Lock()
	n.silent = silent
	n.mu.Unlock()
	if !silent {
		n.catchUp()
	}
}

func (n *FakeNode) isSilent() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.silent
}

// Running is how many pods the node holds that have not ended.
func (n *FakeNode) Running() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	count := 0
	for _, p := range n.pods {
		if p.stage != over {
			count++
		}
	}
	return count
}

// Remove takes the node away: nobody answers for its pods any more. Once it
// returns no pod is scheduled to it.
func (n *FakeNode) Remove() {
	n.removed.Do(func() {
		ctx, cancel := context.WithTimeout(n.c.ctx, 30*time.Second)
		defer cancel()
		n.cordon(ctx)
		n.cancel()
		n.tasks.Wait()
		_ = n.c.admin.Delete().Resource("nodes").Name(n.Name).Do(ctx).Error()
		_ = n.leases.Delete().Namespace(corev1.NamespaceNodeLease).Resource("leases").Name(n.Name).Do(ctx).Error()
	})
}

// cordon returns when the scheduler knows that the node takes no more pods:
// otherwise it may yet send those of the next test there. It asks it about a
// pod that could go nowhere else.
func (n *FakeNode) cordon(ctx context.Context) {
	err := n.c.admin.Patch(types.MergePatchType).Resource("nodes").Name(n.Name).
		Body([]byte(`{"spec":{"unschedulable":true}}`)).Do(ctx).Error()
	for try := 0; err == nil && ctx.Err() == nil; try++ {
		probe := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("%s-%d", n.Name, try), Annotations: map[string]string{FakeNap: "forever"}},
			Spec: corev1.PodSpec{
				NodeSelector: map[string]string{corev1.LabelHostname: n.Name}, RestartPolicy: corev1.RestartPolicyNever,
				Containers: []corev1.Container{{Name: "probe", Image: "probe"}},
			},
		}
		if err = create(ctx, n.c.admin, corev1.NamespaceNodeLease, "pods", probe); err != nil {
			return
		}
		refused := false
		_ = n.c.await(ctx, "the scheduler looks at a pod", nil, func() error {
			if err := n.c.get(ctx, corev1.NamespaceNodeLease, "pods", probe.Name, probe); err != nil {
				return err
			}
			for _, c := range probe.Status.Conditions {
				refused = refused || c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse
			}
			if !refused && probe.Spec.NodeName == "" {
				return errors.New("it did not yet")
			}
			return nil
		})
		err = n.c.deleteNow(ctx, corev1.NamespaceNodeLease, probe.Name)
		if refused {
			return
		}
	}
}

// FateOf reads a pod's annotations. Without any a pod ends at once, and one that
// is to be started again whenever it ends, as a Deployment's, runs for ever.
func FateOf(pod *corev1.Pod) Fate {
	a := pod.Annotations
	number := func(key string) int {
		n, _ := strconv.Atoi(a[key])
		return n
	}
	f := Fate{
		Exit: number(FakeExit), InitExit: number(FakeInitExit),
		Message: a[FakeMessage], Reason: a[FakeReason], Waiting: a[FakeWaiting], Log: a[FakeLog],
	}
	switch nap := a[FakeNap]; {
	case nap == "forever", nap == "" && pod.Spec.RestartPolicy == corev1.RestartPolicyAlways:
		f.Nap = Forever
	default:
		f.Nap, _ = time.ParseDuration(nap)
	}
	return f
}
