package storetest

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/brigadecore/brigade/v3"
)

func testJobs(t *testing.T, s brigade.Store) {
	ctx := t.Context()
	b := create(t, s, build(1), build(2))
	_, err := s.Job(ctx, "nothing")
	wantCode(t, err, brigade.CodeNotFound)
	none, err := s.ListJobs(ctx, b.ID)
	must(t, err)
	if len(none) != 0 {
		t.Errorf("a new build has %d jobs", len(none))
	}
	full := job(b, "full", 3)
	full.State, full.Attempt, full.ExitCode, full.Handle, full.LogBytes, full.Truncated = brigade.StateFailed, 2, 7, "container", 1<<40, true
	full.Started, full.Ended = epoch, epoch.Add(1)
	full.Failure = &brigade.Error{Code: brigade.CodeJobTimeout, Message: "m", Hint: "h"}
	full.Outputs = map[string]any{"a": "b", "n": 1.5, "list": []any{true, nil}}
	full.Spec.Env = map[string]brigade.EnvValue{"A": {Value: "x\ny"}, "B": {SecretKeyRef: &brigade.KeyRef{Name: "n", Key: "k"}}}
	full.Spec.Volumes = []brigade.Volume{{Name: "v", EmptyDir: &brigade.EmptyDir{Medium: "Memory"}}, {Name: "w", HostPath: &brigade.HostPath{Path: "/x"}}}
	for _, j := range []*brigade.Job{full, job(b, "second", 2), job(b, "same-time", 2), job(b, "first", 1), job(build(2), "other", 1)} {
		must(t, s.PutJob(ctx, j))
	}
	got, err := s.Job(ctx, full.ID)
	must(t, err)
	same(t, "job", got, full)
	full.State, full.Failure, full.Outputs = brigade.StateSucceeded, nil, nil
	must(t, s.PutJob(ctx, full))
	listed, err := s.ListJobs(ctx, b.ID)
	must(t, err)
	same(t, "jobs by creation", listed, []*brigade.Job{job(b, "first", 1), job(b, "second", 2), job(b, "same-time", 2), full})
	wantCode(t, s.PutJob(ctx, &brigade.Job{BuildID: b.ID}), brigade.CodeInvalid)
	moved := job(build(2), "x", 1)
	moved.ID = full.ID
	wantCode(t, s.PutJob(ctx, moved), brigade.CodeConflict)
}

func testJobsOfMissingBuild(t *testing.T, s brigade.Store) {
	ctx := t.Context()
	wantCode(t, s.PutJob(ctx, job(build(1), "a", 1)), brigade.CodeNotFound)
	wantCode(t, s.AppendLog(ctx, lines(build(1).ID, "", 1, 1)), brigade.CodeNotFound)
	listed, err := s.ListJobs(ctx, build(1).ID)
	must(t, err)
	read, err := s.ReadLog(ctx, brigade.LogQuery{BuildID: build(1).ID})
	must(t, err)
	if len(listed) != 0 || len(read) != 0 {
		t.Errorf("a missing build has %d jobs and %d lines", len(listed), len(read))
	}
}

// seqs reads a log and returns the numbers of its lines, checking the texts.
func seqs(t *testing.T, s brigade.Store, q brigade.LogQuery) []int64 {
	t.Helper()
	read, err := s.ReadLog(t.Context(), q)
	must(t, err)
	var all []int64
	for _, l := range read {
		same(t, "line", l, lines(q.BuildID, q.JobID, int(l.Seq), int(l.Seq))[0])
		all = append(all, l.Seq)
	}
	return all
}

