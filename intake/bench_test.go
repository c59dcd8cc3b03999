package intake

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/feed"
	"github.com/brigadecore/brigade/v3/internal/id"
	"github.com/brigadecore/brigade/v3/store/sqlite"
)

// senders is how many clients send at once; each waits for its answer.
const senders = 64

// BenchmarkHandler measures events through the handler, stored by SQLite with
// every commit flushed, against storing alone in the same run. It prints
// events/s, the 99th percentile, and the ratio. The last one sends 2,000
// events/s, whether answers come or not, and counts from when each was to be
// sent.
func BenchmarkHandler(b *testing.B) {
	store, err := sqlite.Open(b.Context(), sqlite.Options{Path: filepath.Join(b.TempDir(), "store.db")})
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	s := withRecords(store)
	in, err := New(Options{Store: s, Feed: feed.New(feed.Options{}), Limits: Limits{Events: 1 << 30}})
	if err != nil {
		b.Fatal(err)
	}
	defer in.Close(context.Background())
	h, err := in.Handler([]brigade.Gateway{inPath{}})
	if err != nil {
		b.Fatal(err)
	}
	p := brigade.NewProject("acme")
	p.GenericGatewaySecret = "secret"
	if err := s.PutProject(b.Context(), p); err != nil {
		b.Fatal(err)
	}
	server := httptest.NewServer(h)
	defer server.Close()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: senders}}
	payload := `{"specversion":"1.0","type":"x","data":"` + strings.Repeat("x", 500) + `"}`
	var n atomic.Int64
	post := func(do func(*http.Request) int, url string) func() error {
		return func() error {
			r, err := http.NewRequest("POST", url+"/in/acme/secret", strings.NewReader(payload))
			if err != nil {
				return err
			}
			r.RemoteAddr = "192.0.2.1:1"
			r.Header.Set("Ce-Id", fmt.Sprint(n.Add(1)))
			if code := do(r); code != 200 {
				return fmt.Errorf("answered %d", code)
			}
			return nil
		}
	}
	overHTTP := post(func(r *http.Request) int {
		resp, err := client.Do(r)
		if err != nil {
			return 0
		}
		defer resp.Body.Close()
		return resp.StatusCode
	}, server.URL)
	kinds := []struct {
		name  string
		every time.Duration
		one   func() error
	}{
		{"store", 0, func() error {
			now := time.Now().UTC()
			_, err := s.CreateBuild(context.Background(), &brigade.Build{
				ID: id.New(now), ProjectID: p.ID, Project: p.Name, State: brigade.StatePending, Created: now,
				Event: brigade.Event{Provider: "GenericWebhook", Type: "simpleevent", Payload: payload, Key: fmt.Sprint("bare", n.Add(1))},
			})
			return err
		}},
		{"handler", 0, post(func(r *http.Request) int {
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, r)
			return rec.Code
		}, "http://x")},
		{"http", 0, overHTTP},
		{"http-at-2000", time.Second / 2000, overHTTP},
	}
	rates := map[string]float64{}
	for _, kind := range kinds {
		b.Run(kind.name, func(b *testing.B) {
			rate, p99 := measure(b, kind.every, kind.one)
			rates[kind.name] = rate
			b.ReportMetric(rate, "events/s")
			b.ReportMetric(float64(p99.Microseconds())/1000, "p99-ms")
			if bare := rates["store"]; bare > 0 {
				b.ReportMetric(rate/bare, "of-store")
			}
		})
	}
	if s := in.Stats(); s.Unlogged > 0 {
		b.Logf("%d deliveries were not written down", s.Unlogged)
	}
}

// measure calls one b.N times from all senders: as fast as they can, or every
// so often.
func measure(b *testing.B, every time.Duration, one func() error) (perSecond float64, p99 time.Duration) {
	took := make([]time.Duration, b.N)
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ResetTimer()
	begun := time.Now()
	for range senders {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= b.N {
					return
				}
				from := time.Now()
				if every > 0 {
					from = begun.Add(time.Duration(i) * every)
					time.Sleep(time.Until(from))
				}
				if err := one(); err != nil {
					b.Error(err)
					return
				}
				took[i] = time.Since(from)
			}
		})
	}
	wg.Wait()
	all := time.Since(begun)
	slices.Sort(took)
	return float64(b.N) / all.Seconds(), took[min(len(took)-1, len(took)*99/100)]
}
