package process_test

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/runner/runnertest"
)

func isolatedRunner(t testing.TB) brigade.Runner {
	r := newRunner(t, false)
	if ok, why := r.Isolated(); !ok {
		t.Skipf("no isolation here: %s", why)
	} else if why != "" {
		t.Logf("isolated, but: %s", why)
	}
	return r
}

func TestContractIsolated(t *testing.T) {
	has := runnertest.AllFeatures()
	has.ImageCommand = false
	runnertest.Run(t, runnertest.Config{
		New:   func(t *testing.T) brigade.Runner { return isolatedRunner(t) },
		Image: "alpine:3.20",
		Has:   has,
	})
}

// nobody is a user without any rights.
const nobody = 65534

// TestAsNobody runs all other tests as a user without rights.
func TestAsNobody(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can become somebody else; these tests run as nobody special already")
	}
	dir, err := os.MkdirTemp("/tmp", "nobody-*")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	binary := filepath.Join(dir, "process.test")
	copyExecutable(t, binary)
	for _, path := range []string{dir, binary} {
		if err := os.Chown(path, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	args := []string{"-test.run=^Test", "-test.skip=^TestAsNobody$"}
	if testing.Short() {
		args = append(args, "-test.short")
	}
	if testing.Verbose() {
		args = append(args, "-test.v")
	}
	cmd := exec.Command(binary, args...)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + dir, "HOME=/nonexistent"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.CombinedOutput()
	t.Logf("as nobody:\n%s", out)
	if err != nil {
		t.Fatal(err)
	}
}

func copyExecutable(t *testing.T, to string) {
	t.Helper()
	in, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
}
