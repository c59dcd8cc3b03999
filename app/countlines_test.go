package app

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
)

func TestCountLines(t *testing.T) {
	var n atomic.Int64
	var out, errs strings.Builder
	a, b := CountLines(&out, &n), CountLines(&errs, &n)
	_, _ = fmt.Fprint(a, "one\ntwo")
	_, _ = fmt.Fprint(a, "\nthree\n\n")
	_, _ = fmt.Fprint(b, "warning\n")
	if n.Load() != 5 || out.String() != "one\ntwo\nthree\n\n" || errs.String() != "warning\n" {
		t.Errorf("%d lines of %q and %q", n.Load(), out.String(), errs.String())
	}
}