func testLogQueries(t *testing.T, s brigade.Store) {
	ctx := t.Context()
	b := create(t, s, build(1), build(2))
	const jobID = "test-x"
	for n := 0; n < 50; n += 10 {
		must(t, s.AppendLog(ctx, lines(b.ID, jobID, n+1, n+10)))
	}
	must(t, s.AppendLog(ctx, nil))
	must(t, s.AppendLog(ctx, lines(b.ID, "", 1, 2)))
	must(t, s.AppendLog(ctx, lines(build(2).ID, jobID, 1, 3)))
	for _, c := range []struct {
		after       int64
		tail, limit int
		from, to    int64
	}{
		{0, 0, 0, 1, 50}, {10, 0, 0, 11, 50}, {13, 0, 0, 14, 50}, {50, 0, 0, 0, -1}, {99, 0, 0, 0, -1}, {-5, 0, 0, 1, 50},
		{0, 3, 0, 48, 50}, {0, 10, 0, 41, 50}, {0, 15, 0, 36, 50}, {0, 500, 0, 1, 50}, {0, -1, -1, 1, 50},
		{0, 0, 5, 1, 5}, {0, 0, 15, 1, 15}, {8, 0, 5, 9, 13}, {45, 0, 50, 46, 50},
		{0, 20, 5, 31, 35}, {45, 20, 0, 46, 50}, {35, 10, 20, 41, 50}, {20, 25, 7, 26, 32},
	} {
		got := seqs(t, s, brigade.LogQuery{BuildID: b.ID, JobID: jobID, After: c.after, Tail: c.tail, Limit: c.limit})
		var want []int64
		for n := c.from; n <= c.to; n++ {
			want = append(want, n)
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("after %d tail %d limit %d: got %v, want %v", c.after, c.tail, c.limit, got, want)
		}
	}
	if got := seqs(t, s, brigade.LogQuery{BuildID: b.ID}); len(got) != 2 {
		t.Errorf("the worker's log has %v", got)
	}
	if got := seqs(t, s, brigade.LogQuery{BuildID: b.ID, JobID: "unknown"}); len(got) != 0 {
		t.Errorf("an unknown log has %v", got)
	}
}

func testLogRepeats(t *testing.T, s brigade.Store) {
	b := create(t, s, build(1))
	for _, span := range [][2]int{{1, 5}, {1, 5}, {3, 8}, {2, 2}, {8, 12}, {1, 12}} {
		must(t, s.AppendLog(t.Context(), lines(b.ID, "", span[0], span[1])))
	}
	changed := lines(b.ID, "", 5, 5)
	changed[0].Text = "changed"
	must(t, s.AppendLog(t.Context(), changed))
	if got := seqs(t, s, brigade.LogQuery{BuildID: b.ID}); fmt.Sprint(got) != "[1 2 3 4 5 6 7 8 9 10 11 12]" {
		t.Errorf("repeated lines: %v", got)
	}
	// The same lines by several at once are there once.
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			for n := 0; n < 100; n += 10 {
				if err := s.AppendLog(t.Context(), lines(b.ID, "raced", n+1, n+10)); err != nil {
					t.Errorf("AppendLog: %v", err)
				}
			}
		})
	}
	wg.Wait()
	got := seqs(t, s, brigade.LogQuery{BuildID: b.ID, JobID: "raced"})
	for i, n := range got {
		if n != int64(i+1) {
			t.Fatalf("line %d is number %d", i+1, n)
		}
	}
	if len(got) != 100 {
		t.Errorf("%d lines of 100", len(got))
	}
}

