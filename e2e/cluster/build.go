package cluster

import (
	"bufio"
	"context"
	"crypto/sha256"
	_ "embed" // the sources of what is built
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// The module of the program that is a whole Kubernetes. Its go.mod is the one
// place that says which version; its go.sum pins every byte of it.
var (
	//go:embed kube/main.go.txt
	kubeMain string
	//go:embed kube/go.mod.txt
	kubeMod string
	//go:embed kube/go.sum.txt
	kubeSum string

	//go:embed supervise/main.go
	superviseMain string
	//go:embed supervise/node.go
	superviseNode string
)

// CacheEnv is the environment variable that names the directory in which
// built programs are kept. The default is brigade/kube in the user's cache.
const CacheEnv = "BRIGADE_KUBE_CACHE"

// ErrNotBuilt is what Programs returns when a program is not in the cache and
// the caller did not ask for a build.
var ErrNotBuilt = errors.New("Kubernetes " + Version() + " is not built on this machine: `make cluster` does it, once")

// programs are the names the one program answers to.
var programs = []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "kubelet", "kubectl"}

// Version is the version of Kubernetes: "v1.36.3".
func Version() string {
	for line := range strings.Lines(kubeMod) {
		fields := strings.Fields(strings.TrimPrefix(line, "require "))
		if len(fields) >= 2 && fields[0] == "k8s.io/kubernetes" {
			return fields[1]
		}
	}
	return "v0.0.0"
}

// Bin is where the built programs are.
type Bin struct {
	Dir       string // etcd, kube-apiserver, kubectl …
	Supervise string // the path of the supervisor
}

// Path returns the path of a program: "kubectl".
func (b Bin) Path(name string) string { return filepath.Join(b.Dir, name) }

// source is something to build: files of a module.
type source struct {
	name  string // of the program
	dir   string // in the cache; a hash of the files is added
	files map[string]string
	flags []string
	links []string // further names of the program
}

func sources() (kube, supervise source) {
	minor, _, _ := strings.Cut(strings.TrimPrefix(Version(), "v1."), ".")
	v := "k8s.io/component-base/version."
	kube = source{
		name: "kube", dir: Version(), links: programs,
		files: map[string]string{"main.go": kubeMain, "go.mod": kubeMod, "go.sum": kubeSum},
		flags: []string{"-v", "-ldflags", "-s -w -X " + v + "gitVersion=" + Version() + " -X " + v + "gitMajor=1 -X " + v + "gitMinor=" + minor},
	}
	supervise = source{
		name: "supervise", dir: "supervise",
		files: map[string]string{"main.go": superviseMain, "node.go": superviseNode, "go.mod": "module supervise\n\ngo 1.26\n"},
	}
	return kube, supervise
}

// Cached returns the programs if they are there, and else ErrNotBuilt. It
// builds the small supervisor when that is missing, in a second or two.
func Cached(ctx context.Context) (Bin, error) { return programsIn(ctx, false, io.Discard) }

// Build returns the programs and builds them when they are not there, which
// takes minutes and the network; progress gets a line now and then. Two who
// build at once build once.
func Build(ctx context.Context, progress io.Writer) (Bin, error) {
	return programsIn(ctx, true, progress)
}

func programsIn(ctx context.Context, build bool, progress io.Writer) (Bin, error) {
	if runtime.GOOS != "linux" {
		return Bin{}, fmt.Errorf("a cluster needs Linux, this is %s", runtime.GOOS)
	}
	cache, err := cacheDir()
	if err != nil {
		return Bin{}, err
	}
	kube, supervise := sources()
	b := Bin{Dir: kube.place(cache), Supervise: filepath.Join(supervise.place(cache), supervise.name)}
	if !kube.built(cache) {
		if !build {
			return Bin{}, ErrNotBuilt
		}
		if err := kube.build(ctx, cache, progress); err != nil {
			return Bin{}, err
		}
	}
	if !supervise.built(cache) {
		if err := supervise.build(ctx, cache, progress); err != nil {
			return Bin{}, err
		}
	}
	return b, nil
}

