package tables

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/brigadecore/brigade/v3"
)

// Chunk is a row with some lines of a log: the Seq of its first and last line,
// and how many they are. Its Data is a byte that says how the rest is packed,
// then for each line
//
//	uvarint  the Seq, as the difference to the line before
//	varint   the time in nanoseconds, as the difference to the line before
//	byte     the level: its place in levels, or otherLevel; plus noTime
//	         with otherLevel the level's length (uvarint) and text
//	uvarint  the text's length, then the text
type Chunk struct {
	First, Last int64
	Count       int
	Data        []byte
}

const (
	packedPlain = 0
	packedFlate = 1

	chunkBytes = 128 << 10 // a chunk ends once it has this many bytes before packing
	smallChunk = 512       // what is smaller is not compressed
	maxChunk   = 64 << 20  // what claims to be larger is damaged

	otherLevel = 0x7f
	noTime     = 0x80
)

var levels = [...]brigade.LogLevel{"", brigade.LevelAll, brigade.LevelLog, brigade.LevelInfo, brigade.LevelWarn, brigade.LevelError, brigade.LevelNone}

// compressors are reused: a new one costs more than most chunks.
var compressors = sync.Pool{New: func() any {
	w, err := flate.NewWriter(io.Discard, flate.BestSpeed)
	if err != nil {
		return nil // cannot be: the level is a valid one
	}
	return w
}}

// Pack makes chunks of lines, whose Seq must rise.
func Pack(lines []brigade.LogLine) []Chunk {
	var all []Chunk
	for len(lines) > 0 {
		c := Chunk{First: lines[0].Seq}
		plain := []byte{packedPlain}
		var seq, at int64
		for len(lines) > 0 && len(plain) < chunkBytes {
			l := &lines[0]
			plain = binary.AppendUvarint(plain, uint64(l.Seq-seq))
			seq = l.Seq
			plain = appendLine(plain, l, &at)
			lines = lines[1:]
			c.Count++
		}
		c.Last, c.Data = seq, compress(plain)
		all = append(all, c)
	}
	return all
}

func appendLine(to []byte, l *brigade.LogLine, at *int64) []byte {
	flags := byte(0)
	when := Nanos(l.Time)
	if l.Time.IsZero() {
		flags, when = noTime, *at
	}
	to = binary.AppendVarint(to, when-*at)
	*at = when
	level := byte(otherLevel)
	for i, known := range levels {
		if l.Level == known {
			level = byte(i)
		}
	}
	to = append(to, level|flags)
	if level == otherLevel {
		to = appendText(to, string(l.Level))
	}
	return appendText(to, l.Text)
}

func appendText(to []byte, text string) []byte {
	return append(binary.AppendUvarint(to, uint64(len(text))), text...)
}

// compress packs plain, whose first byte is packedPlain, if that makes it smaller.
func compress(plain []byte) []byte {
	if len(plain) < smallChunk {
		return plain
	}
	w, ok := compressors.Get().(*flate.Writer)
	if !ok {
		return plain
	}
	defer compressors.Put(w)
	packed := bytes.NewBuffer(make([]byte, 0, len(plain)/4))
	packed.WriteByte(packedFlate)
	w.Reset(packed)
	if _, err := w.Write(plain[1:]); err != nil || w.Close() != nil || packed.Len() >= len(plain) {
		return plain
	}
	return packed.Bytes()
}

var errDamaged = errors.New("a chunk of a log is damaged")

// Unpack calls line for each line of a chunk's Data, in order. The lines lack
// their BuildID and JobID. Damaged data is an error.
func Unpack(data []byte, line func(brigade.LogLine)) error {
	if len(data) == 0 {
		return errDamaged
	}
	packing, data := data[0], data[1:]
	switch packing {
	case packedPlain:
	case packedFlate:
		plain, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(data)), maxChunk))
		if err != nil {
			return fmt.Errorf("%w: %w", errDamaged, err)
		}
		data = plain
	default:
		return errDamaged
	}
	r := reader{data: data}
	var seq, at int64
	for len(r.data) > 0 && !r.bad {
		var l brigade.LogLine
		seq += int64(r.uvarint())
		at += r.varint()
		l.Seq = seq
		flags := r.byte()
		if flags&noTime == 0 {
			l.Time = time.Unix(0, at).UTC()
		}
		if level := flags &^ noTime; level == otherLevel {
			l.Level = brigade.LogLevel(r.text())
		} else if int(level) < len(levels) {
			l.Level = levels[level]
		} else {
			r.bad = true
		}
		l.Text = r.text()
		if !r.bad {
			line(l)
		}
	}
	if r.bad {
		return errDamaged
	}
	return nil
}

// reader takes values from the front of data; bad tells that they are not there.
type reader struct {
	data []byte
	bad  bool
}

func (r *reader) took(n int) {
	if n <= 0 || n > len(r.data) {
		r.bad, r.data = true, nil
		return
	}
	r.data = r.data[n:]
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.data)
	r.took(n)
	return v
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.data)
	r.took(n)
	return v
}

func (r *reader) byte() byte {
	if len(r.data) == 0 {
		r.bad = true
		return 0
	}
	b := r.data[0]
	r.data = r.data[1:]
	return b
}

func (r *reader) text() string {
	n := r.uvarint()
	if n > uint64(len(r.data)) {
		r.bad, r.data = true, nil
		return ""
	}
	text := string(r.data[:n])
	r.data = r.data[n:]
	return text
}
