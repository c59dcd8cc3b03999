// Package wire runs a script in a child process: Child is a brigade.Worker
// that starts one, Serve is what the child does. They exchange frames over the
// child's standard input and output: four bytes of length, big endian, and
// that many bytes of JSON. The child's standard error is kept for the reason
// of a crash and never shown as it is.
package wire

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

	brigade "github.com/brigadecore/brigade/v3"
)

// maxFrame bounds a frame. The largest are scripts, payloads and job results.
const maxFrame = 128 << 20

// kind says what a frame is about.
type kind string

const (
	kindRun    kind = "run"    // parent → child, first, and again after a done with Again: the ScriptRun
	kindAbort  kind = "abort"  // parent → child: somebody wants the build to end; clean up
	kindCancel kind = "cancel" // parent → child: stop the script
	kindReply  kind = "reply"  // parent → child: the answer to job or joblog with that ID
	kindBegun  kind = "begun"  // child → parent, first: the run has come
	kindJob    kind = "job"    // child → parent: run a job
	kindJobLog kind = "joblog" // child → parent: what has a job printed
	kindLine   kind = "line"   // child → parent: a line of the worker's log
	kindFired  kind = "fired"  // child → parent: a lifecycle event
	kindDone   kind = "done"   // child → parent, last of a script: the ScriptResult
)

// frame is one message. Only the fields of its kind are set.
type frame struct {
	Kind   kind                  `json:"kind"`
	ID     int64                 `json:"id,omitempty"`
	Run    *brigade.ScriptRun    `json:"run,omitempty"`
	Spec   *brigade.JobSpec      `json:"spec,omitempty"`
	JobID  string                `json:"jobID,omitempty"`
	Level  brigade.LogLevel      `json:"level,omitempty"`
	Text   string                `json:"text,omitempty"`
	Fired  *brigade.Lifecycle    `json:"fired,omitempty"`
	Job    *brigade.JobResult    `json:"job,omitempty"`
	Result *brigade.ScriptResult `json:"result,omitempty"`
	Error  *brigade.Error        `json:"error,omitempty"`
	Keep   bool                  `json:"keep,omitempty"`  // with run: there may be another one for this process
	Again  bool                  `json:"again,omitempty"` // with done: the process is as it was before the script

	begun chan struct{} // in the child: closed when a further run has begun
}

// pipe reads and writes frames. Writing is safe from several goroutines.
type pipe struct {
	in  io.Reader
	mu  sync.Mutex
	out io.Writer
}

func (p *pipe) write(f frame) error {
	body, err := json.Marshal(f)
	if err != nil {
		return fmt.Errorf("encode a %s frame: %w", f.Kind, err)
	}
	if len(body) > maxFrame {
		return fmt.Errorf("a %s frame of %d bytes is too large", f.Kind, len(body))
	}
	packet := make([]byte, 4, 4+len(body))
	binary.BigEndian.PutUint32(packet, uint32(len(body)))
	p.mu.Lock()
	defer p.mu.Unlock()
	_, err = p.out.Write(append(packet, body...))
	return err
}

func (p *pipe) read() (frame, error) {
	var f frame
	var head [4]byte
	if _, err := io.ReadFull(p.in, head[:]); err != nil {
		return f, err
	}
	size := binary.BigEndian.Uint32(head[:])
	if size > maxFrame {
		return f, fmt.Errorf("a frame of %d bytes is too large", size)
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(p.in, body); err != nil {
		return f, errors.Join(io.ErrUnexpectedEOF, err)
	}
	if err := json.Unmarshal(body, &f); err != nil {
		return f, fmt.Errorf("decode a frame: %w", err)
	}
	return f, nil
}

// plain makes an error one that can cross: code, message and hint.
func plain(err error) *brigade.Error {
	if err == nil {
		return nil
	}
	var e *brigade.Error
	if errors.As(err, &e) {
		return &brigade.Error{Code: e.Code, Message: e.Message, Hint: e.Hint}
	}
	return &brigade.Error{Code: brigade.CodeInternal, Message: err.Error()}
}
