package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/transport/http"
)

// Retry says how often something is tried that the network broke. The zero
// value tries once.
type Retry struct {
	Tries int           // in all
	Pause time.Duration // before the second; it doubles each time
}

// again calls do until it succeeds, fails for a reason that another try does
// not change, or was tried often enough.
func (r Retry) again(ctx context.Context, notice func(string), clean func(error) string, do func() error) error {
	pause := r.Pause
	for n := 1; ; n++ {
		err := do()
		if err == nil || n >= r.Tries || ctx.Err() != nil || !transient(err) {
			return err
		}
		notice(fmt.Sprintf("try %d of %d failed, the next is in %s: %s", n, r.Tries, pause, clean(err)))
		wait := time.NewTimer(pause)
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
			return err
		}
		pause *= 2
	}
}

// transient reports whether the network or the server may do better next time.
func transient(err error) bool {
	var unexpected *plumbing.UnexpectedError
	if errors.As(err, &unexpected) {
		err = unexpected.Err
	}
	var answer *http.Err
	if errors.As(err, &answer) {
		status := answer.StatusCode()
		return status >= 500 || status == 429 || status == 408
	}
	var name *net.DNSError
	var connection *net.OpError
	for _, known := range []error{
		io.ErrUnexpectedEOF, io.EOF, os.ErrDeadlineExceeded, syscall.ECONNRESET, syscall.ECONNREFUSED, syscall.EPIPE,
	} {
		if errors.Is(err, known) {
			return true
		}
	}
	return errors.As(err, &name) || errors.As(err, &connection)
}
