package cluster

import (
	"context"
	"sync"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/cache"
)

// View is a list of objects that is kept up to date by a watch: reading it is
// no request. The objects are shared: do not change them.
type View[T Object] struct {
	follower  *Follower[T]
	namespace string
	done      <-chan struct{} // closed when the view ends

	mu          sync.RWMutex
	objects     map[cache.ObjectName]T
	subscribers map[*subscriber[T]]struct{}
}

// Watch starts a view that lives until ctx ends.
func Watch[T Object, L runtime.Object](ctx context.Context, r *Resource[T, L], opt ViewOptions[T]) *View[T] {
	v := &View[T]{
		namespace: r.GetNamespace(), done: ctx.Done(),
		objects: map[cache.ObjectName]T{}, subscribers: map[*subscriber[T]]struct{}{},
	}
	v.follower = Follow(ctx, r, opt, v.told)
	return v
}

// told keeps what the watch tells, and passes on what changed.
func (v *View[T]) told(e Event[T]) {
	v.mu.Lock()
	defer v.mu.Unlock()
	name := cache.MetaObjectToName(e.Object())
	before, there := v.objects[name]
	switch {
	case e.Type == Deleted:
		if !there {
			return
		}
		if e.Old.GetResourceVersion() == "" { // nothing but its name: the state before is more
			e.Old = before
		}
		delete(v.objects, name)
	case there && before.GetUID() != e.New.GetUID(): // deleted and made again while nobody looked
		v.pass(Event[T]{Type: Deleted, Old: before})
		e.Type, v.objects[name] = Added, e.New
	case there && before.GetResourceVersion() == e.New.GetResourceVersion():
		return // told once more after a lost connection
	case there:
		e.Type, e.Old, v.objects[name] = Updated, before, e.New
	default:
		e.Type, v.objects[name] = Added, e.New
	}
	v.pass(e)
}

func (v *View[T]) pass(e Event[T]) {
	for s := range v.subscribers {
		s.add(e)
	}
}

// Synced waits until the view holds all there is: see Follower.Synced.
func (v *View[T]) Synced(ctx context.Context) error { return v.follower.Synced(ctx) }

// Err is why the view is not up to date, or nil when it is connected.
func (v *View[T]) Err() error { return v.follower.Err() }

// Get finds one by name, in a view of one namespace.
func (v *View[T]) Get(name string) (T, bool) { return v.GetIn(v.namespace, name) }

// GetIn finds one by namespace and name.
func (v *View[T]) GetIn(namespace, name string) (T, bool) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	t, ok := v.objects[cache.NewObjectName(namespace, name)]
	return t, ok
}

// List returns all, in no order.
func (v *View[T]) List() []T {
	v.mu.RLock()
	defer v.mu.RUnlock()
	list := make([]T, 0, len(v.objects))
	for _, t := range v.objects {
		list = append(list, t)
	}
	return list
}

// Subscribe has handle told of every object there is, as Added, and of every
// change from then on, in order, by a goroutine of its own, so that a slow one
// delays no other. It ends with stop or with the view; after stop one call may
// still be under way.
func (v *View[T]) Subscribe(handle func(Event[T])) (stop func()) {
	s := &subscriber[T]{more: make(chan struct{}, 1), over: make(chan struct{})}
	v.mu.Lock()
	for _, t := range v.objects {
		s.add(Event[T]{Type: Added, New: t})
	}
	v.subscribers[s] = struct{}{}
	v.mu.Unlock()
	go s.run(v.done, handle)
	var once sync.Once
	return func() {
		once.Do(func() {
			v.mu.Lock()
			delete(v.subscribers, s)
			v.mu.Unlock()
			close(s.over)
		})
	}
}

// subscriber keeps what its handler has not been told yet.
type subscriber[T Object] struct {
	mu    sync.Mutex
	queue []Event[T]
	more  chan struct{}
	over  chan struct{}
}

func (s *subscriber[T]) add(e Event[T]) {
	s.mu.Lock()
	s.queue = append(s.queue, e)
	s.mu.Unlock()
	select {
	case s.more <- struct{}{}:
	default:
	}
}

func (s *subscriber[T]) run(done <-chan struct{}, handle func(Event[T])) {
	for {
		select {
		case <-done:
			return
		case <-s.over:
			return
		case <-s.more:
		}
		s.mu.Lock()
		events := s.queue
		s.queue = nil
		s.mu.Unlock()
		for _, e := range events {
			select {
			case <-done:
				return
			case <-s.over:
				return
			default:
				handle(e)
			}
		}
	}
}
