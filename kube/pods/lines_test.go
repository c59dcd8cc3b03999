package pods

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"strings"
	"testing"
	"time"
)

// logFile is a container's log as a kubelet serves it.
type logFile []logLine

type logLine struct {
	at   time.Time
	text string // with its end, when it has one
}

// since are the lines from a time on, a second precise.
func (f logFile) since(at *time.Time) string {
	var b strings.Builder
	for _, l := range f {
		if at == nil || !l.at.Before(*at) {
			b.WriteString(l.at.Format("2006-01-02T15:04:05.000000000Z07:00") + " " + l.text)
		}
	}
	return b.String()
}

func sinceOf(l *lines) *time.Time {
	if s := l.since(); s != nil {
		return &s.Time
	}
	return nil
}

func (f logFile) text() string {
	var b strings.Builder
	for _, l := range f {
		b.WriteString(l.text)
	}
	return b.String()
}

var errBroken = errors.New("connection reset")

// broken is a stream that breaks after n bytes.
type broken struct {
	r io.Reader
	n int
}

func (b *broken) Read(p []byte) (int, error) {
	if b.n == 0 {
		return 0, errBroken
	}
	n, err := b.r.Read(p[:min(len(p), b.n)])
	b.n -= n
	return n, err
}

// TestLinesGoOn breaks the stream at every byte, or at random ones, and reads
// on: nothing is lost and nothing comes twice.
func TestLinesGoOn(t *testing.T) {
	start := time.Date(2026, 1, 2, 3, 4, 5, 999_000_000, time.UTC)
	var file logFile
	for i := range 40 {
		at := start.Add(time.Duration(i) * 90 * time.Millisecond)
		if i%7 == 3 {
			at = at.Add(-time.Millisecond) // stderr: its time was taken before it was written
		}
		if i%5 == 0 && i > 0 {
			at = file[i-1].at // the same time twice
		}
		text := fmt.Sprintf("line %d %s\n", i, strings.Repeat("x", i%11))
		if i%9 == 0 {
			text = "\n"
		}
		file = append(file, logLine{at, text})
	}
	file = append(file, logLine{start.Add(5 * time.Second), "no end"})
	whole := file.since(nil)
	for cut := 1; cut < len(whole); cut++ {
		var out bytes.Buffer
		l := &lines{out: &out}
		err := l.copy(&broken{strings.NewReader(whole), cut})
		for tries := 0; err != nil && tries < 200; tries++ {
			err = l.copy(&broken{strings.NewReader(file.since(sinceOf(l))), 60 + rand.Intn(2000)})
		}
		if err != nil || out.String() != file.text() || l.gap {
			t.Fatalf("cut at %d: error %v, gap %v, got\n%q\nwant\n%q", cut, err, l.gap, out.String(), file.text())
		}
	}
}

// TestLinesLong passes on a line that fits no buffer, in pieces, and goes on in
// the middle of it.
func TestLinesLong(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	file := logFile{{at, strings.Repeat("0123456789", 100_000) + "\n"}, {at.Add(time.Millisecond), "end\n"}}
	var out bytes.Buffer
	l := &lines{out: &out}
	if err := l.copy(&broken{strings.NewReader(file.since(nil)), 500_000}); !errors.Is(err, errBroken) {
		t.Fatal(err)
	}
	if err := l.copy(strings.NewReader(file.since(sinceOf(l)))); err != nil || out.String() != file.text() {
		t.Fatalf("error %v, %d bytes, want %d", err, out.Len(), len(file.text()))
	}
}

// TestLinesRotated goes on in a file that does not hold what was read last.
func TestLinesRotated(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var out bytes.Buffer
	l := &lines{out: &out}
	if err := l.copy(strings.NewReader(logFile{{at, "one\n"}, {at, "two\n"}}.since(nil))); err != nil {
		t.Fatal(err)
	}
	next := logFile{{at.Add(100 * time.Millisecond), "three\n"}, {at.Add(200 * time.Millisecond), "four\n"}}
	if err := l.copy(strings.NewReader(next.since(sinceOf(l)))); err != nil || out.String() != "one\ntwo\nthree\nfour\n" || !l.gap {
		t.Fatalf("error %v, gap %v, got %q", err, l.gap, out.String())
	}
}

// TestLinesForeign has the kubelet say something in place of output.
func TestLinesForeign(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	file := logFile{{at, "one\n"}}
	var out bytes.Buffer
	l := &lines{out: &out}
	err := l.copy(strings.NewReader(file.since(nil) + "unable to retrieve container logs for containerd://1\n"))
	var foreign errForeign
	if !errors.As(err, &foreign) || out.String() != "one\n" {
		t.Fatalf("error %v, got %q", err, out.String())
	}
	file = append(file, logLine{at, "two\n"})
	if err := l.copy(strings.NewReader(file.since(sinceOf(l)))); err != nil || out.String() != "one\ntwo\n" {
		t.Fatalf("error %v, got %q", err, out.String())
	}
}
