package api

import (
	"bufio"
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/feed"
)

// decodeBase64 returns what base64 in the values of v1's builds hides.
func decodeBase64(body string) string {
	var out strings.Builder
	for _, m := range regexp.MustCompile(`"(?:payload|script|config)": "([^"]+)"`).FindAllStringSubmatch(body, -1) {
		data, _ := base64.StdEncoding.DecodeString(m[1])
		out.Write(data)
	}
	return out.String()
}

type sseEvent struct{ id, name, data string }

// sseStream reads server-sent events.
type sseStream struct {
	t     *testing.T
	resp  *http.Response
	lines *bufio.Reader
	beats int
	stop  context.CancelFunc
}

func (w *world) open(token, path string, headers ...string) *sseStream {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, w.server.URL+path, nil)
	w.must(err)
	r.Header.Set("Authorization", "Bearer "+token)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	w.must(err)
	w.t.Cleanup(func() { cancel(); resp.Body.Close() })
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" {
		w.t.Fatalf("%s: %d %s", path, resp.StatusCode, resp.Header)
	}
	return &sseStream{t: w.t, resp: resp, lines: bufio.NewReaderSize(resp.Body, 1<<20), stop: cancel}
}

// next returns the next event; name "" when the stream is over.
func (s *sseStream) next() (e sseEvent) {
	s.t.Helper()
	for {
		line, err := s.lines.ReadString('\n')
		if err != nil {
			return sseEvent{}
		}
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch {
		case line == "\n":
			if e.name != "" {
				return e
			}
		case name == "id":
			e.id = value
		case name == "event":
			e.name = value
		case name == "data":
			e.data = value
		case strings.HasPrefix(line, ":"):
			s.beats++
		}
	}
}

func (s *sseStream) expect(name, id, part string) sseEvent {
	s.t.Helper()
	e := s.next()
	if e.name != name || id != "" && e.id != id || !strings.Contains(e.data, part) {
		s.t.Fatalf("got %+v, want %s %s %s", e, name, id, part)
	}
	return e
}

func (w *world) publish(c brigade.Change) {
	c.Time = epoch
	w.feed.Publish(c)
}

func (w *world) setState(b *brigade.Build, state brigade.State) {
	w.t.Helper()
	b, err := w.store.UpdateBuild(context.Background(), b.ID, func(b *brigade.Build) error {
		b.State = state
		if state.Ended() {
			b.Ended = time.Now()
		}
		return nil
	})
	w.must(err)
	w.publish(brigade.Change{BuildID: b.ID, Build: b})
}

func TestFollowALog(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Limits.Poll = time.Hour }) // only the feed tells
	b := w.running
	w.log(b.ID, "", 1, "one", "two")
	s := w.open(w.reader, "/api/builds/"+b.ID+"/logs?follow")
	s.expect("line", "1", `"text":"one"`)
	s.expect("line", "2", "two")
	w.publish(brigade.Change{BuildID: b.ID, Lines: w.log(b.ID, "", 3, "three")})
	s.expect("line", "3", "three")
	w.log(b.ID, "", 4, "four") // its change got lost
	w.publish(brigade.Change{BuildID: b.ID, Lines: w.log(b.ID, "", 5, "five")})
	s.expect("line", "4", "four")
	s.expect("line", "5", "five")
	w.publish(brigade.Change{BuildID: b.ID, Lines: []brigade.LogLine{{BuildID: b.ID, JobID: "other", Seq: 6}}}) // not ours

	again := w.open(w.reader, "/api/builds/"+b.ID+"/logs?after=1", "Accept", "text/event-stream", "Last-Event-ID", "4")
	again.expect("line", "5", "five")
	tail := w.open(w.reader, "/api/builds/"+b.ID+"/logs?follow=true&tail=1")
	tail.expect("line", "5", "five")

	w.log(b.ID, "", 6, "six") // without a change of its own: the end finds it
	w.setState(b, brigade.StateSucceeded)
	for _, s := range []*sseStream{s, again, tail} {
		s.expect("line", "6", "six")
		s.expect("end", "", "succeeded")
		if e := s.next(); e.name != "" {
			t.Errorf("after the end came %+v", e)
		}
	}
}

