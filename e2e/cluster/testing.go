package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	authentication "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Required reports whether tests must fail, and not be skipped, when there can
// be no cluster: in CI, or when BRIGADE_TEST_CLUSTER is "required".
func Required() bool {
	return os.Getenv("CI") == "true" || os.Getenv("BRIGADE_TEST_CLUSTER") == "required"
}

// Start starts a cluster for a test and closes it at the test's end. Where
// there can be none the test is skipped, or fails where Required says so.
func Start(t testing.TB, opts Options) *Cluster {
	t.Helper()
	c, err := openForTest(t.Context(), opts)
	if err != nil {
		unavailable(t, err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			c.showLogs(t)
		}
		if err := c.Close(); err != nil {
			t.Errorf("close the cluster: %v", err)
		}
	})
	return c
}

// once is a cluster that is started once, or fails to.
type once struct {
	sync.Once
	cluster *Cluster
	err     error
}

// shared holds the clusters that the tests of a test binary share.
var shared struct{ plain, node once }

// Shared returns a control plane without nodes that all tests of a test binary
// share; the first who asks starts it. It ends with the process. Tests keep
// apart by Namespace, and do not stop its parts. Those that run in parallel
// send their pods to their own fake node by its name.
func Shared(t testing.TB) *Cluster {
	t.Helper()
	return shared.plain.get(t, Options{})
}

// SharedNode is Shared with a real node.
func SharedNode(t testing.TB) *Cluster {
	t.Helper()
	return shared.node.get(t, Options{Node: true})
}

func (o *once) get(t testing.TB, opts Options) *Cluster {
	t.Helper()
	o.Do(func() { o.cluster, o.err = openForTest(context.Background(), opts) })
	if o.err != nil {
		unavailable(t, o.err)
	}
	return o.cluster
}

// openForTest builds only where tests have to run: elsewhere nobody expects
// that it takes minutes.
func openForTest(ctx context.Context, opts Options) (*Cluster, error) {
	opts.Build = opts.Build || Required()
	if opts.Node {
		if err := CanNode(); err != nil {
			return nil, errUnavailable{err}
		}
	}
	if _, err := programsIn(ctx, opts.Build, os.Stderr); err != nil {
		return nil, errUnavailable{err}
	}
	return Open(ctx, opts)
}

// errUnavailable is why there can be no cluster on this machine.
type errUnavailable struct{ error }

func unavailable(t testing.TB, err error) {
	t.Helper()
	var reason errUnavailable
	switch {
	case !errors.As(err, &reason):
		t.Fatalf("start a cluster: %v", err)
	case Required():
		t.Fatalf("a cluster is required here: %v", err)
	default:
		t.Skipf("SKIPPED, no cluster: %v", err)
	}
}

func (c *Cluster) showLogs(t testing.TB) {
	t.Helper()
	for _, name := range []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler", "containerd", "kubelet"} {
		if _, err := os.Stat(c.path(name + ".log")); err != nil {
			continue
		}
		lines := strings.Split(c.Log(name), "\n")
		t.Logf("the last lines of %s:\n%s", name, strings.Join(lines[max(0, len(lines)-8):], "\n"))
	}
}

// Kubectl runs kubectl as the administrator, fails the test when that fails,
// and returns what it printed.
func (c *Cluster) Kubectl(t testing.TB, args ...string) string {
	t.Helper()
	out, err := c.Run(testContext(t), nil, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Apply applies a manifest in a namespace.
func (c *Cluster) Apply(t testing.TB, namespace, manifest string) string {
	t.Helper()
	out, err := c.Run(testContext(t), strings.NewReader(manifest), "-n", namespace, "apply", "-f", "-")
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// testContext ends with a test, or never during its cleanup.
func testContext(t testing.TB) context.Context {
	if ctx := t.Context(); ctx.Err() == nil {
		return ctx
	}
	return context.Background()
}

// Namespace makes a namespace in which pods can be created, and deletes it
// with all that is in it when the test ends, without waiting for that.
func (c *Cluster) Namespace(t testing.TB) string {
	t.Helper()
	name := "test-" + strings.ToLower(randomToken()[:8])
	ctx, cancel := context.WithTimeout(testContext(t), patience)
	defer cancel()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{"test": t.Name()}}}
	if err := create(ctx, c.admin, "", "namespaces", ns); err != nil {
		t.Fatalf("create a namespace: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		err := c.admin.Delete().Resource("namespaces").Name(name).Do(ctx).Error()
		if err != nil && !notFound(err) && c.ctx.Err() == nil {
			t.Errorf("delete the namespace %s: %v", name, err)
		}
		// Pods that wait for a node must not get one of the next test.
		if err == nil && c.node == nil {
			_ = c.deleteNow(ctx, name, "")
		}
	})
	if err := c.await(ctx, "the namespace gets its service account", nil, func() error {
		return c.get(ctx, name, "serviceaccounts", "default", nil)
	}); err != nil {
		t.Fatal(err)
	}
	return name
}

// KubeconfigFor returns the path of a kubeconfig of a service account, with a
// token as its pods have one, and makes the account if there is none: what it
// may do is what the test grants it, and nothing else.
func (c *Cluster) KubeconfigFor(t testing.TB, serviceAccount, namespace string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(testContext(t), patience)
	defer cancel()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: serviceAccount}}
	if err := create(ctx, c.admin, namespace, "serviceaccounts", account); err != nil && !exists(err) {
		t.Fatalf("create the service account %s: %v", serviceAccount, err)
	}
	seconds := int64(3600)
	ask, err := json.Marshal(&authentication.TokenRequest{
		TypeMeta: metav1.TypeMeta{APIVersion: authentication.SchemeGroupVersion.String(), Kind: "TokenRequest"},
		Spec:     authentication.TokenRequestSpec{ExpirationSeconds: &seconds},
	})
	if err != nil {
		t.Fatal(err)
	}
	var answer authentication.TokenRequest
	answered, err := c.admin.Post().Namespace(namespace).Resource("serviceaccounts").Name(serviceAccount).SubResource("token").
		SetHeader("Content-Type", "application/json").SetHeader("Accept", "application/json").Body(ask).Do(ctx).Raw()
	if err == nil {
		err = json.Unmarshal(answered, &answer)
	}
	if err != nil {
		t.Fatalf("get a token for %s: %v", serviceAccount, err)
	}
	path := c.path(fmt.Sprintf("%s.%s.%s.kubeconfig", namespace, serviceAccount, randomToken()[:6]))
	if err := c.writeKubeconfig(path, c.URL, answer.Status.Token, namespace); err != nil {
		t.Fatal(err)
	}
	return path
}

// Until waits until a condition holds, for as long as a busy machine may take,
// and fails the test when it never does. The condition returns what is amiss.
func Until(t testing.TB, what string, condition func() error) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	deadline := time.Now().Add(patience)
	for {
		err := condition()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not so after %s: %v", what, patience, err)
		}
		<-tick.C
	}
}
