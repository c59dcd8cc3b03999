// Package traceparent derives W3C trace contexts from IDs. Whoever knows the
// IDs of a build and of a job finds the same trace and the same spans, so
// that jobs can be told their place in the trace before a span is written, and
// after a restart.
package traceparent

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
)

// Context is a place in a trace: what a traceparent header holds.
type Context struct {
	TraceID [16]byte
	SpanID  [8]byte
	Sampled bool
}

// String returns the header, in version 00.
func (c Context) String() string {
	flags := "00"
	if c.Sampled {
		flags = "01"
	}
	return "00-" + hex.EncodeToString(c.TraceID[:]) + "-" + hex.EncodeToString(c.SpanID[:]) + "-" + flags
}

// Parse reads a header. It reports false for what is not a valid one.
func Parse(header string) (c Context, ok bool) {
	if len(header) < 55 || header[2] != '-' || header[35] != '-' || header[52] != '-' || strings.ToLower(header) != header {
		return c, false
	}
	if header[:2] == "ff" || header[:2] == "00" && len(header) != 55 || len(header) > 55 && header[55] != '-' {
		return c, false
	}
	var version, flags [1]byte
	for _, part := range []struct {
		to   []byte
		from string
	}{{version[:], header[:2]}, {c.TraceID[:], header[3:35]}, {c.SpanID[:], header[36:52]}, {flags[:], header[53:55]}} {
		if _, err := hex.Decode(part.to, []byte(part.from)); err != nil {
			return Context{}, false
		}
	}
	c.Sampled = flags[0]&1 == 1
	return c, c.TraceID != [16]byte{} && c.SpanID != [8]byte{}
}

// Build is the place of a build's span. When its event came with a trace
// context, the span belongs to that trace; else to one of its own.
func Build(parent, buildID string) Context {
	sum := sha256.Sum256([]byte("build\x00" + buildID))
	c := Context{Sampled: true}
	copy(c.TraceID[:], sum[:16])
	copy(c.SpanID[:], sum[16:24])
	if p, ok := Parse(parent); ok {
		c.TraceID, c.Sampled = p.TraceID, p.Sampled
	}
	return c
}

// Job is the place of the span of one attempt of a build's job. Its text is
// what the job gets as TRACEPARENT.
func Job(parent, buildID, jobID string, attempt int) Context {
	c := Build(parent, buildID)
	sum := sha256.Sum256([]byte("job\x00" + jobID + "\x00" + strconv.Itoa(attempt)))
	copy(c.SpanID[:], sum[:8])
	return c
}
