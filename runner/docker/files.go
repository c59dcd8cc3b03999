package docker

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/moby/moby/client"

	brigade "github.com/brigadecore/brigade/v3"
)

// dirPrefix starts the name of a build's directory, so that no build ID makes
// it anything else than a name.
const dirPrefix = "build-"

// buildDir is where the copies of a build's jobs are.
func (r *Runner) buildDir(buildID string) string {
	return filepath.Join(r.opts.StateDir, dirPrefix+url.PathEscape(buildID))
}

// jobDir is where the copies of one start of a job are.
func (r *Runner) jobDir(job *brigade.Job, start string) string {
	return filepath.Join(r.buildDir(job.BuildID), containerName(job)+"-"+safeName(start))
}

// layFiles makes the job's directory on the host and mounts what is in it: the
// script, the directory for the outputs, and a copy of the source, which it
// only begins.
func (p *plan) layFiles(ctx context.Context, skip string) error {
	output := filepath.Join(p.dir, "output")
	if err := makeOpen(output); err != nil {
		return err
	}
	p.bind(output, outputDir, false)
	if main := p.spec.Main(); main != "" {
		hook := filepath.Join(p.dir, "hook")
		if err := os.Mkdir(hook, 0o755); err != nil {
			return err
		}
		file := filepath.Join(hook, "main.sh")
		if err := os.WriteFile(file, []byte(main), 0o755); err != nil {
			return err
		}
		// The mask of this process must not keep other users from reading it.
		if err := errors.Join(os.Chmod(hook, 0o755), os.Chmod(file, 0o755)); err != nil {
			return err
		}
		p.bind(hook, hookDir, true)
	}
	if p.source == "" {
		return nil
	}
	source := filepath.Join(p.dir, "source")
	if err := makeOpen(source); err != nil {
		return err
	}
	p.bind(source, p.spec.MountPath, false)
	p.copying = startCopy(ctx, p.source, source, skip)
	return nil
}

// copying is a copy of the source on its way. The container can be set up
// meanwhile, for it mounts the directory, not what is in it; it must not be
// started before.
type copying struct {
	cancel context.CancelFunc
	done   chan struct{}
	err    error // set before done is closed
}

func startCopy(ctx context.Context, from, to, skip string) *copying {
	ctx, cancel := context.WithCancel(ctx)
	c := &copying{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(c.done)
		if err := copyTree(ctx, from, to, skip); err != nil {
			c.err = fmt.Errorf("copy the source: %w", err)
		}
	}()
	return c
}

// wait returns once the copy is complete or has failed. There may be none.
func (c *copying) wait() error {
	if c == nil {
		return nil
	}
	<-c.done
	c.cancel()
	return c.err
}

// stop returns once nothing is written any more.
func (c *copying) stop() {
	if c != nil {
		c.cancel()
		<-c.done
	}
}

// sendFiles copies the same into a container that was created and not started.
func (p *plan) sendFiles(ctx context.Context, e *engine, id, skip string) error {
	reader, writer := io.Pipe()
	packed := make(chan error, 1)
	go func() {
		err := p.pack(ctx, writer, skip)
		writer.CloseWithError(err)
		packed <- err
	}()
	_, err := e.CopyToContainer(ctx, id, client.CopyToContainerOptions{DestinationPath: "/", Content: reader, CopyUIDGID: true})
	// The packer may still be about to write; it must not stay.
	reader.CloseWithError(errRefused)
	// Its own error says more than that the engine was sent half an archive.
	if packErr := <-packed; packErr != nil && !errors.Is(packErr, errRefused) {
		return packErr
	}
	return err
}

var errRefused = errors.New("the engine reads no more")

