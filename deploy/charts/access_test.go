package charts

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	authorization "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/brigadecore/brigade/v3/e2e/cluster"
)

// TestAccess installs the chart on a cluster with RBAC and asks for every
// service account what it may do, in the release's namespace, in one for jobs
// and in one that is none of its business. The answer is a golden file, so that
// every right that is added is seen; what must never be is asked for by name.
func TestAccess(t *testing.T) {
	c := cluster.Shared(t)
	ns, jobs, other := c.Namespace(t), c.Namespace(t), c.Namespace(t)
	vals := values(t, `
store: {type: memory}
genericGateway: {enabled: true}
cr: {enabled: true}
brigade-github-app: {enabled: true}
gateways: {enabled: true}
vacuum: {mode: cronjob}
`)
	vals["jobs"] = map[string]any{"namespaces": []any{jobs}}
	h := helmIn(t, c, ns)
	h.install(release, load(t, "brigade"), vals, false)

	accounts := []string{"brigade-worker", "brigade-vacuum"}
	for _, part := range []string{"ctrl", "generic-gateway", "cr-gw", "github-app", "gateways"} {
		accounts = append(accounts, release+"-brigade-"+part)
	}
	slices.Sort(accounts)
	clients := map[string]*kubernetes.Clientset{}
	var out strings.Builder
	for _, account := range accounts {
		clients[account] = clientOf(t, c.KubeconfigFor(t, account, ns))
		for _, in := range []struct{ what, name string }{{"the release's namespace", ns}, {"a namespace of jobs", jobs}, {"any other namespace", other}} {
			fmt.Fprintf(&out, "%s in %s:\n", account, in.what)
			for _, line := range may(t, clients[account], in.name) {
				fmt.Fprintf(&out, "  %s\n", line)
			}
		}
	}
	golden(t, filepath.Join("testdata", "access.txt"), out.String())

	for _, q := range []struct {
		accounts, verbs, resources string // with blanks between
		namespaces                 []string
		want                       bool
	}{
		{"brigade-worker", "get list watch update patch delete deletecollection", "secrets", []string{ns, jobs}, false},
		{"brigade-worker", "create", "secrets pods persistentvolumeclaims", []string{ns, jobs}, true},
		{"brigade-worker", "create", "pods/exec pods/attach pods/eviction serviceaccounts/token configmaps", []string{ns, jobs}, false},
		{release + "-brigade-generic-gateway " + release + "-brigade-cr-gw " + release + "-brigade-github-app " + release + "-brigade-gateways", "create", "secrets configmaps", []string{ns}, true},
		{release + "-brigade-generic-gateway " + release + "-brigade-cr-gw " + release + "-brigade-github-app " + release + "-brigade-gateways", "update patch delete deletecollection", "secrets configmaps pods", []string{ns}, false},
		{release + "-brigade-generic-gateway " + release + "-brigade-cr-gw " + release + "-brigade-github-app " + release + "-brigade-gateways", "get list watch create", "pods pods/log persistentvolumeclaims", []string{ns, jobs}, false},
		{release + "-brigade-ctrl", "get watch update patch", "secrets", []string{jobs}, false},
		{release + "-brigade-ctrl", "create", "pods/exec serviceaccounts serviceaccounts/token", []string{ns, jobs}, false},
		{"brigade-vacuum", "create update patch", "secrets pods", []string{ns, jobs}, false},
		{strings.Join(accounts, " "), "get list watch create delete", "secrets pods configmaps pods/log", []string{other, "kube-system", "default"}, false},
	} {
		for account := range strings.FieldsSeq(q.accounts) {
			for verb := range strings.FieldsSeq(q.verbs) {
				for resource := range strings.FieldsSeq(q.resources) {
					for _, namespace := range q.namespaces {
						if got := can(t, clients[account], verb, resource, namespace); got != q.want {
							t.Errorf("%s may %s %s in %s: %t", account, verb, resource, namespace, got)
						}
					}
				}
			}
		}
	}
}