func TestFollowAJobThatIsRunAgain(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	j := &brigade.Job{ID: "unit-" + w.running.ID, BuildID: w.running.ID, Name: "unit", State: brigade.StateRunning, Attempt: 1, Spec: brigade.JobSpec{Name: "unit", Retry: &brigade.Retry{Limit: 1}}}
	put := func(state brigade.State, attempt int) {
		next := *j
		next.State, next.Attempt, next.Retries = state, attempt, attempt-1
		w.must(w.store.PutJob(ctx, &next))
		w.publish(brigade.Change{BuildID: j.BuildID, JobID: j.ID, Job: &next})
	}
	put(brigade.StateRunning, 1)
	s := w.open(w.reader, "/api/jobs/"+j.ID+"/logs?follow")
	w.publish(brigade.Change{BuildID: j.BuildID, Lines: w.log(j.BuildID, j.ID, 1, "first try")})
	s.expect("line", "1", "first try")
	put(brigade.StateFailed, 1)
	w.log(j.BuildID, j.ID, 2, "second try") // found by looking into the store
	s.expect("line", "2", "second try")
	put(brigade.StateFailed, 2)
	s.expect("end", "", "failed")
}

func TestHeartbeatAndShutdown(t *testing.T) {
	w := newWorld(t)
	s := w.open(w.reader, "/api/builds/"+w.running.ID+"/logs?follow")
	watch := w.open(w.reader, "/api/watch")
	line, err := s.lines.ReadString(':')
	w.must(err)
	for !strings.HasSuffix(line, "\n:") { // a comment
		line, err = s.lines.ReadString(':')
		w.must(err)
	}
	w.api.Close()
	for s.next().name != "" || watch.next().name != "" {
		continue // both end
	}
}

func TestStreamsAreBounded(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Limits.Streams = 1 })
	s := w.open(w.reader, "/api/watch")
	s.next()
	got := w.do(w.reader, "GET", "/api/watch", nil)
	if got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" {
		t.Errorf("a second stream: %d %v", got.status, got.header)
	}
	s.stop()
	for deadline := time.Now().Add(10 * time.Second); len(w.api.streams) > 0; { // the slot comes back
		if time.Now().After(deadline) {
			t.Fatal("a stream that was left keeps its slot")
		}
		time.Sleep(time.Millisecond)
	}
}

func TestAClientThatDoesNotReadIsGivenUp(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Limits.Write = 200 * time.Millisecond })
	text := strings.Repeat("x", brigade.MaxLineBytes)
	for i := range 20 {
		var lines []string
		for range 25 {
			lines = append(lines, text)
		}
		w.log(w.running.ID, "", int64(1+25*i), lines...) // 32 MiB: more than the sockets take
	}
	conn, err := net.Dial("tcp", w.server.Listener.Addr().String())
	w.must(err)
	defer conn.Close()
	fmt.Fprintf(conn, "GET /api/builds/%s/logs?follow HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", w.running.ID, w.reader)
	wait := func(n int) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); len(w.api.streams) != n; {
			if time.Now().After(deadline) {
				t.Fatalf("%d streams are open, want %d", len(w.api.streams), n)
			}
			time.Sleep(time.Millisecond)
		}
	}
	wait(1)
	wait(0) // although the client never read and never left
}

func TestWatch(t *testing.T) {
	w := newWorld(t)
	s := w.open(w.reader, "/api/watch")
	s.expect("build", "", w.running.ID) // not the one that has ended
	s.expect("build", "", "a free place")
	last := s.expect("synced", "", "")
	if last.id == "" {
		t.Error("synced has no id to come back with")
	}
	w.publish(brigade.Change{BuildID: w.running.ID, Notice: "pulling"})
	s.expect("notice", "", "pulling")
	w.publish(brigade.Change{BuildID: w.running.ID, Lines: []brigade.LogLine{{Seq: 1, Text: "not wanted"}}})
	w.publish(brigade.Change{BuildID: w.running.ID, Job: &brigade.Job{ID: "j", BuildID: w.running.ID, Handle: "hidden", State: brigade.StateRunning}})
	if e := s.expect("job", "", `"state":"running"`); strings.Contains(e.data, "hidden") {
		t.Errorf("a handle is shown: %s", e.data)
	}
	w.publish(brigade.Change{BuildID: w.running.ID, Fired: &brigade.Lifecycle{Name: "after"}})
	s.expect("fired", "", "after")
	leaky := *w.running
	leaky.Failure = &brigade.Error{Message: w.secrets[0]}
	leaky.Event.Payload = "large"
	w.publish(brigade.Change{BuildID: leaky.ID, Build: &leaky})
	if e := s.expect("build", "", "***"); strings.Contains(e.data, "large") {
		t.Errorf("a payload is sent to watchers: %s", e.data)
	}
	s.stop()

	before := fmt.Sprint(time.Now().UnixMilli())
	w.setState(w.running, brigade.StateFailed) // while nobody looked
	s = w.open(w.reader, "/api/watch", "Last-Event-ID", before)
	s.expect("build", "", `"state":"failed"`)
	s.expect("build", "", "01k0000000000000000000000c")
	s.expect("synced", "", "")
}