// pack writes what sendFiles sends. Everything belongs to root, as if it had
// been made in the container.
func (p *plan) pack(ctx context.Context, to io.Writer, skip string) error {
	w := tar.NewWriter(to)
	dir := func(name string, mode int64) error {
		return w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: strings.Trim(name, "/") + "/", Mode: mode})
	}
	if err := dir(outputDir, 0o777); err != nil {
		return err
	}
	if main := p.spec.Main(); main != "" {
		if err := dir(hookDir, 0o755); err != nil {
			return err
		}
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: strings.Trim(hookDir, "/") + "/main.sh", Mode: 0o755, Size: int64(len(main))}); err != nil {
			return err
		}
		if _, err := io.WriteString(w, main); err != nil {
			return err
		}
	}
	if p.source != "" {
		target := strings.Trim(path.Clean(p.spec.MountPath), "/")
		if err := dir(target, 0o777); err != nil {
			return err
		}
		if err := packTree(ctx, w, p.source, target, skip); err != nil {
			return fmt.Errorf("copy the source: %w", err)
		}
	}
	return w.Close()
}

// packTree writes everything below root, with names below target.
func packTree(ctx context.Context, w *tar.Writer, root, target, skip string) error {
	return filepath.WalkDir(root, func(at string, d fs.DirEntry, err error) error {
		if err != nil {
			return gone(err)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if at == root {
			return nil
		}
		if at == skip {
			return fs.SkipDir
		}
		rel, err := filepath.Rel(root, at)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return gone(err)
		}
		return packOne(w, at, target+"/"+filepath.ToSlash(rel), info)
	})
}

func packOne(w *tar.Writer, at, name string, info fs.FileInfo) error {
	header := &tar.Header{Name: name, Mode: int64(info.Mode().Perm()), ModTime: info.ModTime()}
	switch {
	case info.IsDir():
		header.Typeflag, header.Name = tar.TypeDir, name+"/"
		return w.WriteHeader(header)
	case info.Mode()&fs.ModeSymlink != 0:
		link, err := os.Readlink(at)
		if err != nil {
			return gone(err)
		}
		header.Typeflag, header.Linkname = tar.TypeSymlink, filepath.ToSlash(link)
		return w.WriteHeader(header)
	case !info.Mode().IsRegular():
		return nil
	}
	f, err := os.Open(at)
	if err != nil {
		return gone(err)
	}
	defer f.Close()
	// The size as of now; a file that changes meanwhile is cut, or filled up.
	if info, err = f.Stat(); err != nil {
		return err
	}
	header.Typeflag, header.Size = tar.TypeReg, info.Size()
	if err := w.WriteHeader(header); err != nil {
		return err
	}
	n, err := io.Copy(w, io.LimitReader(f, header.Size))
	if err == nil && n < header.Size {
		_, err = io.CopyN(w, zeros{}, header.Size-n)
	}
	return err
}

type zeros struct{}

// Read implements io.Reader.
func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// gone forgives what vanished while it was being copied: people keep working
// while their builds run.
func gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// outputsOnHost reads what the job wrote to $BRIGADE_OUTPUT. The job is over,
// and what it left is not to be trusted: only a regular file is read, and
// links lead nowhere.
func outputsOnHost(dir string) ([]byte, error) {
	root, err := os.OpenRoot(filepath.Join(dir, "output"))
	if err != nil {
		return nil, err
	}
	defer root.Close()
	info, err := root.Lstat(outputName)
	if err != nil || !info.Mode().IsRegular() {
		return nil, gone(err)
	}
	f, err := root.Open(outputName)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, brigade.MaxOutputsBytes))
}

// maxOutputDir bounds what is read of a container's output directory, in which
// a job may have left other things.
const maxOutputDir = 64 << 20

// outputsInContainer does the same through the API. It asks for the directory,
// not for the file: some engines would follow a link in its place.
func outputsInContainer(ctx context.Context, e *engine, id string) ([]byte, error) {
	result, err := e.CopyFromContainer(ctx, id, client.CopyFromContainerOptions{SourcePath: outputDir})
	if isNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer result.Content.Close()
	archive := tar.NewReader(io.LimitReader(result.Content, maxOutputDir))
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		if path.Clean(header.Name) != path.Join(path.Base(outputDir), outputName) {
			continue
		}
		if header.Typeflag != tar.TypeReg {
			return nil, nil
		}
		return io.ReadAll(io.LimitReader(archive, brigade.MaxOutputsBytes))
	}
}
