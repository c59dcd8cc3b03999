package cluster

import (
	"context"
	"log/slog"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
)

// ViewOptions say what a view shows.
type ViewOptions[T Object] struct {
	LabelSelector string
	FieldSelector string
	// Transform changes an object before it is kept, for instance drops what
	// is large and not needed. It owns the object, and may be given one that
	// it has changed already. Managed fields are dropped before.
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

// Follower is a watch that never ends: it reconnects, and lists again when the
// watch has expired. It keeps nothing but names.
type Follower[T Object] struct {
	opt     ViewOptions[T]
	handle  func(Event[T])
	known   map[cache.ObjectName]types.UID // used by the watch's goroutine only
	synced  chan struct{}
	once    sync.Once
	refused chan struct{} // closed at the first error that waiting does not mend
	refuse  sync.Once
	err     atomic.Pointer[error]
}

// How long a lost connection is waited for: a little at first, never long.
const (
	retryFirst = 200 * time.Millisecond
	retryMost  = 5 * time.Second
)

// Follow tells handle of every object there is, as Added, and of every change
// from then on, one after another, until ctx ends. After a lost connection all
// are told once more, as Updated. Old is only set when an object was Deleted,
// and may then be nothing but its name and UID. A slow handle delays the watch;
// see View for one that does not, and that keeps the objects.
func Follow[T Object, L runtime.Object](ctx context.Context, r *Resource[T, L], opt ViewOptions[T], handle func(Event[T])) *Follower[T] {
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	f := &Follower[T]{
		opt: opt, handle: handle, known: map[cache.ObjectName]types.UID{},
		synced: make(chan struct{}), refused: make(chan struct{}),
	}
	reflector := cache.NewReflectorWithOptions(source(f, r), newOf[T](), f, cache.ReflectorOptions{
		Name:    "brigade",
		Backoff: &wait.Backoff{Duration: retryFirst, Cap: retryMost, Steps: 10, Factor: 2, Jitter: 0.5},
	})
	go func() {
		for ctx.Err() == nil {
			err := reflector.ListAndWatchWithContext(ctx)
			f.lost(ctx, err)
		}
	}()
	return f
}

// source is what the reflector asks for lists and watches.
func source[T Object, L runtime.Object](f *Follower[T], r *Resource[T, L]) *cache.ListWatch {
	selectors := func(o *metav1.ListOptions) {
		o.LabelSelector, o.FieldSelector = f.opt.LabelSelector, f.opt.FieldSelector
	}
	return &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			selectors(&o)
			list, err := r.List(ctx, o)
			f.note(err)
			return list, err
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			selectors(&o)
			w, err := r.Watch(ctx, o)
			f.note(err)
			return w, err
		},
	}
}

func newOf[T Object]() T { return reflect.New(reflect.TypeFor[T]().Elem()).Interface().(T) }
