package cluster

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/cache"
)

// The methods of this file are what client-go's reflector wants of the place
// it writes to.
var _ cache.TransformingStore = (*Follower[Object])(nil)

// Transformer gives the reflector the transform for its own short-lived list.
func (f *Follower[T]) Transformer() cache.TransformFunc {
	return func(o any) (any, error) {
		if t, ok := o.(T); ok {
			return f.change(t), nil
		}
		return o, nil
	}
}

// change drops what nobody reads.
func (f *Follower[T]) change(o T) T {
	o.SetManagedFields(nil)
	if f.opt.Transform != nil {
		o = f.opt.Transform(o)
	}
	return o
}

// Add tells of an object that is there now.
func (f *Follower[T]) Add(o any) error {
	t, ok := o.(T)
	if !ok {
		return fmt.Errorf("the watch told of a %T", o)
	}
	t = f.change(t)
	name := cache.MetaObjectToName(t)
	event := Event[T]{Type: Added, New: t}
	if _, there := f.known[name]; there {
		event.Type = Updated
	}
	f.known[name] = t.GetUID()
	f.handle(event)
	return nil
}

// Update is Add.
func (f *Follower[T]) Update(o any) error { return f.Add(o) }

// Delete tells of an object that is gone.
func (f *Follower[T]) Delete(o any) error {
	t, ok := o.(T)
	if !ok {
		return fmt.Errorf("the watch told of a %T", o)
	}
	delete(f.known, cache.MetaObjectToName(t))
	f.handle(Event[T]{Type: Deleted, Old: f.change(t)})
	return nil
}

// Replace tells of all there are, and of those that are gone.
func (f *Follower[T]) Replace(list []any, _ string) error {
	now := make(map[cache.ObjectName]bool, len(list))
	for _, o := range list {
		if t, ok := o.(T); ok {
			now[cache.MetaObjectToName(t)] = true
		}
	}
	for name, uid := range f.known {
		if !now[name] {
			gone := newOf[T]()
			gone.SetNamespace(name.Namespace)
			gone.SetName(name.Name)
			gone.SetUID(uid)
			delete(f.known, name)
			f.handle(Event[T]{Type: Deleted, Old: gone})
		}
	}
	for _, o := range list {
		if err := f.Add(o); err != nil {
			return err
		}
	}
	f.once.Do(func() { close(f.synced) })
	return nil
}

// Resync does nothing: nothing is told twice without a reason.
func (f *Follower[T]) Resync() error { return nil }

// lost waits a moment after a connection has ended.
func (f *Follower[T]) lost(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	wait := retryFirst
	if err != nil && !apierrors.IsResourceExpired(err) {
		f.note(err)
		wait = retryMost/2 + rand.N(retryMost/2)
	}
	f.opt.Log.DebugContext(ctx, "a watch has ended and is begun again", "wait", wait, "err", err)
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// note keeps the last error of the connection.
func (f *Follower[T]) note(err error) {
	if err == nil {
		f.err.Store(nil)
		return
	}
	err = Error(err)
	f.err.Store(&err)
	if lasting(err) {
		f.refuse.Do(func() { close(f.refused) })
	}
}

// Err is why what was told is not up to date, or nil when it is connected.
func (f *Follower[T]) Err() error {
	if err := f.err.Load(); err != nil {
		return *err
	}
	return nil
}

// Synced waits until all there is was told. It does not wait out an error that
// only a person can mend (no right to list); an unreachable server it waits for
// until ctx ends, and returns that error then.
func (f *Follower[T]) Synced(ctx context.Context) error {
	select {
	case <-f.synced:
		return nil
	case <-f.refused:
		if err := f.Err(); err != nil {
			return err
		}
	case <-ctx.Done():
		if err := f.Err(); err != nil {
			return err
		}
		return context.Cause(ctx)
	}
	select { // it was refused, and then it was not
	case <-f.synced:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
