package kubefault

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/brigadecore/brigade/v3/kube/cluster"
	"github.com/brigadecore/brigade/v3/kube/objects"
)

// record is what became of every pod: of those that the node began, and of
// those that a watch told of.
type record struct {
	mu   sync.Mutex
	pods map[types.UID]*run
	next int
}

// run is one pod.
type run struct {
	name, build, component string
	number                 int // in the order in which they began
	began                  bool
	phase                  corev1.PodPhase
	after                  int  // how many had begun when it succeeded
	deleting               bool // before it ended
	gone                   bool
	version                string
}

func newRecord() *record { return &record{pods: map[types.UID]*run{}} }

// of is the entry of a pod. The caller holds r.mu.
func (r *record) of(pod *corev1.Pod) *run {
	known := r.pods[pod.UID]
	if known == nil {
		build, _ := objects.BuildID(pod.Labels[objects.LabelBuild])
		known = &run{name: pod.Name, build: build, component: pod.Labels[objects.LabelComponent], phase: corev1.PodPending}
		r.pods[pod.UID] = known
	}
	return known
}

// began is told by the node of a pod that it begins to run.
func (r *record) began(pod *corev1.Pod) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next++
	entry := r.of(pod)
	entry.began, entry.number = true, r.next
}

// follow keeps account of the pods of Brigade until ctx ends.
func (r *record) follow(ctx context.Context, client *cluster.Client) error {
	follower := cluster.Follow(ctx, client.Pods(""), cluster.ViewOptions[*corev1.Pod]{LabelSelector: objects.LabelHeritage + "=" + objects.Heritage}, func(e cluster.Event[*corev1.Pod]) {
		r.told(e.Type, e.Object())
	})
	return follower.Synced(ctx)
}

func (r *record) told(what cluster.EventType, pod *corev1.Pod) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if what == cluster.Deleted {
		if known := r.pods[pod.UID]; known != nil {
			known.gone = true
		}
		return
	}
	entry := r.of(pod)
	ended := entry.phase == corev1.PodSucceeded || entry.phase == corev1.PodFailed
	if !ended && pod.DeletionTimestamp != nil {
		entry.deleting = true
	}
	if !ended && pod.Status.Phase == corev1.PodSucceeded {
		entry.after = r.next
	}
	entry.phase, entry.version = pod.Status.Phase, pod.ResourceVersion
}

// running are the pods of that kind that run now.
func (r *record) running(component string) map[types.UID]run {
	r.mu.Lock()
	defer r.mu.Unlock()
	found := map[types.UID]run{}
	for uid, p := range r.pods {
		if p.component == component && p.phase == corev1.PodRunning && !p.deleting && !p.gone {
			found[uid] = *p
		}
	}
	return found
}

// all are the pods by name, in the order in which they began.
func (r *record) all() map[string][]run {
	r.mu.Lock()
	defer r.mu.Unlock()
	found := map[string][]run{}
	for _, p := range r.pods {
		found[p.name] = append(found[p.name], *p)
	}
	for _, of := range found {
		slices.SortFunc(of, func(a, b run) int { return a.number - b.number })
	}
	return found
}

// about is what is known of a build's pods, for people.
func (r *record) about(build string) string {
	var text []string
	all := r.all()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		for _, p := range all[name] {
			if p.build == build {
				text = append(text, fmt.Sprintf("%s %s deleting=%v gone=%v", name, p.phase, p.deleting, p.gone))
			}
		}
	}
	return strings.Join(text, ", ")
}
