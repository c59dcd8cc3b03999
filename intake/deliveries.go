package intake

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/id"
)

// Bounds of deliveries that wait to be written down.
const (
	logQueue   = 4096
	logBytes   = 16 << 20 // of bodies; beyond it deliveries are kept without
	logWriters = 8        // they share commits of the store
	logRefused = 1200     // refused ones per minute, from everywhere together
	maxFlush   = 2 * time.Second
	pruneEvery = time.Minute
	pruneAfter = 512 // deliveries
)

// deliveryLog writes deliveries down, beside the path of the request: the
// build is what must be safe before the answer, its delivery may follow. When
// they come faster than the store takes them, some are only counted.
type deliveryLog struct {
	store  brigade.Records
	limits Limits
	now    func() time.Time
	log    *slog.Logger
	stats  *counters

	queue    chan entry
	bytes    atomic.Int64 // of the bodies in queue
	refused  *buckets
	writers  sync.WaitGroup
	stop     chan struct{}
	flushing chan struct{} // holds one while somebody flushes

	mu      sync.RWMutex // held to send to queue, so that close does not meanwhile
	closed  bool
	warned  atomic.Int64 // when a failure was last logged, Unix seconds
	written atomic.Int64

	pruning sync.Mutex // guards loaded
	loaded  bool
	keptMu  sync.Mutex
	kept    []keptDelivery // oldest first; what was there before comes with the first prune
}

// entry is a delivery to write down, or a barrier.
type entry struct {
	delivery brigade.Delivery
	barrier  func()
}

type keptDelivery struct {
	id    string
	time  time.Time
	bytes int64
}

func newDeliveryLog(o Options, stats *counters) *deliveryLog {
	l := &deliveryLog{
		store: o.Store, limits: o.Limits, now: o.Now, log: o.Log, stats: stats,
		queue: make(chan entry, logQueue), refused: newBuckets(), stop: make(chan struct{}), flushing: make(chan struct{}, 1),
	}
	for range logWriters {
		l.writers.Go(l.write)
	}
	l.writers.Go(l.pruneNowAndThen)
	return l
}

// add takes a delivery. It never blocks.
func (l *deliveryLog) add(d brigade.Delivery) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	flood := d.Outcome == brigade.OutcomeRefused && l.refused.take("", 1, logRefused, l.now()) > 0
	if l.closed || flood {
		l.stats.unlogged.Add(1)
		return
	}
	size := int64(len(d.Body))
	if l.bytes.Add(size) > logBytes {
		l.bytes.Add(-size)
		d.Body = ""
	}
	select {
	case l.queue <- entry{delivery: d}:
	default:
		l.bytes.Add(-int64(len(d.Body)))
		l.stats.unlogged.Add(1)
	}
}

func (l *deliveryLog) write() {
	for e := range l.queue {
		if e.barrier != nil {
			e.barrier()
			continue
		}
		l.put(e.delivery)
		l.bytes.Add(-int64(len(e.delivery.Body)))
	}
}

func (l *deliveryLog) put(d brigade.Delivery) {
	ctx, cancel := context.WithTimeout(context.Background(), l.limits.Store)
	defer cancel()
	data, err := json.Marshal(d)
	if err == nil {
		err = l.store.PutRecord(ctx, brigade.KindDelivery, d.ID, data)
	}
	if err != nil {
		l.stats.unlogged.Add(1)
		l.warn("write down a delivery", err)
		return
	}
	l.keptMu.Lock()
	l.kept = append(l.kept, keptDelivery{id: d.ID, time: d.Time, bytes: int64(len(data))})
	l.keptMu.Unlock()
	if l.written.Add(1)%pruneAfter == 0 {
		l.prune(ctx)
	}
}

// warn logs a failure, at most once a minute.
func (l *deliveryLog) warn(what string, err error) {
	now, last := l.now().Unix(), l.warned.Load()
	if now-last >= 60 && l.warned.CompareAndSwap(last, now) {
		l.log.Warn(what, "err", err, "unlogged", l.stats.unlogged.Load())
	}
}

func (l *deliveryLog) pruneNowAndThen() {
	tick := time.NewTicker(pruneEvery)
	defer tick.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-tick.C:
			l.prune(context.Background())
		}
	}
}

// prune deletes what is beyond the limits of number, age and size.
func (l *deliveryLog) prune(ctx context.Context) {
	if !l.pruning.TryLock() {
		return
	}
	defer l.pruning.Unlock()
	if err := l.load(ctx); err != nil {
		l.warn("read the delivery log", err)
		return
	}
	l.keptMu.Lock()
	slices.SortFunc(l.kept, byID) // writers overtake each other by moments
	from := l.excess()
	first := ""
	if from > 0 {
		first = l.kept[from-1].id + "\x00" // all up to that one, and no other
	}
	l.keptMu.Unlock()
	if from == 0 {
		return
	}
	if _, err := l.store.DeleteRecords(ctx, brigade.KindDelivery, first, false); err != nil {
		l.warn("prune the delivery log", err)
		return
	}
	l.keptMu.Lock()
	defer l.keptMu.Unlock()
	l.kept = append(l.kept[:0:0], l.kept[from:]...)
}

