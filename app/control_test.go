package app

import (
	"testing"

	brigade "github.com/brigadecore/brigade/v3"
)

func TestCanceledWaitingSaysWhoAndWhy(t *testing.T) {
	for _, c := range []struct {
		attempt int
		req     brigade.CancelRequest
		want    string
	}{
		{0, brigade.CancelRequest{}, "the build was canceled before it started"},
		{0, brigade.CancelRequest{Actor: "ann", Reason: "superseded 100%"}, "the build was canceled by ann before it started: superseded 100%"},
		{1, brigade.CancelRequest{Actor: "ann"}, "the build was canceled by ann while it waited to be run again"},
	} {
		e := canceledWaiting(&brigade.Build{Attempt: c.attempt}, c.req)
		if e.Message != c.want || e.Code != brigade.CodeCanceled {
			t.Errorf("%q, want %q", e.Message, c.want)
		}
	}
}
