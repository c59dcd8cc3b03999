package e2e

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestKilled ends brig run without letting it do anything about it, with a job
// under way. No process of the job outlives it; a container does, until the
// next build removes it.
func TestKilled(t *testing.T) {
	for _, runner := range []string{"process", "docker"} {
		t.Run(runner, func(t *testing.T) {
			t.Parallel()
			if runtime.GOOS != "linux" {
				t.Skip("it looks for processes in /proc")
			}
			m := newMachine(t, t.TempDir())
			m.needs(t, runner)
			mark := fmt.Sprintf("86%d", os.Getpid()) // seconds, and a word that only these processes have
			m.script(t, "long.js", fmt.Sprintf(`["echo it runs", "sleep %s & sleep %s"]`, mark, mark))
			m.script(t, "short.js", `["echo it runs"]`)

			id := m.killWhen(t, "it runs", "run", "-f", "long.js", "--runner", runner)
			if list := m.brig(t, "build", "list"); !strings.Contains(list.stdout, id) || !strings.Contains(list.stdout, "Interrupted") {
				t.Errorf("the list does not say that it was interrupted:\n%s", list.both())
			}
			if got := m.brig(t, "build", "get", id); strings.Contains(got.stdout, "running") {
				t.Errorf("something runs still:\n%s", got.both())
			}
			if runner == "docker" {
				if names := containerNames(t); !strings.Contains(names, id) {
					t.Errorf("the container of the job is not to be found in %q", names)
				}
			} else if left := await(func() int { return processesWith(mark) }); left > 0 {
				t.Errorf("%d processes are left", left)
			}
			if next := m.brig(t, "run", "-f", "short.js", "--runner", runner); next.code != 0 {
				t.Fatalf("the next build: %s", next.both())
			}
			if runner == "docker" && strings.Contains(containerNames(t), id) {
				t.Error("the next build left the container where it was")
			}
			if left := await(func() int { return processesWith(mark) }); left > 0 {
				t.Errorf("%d processes are left", left)
			}
			left, _ := filepath.Glob(filepath.Join(m.home, "state", "brigade", "*", "*", "*"+id+"*"))
			if len(left) > 0 {
				t.Errorf("files are left: %q", left)
			}
			if list := m.brig(t, "build", "list"); !strings.Contains(list.stdout, "Interrupted") {
				t.Errorf("the list does not say any more that it was interrupted:\n%s", list.both())
			}
		})
	}
}

// script writes a script of one job with these tasks.
func (m *machine) script(t *testing.T, name, tasks string) {
	t.Helper()
	text := fmt.Sprintf(`const { events, Job } = require("brigadier");
events.on("exec", () => new Job("only", "alpine:3.20", %s).run());`, tasks)
	if err := os.WriteFile(filepath.Join(m.dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// killWhen starts brig, kills it once it prints a line with the text, and
// returns the build's ID.
func (m *machine) killWhen(t *testing.T, text string, args ...string) (id string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir, cmd.Env = m.dir, m.env
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	limit := time.AfterFunc(commandLimit, func() { _ = cmd.Process.Kill() })
	defer limit.Stop()
	seen := false
	for lines := bufio.NewScanner(out); !seen && lines.Scan(); {
		line := lines.Text()
		if build, ok := strings.CutPrefix(line, "Build: "); ok {
			id, _, _ = strings.Cut(build, ",")
		}
		seen = strings.Contains(line, text)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if !seen || id == "" {
		t.Fatalf("it ended without a line with %q", text)
	}
	return id
}

// processesWith counts the processes with that word in their command line.
func processesWith(word string) int {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline") // the pattern is fine
	n := 0
	for _, file := range files {
		line, err := os.ReadFile(file)
		if err == nil && strings.Contains(string(line)+"\x00", "\x00"+word+"\x00") {
			n++
		}
	}
	return n
}

// await returns count's answer once it is 0, or after ten seconds.
func await(count func() int) int {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); <-tick.C {
		if count() == 0 {
			return 0
		}
	}
	return count()
}

func containerNames(t *testing.T) string {
	t.Helper()
	out, err := containers.Podman(t.Context(), "ps", "--all", "--format", "{{.Names}}")
	if err != nil {
		t.Fatal(err)
	}
	return out
}
