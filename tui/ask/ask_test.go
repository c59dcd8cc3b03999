package ask_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/tui/ask"
)

// patience is far more than an answer needs, for machines that are busy.
const patience = 2 * time.Minute

// screen is a terminal, and keys go to it.
type screen struct {
	t     *testing.T
	mu    sync.Mutex
	shown bytes.Buffer
	wrote chan struct{}
	keys  *io.PipeWriter
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case s.wrote <- struct{}{}:
	default:
	}
	return s.shown.Write(p)
}

var sequence = regexp.MustCompile(`\x1b(\[[0-9;?<>=$]*[a-zA-Z]|\][^\x07\x1b]*(\x07|\x1b\\)|.)`)

func (s *screen) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return sequence.ReplaceAllString(s.shown.String(), "")
}

// until waits for a text, and then presses keys.
func (s *screen) until(text, keys string) {
	late := time.After(patience)
	for !strings.Contains(s.text(), text) {
		select {
		case <-s.wrote:
		case <-late:
			s.t.Errorf("%q not seen in %q", text, s.text())
			return
		}
	}
	if _, err := io.WriteString(s.keys, keys); err != nil {
		s.t.Error(err)
	}
}

// someone is a person at a terminal of their own.
func someone(t *testing.T) (*ask.Person, *screen) {
	t.Helper()
	in, keys := io.Pipe()
	t.Cleanup(func() { _ = keys.Close() })
	s := &screen{t: t, wrote: make(chan struct{}, 1), keys: keys}
	return &ask.Person{In: in, Out: s, Environ: []string{"TERM=xterm-256color"}}, s
}

func TestText(t *testing.T) {
	p, s := someone(t)
	var typing sync.WaitGroup
	typing.Go(func() {
		s.until("A name", "x\r")
		s.until("not that one", "\x7fb\r")
	})
	got, err := p.Text(t.Context(), "A name", "a", func(text string) error {
		if text == "ax" {
			return errors.New("not that one")
		}
		return nil
	})
	typing.Wait()
	if got != "ab" || err != nil || !strings.HasSuffix(s.text(), "A name: ab\n") {
		t.Errorf("got %q, %v, shown %q", got, err, s.text())
	}
}

func TestSecretIsNotShown(t *testing.T) {
	p, s := someone(t)
	var typing sync.WaitGroup
	typing.Go(func() { s.until("A token", "s3cret\r") })
	got, err := p.Secret(t.Context(), "A token")
	typing.Wait()
	if got != "s3cret" || err != nil || strings.Contains(s.text(), "s3c") || !strings.HasSuffix(s.text(), "A token: ********\n") {
		t.Errorf("got %q, %v, shown %q", got, err, s.text())
	}
}

func TestYesAndNo(t *testing.T) {
	for keys, want := range map[string]bool{"\r": true, "n": false, "y": true} {
		p, s := someone(t)
		var typing sync.WaitGroup
		typing.Go(func() { s.until("Sure?", keys) })
		got, err := p.Yes(t.Context(), "Sure?", true)
		typing.Wait()
		if got != want || err != nil {
			t.Errorf("%q: %v, %v", keys, got, err)
		}
	}
}

func TestChoose(t *testing.T) {
	p, s := someone(t)
	var typing sync.WaitGroup
	typing.Go(func() { s.until("keep", "\x1b[B\r") })
	got, err := p.Choose(t.Context(), "A secret", "make", "make", "type", "keep")
	typing.Wait()
	if got != "type" || err != nil || !strings.HasSuffix(s.text(), "A secret: type\n") {
		t.Errorf("got %q, %v, shown %q", got, err, s.text())
	}
}

func TestGivingUp(t *testing.T) {
	p, s := someone(t)
	var typing sync.WaitGroup
	typing.Go(func() { s.until("A name", "\x03") })
	_, err := p.Text(t.Context(), "A name", "", nil)
	typing.Wait()
	if brigade.CodeOf(err) != brigade.CodeCanceled {
		t.Errorf("Ctrl-C: %v", err)
	}
	p, s = someone(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("a signal")
	typing.Go(func() { s.until("A name", ""); cancel(why) })
	_, err = p.Text(ctx, "A name", "", nil)
	typing.Wait()
	if !errors.Is(err, why) {
		t.Errorf("a signal: %v", err)
	}
}
