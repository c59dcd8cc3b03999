package runnertest

import (
	"fmt"

	brigade "github.com/brigadecore/brigade/v3"
)

func outputTests() []test {
	outputs := func(f Features) bool { return f.Outputs }
	return []test{
		{"Outputs", outputs, outputsAreRead},
		{"OutputsOfFailedJob", both(outputs), outputsOfFailedJob},
		{"OutputsBounded", both(outputs), outputsBounded},
		{"OutputsOdd", both(func(f Features) bool { return f.Outputs && f.OutputFile }), outputsOdd},
	}
}

func outputsAreRead(h *harness) {
	spec := env(h.spec("outputs", `printf '{"n":%d}' 1 > "$BRIGADE_OUTPUT"`), "DUMMY_OUTPUTS", `{"n":1}`)
	if exit, out := h.run(spec); string(exit.Outputs) != `{"n":1}` {
		h.Errorf("outputs %q, exit %d\n%s", exit.Outputs, exit.Code, out)
	}
	if exit, _ := h.run(h.spec("no-outputs", ":")); len(exit.Outputs) != 0 {
		h.Errorf("outputs %q of a job that wrote none", exit.Outputs)
	}
}

func outputsOfFailedJob(h *harness) {
	exit, _ := h.run(h.spec("outputs-failed", `echo '{}' >> $BRIGADE_OUTPUT`, "exit 3"))
	if exit.Code != 3 || string(exit.Outputs) != "{}\n" {
		h.Errorf("exit %d, outputs %q", exit.Code, exit.Outputs)
	}
}

func outputsBounded(h *harness) {
	exit, _ := h.run(h.spec("outputs-big", fmt.Sprintf(`yes | head -c %d > "$BRIGADE_OUTPUT"`, 3*brigade.MaxOutputsBytes)))
	if exit.Code != 0 || len(exit.Outputs) > brigade.MaxOutputsBytes {
		h.Errorf("exit %d, %d bytes of outputs, at most %d are allowed", exit.Code, len(exit.Outputs), brigade.MaxOutputsBytes)
	}
}

// outputsOdd has jobs that put something else where the file is expected: none
// may make the runner hang or hand out a file of the host.
func outputsOdd(h *harness) {
	for _, task := range []string{
		`ln -s /etc/passwd "$BRIGADE_OUTPUT"`, `mkfifo "$BRIGADE_OUTPUT"`, `mkdir "$BRIGADE_OUTPUT"`, `ln -s /dev/zero "$BRIGADE_OUTPUT"`,
	} {
		exit, out := h.run(h.spec("outputs-odd", `rm -rf "$BRIGADE_OUTPUT"`, task))
		if exit.Code != 0 || len(exit.Outputs) != 0 {
			h.Errorf("%s: exit %d, outputs %.40q\n%s", task, exit.Code, exit.Outputs, out)
		}
	}
}
