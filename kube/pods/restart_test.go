package pods_test

import (
	"fmt"
	"strings"
	"testing"

	e2e "github.com/brigadecore/brigade/v3/e2e/cluster"
	"github.com/brigadecore/brigade/v3/kube/pods"
)

// TestAPIServerRestarts while a job prints: every line arrives, once.
func TestAPIServerRestarts(t *testing.T) {
	t.Parallel()
	c := e2e.Start(t, e2e.Options{Node: true})
	b := benchOn(t, c, func(o *pods.Options) { o.LogPatience = patience })
	const lines = 150
	var want strings.Builder
	for i := range lines {
		fmt.Fprintf(&want, "line %d\n", i)
	}
	task := fmt.Sprintf("i=0; while [ $i -lt %d ]; do echo line $i; i=$((i+1)); sleep 0.1; done", lines)
	j, short := b.job("prints", nil, task), b.job("ends-meanwhile", nil, "echo begin", "sleep 6", "echo end")
	x, y := b.start(j), b.start(short)
	b.printed(j, "line 10\n")
	for range 2 {
		if err := c.StopAPIServer(b.ctx()); err != nil {
			t.Fatal(err)
		}
		e2e.Until(t, "the API server starts", func() error { return c.StartAPIServer(b.ctx()) })
	}
	if exit, err := b.wait(x); err != nil || exit.Code != 0 || j.output() != want.String() {
		t.Errorf("%+v, %v, printed %d of %d bytes:\n%s", exit, err, len(j.output()), want.Len(), j.output())
	}
	if exit, err := b.wait(y); err != nil || exit.Code != 0 || short.output() != "begin\nend\n" {
		t.Errorf("%+v, %v, printed %q", exit, err, short.output())
	}
}
