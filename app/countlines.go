package app

import (
	"bytes"
	"io"
	"sync/atomic"
)

// CountLines is a writer to w that adds the lines it has written to n.
func CountLines(w io.Writer, n *atomic.Int64) io.Writer { return countLines{w, n} }

type countLines struct {
	to io.Writer
	n  *atomic.Int64
}

// Write implements io.Writer.
func (c countLines) Write(p []byte) (int, error) {
	n, err := c.to.Write(p)
	c.n.Add(int64(bytes.Count(p[:n], []byte{'\n'})))
	return n, err
}
