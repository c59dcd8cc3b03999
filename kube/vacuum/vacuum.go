// Package vacuum deletes what Brigade left in a cluster and nobody wants to
// keep: builds that are too old or too many, with their pods, Secrets and
// claims, as Brigade v1's vacuum does; what is left of builds that are gone;
// and the markers by which repeated events are recognised. It knows objects by
// their labels, and so takes care of what v1 made, too.
package vacuum

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/metadata"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/kube/cluster"
	"github.com/brigadecore/brigade/v3/kube/objects"
)

// Options say what to delete. Client is required.
type Options struct {
	Client *cluster.Client
	// Namespaces are further ones in which projects run their jobs.
	Namespaces []string
	// Age is how old a build may get; 0: any age.
	Age time.Duration
	// MaxBuilds is how many builds are kept at most, the newest ones; below 0:
	// all.
	MaxBuilds int
	// SkipRunning leaves builds alone that wait or run.
	SkipRunning bool
	// MarkerAge is how long it is remembered which events were taken, so that
	// a repeat starts nothing; default 7 days.
	MarkerAge time.Duration
	DryRun    bool // only say what would be deleted
	// DeleteBuild deletes a build where more than its objects is kept of it.
	// nil: its Secret is deleted.
	DeleteBuild func(ctx context.Context, id string) error
	Now         func() time.Time // default time.Now
	Log         *slog.Logger     // is told of every build; default none
}

// Report says how much was deleted.
type Report struct {
	Builds  int `json:"builds"`
	Pods    int `json:"pods"`
	Secrets int `json:"secrets"` // besides those of builds
	Claims  int `json:"claims"`
	Markers int `json:"markers"`
	Kept    int `json:"kept"` // builds
}

const (
	page    = 500 // objects asked for in one go
	workers = 8   // deletions under way at once
)

// heritage selects what is Brigade's.
const (
	heritage = objects.LabelHeritage + "=" + objects.Heritage
)

// DefaultMarkerAge is how long it is remembered which events were taken.
const DefaultMarkerAge = 7 * 24 * time.Hour

var (
	secrets    = schema.GroupVersionResource{Version: "v1", Resource: "secrets"}
	pods       = schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	claims     = schema.GroupVersionResource{Version: "v1", Resource: "persistentvolumeclaims"}
	configMaps = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
)

// run is one vacuuming.
type run struct {
	opt    Options
	meta   metadata.Interface
	now    time.Time
	report Report

	mu   sync.Mutex
	errs []error
}