func TestWatchShowsOnlyWhatMayBeSeen(t *testing.T) {
	w := newWorld(t)
	limited := w.token(ScopeRead, "other")
	s := w.open(limited, "/api/watch")
	s.expect("build", "", "01k0000000000000000000000c")
	s.expect("synced", "", "")
	w.publish(brigade.Change{BuildID: w.running.ID, Notice: "secret plans"})
	w.setState(w.running, brigade.StateSucceeded)
	w.publish(brigade.Change{BuildID: "gone", Notice: "nobody's"})
	w.publish(brigade.Change{BuildID: "01k0000000000000000000000c", Notice: "ours"})
	s.expect("notice", "", "ours")
	for _, q := range []string{"?project=acme/app", "?build=" + w.running.ID} {
		w.do(limited, "GET", "/api/watch"+q, nil).want(t, http.StatusNotFound, nil)
	}
	w.do(w.reader, "GET", "/api/watch?logs", nil).want(t, http.StatusBadRequest, nil)
	only := w.open(w.reader, "/api/watch?project=acme/app&build="+w.build.ID+"&logs=1")
	only.expect("build", "", w.build.ID)
	only.expect("job", "", w.job.ID)
	only.expect("synced", "", "")
	w.publish(brigade.Change{BuildID: w.build.ID, Lines: []brigade.LogLine{{BuildID: w.build.ID, Seq: 1, Text: "wanted"}}})
	only.expect("lines", "", "wanted")
}

func TestALostChannelStartsAgain(t *testing.T) {
	w := newWorld(t)
	s := w.open(w.reader, "/api/watch")
	for s.next().name != "synced" {
		continue
	}
	w.feed.Close() // as for a subscriber that lags behind
	s.expect("build", "", "")
}

// TestManyFollowersMissNothing lets clients come and go, and lose their
// channels, while a log grows: each sees every line once and in order.
func TestManyFollowersMissNothing(t *testing.T) {
	small := feed.New(feed.Options{Queue: 2}) // channels are lost all the time
	w := newWorld(t, func(o *Options) { o.Feed, o.Limits.Poll = small, 20*time.Millisecond })
	defer small.Close()
	const lines, clients = 1500, 12
	path := "/api/builds/" + w.running.ID + "/logs?follow"
	var wg sync.WaitGroup
	for n := range clients {
		wg.Go(func() {
			last := int64(0)
			for visit := 0; ; visit++ {
				r, err := http.NewRequest("GET", w.server.URL+path, nil)
				if err != nil {
					t.Error(err)
					return
				}
				r.Header.Set("Authorization", "Bearer "+w.reader)
				r.Header.Set("Last-Event-ID", fmt.Sprint(last))
				resp, err := http.DefaultClient.Do(r)
				if err != nil {
					t.Error(err)
					return
				}
				s := &sseStream{t: t, lines: bufio.NewReader(resp.Body)}
				leave := last + int64(50*(n+1)) + int64(visit)
				for e := s.next(); ; e = s.next() {
					if e.name == "end" || e.name == "" || n > 0 && last >= leave {
						resp.Body.Close()
						if e.name == "end" {
							if last != lines {
								t.Errorf("client %d saw the end after line %d", n, last)
							}
							return
						}
						break
					}
					if e.id != fmt.Sprint(last+1) {
						t.Errorf("client %d got line %s after %d", n, e.id, last)
						resp.Body.Close()
						return
					}
					last++
				}
				if n > 0 && last > 0 && visit > 200 {
					t.Errorf("client %d gets nowhere", n)
					return
				}
			}
		})
	}
	for from := int64(1); from <= lines; from += 5 {
		batch := w.log(w.running.ID, "", from, "a", "b", "c", "d", "e")
		small.Publish(brigade.Change{Time: epoch, BuildID: w.running.ID, Lines: batch})
	}
	b, err := w.store.UpdateBuild(context.Background(), w.running.ID, func(b *brigade.Build) error { b.State = brigade.StateSucceeded; return nil })
	w.must(err)
	small.Publish(brigade.Change{Time: epoch, BuildID: b.ID, Build: b})
	wg.Wait()
}
