package fault

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
)

// journal is what the jobs themselves write down.
type journal struct {
	dir string

	mu       sync.Mutex
	finished map[string]int64 // where the journal was when a job was seen to have succeeded, by its ID
}

// newJournal makes the file, which jobs of any user may add to.
func newJournal(dir string) (*journal, error) {
	j := &journal{dir: dir, finished: map[string]int64{}}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		return nil, err
	}
	if err := os.WriteFile(j.file(), nil, 0o666); err != nil {
		return nil, err
	}
	return j, os.Chmod(j.file(), 0o666)
}

func (j *journal) file() string { return filepath.Join(j.dir, "journal") }

// saw notes that the server says that a job has succeeded.
func (j *journal) saw(job *brigade.Job) {
	info, err := os.Stat(j.file())
	if err != nil || job.State != brigade.StateSucceeded {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if _, known := j.finished[job.ID]; !known {
		j.finished[job.ID] = info.Size()
	}
}

// done is how many jobs were seen to have succeeded.
func (j *journal) done() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.finished)
}

// ran is what the journal says about a job.
type ran struct {
	starts, ends int
	again        bool // it was started after it was seen to have succeeded
}

// read returns what the journal says, by job ID.
func (j *journal) read() (map[string]*ran, error) {
	data, err := os.ReadFile(j.file())
	if err != nil {
		return nil, err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	jobs := map[string]*ran{}
	offset := int64(0)
	for line := range bytes.Lines(data) {
		build, rest, _ := strings.Cut(strings.TrimSpace(string(line)), " ")
		name, what, _ := strings.Cut(rest, " ")
		id := name + "-" + build
		r := jobs[id]
		if r == nil {
			r = &ran{}
			jobs[id] = r
		}
		switch what {
		case "start":
			r.starts++
			if seen, known := j.finished[id]; known && offset >= seen {
				r.again = true
			}
		case "end":
			r.ends++
		}
		offset += int64(len(line))
	}
	return jobs, nil
}

// observe follows the server's stream of changes, over all restarts.
func (t *test) observe(ctx context.Context) {
	for ctx.Err() == nil {
		_ = t.server.Watch(ctx, func(c brigade.Change) { // it ends with every restart
			if c.Job != nil {
				t.journal.saw(c.Job)
			}
		})
		pauseFor(ctx, 20*time.Millisecond)
	}
}