func byID(a, b keptDelivery) int { return strings.Compare(a.id, b.id) }

// excess returns how many of the oldest have to go. The caller holds keptMu
// and has sorted the list.
func (l *deliveryLog) excess() int {
	from := max(len(l.kept)-l.limits.Deliveries, 0)
	var bytes int64
	for i := len(l.kept) - 1; i >= from; i-- {
		if bytes += l.kept[i].bytes; bytes > l.limits.DeliveryBytes {
			from = i + 1
		}
	}
	oldest := l.now().Add(-l.limits.DeliveryAge)
	for from < len(l.kept) && l.kept[from].time.Before(oldest) {
		from++
	}
	return from
}

// load learns once what was written down by processes before this one.
func (l *deliveryLog) load(ctx context.Context) error {
	if l.loaded {
		return nil
	}
	var all []keptDelivery
	seen := map[string]bool{}
	q := brigade.RecordQuery{Limit: 20} // they hold bodies
	for {
		page, err := l.store.ListRecords(ctx, brigade.KindDelivery, q)
		if err != nil {
			return err
		}
		for _, r := range page {
			at, _ := id.Time(r.Key)
			all = append(all, keptDelivery{id: r.Key, time: at, bytes: int64(len(r.Data))})
			seen[r.Key] = true
			q.Before = r.Key
		}
		if len(page) < q.Limit {
			break
		}
	}
	l.keptMu.Lock()
	defer l.keptMu.Unlock()
	for _, k := range l.kept {
		if !seen[k.id] {
			all = append(all, k)
		}
	}
	l.kept, l.loaded = all, true
	return nil
}

// flush waits until what was added before is written down, or ctx ends: every
// writer meets the others at a barrier.
func (l *deliveryLog) flush(ctx context.Context) error {
	select {
	case l.flushing <- struct{}{}: // one at a time: two barriers would block each other
		defer func() { <-l.flushing }()
	case <-ctx.Done():
		return ctx.Err()
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.closed {
		return nil
	}
	met := make(chan struct{})
	release := sync.OnceFunc(func() { close(met) })
	defer release() // writers must not wait for others that never come
	var left atomic.Int32
	left.Store(logWriters)
	barrier := func() {
		if left.Add(-1) == 0 {
			release()
		}
		<-met
	}
	for range logWriters {
		select {
		case l.queue <- entry{barrier: barrier}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	select {
	case <-met:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// settled waits a moment for what was added before. With a store that is slow
// the list is then somewhat behind, which is better than none.
func (l *deliveryLog) settled(ctx context.Context) error {
	short, cancel := context.WithTimeout(ctx, maxFlush)
	defer cancel()
	_ = l.flush(short)
	return ctx.Err()
}

func (l *deliveryLog) close(ctx context.Context) error {
	l.mu.Lock()
	if !l.closed {
		l.closed = true
		close(l.queue)
		close(l.stop)
	}
	l.mu.Unlock()
	over := make(chan struct{})
	go func() {
		l.writers.Wait()
		close(over)
	}()
	select {
	case <-over:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Deliveries returns answered requests, newest first: at most limit (0: 50) of
// those with a lower ID than before ("" for all).
func (in *Intake) Deliveries(ctx context.Context, before string, limit int) ([]brigade.Delivery, error) {
	if err := in.log.settled(ctx); err != nil {
		return nil, err
	}
	records, err := in.opt.Store.ListRecords(ctx, brigade.KindDelivery, brigade.RecordQuery{Before: before, Limit: limit})
	if err != nil {
		return nil, err
	}
	list := make([]brigade.Delivery, 0, len(records))
	for _, r := range records {
		var d brigade.Delivery
		if err := json.Unmarshal(r.Data, &d); err != nil {
			return nil, brigade.Errorf(brigade.CodeStore, "the delivery %s cannot be read: %w", r.Key, err)
		}
		list = append(list, d)
	}
	return list, nil
}

// Delivery returns one answered request.
func (in *Intake) Delivery(ctx context.Context, deliveryID string) (brigade.Delivery, error) {
	var d brigade.Delivery
	if err := in.log.settled(ctx); err != nil {
		return d, err
	}
	data, err := in.opt.Store.Record(ctx, brigade.KindDelivery, deliveryID)
	if brigade.CodeOf(err) == brigade.CodeNotFound {
		return d, brigade.NotFound("delivery", deliveryID).WithHint("old ones are forgotten; list them to see which are there")
	}
	if err != nil {
		return d, err
	}
	if err := json.Unmarshal(data, &d); err != nil {
		return d, brigade.Errorf(brigade.CodeStore, "the delivery %s cannot be read: %w", deliveryID, err)
	}
	return d, nil
}