// TestServerTakesAll has a real API server look at everything that is rendered:
// it refuses fields it does not know. The kinds that need definitions of others
// are left out.
func TestServerTakesAll(t *testing.T) {
	c := cluster.Shared(t)
	for _, name := range []string{namespace, "team-a"} {
		c.Kubectl(t, "create", "namespace", name)
		t.Cleanup(func() {
			if out, err := c.Run(context.Background(), nil, "delete", "namespace", name, "--wait=false"); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			files, err := render(test.chart, values(t, test.values))
			if err != nil {
				t.Fatal(err)
			}
			var all []string
			for doc := range strings.SplitSeq(manifest(files), "\n---\n") {
				if !strings.Contains(doc, "\nkind: HTTPRoute\n") && !strings.Contains(doc, "\nkind: ServiceMonitor\n") {
					all = append(all, doc)
				}
			}
			out, err := c.Run(t.Context(), strings.NewReader(strings.Join(all, "\n---\n")), "apply", "--dry-run=server", "--validate=strict", "-f", "-")
			if err != nil || !strings.Contains(out, "created") {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
	c.Kubectl(t, "apply", "--validate=strict", "-f", filepath.Join("..", "manifests", "brigade.yaml"))
	cluster.Until(t, "the manifest's Deployments are known", func() error {
		_, err := c.Run(t.Context(), nil, "-n", namespace, "get", "deployment", release+"-brigade-ctrl", release+"-brigade-generic-gateway")
		return err
	})
}

// TestRestricted installs all parts where the API server enforces the Pod
// Security Standard "restricted", and wants it to let all of their pods in.
func TestRestricted(t *testing.T) {
	c := cluster.Shared(t)
	ns := c.Namespace(t)
	c.Kubectl(t, "label", "namespace", ns, "pod-security.kubernetes.io/enforce=restricted")
	h := helmIn(t, c, ns)
	h.install(release, load(t, "brigade"), values(t, `
store: {type: memory}
controller: {replicas: 2}
genericGateway: {enabled: true, tls: {secretName: tls}}
cr: {enabled: true}
brigade-github-app: {enabled: true, github: {appID: 1, key: k}}
gateways: {enabled: true}
vacuum: {mode: cronjob}
`), false)
	c.Kubectl(t, "-n", ns, "create", "job", "once", "--from=cronjob/"+release+"-brigade-vacuum")
	client := clientOf(t, c.Kubeconfig())
	const want = 2 + 1 + 1 + 1 + 2 + 1
	cluster.Until(t, "all pods are let in", func() error {
		pods, err := client.CoreV1().Pods(ns).List(t.Context(), metav1.ListOptions{})
		if err == nil && len(pods.Items) < want {
			err = fmt.Errorf("%d of %d are there: %s", len(pods.Items), want, c.Kubectl(t, "-n", ns, "get", "events", "--field-selector=type=Warning"))
		}
		return err
	})
}

// can asks the API server whether the client may do something.
func can(t *testing.T, client *kubernetes.Clientset, verb, resource, namespace string) bool {
	t.Helper()
	resource, sub, _ := strings.Cut(resource, "/")
	review := &authorization.SelfSubjectAccessReview{Spec: authorization.SelfSubjectAccessReviewSpec{
		ResourceAttributes: &authorization.ResourceAttributes{Namespace: namespace, Verb: verb, Resource: resource, Subresource: sub},
	}}
	answer, err := client.AuthorizationV1().SelfSubjectAccessReviews().Create(t.Context(), review, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return answer.Status.Allowed
}

// may lists what the client may do in a namespace, without what everybody may.
func may(t *testing.T, client *kubernetes.Clientset, namespace string) []string {
	t.Helper()
	review := &authorization.SelfSubjectRulesReview{Spec: authorization.SelfSubjectRulesReviewSpec{Namespace: namespace}}
	answer, err := client.AuthorizationV1().SelfSubjectRulesReviews().Create(t.Context(), review, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	verbs := map[string][]string{}
	for _, rule := range answer.Status.ResourceRules {
		if slices.Contains(rule.APIGroups, "authorization.k8s.io") || slices.Contains(rule.APIGroups, "authentication.k8s.io") {
			continue
		}
		for _, resource := range rule.Resources {
			if group := strings.Join(rule.APIGroups, ","); group != "" {
				resource += "." + group
			}
			verbs[resource] = append(verbs[resource], rule.Verbs...)
		}
	}
	lines := []string{}
	for resource, of := range verbs {
		slices.Sort(of)
		lines = append(lines, resource+": "+strings.Join(slices.Compact(of), " "))
	}
	slices.Sort(lines)
	if len(lines) == 0 {
		lines = append(lines, "nothing")
	}
	return lines
}
