package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
)

// stage is how far a pod on a fake node is.
type stage int

const (
	bound stage = iota
	waiting
	running
	over
)

// fakePod is a pod on a fake node. The node's lock guards it.
type fakePod struct {
	pod     *corev1.Pod // as last seen; never changed
	fate    Fate
	stage   stage
	started metav1.Time
	ip      string
	ended   chan struct{} // closed when over, or gone
}

func (p *fakePod) end() {
	select {
	case <-p.ended:
	default:
		close(p.ended)
	}
}

// deadline is when the kubelet ends the pod whatever it does; zero: never.
func (p *fakePod) deadline() time.Time {
	if s := p.pod.Spec.ActiveDeadlineSeconds; s != nil {
		return p.started.Add(time.Duration(*s) * time.Second)
	}
	return time.Time{}
}

// handler keeps account of the node's pods.
func (n *FakeNode) handler() cache.ResourceEventHandler {
	seen := func(o any) {
		pod, ok := o.(*corev1.Pod)
		if !ok {
			return
		}
		n.mu.Lock()
		p := n.pods[pod.UID]
		if p == nil {
			n.number++
			p = &fakePod{fate: n.opts.Run(pod), ip: fmt.Sprintf("10.99.%d.%d", n.number/250%250, n.number%250+1), ended: make(chan struct{})}
			if pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
				p.stage = over
				p.end()
			}
			n.pods[pod.UID] = p
		}
		first := p.pod == nil
		p.pod = pod
		n.mu.Unlock()
		if first || pod.DeletionTimestamp != nil {
			n.queue.Add(pod.UID)
		}
	}
	return cache.ResourceEventHandlerFuncs{
		AddFunc:    seen,
		UpdateFunc: func(_, o any) { seen(o) },
		DeleteFunc: func(o any) {
			if gone, ok := o.(cache.DeletedFinalStateUnknown); ok {
				o = gone.Obj
			}
			if pod, ok := o.(*corev1.Pod); ok {
				n.drop(pod.UID)
			}
		},
	}
}

func (n *FakeNode) drop(uid types.UID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if p := n.pods[uid]; p != nil {
		p.end()
		delete(n.pods, uid)
	}
}

// work starts the goroutines that report on pods and keep the lease.
func (n *FakeNode) work() {
	n.tasks.Go(n.beat)
	n.tasks.Go(func() {
		<-n.ctx.Done()
		n.queue.ShutDown()
		n.logs.close()
	})
	for range 16 {
		n.tasks.Go(func() {
			for {
				uid, quit := n.queue.Get()
				if quit {
					return
				}
				err := n.look(uid)
				switch {
				case err == nil:
					n.queue.Forget(uid)
				case notFound(err), exists(err): // gone, or another of its name
					n.queue.Forget(uid)
					n.drop(uid)
				case n.ctx.Err() == nil:
					n.queue.AddRateLimited(uid)
				}
				n.queue.Done(uid)
			}
		})
	}
}

// catchUp looks at every pod.
func (n *FakeNode) catchUp() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for uid := range n.pods {
		n.queue.Add(uid)
	}
}

// look does what is due for a pod. Never two at once for the same pod.
func (n *FakeNode) look(uid types.UID) error {
	n.mu.Lock()
	p := n.pods[uid]
	if p == nil || n.silent {
		n.mu.Unlock()
		return nil
	}
	if p.started.IsZero() { // before anybody can ask for its log, which has the time
		p.started = metav1.Now()
	}
	was := *p
	n.mu.Unlock()
	var err error
	switch now := time.Now(); {
	case was.pod.DeletionTimestamp != nil:
		return n.remove(&was)
	case was.stage == over:
		return nil
	case was.stage == bound && was.fate.Waiting != "":
		was.stage = waiting
		err = n.report(&was, waitingStatus(&was))
	case was.stage == bound && was.fate.InitExit == 0 && was.fate.Nap != 0:
		was.stage = running
		err = n.report(&was, runningStatus(&was))
	case !was.deadline().IsZero() && !now.Before(was.deadline()):
		was.stage = over
		was.fate.Exit, was.fate.Reason, was.fate.Message = 137, "DeadlineExceeded", ""
		err = n.report(&was, overStatus(&was))
	case was.stage == bound, was.stage == running && was.fate.Nap >= 0 && !now.Before(was.started.Add(was.fate.Nap)):
		was.stage = over
		err = n.report(&was, overStatus(&was))
	}
	if err != nil {
		return err
	}
	n.mu.Lock()
	p.stage = was.stage
	if p.stage == over {
		p.end()
	}
	n.mu.Unlock()
	n.again(uid, &was)
	return nil
}

// again asks to look at a pod when its nap or its deadline is over.
func (n *FakeNode) again(uid types.UID, p *fakePod) {
	if p.stage == over {
		return
	}
	if p.stage == running && p.fate.Nap >= 0 {
		n.queue.AddAfter(uid, time.Until(p.started.Add(p.fate.Nap)))
	}
	if !p.deadline().IsZero() {
		n.queue.AddAfter(uid, time.Until(p.deadline()))
	}
}

// remove ends a pod that is being deleted, as a container that heeds SIGTERM
// would, and lets it go.
func (n *FakeNode) remove(p *fakePod) error {
	if p.stage != over {
		p.fate.Exit, p.fate.Reason, p.fate.Message = 143, "Error", ""
		if err := n.report(p, overStatus(p)); err != nil {
			return err
		}
	}
	now := int64(0)
	body, err := json.Marshal(&metav1.DeleteOptions{
		TypeMeta:           metav1.TypeMeta{APIVersion: "v1", Kind: "DeleteOptions"},
		GracePeriodSeconds: &now, Preconditions: &metav1.Preconditions{UID: &p.pod.UID},
	})
	if err != nil {
		return err
	}
	if err := n.c.admin.Delete().Namespace(p.pod.Namespace).Resource("pods").Name(p.pod.Name).
		SetHeader("Content-Type", "application/json").Body(body).Do(n.ctx).Error(); err != nil {
		return err
	}
	n.drop(p.pod.UID)
	return nil
}

