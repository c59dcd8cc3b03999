package workspace

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
)

// Fetched says what Fetch brings, each into a directory that exists; "": not
// that. What is in the directories goes first, as an attempt before this one
// left it.
type Fetched struct {
	Source, Share, Cache string
	// State is a directory in which Save finds what there was, for the changes.
	State string
}

// Fetch brings what a job needs. It tries again until ctx ends.
func (c *Client) Fetch(ctx context.Context, f Fetched) error {
	if f.State == "" && (f.Share != "" || f.Cache != "") {
		return brigade.Errorf(brigade.CodeUsage, "there is no directory to note in what was fetched").WithHint("name it with --state")
	}
	if f.Source != "" {
		if err := c.fetch(ctx, "source", f.Source, "", nil); err != nil {
			return err
		}
	}
	if f.Share != "" {
		if err := c.fetch(ctx, "share", f.Share, filepath.Join(f.State, shareState), nil); err != nil {
			return err
		}
	}
	if f.Cache == "" {
		return nil
	}
	return c.fetchCache(ctx, f)
}

// fetchCache brings the cache. What keeps it from coming keeps no job from
// running: it is told in the job's log, at its end.
func (c *Client) fetchCache(ctx context.Context, f Fetched) error {
	patient, state := ctx, filepath.Join(f.State, cacheState)
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		patient, cancel = context.WithTimeout(ctx, time.Until(deadline)/2)
		defer cancel()
	}
	err := c.fetch(patient, "cache", f.Cache, state, func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) })
	if err == nil || ctx.Err() != nil || brigade.CodeOf(err) == brigade.CodeCanceled {
		return err
	}
	text := "the cache is left out: " + err.Error()
	c.opt.Notice(text)
	if err := empty(f.Cache); err != nil {
		return storeError(err, "the directory of the cache cannot be emptied")
	}
	if err := os.WriteFile(filepath.Join(f.State, problemsState), []byte(text), 0o600); err != nil {
		return storeError(err, "what went wrong cannot be noted")
	}
	return (baseline{}).write(state)
}

// Files in the directory of the state.
const (
	shareState    = "share.json"   // baseline of the build's storage
	cacheState    = "cache.json"   // baseline of the cache
	problemsState = "problems.txt" // what is to be told in the job's log
)

// fetch unpacks an archive into dir and writes what it held to state.
func (c *Client) fetch(ctx context.Context, path, dir, state string, unzip func(io.Reader) (io.Reader, error)) error {
	return c.do(ctx, request{method: http.MethodGet, path: path, answer: func(status int, body io.Reader) error {
		seen := baseline{}
		if err := empty(dir); err != nil {
			return &localError{fmt.Errorf("empty %s: %w", dir, err)}
		}
		if status != http.StatusNoContent {
			if unzip != nil {
				packed, err := unzip(body)
				if err != nil {
					return brokenGzip(err)
				}
				body = packed
			}
			if err := unpackInto(ctx, body, dir, seen); err != nil {
				return brokenGzip(err)
			}
		}
		if state == "" {
			return nil
		}
		if status == restoredStatus {
			seen = baseline{} // it is kept as a whole under the job's own key
		}
		return seen.write(state)
	}})
}

// brokenGzip tells what is wrong with the content from what is with the connection.
func brokenGzip(err error) error {
	if errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) {
		return brigade.Errorf(brigade.CodeInvalid, "what was sent is not packed with gzip: %w", err)
	}
	if of := (*fs.PathError)(nil); errors.As(err, &of) {
		return &localError{err}
	}
	return err
}

func unpackInto(ctx context.Context, r io.Reader, dir string, seen baseline) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return &localError{err}
	}
	defer root.Close() //nolint:errcheck // files in it are closed one by one
	u := unpacker{root: root, bounds: bounds{bytes: math.MaxInt64, files: math.MaxInt}, modes: modesIn(root),
		made: func(name, tag string) error {
			e, err := lookAt(root, name)
			if err == nil {
				seen[name] = version{Here: here(e), There: tag}
			}
			return err
		},
	}
	return u.unpack(ctx, bufio.NewReaderSize(r, 64<<10))
}

// modesIn chooses permissions in a volume: those of the archive for root. For
// other users they are opened for the volume's group, or for everybody where
// it has none, because the job may run as another user than this one.
func modesIn(root *os.Root) func(fs.FileMode) fs.FileMode {
	if os.Geteuid() <= 0 {
		return nil
	}
	info, err := root.Stat(".")
	shared := err == nil && sharedGroup(info)
	return func(mode fs.FileMode) fs.FileMode {
		mode |= mode & 0o700 >> 3
		if !shared {
			mode |= mode & 0o700 >> 6
		}
		return mode
	}
}

// empty removes what is in a directory.
func empty(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := removeAll(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// baseline is what a directory held before the job, by path.
type baseline map[string]version

// version is one state of a file: its stamp in this pod and on the server.
type version struct {
	Here  string `json:"h"`
	There string `json:"t,omitempty"`
}

// here is what changes when somebody changes the thing.
func here(e entry) string {
	if e.Mode.IsDir() {
		return "d" + strconv.FormatUint(uint64(e.Mode.Perm()), 8)
	}
	return e.Tag
}

func (b baseline) write(name string) error {
	text, err := json.Marshal(b)
	if err == nil {
		err = os.WriteFile(name, text, 0o600)
	}
	if err != nil {
		return &localError{err}
	}
	return nil
}

func readBaseline(name string) (baseline, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	b := baseline{}
	return b, json.Unmarshal(text, &b)
}
