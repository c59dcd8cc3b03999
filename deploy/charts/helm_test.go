package charts

import (
	"io"
	"log/slog"
	"testing"
	"time"

	"helm.sh/helm/v4/pkg/action"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/cli"
	"helm.sh/helm/v4/pkg/kube"
	rel "helm.sh/helm/v4/pkg/release/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/brigadecore/brigade/v3/e2e/cluster"
)

// patience is how long anything may take on a busy machine.
const patience = 5 * time.Minute

// helm works with releases in a namespace of a cluster.
type helm struct {
	t         *testing.T
	namespace string
	config    *action.Configuration
}

func helmIn(t *testing.T, c *cluster.Cluster, namespace string) helm {
	t.Helper()
	settings := cli.New()
	settings.KubeConfig = c.Kubeconfig()
	settings.SetNamespace(namespace)
	config := action.NewConfiguration(action.ConfigurationSetLogger(slog.NewTextHandler(io.Discard, nil)))
	if err := config.Init(settings.RESTClientGetter(), namespace, "secret"); err != nil {
		t.Fatal(err)
	}
	return helm{t: t, namespace: namespace, config: config}
}

func load(t *testing.T, name string) *chart.Chart {
	t.Helper()
	c, err := loader.Load(name)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// install installs a chart; with wait it returns once everything is ready.
func (h helm) install(name string, c *chart.Chart, vals map[string]any, wait bool) *rel.Release {
	h.t.Helper()
	i := action.NewInstall(h.config)
	i.ReleaseName, i.Namespace, i.Timeout, i.WaitStrategy = name, h.namespace, patience, strategy(wait)
	done, err := i.RunWithContext(h.t.Context(), c, vals)
	if err != nil {
		h.t.Fatalf("install %s: %v", name, err)
	}
	return released(h.t, done)
}

func (h helm) upgrade(name string, c *chart.Chart, vals map[string]any, wait bool) *rel.Release {
	h.t.Helper()
	u := action.NewUpgrade(h.config)
	u.Namespace, u.Timeout, u.WaitStrategy, u.ResetThenReuseValues = h.namespace, patience, strategy(wait), true
	done, err := u.RunWithContext(h.t.Context(), name, c, vals)
	if err != nil {
		h.t.Fatalf("upgrade %s: %v", name, err)
	}
	return released(h.t, done)
}

func (h helm) uninstall(name string) {
	h.t.Helper()
	u := action.NewUninstall(h.config)
	u.Timeout, u.WaitStrategy = patience, kube.HookOnlyStrategy
	if _, err := u.Run(name); err != nil {
		h.t.Fatalf("uninstall %s: %v", name, err)
	}
}

func strategy(wait bool) kube.WaitStrategy {
	if wait {
		return kube.LegacyStrategy
	}
	return kube.HookOnlyStrategy
}

func released(t *testing.T, done any) *rel.Release {
	t.Helper()
	r, ok := done.(*rel.Release)
	if !ok {
		t.Fatalf("Helm answers with a %T", done)
	}
	return r
}

// clientOf is a client with the rights of a kubeconfig.
func clientOf(t *testing.T, kubeconfig string) *kubernetes.Clientset {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	config.QPS = -1
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}
