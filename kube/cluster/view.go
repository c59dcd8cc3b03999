package cluster

import (
	"context"
	"log/slog"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
)

// ViewOptions say what a view shows.
type ViewOptions[T Object] struct {
	LabelSelector string
	FieldSelector string
	// Transform changes an object before it is kept, for instance drops what
	// is large and not needed. It owns the object. Managed fields are dropped
	// before.
	Transform func(T) T
	Log       *slog.Logger // of lost connections
}

// EventType says what happened to an object of a view.
type EventType string

// The event types.
const (
	Added   EventType = "added"
	Updated EventType = "updated"
	Deleted EventType = "deleted"
)

// Event is what a view tells its subscribers. The objects are shared: do not
// change them.
type Event[T Object] struct {
	Type EventType
	Old  T // of Updated and Deleted
	New  T // of Added and Updated
}

// Object is the object the event is about, in its newest state.
func (e Event[T]) Object() T {
	if e.Type == Deleted {
		return e.Old
	}
	return e.New
}

// View is a list of objects that is kept up to date by a watch: reading it is
// no request. It reconnects, lists again after an expired watch, and is never
// resynced by the clock. The objects are shared: do not change them.
type View[T Object] struct {
	namespace string
	informer  cache.SharedIndexInformer
	refused   chan struct{} // closed at the first error that waiting does not mend
	once      sync.Once
	err       atomic.Pointer[error]
}

// Watch starts a view that lives until ctx ends.
func Watch[T Object, L runtime.Object](ctx context.Context, r *Resource[T, L], opt ViewOptions[T]) *View[T] {
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	v := &View[T]{namespace: r.GetNamespace(), refused: make(chan struct{})}
	selectors := func(o *metav1.ListOptions) {
		o.LabelSelector, o.FieldSelector = opt.LabelSelector, opt.FieldSelector
	}
	lw := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			selectors(&o)
			list, err := r.List(ctx, o)
			v.note(err)
			return list, err
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			selectors(&o)
			w, err := r.Watch(ctx, o)
			v.note(err)
			return w, err
		},
	}
	v.informer = cache.NewSharedIndexInformerWithOptions(lw, reflect.New(reflect.TypeFor[T]().Elem()).Interface().(T), cache.SharedIndexInformerOptions{})
	// Both fail only on an informer that runs already.
	_ = v.informer.SetTransform(func(o any) (any, error) { return transform(o, opt.Transform), nil })
	_ = v.informer.SetWatchErrorHandlerWithContext(func(ctx context.Context, _ *cache.Reflector, err error) {
		if ctx.Err() == nil && !apierrors.IsResourceExpired(err) {
			v.note(err)
			opt.Log.DebugContext(ctx, "a watch ended and is begun again", "error", err)
		}
	})
	go v.informer.RunWithContext(klog.NewContext(ctx, logr.FromSlogHandler(opt.Log.Handler())))
	return v
}

// transform drops what nobody reads before it is kept.
func transform[T Object](o any, change func(T) T) any {
	t, ok := o.(T)
	if !ok {
		return o // a cache.DeletedFinalStateUnknown: it was transformed before
	}
	t.SetManagedFields(nil)
	if change != nil {
		t = change(t)
	}
	return t
}

// note keeps the last error of the connection.
func (v *View[T]) note(err error) {
	if err == nil {
		v.err.Store(nil)
		return
	}
	err = Error(err)
	v.err.Store(&err)
	if lasting(err) {
		v.once.Do(func() { close(v.refused) })
	}
}

// Err is why the view is not up to date, or nil when it is connected.
func (v *View[T]) Err() error {
	if err := v.err.Load(); err != nil {
		return *err
	}
	return nil
}

// Synced waits until the view holds all there is. It does not wait out an
// error that only a person can mend (no right to list); an unreachable server
// it waits for until ctx ends, and returns that error then.
func (v *View[T]) Synced(ctx context.Context) error {
	select {
	case <-v.informer.HasSyncedChecker().Done():
		return nil
	case <-v.refused:
		if err := v.Err(); err != nil {
			return err
		}
	case <-ctx.Done():
		if err := v.Err(); err != nil {
			return err
		}
		return context.Cause(ctx)
	}
	select {
	case <-v.informer.HasSyncedChecker().Done():
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Get finds one by name, or by "namespace/name" in a view of all namespaces.
func (v *View[T]) Get(name string) (T, bool) {
	if v.namespace != "" && !strings.Contains(name, "/") {
		name = v.namespace + "/" + name
	}
	o, ok, _ := v.informer.GetStore().GetByKey(name)
	t, isT := o.(T)
	return t, ok && isT
}

// List returns all, in no order.
func (v *View[T]) List() []T {
	all := v.informer.GetStore().List()
	list := make([]T, 0, len(all))
	for _, o := range all {
		if t, ok := o.(T); ok {
			list = append(list, t)
		}
	}
	return list
}

// Subscribe has handle told of every object there is, as Added, and of every
// change from then on, in order, by a goroutine of its own, so that a slow one
// delays no other. After stop it is told of nothing new; one call may still be
// under way.
func (v *View[T]) Subscribe(handle func(Event[T])) (stop func()) {
	reg, err := v.informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(o any) {
			if t, ok := o.(T); ok {
				handle(Event[T]{Type: Added, New: t})
			}
		},
		UpdateFunc: func(old, now any) {
			a, _ := old.(T)
			if b, ok := now.(T); ok {
				handle(Event[T]{Type: Updated, Old: a, New: b})
			}
		},
		DeleteFunc: func(o any) {
			if gone, ok := o.(cache.DeletedFinalStateUnknown); ok {
				o = gone.Obj
			}
			if t, ok := o.(T); ok {
				handle(Event[T]{Type: Deleted, Old: t})
			}
		},
	})
	if err != nil { // the view's context has ended
		return func() {}
	}
	return func() { _ = v.informer.RemoveEventHandler(reg) }
}
