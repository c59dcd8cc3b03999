// Package packed compresses answers for clients that take them compressed.
package packed

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// Least is the size from which answers are compressed, in bytes.
const Least = 1 << 10

// Accepted reports whether the sender of a request with these headers takes
// gzip.
func Accepted(h http.Header) bool {
	for part := range strings.SplitSeq(strings.Join(h.Values("Accept-Encoding"), ","), ",") {
		name, params, _ := strings.Cut(part, ";")
		if !strings.EqualFold(strings.TrimSpace(name), "gzip") {
			continue
		}
		q, err := strconv.ParseFloat(strings.TrimPrefix(strings.TrimSpace(params), "q="), 64)
		return err != nil || q > 0
	}
	return false
}

var packers = sync.Pool{New: func() any { z, _ := gzip.NewWriterLevel(nil, 4); return z }}

// Answer compresses data when that is worth it and the sender of r takes it,
// and says so in the headers of the answer.
func Answer(answer http.Header, r *http.Request, data []byte) ([]byte, error) {
	if len(data) < Least || !Accepted(r.Header) {
		return data, nil
	}
	var out bytes.Buffer
	z, ok := packers.Get().(*gzip.Writer)
	if !ok {
		return data, nil
	}
	defer packers.Put(z)
	z.Reset(&out)
	_, err := z.Write(data)
	if err := errors.Join(err, z.Close()); err != nil {
		return nil, fmt.Errorf("compress an answer: %w", err)
	}
	answer.Set("Content-Encoding", "gzip")
	return out.Bytes(), nil
}
