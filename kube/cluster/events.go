package cluster

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

const (
	maxEmits    = 16               // under way at once; what comes on top is dropped
	emitTimeout = 10 * time.Second // of one
	emitQuiet   = time.Minute      // a repeat within it is dropped
	emitRecent  = 512              // events remembered to recognise repeats
	maxMessage  = 1024             // bytes, a limit of the API server
)

// The types of Kubernetes events.
const (
	Normal  = corev1.EventTypeNormal
	Warning = corev1.EventTypeWarning
)

// emitter bounds the events that are under way.
type emitter struct {
	slots  chan struct{}
	wait   sync.WaitGroup
	mu     sync.Mutex
	recent map[emitKey]time.Time
}

type emitKey struct {
	object          types.UID
	name            string
	reason, message string
}

// Emit makes a Kubernetes Event about obj, which kubectl describe shows:
// kind is Normal or Warning, reason one word in CamelCase. It returns at once
// and is best effort: repeats within a minute, and what comes while too many
// are under way, are dropped. It outlives ctx for a few seconds; see Flush.
func (c *Client) Emit(ctx context.Context, obj Object, kind, reason, message string) {
	kinds, _, err := scheme.ObjectKinds(obj)
	if err != nil || len(kinds) == 0 || obj.GetName() == "" {
		return
	}
	if len(message) > maxMessage {
		message = strings.ToValidUTF8(message[:maxMessage-3], "") + "…"
	}
	now := time.Now()
	key := emitKey{obj.GetUID(), obj.GetName(), reason, message}
	if !c.emit.fresh(key, now) {
		return
	}
	ns := obj.GetNamespace()
	if ns == "" {
		ns = c.Namespace
	}
	event := &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("%.200s.%x", obj.GetName(), now.UnixNano()), Namespace: ns},
		InvolvedObject: corev1.ObjectReference{
			APIVersion: kinds[0].GroupVersion().String(), Kind: kinds[0].Kind, Namespace: obj.GetNamespace(),
			Name: obj.GetName(), UID: obj.GetUID(), ResourceVersion: obj.GetResourceVersion(),
		},
		Type: kind, Reason: reason, Message: message, Count: 1,
		FirstTimestamp: metav1.NewTime(now), LastTimestamp: metav1.NewTime(now),
		Source: corev1.EventSource{Component: "brigade"}, ReportingController: "brigade.sh/brigade",
	}
	select {
	case c.emit.slots <- struct{}{}:
	default:
		c.log.DebugContext(ctx, "too many events under way: one is dropped", "object", obj.GetName(), "reason", reason)
		return
	}
	c.emit.wait.Go(func() {
		defer func() { <-c.emit.slots }()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), emitTimeout)
		defer cancel()
		if _, err := c.Events(ns).Create(ctx, event, metav1.CreateOptions{}); err != nil {
			c.log.DebugContext(ctx, "an event could not be made", "object", obj.GetName(), "reason", reason, "error", err)
		}
	})
}

// Flush waits until all events that were emitted are made.
func (c *Client) Flush() { c.emit.wait.Wait() }

// fresh reports whether the event was not made a moment ago.
func (e *emitter) fresh(key emitKey, now time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if last, ok := e.recent[key]; ok && now.Sub(last) < emitQuiet {
		return false
	}
	if e.recent == nil || len(e.recent) >= emitRecent {
		e.recent = make(map[emitKey]time.Time)
	}
	e.recent[key] = now
	return true
}
