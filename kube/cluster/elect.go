package cluster

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	brigade "github.com/brigadecore/brigade/v3"
)

// ElectOptions say who stands for what.
type ElectOptions struct {
	Namespace string // "" is the client's own
	Name      string // of the Lease object
	Identity  string // of this process, unique among the candidates
	// LeaseDuration is how long others wait for a leader that is not heard
	// of; default 15 s. A leader that could not renew for RenewDeadline,
	// default 10 s, stands down. It renews every RetryPeriod, default 2 s.
	LeaseDuration, RenewDeadline, RetryPeriod time.Duration
}

// ErrLostLead is the cause that ends the context of a leader that is not it
// any more.
var ErrLostLead = errors.New("another process may lead now")

// Elect waits until this process is the leader, one among all that ask for the
// same Name, and calls lead. The context of lead ends when the lead is lost
// (cause ErrLostLead) or ctx ends; lead must then return soon. When the lead
// was lost it stands again. It returns nil when lead returns on its own, else
// when ctx ends, and gives the lead up so that the next one has not to wait.
// An error is one that waiting does not mend, such as a missing right.
//
// Those who wait watch the Lease and send no requests of their own.
func (c *Client) Elect(ctx context.Context, opt ElectOptions, lead func(ctx context.Context)) error {
	e := &election{client: c, opt: opt, leases: c.Leases(opt.Namespace)}
	e.defaults()
	viewCtx, stop := context.WithCancel(ctx)
	defer stop()
	e.view = Watch(viewCtx, e.leases, ViewOptions[*coordinationv1.Lease]{FieldSelector: "metadata.name=" + opt.Name, Log: c.log})
	e.changed = make(chan struct{}, 1)
	e.view.Subscribe(func(Event[*coordinationv1.Lease]) {
		select {
		case e.changed <- struct{}{}:
		default:
		}
	})
	for {
		if err := e.acquire(ctx); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		c.log.InfoContext(ctx, "this process leads", "lease", opt.Name, "identity", opt.Identity)
		over := e.lead(ctx, lead)
		e.release(ctx)
		if over || ctx.Err() != nil {
			return nil
		}
		c.log.WarnContext(ctx, "the lead is lost", "lease", opt.Name, "identity", opt.Identity)
	}
}

type election struct {
	client  *Client
	opt     ElectOptions
	leases  *Leases
	view    *View[*coordinationv1.Lease]
	changed chan struct{}

	held *coordinationv1.Lease // as last written by this process
	// What was seen of others, and when by this process's clock: the clocks of
	// two machines are not compared.
	seen   string
	seenAt time.Time
}

func (e *election) defaults() {
	set := func(to *time.Duration, value time.Duration) {
		if *to <= 0 {
			*to = value
		}
	}
	set(&e.opt.LeaseDuration, 15*time.Second)
	set(&e.opt.RenewDeadline, e.opt.LeaseDuration*2/3)
	set(&e.opt.RetryPeriod, min(2*time.Second, e.opt.RenewDeadline/3))
}

