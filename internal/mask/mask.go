// Package mask replaces secrets in what jobs and scripts print.
//
// A secret is found as it is, and as it looks after base64 (standard and URL
// alphabet, with and without padding, wherever in the encoded text it stands,
// also wrapped at 64 or 76 columns), hex, URL, JSON, HTML and shell quoting.
// Of a secret with several lines each line of at least 8 bytes is a secret of
// its own, except the BEGIN and END lines of PEM blocks.
//
// Not masked: values shorter than 4 bytes after trimming white space, and the
// words true, false, null, none and undefined, because logs would become
// unreadable and nothing would be hidden.
package mask

import (
	"encoding/binary"
	"io"
	"slices"
	"sync"
	"unsafe"
)

// Replacement is what stands for a secret. Secrets that overlap or touch are
// replaced together by one.
const Replacement = "***"

const (
	minValue = 4 // bytes of the shortest value that is masked
	minLine  = 8 // bytes of the shortest line of a value that is masked on its own

	filterBits = 17 // the filter has 2^17 bits: 16 KiB, which stays in the first-level cache
)

// Masker knows a set of secrets. It does not change and may be used
// concurrently. Its size is about 40 times that of the secrets.
type Masker struct {
	patterns map[uint32][]string // by their first 4 bytes, longest first
	filter   [1 << filterBits / 64]uint64
	one      [256]bool       // first bytes of patterns
	two      map[uint16]bool // first 2 bytes of patterns
	three    map[uint32]bool // first 3 bytes of patterns
}

// New returns a Masker for values. Empty, short and trivial ones are ignored.
func New(values []string) *Masker {
	m := &Masker{patterns: map[uint32][]string{}, two: map[uint16]bool{}, three: map[uint32]bool{}}
	for p := range patternsOf(values) {
		key := binary.LittleEndian.Uint32([]byte(p[:4]))
		m.patterns[key] = append(m.patterns[key], p)
		h := hash(key)
		m.filter[h>>6] |= 1 << (h & 63)
		m.one[p[0]], m.two[uint16(key)], m.three[key&0xffffff] = true, true, true
	}
	for _, of := range m.patterns {
		slices.SortFunc(of, func(a, b string) int { return len(b) - len(a) })
	}
	return m
}

// Empty reports whether there is nothing to mask.
func (m *Masker) Empty() bool { return len(m.patterns) == 0 }

// String returns s with all secrets replaced. It returns s itself, without
// allocating, when there is none in it.
func (m *Masker) String(s string) string {
	if m.Empty() {
		return s
	}
	data := unsafe.Slice(unsafe.StringData(s), len(s)) // only read
	r := run{data: data}
	m.run(&r, true)
	if len(r.buf) == 0 {
		return s
	}
	return string(append(r.buf, data[r.done:]...))
}

func hash(key uint32) uint32 { return key * 0x9E3779B1 >> (32 - filterBits) }

// run is one pass over data.
type run struct {
	data   []byte
	done   int    // what of data is given out or replaced
	buf    []byte // what to give out before data[done:hold]
	hold   int    // where that begins which may be the start of a secret
	masked bool   // the last thing given out is a Replacement
}

// run looks for secrets in r.data. With final nothing is held. A secret that
// begins in what is given out already is replaced from r.done on.
func (m *Masker) run(r *run, final bool) {
	data, i := r.data, 0
	for ; i+4 <= len(data); i++ {
		key := binary.LittleEndian.Uint32(data[i:])
		if h := hash(key); m.filter[h>>6]&(1<<(h&63)) == 0 {
			continue
		}
		longest, partial := m.at(key, data[i:])
		if partial && !final {
			r.hold = i
			return
		}
		if longest > 0 && i+longest > r.done {
			r.replace(i, i+longest)
		}
	}
	for ; i < len(data) && !final; i++ {
		if m.begins(data[i:]) {
			r.hold = i
			return
		}
	}
	r.hold = len(data)
}

// replace gives out what is before from, and a Replacement for the rest up to to.
func (r *run) replace(from, to int) {
	if from > r.done {
		r.buf = append(r.buf, r.data[r.done:from]...)
		r.masked = false
	}
	if !r.masked {
		r.buf = append(r.buf, Replacement...)
		r.masked = true
	}
	r.done = to
}

// at returns the length of the longest pattern at the start of rest, and
// whether all of rest is the start of a longer one.
func (m *Masker) at(key uint32, rest []byte) (longest int, partial bool) {
	for _, p := range m.patterns[key] {
		if len(p) > len(rest) {
			partial = partial || p[:len(rest)] == string(rest)
		} else if p == string(rest[:len(p)]) {
			return len(p), partial
		}
	}
	return 0, partial
}

// begins reports whether rest, of 1 to 3 bytes, is the start of a pattern.
func (m *Masker) begins(rest []byte) bool {
	switch len(rest) {
	case 1:
		return m.one[rest[0]]
	case 2:
		return m.two[binary.LittleEndian.Uint16(rest)]
	}
	return m.three[uint32(rest[0])|uint32(rest[1])<<8|uint32(rest[2])<<16]
}

// Writer returns a writer that passes on to w what is written to it, masked.
func (m *Masker) Writer(w io.Writer) *Writer { return &Writer{m: m, w: w} }

// Writer masks a stream. It holds back only bytes at the end of what was
// written that are the start of a secret, never more than the longest form of
// a secret. Its methods may be called concurrently, so that a timer may flush.
type Writer struct {
	m *Masker
	w io.Writer

	mu     sync.Mutex
	held   []byte
	given  int    // what of held was given out already
	masked bool   // the last thing given out is a Replacement
	buf    []byte // used again by every write
}

var _ io.WriteCloser = (*Writer)(nil)

// Write masks p and passes it on, except for what may be the start of a
// secret. Errors are those of the writer behind.
func (w *Writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.m.Empty() {
		return w.w.Write(p)
	}
	data := p
	if len(w.held) > 0 {
		w.held = append(w.held, p...)
		data = w.held
	}
	hold, err := w.pass(data, false)
	if err != nil {
		return 0, err
	}
	w.held = append(w.held[:0], data[hold:]...) // of itself, or of p
	w.given = max(w.given-hold, 0)
	return len(p), nil
}

// Flush passes on what is held back. When that was the start of a secret after
// all, the rest of the secret is still replaced.
func (w *Writer) Flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, err := w.pass(w.held, true)
	return err
}

// Close flushes. It does not close the writer behind.
func (w *Writer) Close() error { return w.Flush() }

// pass gives out what it may of data and returns where the rest begins. It
// leaves in given how much of data was given out.
func (w *Writer) pass(data []byte, final bool) (int, error) {
	r := run{data: data, done: w.given, buf: w.buf[:0], masked: w.masked}
	w.m.run(&r, final)
	out := r.buf
	if r.hold > r.done {
		if len(out) == 0 {
			out = data[r.done:r.hold]
		} else {
			r.buf = append(r.buf, data[r.done:r.hold]...)
			out = r.buf
		}
		r.done, r.masked = r.hold, false
	}
	w.buf, w.given, w.masked = r.buf, r.done, r.masked
	if len(out) == 0 {
		return r.hold, nil
	}
	_, err := w.w.Write(out)
	return r.hold, err
}