// report writes a pod's status, unless the pod is not the same any more.
func (n *FakeNode) report(p *fakePod, s corev1.PodStatus) error {
	s.StartTime = &p.started
	s.HostIP, s.HostIPs = "127.0.0.1", []corev1.HostIP{{IP: "127.0.0.1"}}
	s.PodIP, s.PodIPs = p.ip, []corev1.PodIP{{IP: p.ip}}
	for _, c := range p.pod.Status.Conditions {
		if c.Type == corev1.PodScheduled {
			s.Conditions = append(s.Conditions, c)
		}
	}
	body, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": p.pod.UID}, "status": s})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(n.ctx, time.Minute)
	defer cancel()
	return n.c.admin.Patch(types.MergePatchType).Namespace(p.pod.Namespace).Resource("pods").Name(p.pod.Name).
		SubResource("status").Body(body).Do(ctx).Error()
}

func waitingStatus(p *fakePod) corev1.PodStatus {
	state := corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: p.fate.Waiting, Message: p.fate.Message}}
	s := corev1.PodStatus{Phase: corev1.PodPending, Conditions: conditions(p, corev1.ConditionFalse)}
	for _, c := range p.pod.Spec.InitContainers {
		s.InitContainerStatuses = append(s.InitContainerStatuses, containerStatus(p, c, state))
	}
	if len(p.pod.Spec.InitContainers) > 0 {
		state = initializing()
	}
	for _, c := range p.pod.Spec.Containers {
		s.ContainerStatuses = append(s.ContainerStatuses, containerStatus(p, c, state))
	}
	return s
}

func initializing() corev1.ContainerState {
	return corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "PodInitializing"}}
}

func runningStatus(p *fakePod) corev1.PodStatus {
	state := corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: p.started}}
	s := corev1.PodStatus{Phase: corev1.PodRunning, Conditions: conditions(p, corev1.ConditionTrue)}
	for _, c := range p.pod.Spec.InitContainers {
		if sidecar(c) {
			s.InitContainerStatuses = append(s.InitContainerStatuses, containerStatus(p, c, state))
		} else {
			s.InitContainerStatuses = append(s.InitContainerStatuses, containerStatus(p, c, terminated(p, 0, "", "")))
		}
	}
	for _, c := range p.pod.Spec.Containers {
		s.ContainerStatuses = append(s.ContainerStatuses, containerStatus(p, c, state))
	}
	return s
}

func overStatus(p *fakePod) corev1.PodStatus {
	s := corev1.PodStatus{Phase: corev1.PodSucceeded, Conditions: conditions(p, corev1.ConditionFalse)}
	if p.fate.Exit != 0 || p.fate.InitExit != 0 {
		s.Phase = corev1.PodFailed
	}
	if r := p.fate.Reason; r == "Evicted" || r == "DeadlineExceeded" {
		s.Phase, s.Reason, s.Message = corev1.PodFailed, r, p.fate.Message
	}
	for i, c := range p.pod.Spec.InitContainers {
		switch {
		case p.fate.InitExit == 0:
			s.InitContainerStatuses = append(s.InitContainerStatuses, containerStatus(p, c, terminated(p, 0, "", "")))
		case i == 0:
			s.InitContainerStatuses = append(s.InitContainerStatuses, containerStatus(p, c, terminated(p, p.fate.InitExit, p.fate.Reason, p.fate.Message)))
		default:
			s.InitContainerStatuses = append(s.InitContainerStatuses, containerStatus(p, c, initializing()))
		}
	}
	for i, c := range p.pod.Spec.Containers {
		message := ""
		if i == 0 {
			message = p.fate.Message
		}
		state := terminated(p, p.fate.Exit, p.fate.Reason, message)
		if p.fate.InitExit != 0 {
			state = initializing()
		}
		s.ContainerStatuses = append(s.ContainerStatuses, containerStatus(p, c, state))
	}
	return s
}

func sidecar(c corev1.Container) bool {
	return c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
}

func terminated(p *fakePod, exit int, reason, message string) corev1.ContainerState {
	if reason == "" || reason == "Evicted" || reason == "DeadlineExceeded" {
		reason = "Completed"
		if exit != 0 {
			reason = "Error"
		}
	}
	return corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
		ExitCode: int32(exit), Reason: reason, Message: message, StartedAt: p.started, FinishedAt: metav1.Now(),
		ContainerID: "fake://" + string(p.pod.UID),
	}}
}

func containerStatus(p *fakePod, c corev1.Container, state corev1.ContainerState) corev1.ContainerStatus {
	started := state.Running != nil
	s := corev1.ContainerStatus{Name: c.Name, Image: c.Image, State: state, Ready: started, Started: &started}
	if state.Waiting == nil {
		s.ImageID, s.ContainerID = c.Image, "fake://"+string(p.pod.UID)
	}
	return s
}

func conditions(p *fakePod, ready corev1.ConditionStatus) []corev1.PodCondition {
	var list []corev1.PodCondition
	for kind, status := range map[corev1.PodConditionType]corev1.ConditionStatus{
		corev1.PodReady: ready, corev1.ContainersReady: ready, corev1.PodInitialized: corev1.ConditionTrue,
		corev1.PodReadyToStartContainers: corev1.ConditionTrue,
	} {
		list = append(list, corev1.PodCondition{Type: kind, Status: status, LastTransitionTime: p.started})
	}
	return list
}
