// Command image builds the image of the program without a container engine: an
// OCI archive with a manifest for each platform, the same bit for bit whenever
// it is built from the same commit with the same Go.
//
//	go run ./deploy/image -o dist/brig-image.tar
//
// podman load, docker load and ctr images import read it.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// options are what an image is made of.
type options struct {
	out       string
	name, tag string
	platforms []platform
	version   string
	revision  string
	time      time.Time // of everything in it
	binaries  map[string]string
	fast      bool // packed in less time, and larger
}

// platform is an operating system and a processor.
type platform struct{ os, arch string }

func (p platform) String() string { return p.os + "/" + p.arch }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	opt, err := read(ctx, os.Args[1:], os.Getenv)
	if err == nil {
		err = run(ctx, opt, os.Stdout)
	}
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

// read reads the command line. What is not said comes from git.
func read(ctx context.Context, args []string, getenv func(string) string) (options, error) {
	opt := options{binaries: map[string]string{}}
	flags := flag.NewFlagSet("image", flag.ContinueOnError)
	flags.StringVar(&opt.out, "o", "dist/brig-image.tar", "the archive to write")
	flags.StringVar(&opt.name, "name", "ghcr.io/brigadecore/brigade", "the image's name, with its registry")
	flags.StringVar(&opt.tag, "tag", "", "its tag (default: the version)")
	flags.StringVar(&opt.version, "version", getenv("VERSION"), "the program's version (default: what git describe says)")
	flags.BoolVar(&opt.fast, "fast", false, "pack in less time, which makes it larger: for tests")
	list := flags.String("platform", "linux/amd64,linux/arm64", "the platforms, with commas between")
	flags.Func("binary", "use a program that was built already: `platform=file`, such as linux/amd64=bin/brig", func(text string) error {
		name, file, ok := strings.Cut(text, "=")
		if !ok {
			return errors.New("write platform=file")
		}
		opt.binaries[name] = file
		return nil
	})
	if err := flags.Parse(args); err != nil {
		return opt, err
	}
	for text := range strings.SplitSeq(*list, ",") {
		os, arch, ok := strings.Cut(strings.TrimSpace(text), "/")
		if !ok || os != "linux" || arch == "" {
			return opt, fmt.Errorf("%q is no platform of an image: write linux/amd64 or linux/arm64", text)
		}
		opt.platforms = append(opt.platforms, platform{os, arch})
	}
	opt.version = cmp.Or(opt.version, git(ctx, "describe", "--tags", "--always", "--dirty"), "development")
	opt.revision = git(ctx, "rev-parse", "HEAD")
	opt.tag = cmp.Or(opt.tag, tagOf(opt.version))
	seconds, err := strconv.ParseInt(cmp.Or(getenv("SOURCE_DATE_EPOCH"), git(ctx, "log", "-1", "--format=%ct"), "0"), 10, 64)
	if err != nil {
		return opt, fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
	}
	opt.time = time.Unix(seconds, 0).UTC()
	return opt, nil
}

// git returns what git prints, or "" where there is no git or no repository.
func git(ctx context.Context, args ...string) string {
	out, err := exec.CommandContext(ctx, "git", args...).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

// tagOf makes a tag of a version: a plus is not allowed in one.
func tagOf(version string) string { return strings.ReplaceAll(version, "+", "-") }

// run builds the programs and the image, and says what came out.
func run(ctx context.Context, opt options, out io.Writer) error {
	temp, err := os.MkdirTemp("", "brig-image-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp) //nolint:errcheck // the system does it some day
	b := &layout{opt: opt, dir: temp}
	for _, p := range opt.platforms {
		file := opt.binaries[p.String()]
		if file == "" {
			file = filepath.Join(temp, "brig-"+p.arch)
			if err := build(ctx, p, opt.version, file); err != nil {
				return err
			}
		}
		if err := b.add(p, file); err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
	}
	digest, err := b.write(opt.out)
	if err != nil {
		return err
	}
	for _, image := range b.images {
		fmt.Fprintf(out, "%-12s %5.1f MB to pull, %5.1f MB on disk  %s\n", image.platform, float64(image.packed)/1e6, float64(image.unpacked)/1e6, image.manifest.Digest)
	}
	_, err = fmt.Fprintf(out, "%s:%s  %s  %s\n", opt.name, opt.tag, digest, opt.out)
	return err
}

// build builds the program for a platform.
func build(ctx context.Context, p platform, version, to string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w -X main.version="+version, "-o", to, "github.com/brigadecore/brigade/v3/cmd/brig")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+p.os, "GOARCH="+p.arch, "GOAMD64=v1", "GOARM64=v8.0")
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("build brig for %s: %w", p, err)
	}
	return nil
}
