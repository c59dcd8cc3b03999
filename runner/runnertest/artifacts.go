package runnertest

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
)

func artifactTests() []test {
	artifacts := func(f Features) bool { return f.Artifacts }
	withSource := func(f Features) bool { return f.Tasks && f.Artifacts && f.Source }
	return []test{
		{"Artifacts", artifacts, artifactsAreKept},
		{"ArtifactsThatCannotBeKept", artifacts, artifactsThatCannotBeKept},
		{"ArtifactsByPattern", withSource, artifactsByPattern},
		{"ArtifactsOfSource", withSource, artifactsOfSource},
		{"ArtifactsOdd", withSource, artifactsOdd},
		{"ArtifactsOfFailedJob", withSource, artifactsOfFailedJob},
		{"ArtifactsOfStoppedJob", withSource, artifactsOfStoppedJob},
		{"ArtifactsWithoutSource", both(artifacts), artifactsWithoutSource},
		{"ArtifactsLarge", withSource, artifactsLarge},
	}
}

// keeper is a JobRun.Keep that remembers.
type keeper struct {
	h     *harness
	mu    sync.Mutex
	files map[string]string
	over  bool // Wait has returned
	fail  error
}

func (k *keeper) keep(name string, size int64, content io.Reader) error {
	text, err := io.ReadAll(content)
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.over {
		k.h.Errorf("%s is kept after Wait returned", name)
	}
	if err != nil || int64(len(text)) != size {
		k.h.Errorf("%s has %d bytes and is said to have %d, error %v", name, len(text), size, err)
	}
	if _, twice := k.files[name]; twice {
		k.h.Errorf("%s is kept twice", name)
	}
	k.files[name] = string(text)
	return k.fail
}

// startKeeping starts a job whose artifacts are kept.
func (h *harness) startKeeping(spec brigade.JobSpec, source string, k *keeper) *started {
	h.Helper()
	k.h, k.files = h, map[string]string{}
	log := newLogBuffer(h.T)
	run := h.runOf(spec, source, log)
	run.Keep = k.keep
	exe, err := h.runner.Start(h.ctx, run)
	if err != nil {
		h.Fatalf("Start of job %s: %v", spec.Name, err)
	}
	return &started{h: h, exe: exe, log: log}
}

// end waits for the end and returns what was kept, as name=content.
func (k *keeper) end(s *started) (exit brigade.Exit, kept, out string) {
	k.h.Helper()
	exit, out = s.wait()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.over = true
	var all []string
	for _, name := range slices.Sorted(maps.Keys(k.files)) {
		all = append(all, name+"="+strings.TrimSuffix(k.files[name], "\n"))
	}
	return exit, strings.Join(all, " "), out
}

// wantKept runs the job and compares what is kept of it.
func (h *harness) wantKept(spec brigade.JobSpec, source, want string) (out string) {
	h.Helper()
	var k keeper
	exit, kept, out := k.end(h.startKeeping(spec, source, &k))
	if exit.Code != 0 || kept != want {
		h.Errorf("artifacts %q of job %s: exit %d, kept\n%.300s\nwant\n%.300s\noutput %s", spec.Artifacts, spec.Name, exit.Code, kept, want, tail(out))
	}
	return out
}

func (h *harness) artifactSpec(name string, patterns []string, tasks ...string) brigade.JobSpec {
	spec := h.spec(name, append([]string{"cd " + h.src()}, tasks...)...)
	spec.Artifacts = patterns
	return spec
}

func artifactsAreKept(h *harness) {
	source := h.tree(map[string]string{"README": "read me\n"})
	spec := env(h.artifactSpec("artifacts", []string{"out.txt"}, "echo kept > out.txt", "echo other > other.txt"), "DUMMY_ARTIFACTS", "out.txt=kept\\nother.txt=other")
	h.wantKept(spec, source, "out.txt=kept")
	spec.Artifacts = nil
	h.wantKept(spec, source, "")
	spec.Artifacts = []string{"out.txt"}
	if exit, out := h.startIn(spec, source).wait(); exit.Code != 0 { // nobody keeps them
		h.Errorf("exit %d\n%s", exit.Code, out)
	}
}

// artifactsThatCannotBeKept do not make the job fail, and its log says so.
func artifactsThatCannotBeKept(h *harness) {
	k := keeper{fail: errors.New("no room for it")}
	spec := env(h.artifactSpec("artifacts-fail", []string{"out.txt"}, "echo kept > out.txt"), "DUMMY_ARTIFACTS", "out.txt=kept")
	exit, kept, out := k.end(h.startKeeping(spec, h.tree(map[string]string{"README": ""}), &k))
	if exit.Code != 0 || kept != "out.txt=kept" || !strings.Contains(out, "no room for it") || !strings.Contains(out, "out.txt") {
		h.Errorf("exit %d, kept %q, output\n%s", exit.Code, kept, out)
	}
}

