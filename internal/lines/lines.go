// Package lines turns the bytes that a job or a script prints into the texts of
// log lines that are safe to store and to show on a terminal.
//
// What it does to the stream:
//
//   - A line ends at \n or \r\n. A lone \r starts the line again, so that of a
//     progress bar only its last state is kept. A backspace takes back the
//     character before it.
//   - Text is UTF-8: every invalid byte becomes U+FFFD.
//   - Colours (SGR: ESC [ … m) stay. Every other escape sequence is dropped
//     with its content: cursor movement, erasing, modes, titles and hyperlinks
//     (OSC), DCS, APC, PM, SOS. A sequence that is not finished ends with its line.
//   - Tabs stay. Other control characters become their pictures (NUL is ␀);
//     the C1 controls U+0080 to U+009F become U+FFFD.
//   - A line above the limit is cut into several, between characters.
//   - Once the cap is reached no further line is kept, and the rest is counted.
package lines

import (
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/brigadecore/brigade/v3"
)

const (
	batchTexts = 1024      // texts per batch, at most
	batchBytes = 128 << 10 // a batch is handed over once it has this many bytes
	maxSGR     = 64        // a colour sequence that is longer is dropped
)

// Options shape a Writer.
type Options struct {
	// Emit takes finished texts, in order, from within Write, Flush and Close.
	// The slice is used again afterwards; the strings may be kept. Required.
	Emit func(texts []string)
	// Cap is how many bytes of texts are kept, each counted with a line end;
	// 0 means brigade.DefaultLogCap, below 0 means no cap.
	Cap int64
	// MaxLine is the longest text in bytes; 0 means brigade.MaxLineBytes. It
	// is at least 128.
	MaxLine int
}

// Writer is an io.WriteCloser that cuts a stream into texts. Its memory does
// not grow with the stream. It must not be used concurrently.
type Writer struct {
	emit    func([]string)
	cap     int64
	maxLine int

	total int64 // bytes written so far
	start int64 // of them, those before the line now being read
	kept  int64 // bytes of texts, with a line end each
	lost  int64 // bytes that belong to texts that were not kept
	full  bool  // the cap is reached

	line  []byte // the line being read
	floor int    // what of line a backspace must not touch: it ends a colour sequence
	cr    bool   // a \r was read and what follows it is not known yet
	shown bool   // Flush gave out the line so far: a line end now adds no empty text

	state state
	seq   []byte // the escape sequence or character that is being read

	texts []string
	bytes int
	done  bool
}

// New returns a Writer. Close it at the end of the stream.
func New(o Options) *Writer {
	if o.Cap == 0 {
		o.Cap = brigade.DefaultLogCap
	}
	if o.MaxLine == 0 {
		o.MaxLine = brigade.MaxLineBytes
	}
	return &Writer{emit: o.Emit, cap: o.Cap, maxLine: max(o.MaxLine, 2*maxSGR)}
}

// Bytes returns how many bytes were written so far, kept or not.
func (w *Writer) Bytes() int64 { return w.total }

// Truncated reports whether the cap made texts go missing.
func (w *Writer) Truncated() bool { return w.full }

// Write takes the next bytes of the stream and hands over the texts that are
// complete. It takes all of p and never fails.
func (w *Writer) Write(p []byte) (int, error) {
	n := len(p)
	base := w.total
	w.total += int64(n)
	if w.full {
		return n, nil
	}
	for i := 0; i < n && !w.full; {
		if w.state == text && len(w.seq) == 0 && !w.cr {
			if run := plain(p[i:]); run > 0 {
				w.add(p[i:i+run], base+int64(i))
				i += run
				continue
			}
		}
		i += w.step(p[i:], base+int64(i))
	}
	w.handOver()
	return n, nil
}

// Flush hands over the line being read although its end has not come, such as
// a prompt. What follows becomes a text of its own.
func (w *Writer) Flush() {
	if !w.full {
		w.endSequence()
		if len(w.line) > 0 && !w.full {
			w.keep(w.total)
			w.shown = !w.full
		}
	}
	w.handOver()
}

// Close flushes, and when texts went missing adds one last text that says how
// much was not kept. It never fails; calling it again does nothing.
func (w *Writer) Close() error {
	if w.done {
		return nil
	}
	w.done = true
	w.Flush()
	if w.full {
		w.lost = w.total - w.start
		w.texts = append(w.texts, fmt.Sprintf("… log capped at %s; %d more bytes were not kept", size(w.cap), w.lost))
	}
	w.handOver()
	return nil
}

// size writes n bytes in the largest unit that divides it: 10 MB, 64 KB, 100 bytes.
func size(n int64) string {
	switch {
	case n >= 1<<20 && n%(1<<20) == 0:
		return strconv.FormatInt(n>>20, 10) + " MB"
	case n >= 1<<10 && n%(1<<10) == 0:
		return strconv.FormatInt(n>>10, 10) + " KB"
	}
	return strconv.FormatInt(n, 10) + " bytes"
}

func (w *Writer) handOver() {
	if len(w.texts) > 0 {
		w.emit(w.texts)
	}
	clear(w.texts)
	w.texts, w.bytes = w.texts[:0], 0
}

// add appends finished characters to the line and cuts it where it gets too
// long. at is the position of b in the stream.
func (w *Writer) add(b []byte, at int64) {
	w.shown = false
	for len(w.line)+len(b) > w.maxLine {
		room := w.maxLine - len(w.line)
		for room > 0 && room < len(b) && !utf8.RuneStart(b[room]) {
			room--
		}
		w.line = append(w.line, b[:room]...)
		b, at = b[room:], at+int64(room)
		if w.keep(at); w.full {
			return
		}
	}
	w.line = append(w.line, b...)
}

// keep makes a text of the line. end is the position in the stream up to which
// that text accounts for it.
func (w *Writer) keep(end int64) {
	size := len(w.line) + 1
	if w.cap >= 0 && w.kept+int64(size) > w.cap {
		w.full = true
		w.line, w.seq = nil, nil
		return
	}
	w.kept += int64(size)
	w.start = end
	w.texts = append(w.texts, string(w.line))
	w.line, w.floor = w.line[:0], 0
	if w.bytes += size; w.bytes >= batchBytes || len(w.texts) >= batchTexts {
		w.handOver()
	}
}

// endLine ends the line because of a line end that stands before position end.
func (w *Writer) endLine(end int64) {
	if w.shown && len(w.line) == 0 {
		w.shown, w.start = false, end
		return
	}
	w.shown = false
	w.keep(end)
}
