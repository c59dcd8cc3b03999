package e2e

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	builder "github.com/brigadecore/brigade/v3/e2e/program"
)

// program is the path of the brig that the tests run; root is the repository.
var program, root string

func TestMain(m *testing.M) {
	os.Exit(builder.Run(m, &program, prepare))
}

// prepare finds the repository and starts the container engine.
func prepare() (end func(), err error) {
	if root, err = filepath.Abs(".."); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), commandLimit)
	defer cancel()
	if err := startEngine(ctx); err != nil {
		return nil, err
	}
	return func() {
		if containers != nil {
			_ = containers.Close()
		}
	}, nil
}

// machine is a place of its own in which brig runs: a working directory, and a
// home that no other test and no person uses.
type machine struct {
	dir  string
	home string
	env  []string
}

// newMachine returns one whose working directory is dir.
func newMachine(t *testing.T, dir string) *machine {
	t.Helper()
	home := t.TempDir()
	m := &machine{dir: dir, home: home}
	for _, name := range []string{"PATH", "TMPDIR", "SystemRoot", "GOROOT", "GOPATH", "GOMODCACHE", "GOCACHE", "GOPROXY", "GOFLAGS"} {
		if value, ok := os.LookupEnv(name); ok {
			m.env = append(m.env, name+"="+value)
		}
	}
	m.env = append(m.env,
		"HOME="+home,
		"XDG_STATE_HOME="+filepath.Join(home, "state"),
		"XDG_CACHE_HOME="+filepath.Join(home, "cache"),
		"XDG_CONFIG_HOME="+filepath.Join(home, "config"),
	)
	return m
}

// outcome is how a command ended.
type outcome struct {
	code           int
	stdout, stderr string
}

func (o outcome) both() string { return o.stdout + o.stderr }

// commandLimit bounds one command; it is there for what hangs.
const commandLimit = 3 * time.Minute

// run runs a command line on the machine and returns however it ended.
func (m *machine) run(t *testing.T, name string, args ...string) outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), commandLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = m.dir, m.env
	cmd.WaitDelay = 10 * time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if ctx.Err() != nil {
		t.Fatalf("%s %s did not end within %v\n%s%s", name, strings.Join(args, " "), commandLimit, stdout.String(), stderr.String())
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("run %s: %v", name, err)
	}
	return outcome{code: cmd.ProcessState.ExitCode(), stdout: stdout.String(), stderr: stderr.String()}
}

func (m *machine) brig(t *testing.T, args ...string) outcome {
	t.Helper()
	return m.run(t, program, args...)
}