func artifactsByPattern(h *harness) {
	tasks := []string{"mkdir -p dist/deep/er .cache 'with space'", "for f in a.txt dist/b.txt dist/deep/c.txt dist/deep/er/d.bin .cache/e.txt 'with space/f.txt'; do echo $f > \"$f\"; done"}
	for _, c := range []struct{ patterns, want string }{
		{"dist", "dist/b.txt=dist/b.txt dist/deep/c.txt=dist/deep/c.txt dist/deep/er/d.bin=dist/deep/er/d.bin"},
		{"**/*.txt", ".cache/e.txt=.cache/e.txt a.txt=a.txt dist/b.txt=dist/b.txt dist/deep/c.txt=dist/deep/c.txt with space/f.txt=with space/f.txt"},
		{"*.txt dist/*/*.txt", "a.txt=a.txt dist/deep/c.txt=dist/deep/c.txt"},
		{"/src/dist/**/er ./a.txt", "a.txt=a.txt dist/deep/er/d.bin=dist/deep/er/d.bin"},
		{"dist dist/b.txt dist/*", "dist/b.txt=dist/b.txt dist/deep/c.txt=dist/deep/c.txt dist/deep/er/d.bin=dist/deep/er/d.bin"},
	} {
		h.wantKept(h.artifactSpec("patterns", strings.Fields(c.patterns), tasks...), h.tree(map[string]string{"README": ""}), c.want)
	}
	out := h.wantKept(h.artifactSpec("nothing", []string{"missing/*.x", "../../etc/passwd", "/etc/passwd", "["}, tasks...), h.tree(map[string]string{"README": ""}), "")
	for _, said := range []string{"missing/*.x", "../../etc/passwd", "/etc/passwd", "["} {
		if !strings.Contains(out, said) {
			h.Errorf("the log does not say that %s names nothing:\n%s", said, out)
		}
	}
}

// artifactsOfSource sees what the job has at its end: files of the source too,
// as it has changed them.
func artifactsOfSource(h *harness) {
	source := h.tree(map[string]string{"same": "same", "changed": "before", "gone": "x", "dir/gone": "x", "dir/same": "d", "replaced/old": "x", "moved/file": "m"})
	h.wantKept(h.artifactSpec("of-source", []string{"**"}, "echo after > changed", "rm gone dir/gone", "rm -r replaced", "mkdir replaced", "echo new > replaced/new", "mv moved there"),
		source, "changed=after dir/same=d replaced/new=new same=same there/file=m")
}

// artifactsOdd has what must neither make the runner hang nor hand out a file
// of the host.
func artifactsOdd(h *harness) {
	source := h.tree(map[string]string{"README": "r", "dir/in": "inside"})
	h.wantKept(h.artifactSpec("odd", []string{"**"},
		"ln -s /etc/passwd passwd", "ln -s ../../../../../../../../etc/passwd relative", "ln -s / root", "ln -s dir linked", "ln -s nothing dangling", "ln -s loop loop",
		"mkfifo pipe", "ln -s dir/in link", "mkfifo dir/pipe"),
		source, "README=r dir/in=inside link=inside")
}

func artifactsOfFailedJob(h *harness) {
	var k keeper
	exit, kept, _ := k.end(h.startKeeping(h.artifactSpec("failed", []string{"report"}, "echo why > report", "exit 3"), h.tree(map[string]string{"README": ""}), &k))
	if exit.Code != 3 || kept != "report=why" {
		h.Errorf("exit %d, kept %q", exit.Code, kept)
	}
}

// artifactsOfStoppedJob keeps what there is, though a child holds on.
func artifactsOfStoppedJob(h *harness) {
	for _, grace := range []time.Duration{0, time.Minute} {
		var k keeper
		s := h.startKeeping(h.artifactSpec("stopped", []string{"report"}, "echo half > report", "echo ready", "sleep 600 & wait"), h.tree(map[string]string{"README": ""}), &k)
		s.await("ready")
		if err := s.exe.Stop(h.ctx, grace); err != nil {
			h.Errorf("Stop: %v", err)
		}
		if exit, kept, _ := k.end(s); exit.Code == 0 || kept != "report=half" {
			h.Errorf("with grace %v: exit %d, kept %q", grace, exit.Code, kept)
		}
	}
}

func artifactsWithoutSource(h *harness) {
	spec := h.spec("without-source", "mkdir -p "+h.src(), "echo made > "+h.src()+"/made")
	spec.Artifacts = []string{"made"}
	h.wantKept(spec, "", "made=made")
}

func artifactsLarge(h *harness) {
	const size = 8 << 20
	var k keeper
	exit, kept, out := k.end(h.startKeeping(h.artifactSpec("large", []string{"large", "n"}, fmt.Sprintf("yes | head -c %d > large", size), "mkdir n", "for i in 1 2 3 4 5 6 7 8 9; do for j in 1 2 3 4 5 6 7 8 9; do echo $j > n/$i$j; done; done"), h.tree(map[string]string{"README": ""}), &k))
	if exit.Code != 0 || len(k.files) != 82 || len(k.files["large"]) != size || k.files["n/11"] != "1\n" {
		h.Errorf("exit %d, %d files and %d bytes kept\n%s", exit.Code, len(k.files), len(kept), out)
	}
}
