package kubefault

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/brigadecore/brigade/v3/kube/objects"
)

// The faults, and how often each comes for every one of the rarest.
const (
	killsOfControllers = "kills of a controller"
	deletedJobs        = "job pods deleted under way"
	deletedWorkers     = "worker pods deleted under way"
	restartsOfAPI      = "restarts of the API server"
	fullQuotas         = "times the quota was full"
)

var weights = []struct {
	name  string
	times int
}{{killsOfControllers, 4}, {deletedJobs, 4}, {deletedWorkers, 2}, {restartsOfAPI, 1}, {fullQuotas, 1}}

// mostDeletions is how often a fault deletes a pod of the same name: whatever
// crashes again and again is given up, and rightly so.
const mostDeletions = 2

// makeFaults makes all faults there are to be, in random order.
func (t *test) makeFaults(ctx context.Context) error {
	var plan []string
	for _, w := range weights {
		for range w.times * t.opt.Faults {
			plan = append(plan, w.name)
		}
	}
	begun := time.Now()
	for round := 0; round == 0 || time.Since(begun) < t.opt.For && ctx.Err() == nil; round++ {
		t.mu.Lock()
		t.random.Shuffle(len(plan), func(i, j int) { plan[i], plan[j] = plan[j], plan[i] })
		t.mu.Unlock()
		for _, what := range plan {
			t.pause(ctx, t.between())
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := t.fault(ctx, what); err != nil {
				return fmt.Errorf("%s: %w", what, err)
			}
			t.count(what, 1)
			t.opt.Logf("%s", what)
		}
	}
	return nil
}

// between is the time to the next fault.
func (t *test) between() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.opt.Every/2 + time.Duration(t.random.Int64N(int64(t.opt.Every)))
}

func (t *test) fault(ctx context.Context, what string) error {
	switch what {
	case killsOfControllers:
		return t.killController(ctx)
	case deletedJobs:
		return t.deletePod(ctx, objects.ComponentJob)
	case deletedWorkers:
		return t.deletePod(ctx, objects.ComponentBuild)
	case restartsOfAPI:
		if err := t.opt.Cluster.StopAPIServer(ctx); err != nil {
			return err
		}
		t.pause(ctx, t.between())
		return t.opt.Cluster.StartAPIServer(ctx)
	}
	return t.fillQuota(ctx)
}

// killController kills one, which its kubelet starts again a little later.
func (t *test) killController(ctx context.Context) error {
	t.mu.Lock()
	i := t.random.IntN(len(t.controllers))
	c := t.controllers[i]
	gone := t.killed[c]
	t.killed[c] = true
	t.mu.Unlock()
	if gone { // it has ended by itself, and is about to be started again
		t.pause(ctx, t.between())
		return nil
	}
	c.Kill()
	t.pause(ctx, t.between()/4)
	return t.start(i)
}

// deletePod deletes a pod that runs. It waits for one: builds go on coming.
func (t *test) deletePod(ctx context.Context, component string) error {
	for ctx.Err() == nil {
		var names []string
		running := t.record.running(component)
		for uid := range running {
			names = append(names, string(uid))
		}
		slices.Sort(names)
		t.mu.Lock()
		names = slices.DeleteFunc(names, func(uid string) bool { return t.deleted[running[types.UID(uid)].name] >= mostDeletions })
		uid := types.UID("")
		if len(names) > 0 {
			uid = types.UID(names[t.random.IntN(len(names))])
		}
		t.mu.Unlock()
		if uid == "" {
			t.pause(ctx, 20*time.Millisecond)
			continue
		}
		p := running[uid]
		grace := int64(1)
		// As it was seen: one that has ended meanwhile is left alone.
		err := t.site.Client.Pods("").Delete(ctx, p.name, metav1.DeleteOptions{
			GracePeriodSeconds: &grace, Preconditions: &metav1.Preconditions{UID: &uid, ResourceVersion: &p.version},
		})
		switch {
		case err == nil:
			t.mu.Lock()
			t.deleted[p.name]++
			t.mu.Unlock()
			return nil
		case !apierrors.IsConflict(err) && !apierrors.IsNotFound(err):
			return err
		}
	}
	return nil
}

const noPods = `{"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}`

// fillQuota lets no pod be made for a while.
func (t *test) fillQuota(ctx context.Context) error {
	if _, err := t.opt.Cluster.Run(ctx, strings.NewReader(noPods), "-n", t.site.Namespace, "create", "-f", "-"); err != nil {
		return err
	}
	t.pause(ctx, 2*t.between())
	_, err := t.opt.Cluster.Run(context.WithoutCancel(ctx), nil, "-n", t.site.Namespace, "delete", "resourcequota", "none")
	return err
}

// made reports whether a build is there although its creation failed, as when
// the answer was lost.
func (t *test) made(ctx context.Context, id string) bool {
	for ctx.Err() == nil {
		_, err := t.site.Client.Secrets("").Get(ctx, objects.WorkerName(id), metav1.GetOptions{})
		if err == nil || apierrors.IsNotFound(err) {
			return err == nil
		}
		t.pause(ctx, 200*time.Millisecond) // the server is away
	}
	return false
}

// left lists what runs or holds room although no build is open.
func (t *test) left(ctx context.Context) ([]string, error) {
	var left []string
	pods, err := t.site.Client.Pods("").List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	for _, p := range pods.Items {
		if p.Status.Phase != corev1.PodSucceeded && p.Status.Phase != corev1.PodFailed {
			left = append(left, fmt.Sprintf("pod %s %s", p.Name, p.Status.Phase))
		}
	}
	claims, err := t.site.Client.PersistentVolumeClaims("").List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	for _, c := range claims.Items {
		left = append(left, "claim "+c.Name)
	}
	return left, nil
}
