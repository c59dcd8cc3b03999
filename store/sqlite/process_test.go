package sqlite_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/store/sqlite"
)

// childEnv makes the test binary a process that writes to a store: its value
// is what to do, the number of the process, and the path.
const childEnv = "BRIGADE_SQLITE_TEST_CHILD"

func TestMain(m *testing.M) {
	if job := os.Getenv(childEnv); job != "" {
		if err := child(job); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func child(job string) error {
	var what, path string
	var number int
	if _, err := fmt.Sscanf(job, "%s %d %s", &what, &number, &path); err != nil {
		return err
	}
	ctx := context.Background()
	s, err := sqlite.Open(ctx, sqlite.Options{Path: path})
	if err != nil {
		return err
	}
	if what == "endless" {
		return endless(ctx, s)
	}
	for n := range 40 { // every process brings the same events
		b := realistic(number*1000 + n)
		b.Event.Key, b.ProjectID, b.State = fmt.Sprint("event", n), "p", brigade.StatePending
		got, err := s.CreateBuild(ctx, b)
		if err != nil {
			return err
		}
		if got.ID == b.ID {
			fmt.Println("created", b.ID)
		}
		claimed, err := s.Claim(ctx, "", fmt.Sprint("process", number), time.Hour)
		if err != nil {
			return err
		}
		if claimed != nil {
			fmt.Println("claimed", claimed.ID)
		}
	}
	return s.Close()
}

// endless writes until the process is killed and prints what was answered.
func endless(ctx context.Context, s *sqlite.Store) error {
	for n := 1; ; n++ {
		b := realistic(n)
		if _, err := s.CreateBuild(ctx, b); err != nil {
			return err
		}
		if err := s.PutJob(ctx, &brigade.Job{ID: "j-" + b.ID, BuildID: b.ID, Name: "j", State: brigade.StateSucceeded}); err != nil {
			return err
		}
		if err := s.AppendLog(ctx, logLines(b.ID, 0, 3)); err != nil {
			return err
		}
		fmt.Println(b.ID)
	}
}

func start(t *testing.T, what string, number int, path string) (*exec.Cmd, *bufio.Scanner, *strings.Builder) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d %s", childEnv, what, number, path))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, bufio.NewScanner(out), &stderr
}

func TestWhatWasAnsweredSurvivesAKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	for round := range 3 {
		cmd, out, stderr := start(t, "endless", 0, path)
		var answered []string
		for len(answered) < 30 && out.Scan() {
			answered = append(answered, out.Text())
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for out.Scan() {
			answered = append(answered, out.Text())
		}
		_ = cmd.Wait()
		if len(answered) < 30 {
			t.Fatalf("the process wrote only %d builds: %s", len(answered), stderr)
		}
		s := open(t, path)
		for _, id := range answered {
			if len(id) != 26 {
				continue // the kill cut the line
			}
			if _, err := s.Build(t.Context(), id); err != nil {
				t.Fatalf("round %d: build %s was answered and is lost: %v", round, id, err)
			}
			jobs, err := s.ListJobs(t.Context(), id)
			read, err2 := s.ReadLog(t.Context(), brigade.LogQuery{BuildID: id, JobID: "test"})
			if err != nil || err2 != nil || len(jobs) != 1 || len(read) != 3 {
				t.Fatalf("round %d: build %s has %d jobs and %d lines: %v %v", round, id, len(jobs), len(read), err, err2)
			}
			if err := s.DeleteBuild(t.Context(), id); err != nil { // the next round writes them again
				t.Fatal(err)
			}
		}
		rest, err := s.ListBuilds(t.Context(), brigade.BuildFilter{})
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range rest {
			if err := s.DeleteBuild(t.Context(), b.ID); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSeveralProcessesShareAStore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "store.db") // they also race to make it
	const processes = 4
	said := map[string]int{}
	type running struct {
		cmd    *exec.Cmd
		out    *bufio.Scanner
		stderr *strings.Builder
	}
	var all []running
	for n := range processes {
		cmd, out, stderr := start(t, "share", n, path)
		all = append(all, running{cmd, out, stderr})
	}
	for _, r := range all {
		for r.out.Scan() {
			said[r.out.Text()]++
		}
		if err := r.cmd.Wait(); err != nil {
			t.Errorf("a process failed: %v: %s", err, r.stderr)
		}
	}
	created, claimed := 0, 0
	for line, n := range said {
		if n != 1 {
			t.Errorf("%d processes %s", n, line)
		}
		if strings.HasPrefix(line, "created") {
			created++
		} else {
			claimed++
		}
	}
	if created != 40 || claimed != 40 {
		t.Errorf("40 events became %d builds, of which %d were claimed", created, claimed)
	}
}
