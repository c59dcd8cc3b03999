package pods_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	brigade "github.com/brigadecore/brigade/v3"
	e2e "github.com/brigadecore/brigade/v3/e2e/cluster"
	"github.com/brigadecore/brigade/v3/kube/pods"
)

// oneNode has volumes of one node for both, on a cluster with five nodes that
// run nothing: pods do not end by themselves.
func oneNode(t *testing.T) (b *bench, nodes []string) {
	t.Helper()
	c := e2e.Start(t, e2e.Options{})
	for range 5 {
		node := c.FakeNode(t, e2e.FakeNodeOptions{Run: func(*corev1.Pod) e2e.Fate { return e2e.Fate{Nap: e2e.Forever} }})
		nodes = append(nodes, node.Name)
	}
	return benchOn(t, c, func(o *pods.Options) {
		o.BuildStorage, o.Cache, o.Events = pods.StorageRWO, pods.StorageRWO, false
	}), nodes
}

func stored(s *brigade.JobSpec) { s.Storage.Enabled = true }
func cached(s *brigade.JobSpec) { s.Cache.Enabled = true }
func both(s *brigade.JobSpec)   { stored(s); cached(s) }

// TestVolumesOfOneNode keeps the jobs of a project that have volumes on one node:
// a job with a cache and the build's storage must find both.
func TestVolumesOfOneNode(t *testing.T) {
	t.Parallel()
	b, _ := oneNode(t)
	on := func(j *job) string {
		t.Helper()
		b.start(j)
		return b.pod(j.run.Job.ID).Spec.NodeName
	}
	first := b.job("compile", stored, "true")
	sameBuild := b.job("lint", both, "true")
	sameBuild.run.Build, sameBuild.run.Job.BuildID, sameBuild.run.Job.ID = first.run.Build, first.run.Build.ID, "lint-"+first.run.Build.ID
	node := on(first)
	for name, j := range map[string]*job{
		"another build's cache":        b.job("lint", cached, "true"),
		"another build's storage":      b.job("other", stored, "true"),
		"a job with storage and cache": sameBuild,
	} {
		if got := on(j); got != node {
			t.Errorf("%s is on node %s, the first job on %s", name, got, node)
		}
	}
	free := b.job("free", nil, "true")
	on(free)
	if a := b.pod(free.run.Job.ID).Spec.Affinity; a != nil {
		t.Errorf("a job without volumes is bound to nodes: %v", a)
	}
}

// TestVolumesOfTwoNodes refuses a job with a sentence that no node can ever run.
func TestVolumesOfTwoNodes(t *testing.T) {
	t.Parallel()
	b, nodes := oneNode(t)
	j := b.job("lint", both, "true")
	project := j.run.Project
	labels := map[string]string{"heritage": "brigade", "component": "jobCache", "project": project.ID, "jobname": "lint"}
	b.volume(nodes[0], strings.ReplaceAll(strings.ReplaceAll(project.Name, "/", "-"), ".", "-")+"-lint", labels)
	b.volume(nodes[1], "brigade-worker-"+j.run.Build.ID, map[string]string{"heritage": "brigade"})
	_, err := b.r.Start(b.ctx(), j.run)
	var e *brigade.Error
	if !errors.As(err, &e) || e.Code != brigade.CodeJobStart || !strings.Contains(e.Message, "no node that has both") || e.Hint == "" {
		t.Fatalf("%v\n%s", err, b.c.Kubectl(t, "-n", b.ns, "get", "pods,pvc,pv", "-o", "wide"))
	}
	e2e.Until(t, "its pod is gone", func() error {
		if _, err := b.k.Pods("").Get(b.ctx(), j.run.Job.ID, metav1.GetOptions{}); err == nil {
			return errors.New("it is there")
		}
		return nil
	})
}

// volume makes a claim with a volume that only one node has.
func (b *bench) volume(node, claim string, labels map[string]string) {
	b.Helper()
	var text strings.Builder
	for name, value := range labels {
		fmt.Fprintf(&text, "%q: %q, ", name, value)
	}
	b.c.Apply(b.T, b.ns, fmt.Sprintf(`
apiVersion: v1
kind: PersistentVolume
metadata: {name: %[1]q}
spec:
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteOnce]
  storageClassName: ""
  local: {path: /nowhere}
  claimRef: {namespace: %[3]q, name: %[1]q}
  nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [%[2]q]}]}]}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: %[1]q, labels: {%[4]s}}
spec:
  storageClassName: ""
  volumeName: %[1]q
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 5Mi}}
`, claim, node, b.ns, strings.TrimSuffix(text.String(), ", ")))
}
