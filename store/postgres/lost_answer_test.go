package postgres_test

import (
	"bytes"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/e2e/pgserver"
	"github.com/brigadecore/brigade/v3/store/postgres"
)

// relay stands between a store and its server and can lose answers.
type relay struct {
	socket string

	mu   sync.Mutex
	lose int // the number of the answer from now on that is lost; 0 for none
	lost int
}

func startRelay(t *testing.T, server *pgserver.Server) (*relay, string) {
	t.Helper()
	dir := strings.TrimPrefix(strings.Fields(server.DSN("x"))[0], "host=")
	r := &relay{socket: dir + "/.s.PGSQL.5432"}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go r.serve(client)
		}
	}()
	host, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return r, "host=" + host + " port=" + port + " user=postgres dbname=postgres sslmode=disable pool_max_conns=1"
}

func (r *relay) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("unix", r.socket)
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		defer server.Close()
		defer client.Close()
		forward(client, server, func([]byte) bool { return true })
	}()
	forward(server, client, r.pass)
}

// forward copies until an end breaks or pass says no.
func forward(from, to net.Conn, pass func([]byte) bool) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 && !pass(buffer[:n]) {
			return
		}
		if _, failed := to.Write(buffer[:n]); err != nil || failed != nil {
			return
		}
	}
}

// pass counts the answers: each ends with the message ReadyForQuery.
func (r *relay) pass(data []byte) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(data) < 6 || !bytes.Equal(data[len(data)-6:len(data)-1], []byte{'Z', 0, 0, 0, 5}) || r.lose == 0 {
		return true
	}
	if r.lose--; r.lose > 0 {
		return true
	}
	r.lost++
	return false
}

// TestLostAnswers has the server do what it is asked for and the answer lost,
// for every kind of call. Each must find out that it is done.
func TestLostAnswers(t *testing.T) {
	server := pgserver.For(t)
	relay, dsn := startRelay(t, server)
	name := schema(t, server)
	s := open(t, postgres.Options{DSN: dsn + name[strings.LastIndex(name, " "):], Patience: patient})
	ctx := t.Context()
	text := func(n int) []brigade.LogLine {
		return []brigade.LogLine{{BuildID: "1", Seq: int64(n + 1), Text: fmt.Sprint(n)}}
	}
	id := func(n int) string { return fmt.Sprint(n + 1) }
	build := func(n int, key string) error {
		b := &brigade.Build{ID: id(n), ProjectID: "p", State: brigade.StatePending, Event: brigade.Event{Key: key}}
		got, err := s.CreateBuild(ctx, b)
		if err == nil && got.ID != b.ID {
			err = fmt.Errorf("it is said to be %s", got.ID)
		}
		return err
	}
	updates := 0
	calls := []struct {
		name    string
		answers int // the last of which is lost
		call    func(n int) error
	}{
		{"create", 1, func(n int) error { return build(n, "") }},
		{"create with a key", 1, func(n int) error { return build(10+n, id(n)) }},
		{"claim one", 1, func(n int) error {
			b, err := s.Claim(ctx, id(n), "me", time.Hour)
			if err == nil && (b == nil || b.Attempt != 1) {
				err = fmt.Errorf("got %+v", b)
			}
			return err
		}},
		{"claim any", 1, func(n int) error {
			b, err := s.Claim(ctx, "", "me", time.Hour)
			if err == nil && (b == nil || b.Attempt != 1) {
				err = fmt.Errorf("got %+v", b)
			}
			return err
		}},
		{"update", 2, func(n int) error {
			b, err := s.UpdateBuild(ctx, "1", func(b *brigade.Build) error { updates++; b.Priority++; return nil })
			if err == nil && (b.Priority != n+1 || updates != n+1) {
				err = fmt.Errorf("update %d gave %d after %d changes", n, b.Priority, updates)
			}
			return err
		}},
		{"renew", 1, func(int) error { return s.Renew(ctx, "1", "me", time.Hour) }},
		{"job", 1, func(int) error { return s.PutJob(ctx, &brigade.Job{ID: "j", BuildID: "1"}) }},
		{"log", 1, func(n int) error { return s.AppendLog(ctx, text(n)) }},
		{"record", 1, func(int) error { return s.PutRecord(ctx, "a", "b", nil) }},
		{"project", 1, func(int) error { return s.PutProject(ctx, brigade.NewProject("x/y")) }},
		{"read", 1, func(int) error { _, err := s.Build(ctx, "1"); return err }},
		{"delete", 1, func(n int) error { return s.DeleteBuild(ctx, id(n)) }},
	}
	for _, c := range calls {
		t.Run(c.name, func(t *testing.T) {
			for n := range 2 { // the first time statements are prepared
				if n == 1 {
					relay.mu.Lock()
					relay.lose, relay.lost = c.answers, 0
					relay.mu.Unlock()
				}
				if err := c.call(n); err != nil {
					t.Fatalf("call %d: %v", n, err)
				}
			}
			relay.mu.Lock()
			defer relay.mu.Unlock()
			if relay.lost != 1 {
				t.Errorf("%d answers were lost, want 1", relay.lost)
			}
			relay.lose = 0
		})
		if c.name == "log" {
			if lines, err := s.ReadLog(ctx, brigade.LogQuery{BuildID: "1"}); err != nil || len(lines) != 2 {
				t.Errorf("the log has %v, %v", lines, err)
			}
		}
	}
}
