// Package lead makes one of several controllers the one that works, and its
// pod the one to which the API's Service sends: that pod has a label for it.
package lead

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/brigadecore/brigade/v3/kube/cluster"
	"github.com/brigadecore/brigade/v3/kube/objects"
)

// Options say who stands for what. Client and Identity are required.
type Options struct {
	Client   *cluster.Client
	Lease    string // of the Lease object; default brigade-controller
	Identity string // of this process, unique among the candidates
	// Pod is the pod that the program runs in, "" for none: it gets the label.
	Pod string
	// How long others wait for a leader that is not heard of; see
	// cluster.ElectOptions.
	LeaseDuration, RenewDeadline, RetryPeriod time.Duration
	Log                                       *slog.Logger
}

// DefaultLease is the name of the Lease object.
const DefaultLease = "brigade-controller"

// labelPatience is how long a label is tried to be set: without it nobody finds
// the API, but builds run.
const labelPatience = 10 * time.Second

// Run waits until this process leads and calls work, until work returns or ctx
// ends; see cluster.Client.Elect. The context of work ends with the lead, and
// its cause tells: see Lost.
func Run(ctx context.Context, opt Options, work func(ctx context.Context)) error {
	if opt.Lease == "" {
		opt.Lease = DefaultLease
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	opt.mark(ctx, false) // from before a restart in the same pod
	return opt.Client.Elect(ctx, cluster.ElectOptions{
		Name: opt.Lease, Identity: opt.Identity,
		LeaseDuration: opt.LeaseDuration, RenewDeadline: opt.RenewDeadline, RetryPeriod: opt.RetryPeriod,
	}, work)
}

// Lost reports whether the context of a leader ended because another process
// may lead now.
func Lost(ctx context.Context) bool { return errors.Is(context.Cause(ctx), cluster.ErrLostLead) }

// Mark labels the pod as the one that leads: call it when work can be reached.
// The returned function takes the label off.
func Mark(ctx context.Context, opt Options) (unmark func()) {
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	opt.mark(ctx, true)
	return func() { opt.mark(ctx, false) }
}

// mark sets the label, or takes it off.
func (opt Options) mark(ctx context.Context, leads bool) {
	if opt.Pod == "" {
		return
	}
	var value any // null removes it
	if leads {
		value = "true"
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"labels": map[string]any{objects.LabelLeader: value}}})
	if err == nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), labelPatience)
		defer cancel()
		_, err = opt.Client.Pods("").Patch(ctx, opt.Pod, types.MergePatchType, patch, metav1.PatchOptions{})
	}
	if err != nil && !apierrors.IsNotFound(err) {
		opt.Log.Warn("label this pod", "pod", opt.Pod, "leads", leads, "err", cluster.Error(err))
	}
}

// Image is the image that the first container of the pod runs; "" when there is
// no such pod.
func Image(ctx context.Context, client *cluster.Client, pod string) (string, error) {
	p, err := client.Pods("").Get(ctx, pod, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return "", nil
	}
	if err != nil {
		return "", cluster.Error(err)
	}
	return p.Spec.Containers[0].Image, nil
}
