package wire

import (
	"cmp"
	"context"
	"sync"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
)

const (
	// defaultIdle is how long a process waits for another script, and keepMost
	// how many may.
	defaultIdle = 10 * time.Second
	keepMost    = 100
	// startPatience is how long a process that is starting keeps others from it.
	startPatience = 10 * time.Second
)

// likeness is what scripts have in common that may follow each other in one
// process: the project, whose secrets and files they all may read, and the
// limit on memory, which a process sets itself once. A script that is not
// trusted with the project's secrets has a process that no other has before or
// after it, and so has every script in an engine that does not keep processes.
type likeness struct {
	project string
	memory  int64
	trusted bool
}

func (c *Child) kindOf(run brigade.ScriptRun) likeness {
	if c.Keep <= 1 || run.Build == nil || run.Project == nil || run.Project.ID == "" || run.Build.Event.Untrusted {
		return likeness{}
	}
	return likeness{project: run.Project.ID, memory: run.Limits.Memory, trusted: true}
}

// kept are the processes that wait for a script, and how many are starting.
type kept struct {
	mu       sync.Mutex
	idle     []waiting // the one that waits longest first
	starting int
	changed  chan struct{} // closed when one is put back, or has started; nil: nobody waits
	closed   bool
}

// waiting is a process that waits for a script.
type waiting struct {
	like    likeness
	process *process
	expire  *time.Timer
}

// take returns a process for a script of that kind: one that waits for such a
// script, else a new one. The returned function is to be called, once or more
// often, when the process has begun with the script or will not.
func (c *Child) take(ctx context.Context, like likeness) (*process, func(), error) {
	k := &c.kept
	for {
		k.mu.Lock()
		if p := k.find(like); p != nil {
			k.mu.Unlock()
			return p, func() {}, nil
		}
		if c.Starting <= 0 || k.starting < c.Starting {
			k.starting++
			k.mu.Unlock()
			break
		}
		if k.changed == nil {
			k.changed = make(chan struct{})
		}
		changed := k.changed
		k.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, nil, context.Cause(ctx)
		}
	}
	started := sync.OnceFunc(func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.starting--
		k.tell()
	})
	p, err := c.start()
	if err != nil {
		started()
		return nil, nil, err
	}
	hangs := time.AfterFunc(startPatience, started)
	return p, func() { hangs.Stop(); started() }, nil
}

// find takes the process that was used last, which has most of what it needs in
// memory. The caller holds k.mu.
func (k *kept) find(like likeness) *process {
	if !like.trusted {
		return nil
	}
	for i := len(k.idle) - 1; i >= 0; i-- {
		if w := k.idle[i]; w.like == like {
			k.idle = append(k.idle[:i], k.idle[i+1:]...)
			w.expire.Stop()
			return w.process
		}
	}
	return nil
}

// tell wakes those who wait for a process. The caller holds k.mu.
func (k *kept) tell() {
	if k.changed != nil {
		close(k.changed)
		k.changed = nil
	}
}

// put keeps a process for the next script of that kind, for a while. When there
// are too many, the one goes that waits longest.
func (c *Child) put(like likeness, p *process) {
	k := &c.kept
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		k.discard(p)
		return
	}
	if len(k.idle) >= keepMost {
		k.idle[0].expire.Stop()
		k.discard(k.idle[0].process)
		k.idle = k.idle[1:]
	}
	k.idle = append(k.idle, waiting{like, p, time.AfterFunc(cmp.Or(c.Idle, defaultIdle), func() { k.drop(p) })})
	k.tell()
}

// drop ends a process unless a script has taken it.
func (k *kept) drop(p *process) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i, w := range k.idle {
		if w.process == p {
			k.idle = append(k.idle[:i], k.idle[i+1:]...)
			k.discard(p)
			return
		}
	}
}

// discard ends a process that does nothing. Nobody waits for that.
func (k *kept) discard(p *process) {
	go func() { _ = p.end(true) }()
}

// close ends all that wait, and returns when they are gone.
func (k *kept) close() {
	k.mu.Lock()
	k.closed = true
	idle := k.idle
	k.idle = nil
	k.mu.Unlock()
	for _, w := range idle {
		w.expire.Stop()
		_ = w.process.end(true)
	}
}
