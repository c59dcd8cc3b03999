package console

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/kube/cluster"
	"github.com/brigadecore/brigade/v3/kube/lead"
	"github.com/brigadecore/brigade/v3/kube/objects"
)

var getOptions metav1.GetOptions

// Finding is what was found out about one part of an installation.
type Finding struct {
	Part    string `json:"part"`
	OK      bool   `json:"ok"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// Check looks whether the installation works, part by part. It stops where
// nothing more can be said.
func (c *Console) Check(ctx context.Context) []Finding {
	var found []Finding
	say := func(part string, err error, format string, args ...any) bool {
		f := Finding{Part: part, OK: err == nil, Message: fmt.Sprintf(format, args...)}
		if err != nil {
			known := brigade.Errorf(brigade.CodeOf(err), "%w", err)
			f.Message, f.Hint = known.Message, hintOf(err)
		}
		found = append(found, f)
		return err == nil
	}
	// Where the namespace is missing lists are empty; who may not look at
	// namespaces finds out what else is wrong.
	_, err := c.client.Namespaces().Get(ctx, c.client.Namespace, getOptions)
	if err = cluster.Error(err); brigade.CodeOf(err) == brigade.CodeDenied {
		err = nil
	}
	if !say("cluster", err, "%s, namespace %s", c.client.Host, c.client.Namespace) {
		return found
	}
	projects, err := c.ListProjects(ctx)
	say("projects", err, "%d", len(projects))
	builds, err := c.ListBuilds(ctx, brigade.BuildFilter{Limit: 1000})
	waiting, oldest := waitingOf(builds)
	say("builds", err, "%s, %d of them waiting", count(len(builds), 1000), waiting)
	pods, err := c.client.Pods("").List(ctx, metav1.ListOptions{})
	if !say("pods", cluster.Error(err), "can be read") {
		return found
	}
	found = append(found, c.controller(ctx, pods.Items), api(pods.Items))
	found = append(found, workersOf(pods.Items)...)
	if age := c.opt.Now().Sub(oldest); waiting > 0 && age > 5*time.Minute {
		found = append(found, Finding{Part: "queue", Message: fmt.Sprintf("a build has been waiting for %s", age.Round(time.Second)),
			Hint: "brig build list --state pending --columns ID,PROJECT,AGE,'WAITS FOR'"})
	}
	return found
}

func hintOf(err error) string {
	var known *brigade.Error
	if errors.As(err, &known) {
		return known.Hint
	}
	return ""
}

func count(n, most int) string {
	if n >= most {
		return fmt.Sprintf("%d or more", n)
	}
	return fmt.Sprint(n)
}

func waitingOf(builds []*brigade.Build) (n int, oldest time.Time) {
	for _, b := range builds {
		if b.State == brigade.StatePending {
			n++
			oldest = b.Created
		}
	}
	return n, oldest
}

// controller says who runs builds: ours by its lease, v1's by its pod.
func (c *Console) controller(ctx context.Context, pods []corev1.Pod) Finding {
	f := Finding{Part: "controller"}
	lease, err := c.client.Leases("").Get(ctx, lead.DefaultLease, getOptions)
	err = cluster.Error(err)
	switch {
	case brigade.CodeOf(err) == brigade.CodeNotFound:
		for _, p := range pods {
			if p.Labels["role"] == "controller" && p.Status.Phase == corev1.PodRunning {
				f.OK, f.Message = true, "pod "+p.Name+" of Brigade v1"
				return f
			}
		}
		f.Message, f.Hint = "none has ever run here", "install it, or name another namespace with -n"
	case err != nil:
		f.OK, f.Message = true, "not known: "+err.Error()
	case lease.Spec.HolderIdentity == nil || *lease.Spec.HolderIdentity == "":
		f.Message, f.Hint = "none leads", "look at its pods: kubectl get pods -n "+c.client.Namespace
	default:
		return c.leaseFinding(f, *lease.Spec.HolderIdentity, lease.Spec.RenewTime, lease.Spec.LeaseDurationSeconds)
	}
	return f
}

func (c *Console) leaseFinding(f Finding, holder string, renewed *metav1.MicroTime, seconds *int32) Finding {
	f.OK, f.Message = true, holder+" leads"
	if renewed == nil || seconds == nil {
		return f
	}
	silent := c.opt.Now().Sub(renewed.Time)
	if silent > 2*time.Duration(*seconds)*time.Second+time.Minute { // clocks differ
		f.OK, f.Message = false, fmt.Sprintf("%s led, and has not been heard of for %s", holder, silent.Round(time.Second))
		f.Hint = "look at its pods: kubectl get pods -n " + c.client.Namespace
	}
	return f
}

// api says which pod serves the API and the dashboard.
func api(pods []corev1.Pod) Finding {
	f := Finding{Part: "api"}
	for _, p := range pods {
		if p.Labels[objects.LabelLeader] != "true" && p.Labels["role"] != "api" || p.Status.Phase != corev1.PodRunning {
			continue
		}
		f.Message = "pod " + p.Name
		if f.OK = ready(p); f.OK {
			return f
		}
		f.Message, f.Hint = "pod "+p.Name+" is not ready", "kubectl describe pod "+p.Name
	}
	if f.Message == "" {
		f.Message, f.Hint = "no pod serves it", "without it there is no dashboard; builds run all the same"
	}
	return f
}

func ready(p corev1.Pod) bool {
	return slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// workersOf names pods of builds and jobs that cannot start.
func workersOf(pods []corev1.Pod) []Finding {
	var stuck []string
	running := 0
	for _, p := range pods {
		component := p.Labels[objects.LabelComponent]
		if p.Labels[objects.LabelHeritage] != objects.Heritage || component != objects.ComponentBuild && component != objects.ComponentJob {
			continue
		}
		if p.Status.Phase == corev1.PodRunning {
			running++
		}
		for _, s := range append(slices.Clone(p.Status.InitContainerStatuses), p.Status.ContainerStatuses...) {
			if w := s.State.Waiting; w != nil && strings.Contains(w.Reason, "Err") || w != nil && strings.HasSuffix(w.Reason, "BackOff") {
				stuck = append(stuck, p.Name+" ("+w.Reason+")")
				break
			}
		}
	}
	f := Finding{Part: "jobs", OK: len(stuck) == 0, Message: fmt.Sprintf("%d pods of builds run", running)}
	if len(stuck) > 0 {
		f.Message, f.Hint = "pods that cannot start: "+strings.Join(stuck[:min(len(stuck), 5)], ", "), "kubectl describe pod "+strings.Fields(stuck[0])[0]
	}
	return []Finding{f}
}
