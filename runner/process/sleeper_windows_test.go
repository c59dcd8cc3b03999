package process_test

import (
	"os/exec"
	"testing"
)

func sleeper(t *testing.T) *exec.Cmd {
	t.Helper()
	t.Skip("job objects leave nothing behind")
	return nil
}
