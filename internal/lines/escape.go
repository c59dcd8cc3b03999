package lines

import "unicode/utf8"

// state is where in an escape sequence the stream is.
type state uint8

const (
	text    state = iota
	escape        // after ESC
	csi           // after ESC [
	str           // in an OSC, DCS, APC, PM or SOS string: up to BEL, ESC \ or the line's end
	strEsc        // in a string, after ESC
	charset       // after ESC and an intermediate byte, such as ESC ( B
)

const esc = 0x1b

var replacement = []byte("\uFFFD")

// plain returns how many bytes at the start of p are printable ASCII or tabs.
func plain(p []byte) int {
	for i, c := range p {
		if (c < 0x20 && c != '\t') || c >= 0x7f {
			return i
		}
	}
	return len(p)
}

// step reads one byte or character of p, which is not empty, and returns how
// many bytes it took. at is the position of p in the stream.
func (w *Writer) step(p []byte, at int64) int {
	c := p[0]
	if w.state == text && len(w.seq) > 0 || w.state == text && c >= utf8.RuneSelf {
		return w.character(p, at)
	}
	if c == '\n' {
		w.state, w.seq, w.cr = text, w.seq[:0], false
		w.endLine(at + 1)
		return 1
	}
	if w.state != text {
		w.sequence(c, at)
		return 1
	}
	if c == '\r' {
		w.cr = true
		return 1
	}
	w.restart()
	switch {
	case c == esc:
		w.state = escape
	case c == '\b':
		w.backspace()
	case c == 0x7f:
		w.add([]byte("␡"), at)
	case c < 0x20 && c != '\t':
		w.add(utf8.AppendRune(nil, '␀'+rune(c)), at)
	default:
		w.add(p[:1], at)
	}
	return 1
}

// restart forgets the line so far when a lone \r came before what is read now.
func (w *Writer) restart() {
	if w.cr {
		w.cr = false
		w.line, w.floor = w.line[:0], 0
	}
}

// character reads one character above ASCII, which may be spread over several
// writes: what is there of it waits in seq.
func (w *Writer) character(p []byte, at int64) int {
	had := len(w.seq)
	n := had
	for n < utf8.UTFMax && n-had < len(p) {
		w.seq = append(w.seq, p[n-had])
		n++
		if utf8.FullRune(w.seq) {
			break
		}
	}
	if !utf8.FullRune(w.seq) {
		return n - had
	}
	w.restart()
	r, size := utf8.DecodeRune(w.seq)
	if r == utf8.RuneError && size <= 1 {
		// Bytes of before were the start of a character that does not go on:
		// none of them is one. What is new is read again, on its own.
		for k := range max(had, 1) {
			if w.add(replacement, at-int64(had-k)); w.full {
				return len(p)
			}
		}
		w.seq = w.seq[:0]
		if had == 0 {
			return 1
		}
		return 0
	}
	if 0x80 <= r && r <= 0x9f {
		w.add(replacement, at-int64(had))
	} else {
		w.add(w.seq[:size], at-int64(had))
	}
	w.seq = w.seq[:0]
	return n - had
}

// backspace takes back the last character of the line, but never a part of a
// colour sequence.
func (w *Writer) backspace() {
	if len(w.line) > w.floor {
		_, size := utf8.DecodeLastRune(w.line[w.floor:])
		w.line = w.line[:len(w.line)-size]
	}
}

// sequence reads the next byte of an escape sequence. It is not \n.
func (w *Writer) sequence(c byte, at int64) {
	switch w.state {
	case escape:
		switch {
		case c == '[':
			w.state, w.seq = csi, append(w.seq[:0], esc, '[')
		case c == ']' || c == 'P' || c == 'X' || c == '^' || c == '_':
			w.state = str
		case c >= 0x20 && c <= 0x2f:
			w.state = charset
		case c == esc:
		default:
			w.state = text
		}
	case charset:
		if c < 0x20 || c > 0x2f {
			w.state = text
		}
	case csi:
		w.control(c, at)
	case str:
		if c == esc {
			w.state = strEsc
		} else if c == 0x07 {
			w.state = text
		}
	case strEsc:
		if c == '\\' {
			w.state = text
		} else if c != esc {
			w.state = str
		}
	}
}

// control reads the next byte of a control sequence. It keeps it when it is a
// colour: ESC [, digits, semicolons and colons, m.
func (w *Writer) control(c byte, at int64) {
	switch {
	case c == 'm' && len(w.seq) > 0:
		w.state = text
		w.seq = append(w.seq, c)
		if len(w.line)+len(w.seq) > w.maxLine {
			if w.keep(at + 1 - int64(len(w.seq))); w.full {
				return
			}
		}
		w.line = append(w.line, w.seq...)
		w.floor = len(w.line)
		w.seq = w.seq[:0]
	case c >= '0' && c <= ';' && len(w.seq) > 0 && len(w.seq) < maxSGR:
		w.seq = append(w.seq, c)
	case c >= 0x20 && c <= 0x3f:
		w.seq = w.seq[:0] // no colour: read on to its end, keep nothing
	case c == esc:
		w.state, w.seq = escape, w.seq[:0]
	default:
		w.state, w.seq = text, w.seq[:0]
	}
}

// endSequence ends what is half read because the stream pauses or ends: bytes
// of a character become U+FFFD, an escape sequence is dropped. A \r whose
// meaning is not known yet leaves the line as it is.
func (w *Writer) endSequence() {
	if w.state == text && len(w.seq) > 0 {
		w.restart()
		for k := range w.seq {
			if w.add(replacement, w.total-int64(len(w.seq)-k)); w.full {
				return
			}
		}
	}
	w.state, w.seq = text, w.seq[:0]
}
