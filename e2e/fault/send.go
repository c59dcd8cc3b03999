package fault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/brigadecore/brigade/v3/e2e/serving"
)

const senders = 8

// sent is what became of the events, by the key their builds must have.
type sent struct {
	mu       sync.Mutex
	answered map[string]bool
}

// send sends all events, each until it is answered 2xx, as a good sender does.
func (t *test) send(ctx context.Context) {
	var all sync.WaitGroup
	numbers := make(chan int)
	for range senders {
		all.Go(func() {
			for n := range numbers {
				t.deliver(ctx, n)
			}
		})
	}
	var gap time.Duration
	if t.opt.For > 0 {
		gap = t.opt.For / time.Duration(t.opt.Builds)
	}
	for n := range t.opt.Builds {
		select {
		case numbers <- n:
		case <-ctx.Done():
		}
		if gap > 0 {
			pauseFor(ctx, gap)
		}
	}
	close(numbers)
	all.Wait()
}

// deliver repeats one event until it is answered.
func (t *test) deliver(ctx context.Context, n int) {
	path, key, header, body := t.event(n)
	for tries := 1; ctx.Err() == nil; tries++ {
		_, err := t.server.Send(ctx, path, header, body)
		if err == nil {
			t.count("events answered 2xx", 1)
			t.count("  of them after a retry", min(tries-1, 1))
			t.sent.mu.Lock()
			t.sent.answered[key] = true
			t.sent.mu.Unlock()
			return
		}
		var status *serving.StatusError
		if errors.As(err, &status) && status.Status/100 == 4 && status.Status != http.StatusTooManyRequests {
			t.problem("event %d was refused: %v", n, err)
			return
		}
		if errors.As(err, &status) {
			t.count("  tries answered 5xx", 1)
		} else {
			t.count("  tries not answered", 1)
		}
		pauseFor(ctx, 100*time.Millisecond)
	}
}

// event is the nth event: in turn a CloudEvent and one of the generic gateway.
func (t *test) event(n int) (path, key string, header http.Header, body []byte) {
	mounted := t.opt.Isolated || t.opt.Runner == "docker"
	data, _ := json.Marshal(map[string]any{"n": n, "journal": t.journal.dir, "mounted": mounted, "pause": pause}) // cannot fail
	if n%2 == 0 {
		id := fmt.Sprintf("fault-%d", n)
		body, _ = json.Marshal(map[string]any{ // nor can this
			"specversion": "1.0", "id": id, "source": "fault", "type": "fault.test",
			"datacontenttype": "application/json", "data": json.RawMessage(data),
		})
		header = http.Header{"Content-Type": {"application/cloudevents+json"}}
		return "/cloudevents/fault%2Ftest/" + t.token, id, header, body
	}
	key = fmt.Sprintf("fault-%d", n)
	header = http.Header{"Content-Type": {"application/json"}, "Idempotency-Key": {key}}
	return "/simpleevents/v1/fault%2Ftest/" + t.token, key, header, data
}
