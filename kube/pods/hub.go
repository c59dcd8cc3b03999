package pods

import (
	"context"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/kube/cluster"
	"github.com/brigadecore/brigade/v3/kube/objects"
)

// hub is the one watch on a namespace's job pods; it tells each execution what
// happens to its own.
type hub struct {
	ns   string
	view *cluster.View[*corev1.Pod]

	mu    sync.Mutex
	boxes map[string]map[*mailbox]bool // by the pod's name
}

// hub returns that of the namespace; the first call starts the watch.
func (r *Runner) hub(ns string) *hub {
	r.mu.Lock()
	defer r.mu.Unlock()
	if h := r.hubs[ns]; h != nil {
		return h
	}
	h := &hub{ns: ns, boxes: map[string]map[*mailbox]bool{}}
	h.view = cluster.Watch(r.over, r.opt.Cluster.Pods(ns), cluster.ViewOptions[*corev1.Pod]{
		LabelSelector: r.selector(), Transform: trim, Log: r.opt.Log,
	})
	h.view.Subscribe(h.tell)
	if r.opt.Events {
		go r.watchWarnings(h)
	}
	r.hubs[ns] = h
	return h
}

// selector selects the pods of the jobs that the runner runs.
func (r *Runner) selector() string {
	if len(r.opt.Builds) == 0 {
		return selectorJobs
	}
	labels := make([]string, 0, len(r.opt.Builds))
	for _, b := range r.opt.Builds {
		labels = append(labels, labelValue(b))
	}
	return selectorJobs + "," + objects.LabelBuild + " in (" + strings.Join(labels, ",") + ")"
}

// namespaces are those in which jobs were run or looked for.
func (r *Runner) allHubs() []*hub {
	r.hub(r.opt.Namespace)
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []*hub
	for _, name := range sorted(r.hubs) {
		all = append(all, r.hubs[name])
	}
	return all
}

// trim keeps of a pod what is looked at here: thousands are in memory.
func trim(pod *corev1.Pod) *corev1.Pod {
	small := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: pod.Name, Namespace: pod.Namespace, UID: pod.UID, ResourceVersion: pod.ResourceVersion, Labels: pod.Labels,
			CreationTimestamp: pod.CreationTimestamp, DeletionTimestamp: pod.DeletionTimestamp, DeletionGracePeriodSeconds: pod.DeletionGracePeriodSeconds,
		},
		Spec: corev1.PodSpec{
			NodeName: pod.Spec.NodeName, TerminationGracePeriodSeconds: pod.Spec.TerminationGracePeriodSeconds, SchedulingGates: pod.Spec.SchedulingGates,
		},
	}
	for _, name := range []string{annotationAttempt, annotationCollect} {
		if v, ok := pod.Annotations[name]; ok {
			if small.Annotations == nil {
				small.Annotations = map[string]string{}
			}
			small.Annotations[name] = v
		}
	}
	s := pod.Status
	small.Status = corev1.PodStatus{
		Phase: s.Phase, Reason: s.Reason, Message: s.Message, StartTime: s.StartTime, Conditions: s.Conditions,
		InitContainerStatuses: bare(s.InitContainerStatuses), ContainerStatuses: bare(s.ContainerStatuses),
	}
	return small
}

func bare(list []corev1.ContainerStatus) []corev1.ContainerStatus {
	var out []corev1.ContainerStatus
	for _, c := range list {
		out = append(out, corev1.ContainerStatus{Name: c.Name, State: c.State, Image: c.Image, RestartCount: c.RestartCount})
	}
	return out
}

// tell passes an event on.
func (h *hub) tell(e cluster.Event[*corev1.Pod]) {
	pod := e.Object()
	h.mu.Lock()
	defer h.mu.Unlock()
	for box := range h.boxes[pod.Name] {
		switch {
		case pod.UID == box.uid:
			box.put(pod, e.Type == cluster.Deleted)
		case e.Type != cluster.Deleted && box.isSeen():
			box.put(nil, true) // another has its name: the deletion was missed
		}
	}
}

// open returns a mailbox for the pod, which begins with what is known of it.
func (h *hub) open(pod *corev1.Pod) *mailbox {
	box := &mailbox{uid: pod.UID, changed: make(chan struct{}, 1), pod: pod}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.boxes[pod.Name] == nil {
		h.boxes[pod.Name] = map[*mailbox]bool{}
	}
	h.boxes[pod.Name][box] = true
	if known, ok := h.view.Get(pod.Name); ok && known.UID == pod.UID {
		box.put(known, false)
	}
	return box
}

func (h *hub) close(name string, box *mailbox) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.boxes[name], box)
	if len(h.boxes[name]) == 0 {
		delete(h.boxes, name)
	}
}

// warn passes on what the cluster warns about a pod.
func (h *hub) warn(name string, uid types.UID, text string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for box := range h.boxes[name] {
		if box.uid == uid {
			box.warn(text)
		}
	}
}

// mailbox holds the newest state of one pod.
type mailbox struct {
	uid     types.UID
	changed chan struct{} // holds one token when something changed

	mu      sync.Mutex
	pod     *corev1.Pod
	gone    bool
	seen    bool // the view has shown it
	warning string
}

func (b *mailbox) put(pod *corev1.Pod, gone bool) {
	b.mu.Lock()
	if pod != nil {
		b.pod = pod
	}
	b.gone, b.seen = b.gone || gone, true
	b.mu.Unlock()
	b.ring()
}

func (b *mailbox) warn(text string) {
	b.mu.Lock()
	b.warning = text
	b.mu.Unlock()
	b.ring()
}

func (b *mailbox) ring() {
	select {
	case b.changed <- struct{}{}:
	default:
	}
}

func (b *mailbox) get() (pod *corev1.Pod, gone bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.pod, b.gone
}

func (b *mailbox) isSeen() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.seen
}

// takeWarning returns the last warning, once.
func (b *mailbox) takeWarning() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	text := b.warning
	b.warning = ""
	return text
}

// watchWarnings follows the cluster's warnings about pods of the namespace.
func (r *Runner) watchWarnings(h *hub) {
	pause := minPause
	for r.over.Err() == nil {
		began := r.opt.Now()
		err := r.followWarnings(r.over, h)
		if brigade.CodeOf(err) == brigade.CodeDenied {
			r.opt.Log.Info("warnings about pods are not watched: the right to list events is missing", "namespace", h.ns)
			return
		}
		if r.opt.Now().Sub(began) > maxPause {
			pause = minPause
		}
		sleep(r.over, pause)
		pause = min(2*pause, maxPause)
	}
}

func (r *Runner) followWarnings(ctx context.Context, h *hub) error {
	events := r.opt.Cluster.Events(h.ns)
	opt := metav1.ListOptions{FieldSelector: "involvedObject.kind=Pod,type=" + corev1.EventTypeWarning, Limit: 1}
	list, err := events.List(ctx, opt)
	if err != nil {
		return cluster.Error(err)
	}
	opt.Limit, opt.ResourceVersion = 0, list.ResourceVersion
	w, err := events.Watch(ctx, opt)
	if err != nil {
		return cluster.Error(err)
	}
	defer w.Stop()
	for got := range w.ResultChan() {
		e, ok := got.Object.(*corev1.Event)
		if ok && got.Type != "DELETED" {
			h.warn(e.InvolvedObject.Name, e.InvolvedObject.UID, e.Message)
		}
	}
	return nil
}
