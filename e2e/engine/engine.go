// Package engine starts a real container engine for tests and for people who
// have none: Podman's service, which speaks the Docker Engine API, with a
// storage of its own, images made on the spot from busybox, and a registry on
// the loopback interface. Nothing is fetched from the network, and nothing is
// left behind.
package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// DefaultImages are the images an engine has when Options names none.
var DefaultImages = []string{
	"docker.io/library/alpine:3.8",
	"docker.io/library/alpine:3.20",
	"docker.io/library/alpine:latest",
	"docker.io/library/busybox:latest",
	"docker.io/library/ubuntu:latest",
}

// Options say what kind of engine to start. The zero value is a good one.
type Options struct {
	// Images are the names under which the busybox image is there from the
	// beginning, fully qualified; nil means DefaultImages.
	Images []string
	// Pullable are the names under which the loopback registry serves it,
	// without the registry's address: "team/tool:1". See Engine.Pullable.
	Pullable []string
	// Username and Password guard the registry when not empty.
	Username, Password string
	// Driver is the storage driver: overlay or vfs. The default is overlay
	// where it works, else vfs.
	Driver string
	// Stderr takes what the service prints; nil drops it.
	Stderr io.Writer
}

// Engine is a running engine. It is safe for concurrent use.
type Engine struct {
	// Host is its address: unix:///….
	Host string
	// Registry is the address of the loopback registry: "127.0.0.1:40123".
	Registry string
	// Dir is where everything of the engine is; Close removes it.
	Dir string

	opts     Options
	env      []string
	registry *registry
	service  *service
	closing  sync.Once
	closed   error
}

// Available reports why no engine can be started on this machine, or nil.
func Available() error {
	if err := supported(); err != nil {
		return err
	}
	for _, program := range []string{"podman", "busybox"} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("%s is not installed (Debian: apt-get install podman runc busybox-static)", program)
		}
	}
	return nil
}

// Open starts an engine and returns once it answers. The caller closes it.
func Open(ctx context.Context, opts Options) (_ *Engine, err error) {
	if err := Available(); err != nil {
		return nil, err
	}
	if opts.Images == nil {
		opts.Images = DefaultImages
	}
	// The path of a unix socket may have about 100 bytes: keep it short.
	dir, err := os.MkdirTemp("/tmp", "brigade-engine-")
	if err != nil {
		return nil, fmt.Errorf("make the engine's directory: %w", err)
	}
	e := &Engine{Dir: dir, Host: "unix://" + filepath.Join(dir, "sock"), opts: opts}
	defer func() {
		if err != nil {
			err = errors.Join(err, e.Close())
		}
	}()
	rootfs, err := Busybox()
	if err != nil {
		return nil, err
	}
	if e.registry, err = serveRegistry(rootfs, opts); err != nil {
		return nil, err
	}
	e.Registry = e.registry.address
	if err := e.configure(ctx); err != nil {
		return nil, err
	}
	if err := e.importImages(ctx, rootfs); err != nil {
		return nil, err
	}
	if err := e.StartService(ctx); err != nil {
		return nil, err
	}
	return e, nil
}

// Pullable returns the name under which the engine pulls an image that
// Options.Pullable lists.
func (e *Engine) Pullable(name string) string { return e.Registry + "/" + name }

// Podman runs podman on the engine's storage and returns what it printed.
func (e *Engine) Podman(ctx context.Context, args ...string) (string, error) {
	return e.podman(ctx, nil, args...)
}

// Command is the command line Podman would run, for those who time it.
func (e *Engine) Command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "podman", append(e.flags(), args...)...)
	cmd.Env = e.env
	return cmd
}

func (e *Engine) podman(ctx context.Context, stdin io.Reader, args ...string) (string, error) {
	cmd := e.Command(ctx, args...)
	cmd.Stdin = stdin
	out, err := cmd.Output()
	if err != nil {
		text := err.Error()
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			text = strings.TrimSpace(string(exit.Stderr))
		}
		return string(out), fmt.Errorf("podman %s: %s", strings.Join(args, " "), text)
	}
	return string(out), nil
}

func (e *Engine) importImages(ctx context.Context, rootfs []byte) error {
	if len(e.opts.Images) == 0 {
		return nil
	}
	first, rest := e.opts.Images[0], e.opts.Images[1:]
	if _, err := e.podman(ctx, bytes.NewReader(rootfs), "import", "-c", `CMD ["/bin/sh"]`, "-", first); err != nil {
		return err
	}
	if len(rest) == 0 {
		return nil
	}
	_, err := e.podman(ctx, nil, append([]string{"tag", first}, rest...)...)
	return err
}

// StartService starts the service, which listens at Host, and returns once it
// answers. Open does it; tests call it again after StopService.
func (e *Engine) StartService(ctx context.Context) error {
	s, err := startService(e)
	if err != nil {
		return err
	}
	e.service = s
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return s.answers(ctx, strings.TrimPrefix(e.Host, "unix://"))
}

// StopService ends the service at once; the containers keep running, as they
// do when an engine crashes.
func (e *Engine) StopService() {
	if e.service != nil {
		e.service.kill()
		e.service = nil
	}
}

// Close ends the service and every container, and removes all that was made.
// It returns the same answer whenever called.
func (e *Engine) Close() error {
	e.closing.Do(func() { e.closed = e.close() })
	return e.closed
}

func (e *Engine) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var errs []error
	e.StopService()
	if e.env != nil {
		_, err := e.Podman(ctx, "rm", "--all", "--force", "--time", "0", "--volumes")
		errs = append(errs, err)
	}
	endStragglers(e.Dir)
	if e.registry != nil {
		errs = append(errs, e.registry.close())
	}
	errs = append(errs, removeTree(e.Dir))
	return errors.Join(errs...)
}
