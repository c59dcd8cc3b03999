package pods

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// lines passes a container's output on, without the times that the kubelet puts
// in front of its lines, and goes on where it was when the output is read again:
// from a time with a precision of a second, so that some lines come twice.
// What was passed on is told by counting: the log only grows.
type lines struct {
	out  io.Writer
	size atomic.Int64 // repeated(), for other goroutines
	sum  atomic.Int64 // bytes read, likewise

	printed atomic.Int64 // bytes passed on

	recent []second // of the last lines, ascending: what is needed to go on
	newest int64    // the latest time of a line, in ns since 1970
	partAt int64    // the time of the line that is not complete
	part   int64    // bytes of it that were passed on
	any    bool     // something was passed on
	gap    bool     // lines may be missing: those to begin with had gone when it went on
}

// second counts the complete lines of one second.
type second struct{ at, lines, bytes int64 }

// since is where reading has to begin again; nil: at the beginning.
func (l *lines) since() *metav1.Time {
	switch {
	case len(l.recent) > 0:
		return &metav1.Time{Time: time.Unix(l.recent[0].at, 0)}
	case l.part > 0:
		return &metav1.Time{Time: time.Unix(0, l.partAt).Truncate(time.Second)}
	}
	return nil
}

// repeated is how many bytes come again, about, when it goes on.
func (l *lines) repeated() (n int64) {
	for _, s := range l.recent {
		n += s.bytes
	}
	return n
}

// add counts a complete line.
func (l *lines) add(at, size int64) {
	sec := at / int64(time.Second)
	l.newest = max(l.newest, at)
	i := slices.IndexFunc(l.recent, func(s second) bool { return s.at >= sec })
	switch {
	case i >= 0 && l.recent[i].at == sec:
		l.recent[i].lines++
		l.recent[i].bytes += size
	case i < 0:
		l.recent = append(l.recent, second{sec, 1, size})
		for l.recent[0].at < sec-1 {
			l.recent = l.recent[1:]
		}
	case i > 0: // between two others
		l.recent = slices.Insert(l.recent, i, second{sec, 1, size})
	}
}

// errForeign is what the kubelet says in place of output.
type errForeign string

// Error is the kubelet's sentence.
func (e errForeign) Error() string { return string(e) }

// pass is one reading of the output.
type pass struct {
	l     *lines
	skip  int64 // complete lines still to be left out
	begun bool  // a line was seen
	buf   bytes.Buffer

	at      int64 // of the present line
	size    int64
	leave   int64 // bytes of it still to be left out
	drop    bool  // it was passed on before
	foreign string
}

// copy reads the output from since() to the end of r. nil means that it ended
// as outputs do.
func (l *lines) copy(r io.Reader) error {
	p := &pass{l: l}
	for _, s := range l.recent {
		p.skip += s.lines
	}
	br := bufio.NewReaderSize(r, 64<<10)
	start := true
	for {
		chunk, err := br.ReadSlice('\n')
		if len(chunk) > 0 {
			l.sum.Add(int64(len(chunk)))
			p.take(chunk, start, err == nil)
			start = err == nil
		}
		if p.buf.Len() > 32<<10 || br.Buffered() == 0 {
			p.flush()
		}
		switch {
		case err == nil, errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF):
			p.flush()
			if p.foreign != "" {
				return errForeign(p.foreign)
			}
			return nil
		default:
			p.flush()
			return err
		}
	}
}

func (p *pass) flush() {
	if p.buf.Len() == 0 {
		return
	}
	p.l.any = true
	p.l.printed.Add(int64(p.buf.Len()))
	_, _ = p.l.out.Write(p.buf.Bytes()) // never fails
	p.buf.Reset()
}

// take takes a piece of a line: its start, if start is set, to its end, if whole.
func (p *pass) take(chunk []byte, start, whole bool) {
	if start {
		at, rest, ok := stamp(chunk)
		p.foreign = ""
		if !ok {
			p.foreign, p.drop = strings.TrimSpace(string(chunk[:min(len(chunk), 500)])), true
			return
		}
		chunk = rest
		p.begin(at)
	}
	if p.foreign != "" {
		return
	}
	p.size += int64(len(chunk))
	if p.drop {
		return
	}
	if p.leave > 0 {
		n := min(p.leave, int64(len(chunk)))
		chunk, p.leave = chunk[n:], p.leave-n
	}
	p.buf.Write(chunk)
	if whole {
		p.l.part = 0
		p.l.add(p.at, p.size)
		p.l.size.Store(p.l.repeated())
		return
	}
	p.l.partAt, p.l.part = p.at, max(p.l.part, p.size)
}

// begin looks whether the line that begins was passed on before.
func (p *pass) begin(at int64) {
	p.at, p.size, p.leave, p.drop = at, 0, 0, false
	first := !p.begun
	p.begun = true
	if p.skip > 0 {
		if at <= p.l.newest {
			p.skip--
			p.drop = true
			return
		}
		p.l.gap = p.l.gap || first
		p.skip = 0
	}
	if p.l.part > 0 && at == p.l.partAt {
		p.leave = p.l.part
		return
	}
	p.l.part = 0
}

// stamp takes the time off the front of a line.
func stamp(line []byte) (at int64, rest []byte, ok bool) {
	i := bytes.IndexByte(line[:min(len(line), 48)], ' ')
	if i < 0 {
		return 0, nil, false
	}
	t, err := time.Parse(time.RFC3339Nano, string(line[:i]))
	if err != nil {
		return 0, nil, false
	}
	return t.UnixNano(), line[i+1:], true
}
