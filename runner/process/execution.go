package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/pick"
)

// child is a job's process tree. Its methods may be called concurrently and
// after its end.
type child interface {
	term()        // asks every process of the tree to end
	kill()        // ends the tree
	wait() result // returns when the main process has ended; called once
	// files opens what the job saw as mountPath, between wait and release; an
	// error when that is gone.
	files() (*os.Root, error)
	release() // lets go of what files needs; called once, after wait
}

// result is how the main process ended.
type result struct {
	code   int
	reason string
	err    error // the result is not known
}

// execution is a job that was started.
type execution struct {
	runner  *Runner
	build   *build
	dirs    *jobDirs
	out     *os.File
	started time.Time

	mu       sync.Mutex
	child    child                   // nil until it is there
	killed   bool                    // before the child was there
	abort    context.CancelCauseFunc // ends a start under way
	deadline time.Time
	timer    *time.Timer

	stopped chan struct{} // closed when the main process has ended
	done    chan struct{} // closed when exit and err are valid
	exit    brigade.Exit
	err     error
}

// Handle returns "": jobs cannot be found again.
func (e *execution) Handle() string { return "" }

// Wait implements brigade.Execution.
func (e *execution) Wait(ctx context.Context) (brigade.Exit, error) {
	select {
	case <-e.done:
	default:
		if err := await(ctx, e.done); err != nil {
			return brigade.Exit{}, err
		}
	}
	exit := e.exit
	exit.Outputs = bytes.Clone(exit.Outputs)
	return exit, e.err
}

// Stop implements brigade.Execution. A later Stop may shorten the grace and
// never makes it longer.
func (e *execution) Stop(_ context.Context, grace time.Duration) error {
	select {
	case <-e.stopped:
		return nil
	default:
	}
	if grace <= 0 {
		e.kill()
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	deadline := time.Now().Add(grace)
	if !e.deadline.IsZero() && !deadline.Before(e.deadline) {
		return nil
	}
	first := e.deadline.IsZero()
	e.deadline = deadline
	if e.timer != nil {
		e.timer.Stop()
	}
	e.timer = time.AfterFunc(grace, e.kill)
	if first {
		e.child.term()
	}
	return nil
}

// kill ends the job's processes, now or as soon as there are any.
func (e *execution) kill() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.killed = true
	if e.child != nil {
		e.child.kill()
		return
	}
	e.abort(errBuildOver)
}

// adopt makes c the execution's child.
func (e *execution) adopt(c child) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.child = c
	if e.killed {
		c.kill()
	}
}

// drainTime is how long output is read after the end of the main process: all
// of it is in the pipe by then, but somebody may hold the other end open.
const drainTime = time.Second

// follow copies the output and waits for the end.
func (e *execution) follow(run brigade.JobRun) {
	log := run.Log
	if log == nil {
		log = io.Discard
	}
	copied := make(chan struct{})
	go func() {
		defer close(copied)
		buf := make([]byte, 32<<10)
		for {
			n, err := e.out.Read(buf)
			if n > 0 {
				_, _ = log.Write(buf[:n]) // never fails, says JobRun
			}
			if err != nil {
				return
			}
		}
	}()
	res := e.child.wait()
	ended := e.runner.opts.Now()
	problems := e.keep(run)
	e.child.release()
	close(e.stopped)
	e.mu.Lock()
	if e.timer != nil {
		e.timer.Stop()
	}
	e.mu.Unlock()
	if err := e.out.SetReadDeadline(time.Now().Add(drainTime)); err != nil {
		// A pipe without deadlines, as on Windows: closing it ends the read.
		timer := time.AfterFunc(drainTime, func() { _ = e.out.Close() })
		defer timer.Stop()
	}
	<-copied
	_ = e.out.Close()
	for _, problem := range problems {
		_, _ = fmt.Fprintf(log, "artifacts: %s\n", problem) // never fails, says JobRun
	}

	e.exit = brigade.Exit{Code: res.code, Reason: res.reason, Started: e.started, Ended: ended}
	if res.err != nil {
		e.exit = brigade.Exit{}
		e.err = brigade.Errorf(brigade.CodeJobLost, "the result of job %q is not known: %w", run.Job.Name, res.err)
	} else {
		e.exit.Outputs = readOutputs(filepath.Join(e.dirs.path("out"), outputName))
	}
	close(e.done)
	e.discard()
	e.build.leave(e)
}

// keep hands over the files that the job's artifacts name, and returns what
// went wrong.
func (e *execution) keep(run brigade.JobRun) []string {
	if !keeps(run) {
		return nil
	}
	root, err := e.child.files()
	if err != nil {
		// An isolated job was killed: what it has written is left.
		root, err = os.OpenRoot(e.dirs.path("src"))
	}
	if err != nil {
		return []string{"nothing is kept: " + err.Error()}
	}
	defer root.Close() //nolint:errcheck // it was only read
	return pick.Compile(run.Job.Spec.Artifacts, run.Job.Spec.MountPath).Dir(root, run.Keep)
}

// keeps reports whether files of the job are to be kept.
func keeps(run brigade.JobRun) bool { return run.Keep != nil && len(run.Job.Spec.Artifacts) > 0 }

// discard removes the job's directories.
func (e *execution) discard() {
	if e.dirs != nil {
		_ = removeAll(e.dirs.root) // what is left goes with the build, which reports it
	}
}

// outputName is the file at $BRIGADE_OUTPUT.
const outputName = "output"

// readOutputs returns the file's text, at most MaxOutputsBytes of it; nothing
// when it is no ordinary file.
func readOutputs(path string) []byte {
	f, err := openRegular(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, brigade.MaxOutputsBytes))
	if err != nil {
		return nil
	}
	return text
}

var errNotRegular = errors.New("not a regular file")