func testLogBytes(t *testing.T, s brigade.Store) {
	b := create(t, s, build(1))
	texts := []string{"", "a\x00b", "\xff\xfe", "世界 🌍", "\x1b[31mred\x1b[m", "tab\t", strings.Repeat("x", brigade.MaxLineBytes), "new\nline"}
	levels := []brigade.LogLevel{"", brigade.LevelLog, brigade.LevelInfo, brigade.LevelWarn, brigade.LevelError, "odd"}
	var all []brigade.LogLine
	for i, text := range texts {
		at := epoch.Add(time.Duration(-i) * time.Hour) // clocks may go back
		all = append(all, brigade.LogLine{BuildID: b.ID, Seq: int64(i + 1), Time: at, Level: levels[i%len(levels)], Text: text})
	}
	all = append(all, brigade.LogLine{BuildID: b.ID, Seq: 1 << 40, Text: "no time"})
	must(t, s.AppendLog(t.Context(), all[:3]))
	must(t, s.AppendLog(t.Context(), all[3:]))
	got, err := s.ReadLog(t.Context(), brigade.LogQuery{BuildID: b.ID})
	must(t, err)
	if len(got) != len(all) {
		t.Fatalf("%d lines of %d", len(got), len(all))
	}
	for i := range all {
		if got[i].Text != all[i].Text || got[i].Level != all[i].Level || !got[i].Time.Equal(all[i].Time) || got[i].Seq != all[i].Seq {
			t.Errorf("line %d:\ngot  %+v\nwant %+v", i, got[i], all[i])
		}
	}
}

func testLogLarge(t *testing.T, s brigade.Store) {
	b := create(t, s, build(1))
	const n = 30_000
	must(t, s.AppendLog(t.Context(), lines(b.ID, "", 1, n)))
	must(t, s.AppendLog(t.Context(), lines(b.ID, "", n+1, n+5)))
	for _, q := range []brigade.LogQuery{{}, {After: n - 7}, {Tail: 12}, {Tail: 20_000}, {After: 100, Limit: 12}} {
		q.BuildID = b.ID
		read, err := s.ReadLog(t.Context(), q)
		must(t, err)
		first, count := 1, n+5
		switch {
		case q.Tail > 0:
			first, count = n+5-q.Tail+1, q.Tail
		case q.After > 0:
			first, count = int(q.After)+1, n+5-int(q.After)
		}
		if q.Limit > 0 {
			count = q.Limit
		}
		if len(read) != count {
			t.Fatalf("%+v reads %d lines, want %d", q, len(read), count)
		}
		for i, l := range read {
			if l.Seq != int64(first+i) || l.Text != fmt.Sprint("line ", first+i) {
				t.Fatalf("%+v: line %d is %+v", q, i, l)
			}
		}
	}
}

func testLogFollow(t *testing.T, s brigade.Store) {
	b := create(t, s, build(1))
	const total = 300
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := 1; n <= total; n += 3 {
			if err := s.AppendLog(t.Context(), lines(b.ID, "", n, n+2)); err != nil {
				t.Errorf("AppendLog: %v", err)
				return
			}
		}
	})
	deadline := time.Now().Add(time.Minute)
	var after int64
	for after < total && time.Now().Before(deadline) {
		read, err := s.ReadLog(t.Context(), brigade.LogQuery{BuildID: b.ID, After: after, Limit: 7})
		must(t, err)
		for _, l := range read {
			if l.Seq != after+1 {
				t.Fatalf("after %d comes %d", after, l.Seq)
			}
			after = l.Seq
		}
	}
	wg.Wait()
	if after != total {
		t.Errorf("only %d of %d lines came", after, total)
	}
}

func testLogInvalid(t *testing.T, s brigade.Store) {
	b := create(t, s, build(1), build(2))
	for name, bad := range map[string][]brigade.LogLine{
		"two builds":   append(lines(b.ID, "", 1, 1), lines(build(2).ID, "", 2, 2)...),
		"two jobs":     append(lines(b.ID, "a", 1, 1), lines(b.ID, "b", 2, 2)...),
		"number zero":  lines(b.ID, "", 0, 1),
		"going back":   append(lines(b.ID, "", 5, 5), lines(b.ID, "", 4, 4)...),
		"number twice": append(lines(b.ID, "", 5, 5), lines(b.ID, "", 5, 5)...),
	} {
		t.Run(name, func(t *testing.T) {
			wantCode(t, s.AppendLog(t.Context(), bad), brigade.CodeInvalid)
		})
	}
	if got := seqs(t, s, brigade.LogQuery{BuildID: b.ID}); len(got) != 0 {
		t.Errorf("refused lines were kept: %v", got)
	}
}