func cacheDir() (string, error) {
	dir := os.Getenv(CacheEnv)
	if dir == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("find a place for Kubernetes, which %s may name: %w", CacheEnv, err)
		}
		dir = filepath.Join(base, "brigade", "kube")
	}
	return filepath.Abs(dir)
}

// place is the directory of a built program: its name says what is in it, so
// that it never has to change.
func (s source) place(cache string) string {
	h := sha256.New()
	for _, name := range []string{"main.go", "node.go", "go.mod", "go.sum"} {
		fmt.Fprintf(h, "%s %d\n%s", name, len(s.files[name]), s.files[name])
	}
	return filepath.Join(cache, s.dir+"-"+hex.EncodeToString(h.Sum(nil))[:8])
}

func (s source) built(cache string) bool {
	_, err := os.Stat(filepath.Join(s.place(cache), s.name))
	return err == nil
}

// build makes the program beside its place and moves it there when all is
// done, under a lock.
func (s source) build(ctx context.Context, cache string, progress io.Writer) error {
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return fmt.Errorf("make the cache: %w", err)
	}
	unlock, err := lock(ctx, filepath.Join(cache, s.dir+".lock"), func() {
		fmt.Fprintf(progress, "waiting for another process that builds %s\n", s.name)
	})
	if err != nil {
		return err
	}
	defer unlock()
	if s.built(cache) {
		return nil
	}
	temp, err := os.MkdirTemp(cache, "build-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	src, bin := filepath.Join(temp, "src"), filepath.Join(temp, "bin")
	for _, dir := range []string{src, bin} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
	}
	for name, text := range s.files {
		if err := os.WriteFile(filepath.Join(src, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	started := time.Now()
	if err := s.compile(ctx, src, filepath.Join(bin, s.name), progress); err != nil {
		return err
	}
	for _, link := range s.links {
		if err := os.Symlink(s.name, filepath.Join(bin, link)); err != nil {
			return err
		}
	}
	if err := os.Rename(bin, s.place(cache)); err != nil {
		return fmt.Errorf("put %s into its place: %w", s.name, err)
	}
	fmt.Fprintf(progress, "built %s in %s\n", s.dir, time.Since(started).Round(time.Second))
	return nil
}

func (s source) compile(ctx context.Context, src, out string, progress io.Writer) error {
	args := append([]string{"build", "-trimpath", "-buildvcs=false", "-o", out}, s.flags...)
	cmd := exec.CommandContext(ctx, "go", append(args, ".")...)
	cmd.Dir = src
	// The same program whoever builds it: no flags of theirs, no C compiler.
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off", "GOOS=", "GOARCH=", "GO111MODULE=on")
	pipe, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("build %s: %w", s.name, err)
	}
	said := watchBuild(pipe, progress)
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", s.name, err, said)
	}
	return nil
}

// watchBuild counts what the go command tells, reports every few seconds, and
// returns the last lines that are not progress.
func watchBuild(r io.Reader, progress io.Writer) string {
	var tail []string
	fetched, compiled := 0, 0
	next := time.Now().Add(5 * time.Second)
	for lines := bufio.NewScanner(r); lines.Scan(); {
		line := lines.Text()
		switch {
		case strings.HasPrefix(line, "go: downloading "):
			fetched++
		case !strings.Contains(line, " ") && !strings.Contains(line, ":"):
			compiled++ // -v prints a package's path
		default:
			tail = append(tail, line)
			tail = tail[max(0, len(tail)-30):]
		}
		if time.Now().After(next) {
			fmt.Fprintf(progress, "%d modules fetched, %d packages compiled\n", fetched, compiled)
			next = time.Now().Add(5 * time.Second)
		}
	}
	return strings.Join(tail, "\n")
}