// acquire returns nil once this process holds the lease.
func (e *election) acquire(ctx context.Context) error {
	if err := e.view.Synced(ctx); err != nil {
		return err
	}
	for {
		wait, err := e.try(ctx)
		if err == nil && wait == 0 {
			return nil
		}
		if err != nil {
			if lasting(Error(err)) {
				return Error(err)
			}
			e.client.log.DebugContext(ctx, "the lease could not be taken", "lease", e.opt.Name, "error", err)
			wait = e.opt.RetryPeriod
		}
		timer := time.NewTimer(wait + rand.N(e.opt.RetryPeriod/4+1))
		select {
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		case <-e.changed:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// try takes the lease when it is free. Else it says how long to wait for it.
func (e *election) try(ctx context.Context) (wait time.Duration, err error) {
	lease, ok := e.view.Get(e.opt.Name)
	if !ok {
		e.held, err = e.leases.Create(ctx, e.claim(nil), metav1.CreateOptions{})
		if apierrors.IsAlreadyExists(err) {
			return e.opt.RetryPeriod, nil
		}
		return 0, err
	}
	holder := ""
	if lease.Spec.HolderIdentity != nil {
		holder = *lease.Spec.HolderIdentity
	}
	if holder != "" && holder != e.opt.Identity {
		if state := lease.ResourceVersion; state != e.seen {
			e.seen, e.seenAt = state, time.Now()
		}
		if left := time.Until(e.seenAt.Add(e.patience(lease))); left > 0 {
			return left, nil
		}
	}
	e.held, err = e.leases.Update(ctx, e.claim(lease), metav1.UpdateOptions{})
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return e.opt.RetryPeriod, nil
	}
	return 0, err
}

// patience is how long the holder of lease may be silent.
func (e *election) patience(lease *coordinationv1.Lease) time.Duration {
	if s := lease.Spec.LeaseDurationSeconds; s != nil && *s > 0 {
		return max(time.Duration(*s)*time.Second, e.opt.LeaseDuration)
	}
	return e.opt.LeaseDuration
}

// claim is the lease as this process holds it, made of the one before.
func (e *election) claim(before *coordinationv1.Lease) *coordinationv1.Lease {
	now, seconds := metav1.NewMicroTime(time.Now()), int32(max(1, e.opt.LeaseDuration/time.Second))
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: e.opt.Name, Labels: map[string]string{"heritage": "brigade"}}}
	transitions := int32(0)
	if before != nil {
		lease = before.DeepCopy()
		if n := before.Spec.LeaseTransitions; n != nil {
			transitions = *n
		}
	}
	if h := lease.Spec.HolderIdentity; h == nil || *h != e.opt.Identity {
		lease.Spec.AcquireTime = &now
		if before != nil {
			transitions++
		}
	}
	lease.Spec.HolderIdentity, lease.Spec.LeaseDurationSeconds = &e.opt.Identity, &seconds
	lease.Spec.RenewTime, lease.Spec.LeaseTransitions = &now, &transitions
	return lease
}

// lead runs lead and keeps the lease meanwhile. over says that lead returned
// on its own.
func (e *election) lead(ctx context.Context, lead func(context.Context)) (over bool) {
	leadCtx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	done := make(chan struct{})
	go func() {
		defer close(done)
		lead(leadCtx)
	}()
	renewed := time.Now()
	tick := time.NewTicker(e.opt.RetryPeriod)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return true
		case <-ctx.Done():
			<-done
			return true
		case <-tick.C:
		}
		if err := e.renew(ctx, renewed.Add(e.opt.RenewDeadline)); err == nil {
			renewed = time.Now()
			continue
		} else if errors.Is(err, ErrLostLead) || time.Since(renewed) >= e.opt.RenewDeadline {
			stop(fmt.Errorf("%w: %w", ErrLostLead, err))
			<-done
			return false
		}
	}
}

// renew writes the lease once more. ErrLostLead means that it is another's.
func (e *election) renew(ctx context.Context, deadline time.Time) error {
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	began := time.Now()
	lease, err := e.leases.Update(ctx, e.claim(e.held), metav1.UpdateOptions{})
	if err == nil {
		e.held = lease
		return nil
	}
	if !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) {
		e.client.log.DebugContext(ctx, "the lease could not be renewed", "lease", e.opt.Name, "after", time.Since(began), "error", err)
		return err
	}
	// Somebody wrote it: perhaps this process, whose answer was lost.
	now, err := e.leases.Get(ctx, e.opt.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return fmt.Errorf("%w: the lease was deleted", ErrLostLead)
	}
	if err != nil {
		return err
	}
	if h := now.Spec.HolderIdentity; h == nil || *h != e.opt.Identity {
		return ErrLostLead
	}
	e.held = now
	return fmt.Errorf("the lease was changed")
}

// release gives the lease up, if it is still this process's.
func (e *election) release(ctx context.Context) {
	if e.held == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), e.opt.RetryPeriod+time.Second)
	defer cancel()
	free, none, second := e.held.DeepCopy(), "", int32(1)
	free.Spec.HolderIdentity, free.Spec.LeaseDurationSeconds = &none, &second
	if _, err := e.leases.Update(ctx, free, metav1.UpdateOptions{}); err != nil {
		e.client.log.DebugContext(ctx, "the lease could not be given up", "lease", e.opt.Name, "error", err)
	}
	e.held = nil
}

// lasting reports whether trying again later does not mend err.
func lasting(err error) bool {
	switch brigade.CodeOf(err) {
	case brigade.CodeDenied, brigade.CodeUsage, brigade.CodeInvalid, brigade.CodeNotFound:
		return true
	}
	return false
}