// Run deletes once. What cannot be deleted is in the error; the rest is
// deleted all the same.
func Run(ctx context.Context, opt Options) (Report, error) {
	if opt.Client == nil {
		return Report{}, errors.New("kube/vacuum: Client is required")
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.MarkerAge <= 0 {
		opt.MarkerAge = DefaultMarkerAge
	}
	config := metadata.ConfigFor(opt.Client.Config())
	meta, err := metadata.NewForConfig(config)
	if err != nil {
		return Report{}, fmt.Errorf("connect to the cluster: %w", err)
	}
	r := &run{opt: opt, meta: meta, now: opt.Now()}
	if err := r.all(ctx); err != nil {
		return r.report, err
	}
	return r.report, errors.Join(r.errs...)
}

// object is what is known of an object: never its content.
type object = metav1.PartialObjectMetadata

// all looks at what belongs to builds first, and at the builds after that: so
// what is made meanwhile is not taken for something left behind.
func (r *run) all(ctx context.Context) error {
	own := r.opt.Client.Namespace
	running, err := r.running(ctx, own)
	if err != nil {
		return err
	}
	left, err := r.belongings(ctx, own)
	if err != nil {
		return err
	}
	for _, ns := range slices.Compact(slices.Sorted(slices.Values(r.opt.Namespaces))) {
		if ns == "" || ns == own {
			continue
		}
		more, err := r.belongings(ctx, ns)
		if err != nil {
			r.fail(err)
			continue
		}
		left = append(left, more...)
	}
	builds, err := r.list(ctx, secrets, own, heritage+",component=build", "")
	if err != nil {
		return err
	}
	kept, err := r.builds(ctx, builds, running)
	if err != nil {
		return err
	}
	if err := r.leftovers(ctx, left, kept); err != nil {
		return err
	}
	return r.markers(ctx, own)
}

// running are the builds whose worker pod has not ended.
func (r *run) running(ctx context.Context, ns string) (map[string]bool, error) {
	workers, err := r.list(ctx, pods, ns, heritage+",component=build", "status.phase!=Succeeded,status.phase!=Failed")
	if err != nil {
		return nil, err
	}
	running := map[string]bool{}
	for _, p := range workers {
		running[buildOf(p)] = true
	}
	return running, nil
}

// belonging is an object that belongs to a build.
type belonging struct {
	object
	of    schema.GroupVersionResource
	count *int
}

// belongings are all objects of a namespace that belong to builds.
func (r *run) belongings(ctx context.Context, ns string) ([]belonging, error) {
	var all []belonging
	for _, kind := range []struct {
		of       schema.GroupVersionResource
		selector string
		count    *int
	}{
		{pods, heritage + ",component in (build,job)", &r.report.Pods},
		{claims, heritage + ",component=buildStorage", &r.report.Claims},
		{secrets, heritage + ",component=job", &r.report.Secrets},
	} {
		list, err := r.list(ctx, kind.of, ns, kind.selector, "")
		if err != nil {
			return nil, err
		}
		for _, o := range list {
			all = append(all, belonging{o, kind.of, kind.count})
		}
	}
	return all, nil
}

// builds deletes the builds that are due and returns the IDs of the others.
func (r *run) builds(ctx context.Context, all []object, running map[string]bool) (kept map[string]bool, err error) {
	slices.SortFunc(all, func(a, b object) int { // newest first
		return cmp.Or(b.CreationTimestamp.Compare(a.CreationTimestamp.Time), cmp.Compare(b.Name, a.Name))
	})
	kept = map[string]bool{}
	var due []object
	for i, s := range all {
		id := buildOf(s)
		old := r.opt.Age > 0 && r.now.Sub(s.CreationTimestamp.Time) > r.opt.Age
		many := r.opt.MaxBuilds >= 0 && i >= r.opt.MaxBuilds
		if !old && !many || pinned(s) || r.opt.SkipRunning && (running[id] || unfinished(s)) {
			kept[id] = true
			continue
		}
		due = append(due, s)
	}
	r.report.Kept = len(kept)
	return kept, each(ctx, r, due, func(ctx context.Context, s object) error {
		id := buildOf(s)
		r.opt.Log.Info("delete the build", "build", id, "project", s.Labels["project"], "age", r.now.Sub(s.CreationTimestamp.Time).Round(time.Second))
		r.count(&r.report.Builds)
		if r.opt.DeleteBuild != nil && id != "" && !r.opt.DryRun {
			return r.opt.DeleteBuild(ctx, id)
		}
		return r.delete(ctx, secrets, s)
	})
}

// leftovers deletes what belongs to builds that are gone, or went just now.
// What names no build is not ours to judge.
func (r *run) leftovers(ctx context.Context, all []belonging, kept map[string]bool) error {
	due := slices.DeleteFunc(all, func(b belonging) bool {
		id := buildOf(b.object)
		return id == "" || kept[id] || b.DeletionTimestamp != nil
	})
	return each(ctx, r, due, func(ctx context.Context, b belonging) error {
		r.count(b.count)
		return r.delete(ctx, b.of, b.object)
	})
}

// markers deletes what tells which events were taken long ago.
func (r *run) markers(ctx context.Context, ns string) error {
	all, err := r.list(ctx, configMaps, ns, heritage+",component=event-key", "")
	if err != nil {
		return err
	}
	var due []object
	for _, o := range all {
		if r.now.Sub(o.CreationTimestamp.Time) > r.opt.MarkerAge {
			due = append(due, o)
		}
	}
	return each(ctx, r, due, func(ctx context.Context, o object) error {
		r.count(&r.report.Markers)
		return r.delete(ctx, configMaps, o)
	})
}

// list returns all objects of a kind, a page at a time.
func (r *run) list(ctx context.Context, of schema.GroupVersionResource, ns, labels, fields string) ([]object, error) {
	var all []object
	opt := metav1.ListOptions{LabelSelector: labels, FieldSelector: fields, Limit: page}
	for {
		list, err := r.meta.Resource(of).Namespace(ns).List(ctx, opt)
		if err != nil {
			return nil, fmt.Errorf("list %s in %s: %w", of.Resource, ns, cluster.Error(err))
		}
		all = append(all, list.Items...)
		if opt.Continue = list.Continue; opt.Continue == "" {
			return all, nil
		}
	}
}

// each does something with every object, a few at once. It goes on after
// errors, and ends early with ctx only.
func each[T any](ctx context.Context, r *run, all []T, do func(context.Context, T) error) error {
	slots := make(chan struct{}, workers)
	var wait sync.WaitGroup
	for _, o := range all {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			wait.Wait()
			return context.Cause(ctx)
		}
		wait.Go(func() {
			defer func() { <-slots }()
			if err := do(ctx, o); err != nil {
				r.fail(err)
			}
		})
	}
	wait.Wait()
	return nil
}

// delete deletes this very object, and none of its name made since.
func (r *run) delete(ctx context.Context, of schema.GroupVersionResource, o object) error {
	if r.opt.DryRun {
		return nil
	}
	background := metav1.DeletePropagationBackground
	err := r.meta.Resource(of).Namespace(o.Namespace).Delete(ctx, o.Name, metav1.DeleteOptions{
		PropagationPolicy: &background, Preconditions: &metav1.Preconditions{UID: &o.UID},
	})
	if err == nil || apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	}
	return fmt.Errorf("delete %s %s: %w", of.Resource, o.Name, cluster.Error(err))
}

func (r *run) count(n *int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	*n++
}

// maxErrors is how many errors are told of: the rest will be alike.
const maxErrors = 10

func (r *run) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.errs) < maxErrors {
		r.errs = append(r.errs, err)
	}
}

// buildOf is the ID of the build that an object is or belongs to; "" for none.
func buildOf(o object) string {
	id, _ := objects.BuildID(o.Labels[objects.LabelBuild])
	return id
}

// unfinished reports whether the build waits or runs, as far as its Secret
// tells: v1's do not.
func unfinished(s object) bool {
	switch s.Labels[objects.LabelState] {
	case string(brigade.StatePending), string(brigade.StateRunning):
		return true
	}
	return false
}

// pinned reports whether somebody wants the build to be kept.
func pinned(s object) bool {
	var status struct {
		Pinned bool `json:"pinned"`
	}
	return json.Unmarshal([]byte(s.Annotations[objects.AnnotationStatus]), &status) == nil && status.Pinned
}
