package process

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/quantity"
)

// armed says that this program calls InitMain, so that starting it again is
// starting the init stage and nothing else.
var armed atomic.Bool

// initCommand is the first argument of the init stage.
const initCommand = "__brigade-job-init"

// InitMain has to be the first thing that main calls, with os.Args: isolated
// jobs begin as this very program, which then sets their namespaces up. When
// handled is true, main does nothing but exit with the code. A program that
// does not call it gets plain jobs only.
func InitMain(args []string) (handled bool, exit int) {
	armed.Store(true)
	if len(args) < 2 || args[1] != initCommand {
		return false, 0
	}
	return true, initMain()
}

// stage is what the init stage is told, on its file 3: one line of JSON.
// After it come commands, a byte each; the end of file ends the job.
type stage struct {
	Base    string // a directory to build on
	Probe   bool   // only try
	UserNS  bool
	NewProc bool
	Old     bool // do as on Linux before 5.12
	Hide    []string
	Show    []string
	Mounts  []mount
	State   string // not to be copied when the source is
	Main    string // the text of /hook/main.sh
	Argv    []string
	Env     []string
	Dir     string
	Memory  int64 // limit to watch for
	Linger  bool  // stay after the job's end, with its root, until the control file ends
}

// mount is one thing a job finds at a path.
type mount struct {
	Kind     string // bind, overlay, tmpfs
	From     string // a path of the host; with Staged a path below the stage's own tmpfs directory
	To       string
	Upper    string // of an overlay: a directory of the host, empty, that keeps what is written
	Work     string
	Staged   bool
	ReadOnly bool
	Size     string // of a tmpfs
}

const commandTerm = 'T'

// report is what the init stage says, on its file 4: lines of JSON.
type report struct {
	Running bool   `json:",omitempty"`
	Error   string `json:",omitempty"`
	Ended   bool   `json:",omitempty"`
	Code    int    `json:",omitempty"`
	Reason  string `json:",omitempty"`
}

// probe finds out, once, what the machine gives.
var probe = sync.OnceValue(func() level {
	if !armed.Load() {
		return level{why: "the program was built without the init stage"}
	}
	base := "/tmp"
	if info, err := os.Stat(base); err != nil || !info.IsDir() {
		base = "/var"
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	tries := []level{
		{isolated: true, userNS: true, newProc: true},
		{isolated: true, userNS: true, why: "jobs see the processes of the host, a new /proc is refused"},
	}
	if os.Geteuid() == 0 {
		tries = append(tries,
			level{isolated: true, newProc: true, why: "user namespaces are refused, jobs run as the host's root"},
			level{isolated: true, why: "user namespaces and a new /proc are refused"})
	}
	var first error
	for _, try := range tries {
		c, err := startStage(ctx, try, stage{Base: base, Probe: true}, nil, nil)
		if err == nil {
			c.wait()
			c.release()
			return try
		}
		if first == nil {
			first = err
		}
	}
	return level{why: fmt.Sprintf("namespaces are refused (%v)", first)}
})

// startIsolated starts the job in namespaces of its own.
func startIsolated(ctx context.Context, r *Runner, p *plan, dirs *jobDirs, out *os.File) (child, error) {
	mounts, home, err := p.mounts(dirs)
	if err != nil {
		return nil, err
	}
	work := home
	if p.source != "" {
		work = p.mount
	}
	hide := append([]string{"/home", "/root", realPath(r.opts.StateDir)}, r.opts.Hide...)
	s := stage{
		Base: dirs.root, Hide: hide, Show: r.opts.Show, Mounts: mounts, State: realPath(r.opts.StateDir),
		Main: p.spec.Main(), Argv: append([]string{p.shell, hookDir + "/main.sh"}, p.spec.Args...),
		Env: p.environment(home, "BRIGADE_OUTPUT="+outputDir+"/"+outputName),
		Dir: work, Linger: p.keeps,
	}
	if p.cgroup == "" {
		s.Memory = p.memory
	}
	group, err := makeCgroup(p, dirs)
	if err != nil {
		return nil, err
	}
	c, err := startStage(ctx, p.level, s, out, group)
	if err != nil {
		group.remove()
		return nil, p.refuse("could not be started: %v", err)
	}
	c.lingers, c.mount = p.keeps, p.mount
	return c, nil
}

// startStage starts an init stage and returns when the job runs (or, when
// only trying, when it worked).
func startStage(ctx context.Context, l level, s stage, out *os.File, group *cgroup) (*isolatedChild, error) {
	s.UserNS, s.NewProc, s.Old = l.userNS, l.newProc, l.old
	controlIn, control, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer controlIn.Close()
	reports, reportsOut, err := os.Pipe()
	if err != nil {
		_ = control.Close()
		return nil, err
	}
	defer reportsOut.Close()
	c := &isolatedChild{control: control, reports: reports, decoder: json.NewDecoder(bufio.NewReader(reports)), group: group}
	c.cmd = &exec.Cmd{
		Path: "/proc/self/exe", Args: []string{"brigade-job", initCommand}, Env: []string{"GOMAXPROCS=2"}, Dir: "/",
		ExtraFiles: []*os.File{controlIn, reportsOut}, SysProcAttr: namespaces(l),
	}
	if out != nil {
		c.cmd.Stdout, c.cmd.Stderr = out, out
	}
	group.hold(c.cmd.SysProcAttr)
	if err := c.cmd.Start(); err != nil {
		_ = control.Close()
		_ = reports.Close()
		return nil, err
	}
	stop := context.AfterFunc(ctx, c.kill)
	defer stop()
	_ = reportsOut.Close()
	_ = controlIn.Close()
	// A stage that dies of it shows below.
	_ = json.NewEncoder(control).Encode(s)
	var first report
	err = c.decoder.Decode(&first)
	if err == nil && first.Error != "" {
		err = errors.New(first.Error)
	}
	if err == nil && first.Running {
		return c, nil
	}
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	} else if err == nil || errors.Is(err, io.EOF) {
		err = errors.New("the init stage ended")
	}
	c.kill()
	_ = c.cmd.Wait() // how it ended says nothing more
	_ = control.Close()
	_ = reports.Close()
	return nil, err
}

// namespaces are the namespaces of a job. In a user namespace everybody stays
// who they are: root maps all it has, others themselves only.
func namespaces(l level) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{
		Setsid:     true, // Ctrl-C at the terminal is for us
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS,
	}
	if !l.userNS {
		return attr
	}
	attr.Cloneflags |= syscall.CLONE_NEWUSER
	if os.Geteuid() == 0 {
		attr.UidMappings, attr.GidMappings = ownMappings("/proc/self/uid_map"), ownMappings("/proc/self/gid_map")
		setgroups, err := os.ReadFile("/proc/self/setgroups")
		attr.GidMappingsEnableSetgroups = err == nil && strings.HasPrefix(string(setgroups), "allow")
		return attr
	}
	attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: os.Geteuid(), HostID: os.Geteuid(), Size: 1}}
	attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getegid(), HostID: os.Getegid(), Size: 1}}
	// Someone other than root would lose these on exec.
	attr.AmbientCaps = stageCapabilities
	return attr
}

// ownMappings maps every ID of the program's own namespace to itself.
func ownMappings(file string) []syscall.SysProcIDMap {
	text, err := os.ReadFile(file)
	if err != nil {
		return []syscall.SysProcIDMap{{Size: 1}}
	}
	var maps []syscall.SysProcIDMap
	for line := range strings.Lines(string(text)) {
		var inside, outside, size int
		if _, err := fmt.Sscan(line, &inside, &outside, &size); err == nil {
			maps = append(maps, syscall.SysProcIDMap{ContainerID: inside, HostID: inside, Size: size})
		}
	}
	return maps
}

// isolatedChild is an init stage and the job below it.
type isolatedChild struct {
	cmd     *exec.Cmd
	reports *os.File
	decoder *json.Decoder
	group   *cgroup
	lingers bool   // the stage stays after the job's end, until release
	mount   string // where the job's source is

	mu      sync.Mutex
	control *os.File // nil after the end
}

func (c *isolatedChild) term() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.control != nil {
		_, _ = c.control.Write([]byte{commandTerm}) // it has ended: fine
	}
}

// kill ends the init stage, and thereby all processes of its pid namespace.
func (c *isolatedChild) kill() { _ = c.cmd.Process.Kill() } // it has ended: fine

func (c *isolatedChild) wait() result {
	var last report
	decoded := c.decoder.Decode(&last)
	c.lingers = c.lingers && decoded == nil && last.Ended
	var err error
	if !c.lingers {
		err = c.cmd.Wait()
		c.closeControl()
	}
	res := result{code: last.Code, reason: last.Reason}
	if c.group.outOfMemory() {
		res.reason = reasonMemory
	}
	if decoded == nil && last.Ended {
		return res
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return result{err: err}
	}
	res.code = exitCode(c.cmd.ProcessState)
	if res.code == 0 { // an init stage that says nothing has not succeeded
		return result{err: errors.New("the init stage ended without a result")}
	}
	return res
}

func (c *isolatedChild) closeControl() {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.control.Close()
	c.control = nil
}

// files implements child. The way leads through the root of the init stage,
// which nobody in the job can change any more: all its processes are gone. Of
// the links on it none leads out of that root.
func (c *isolatedChild) files() (*os.Root, error) {
	if !c.lingers {
		return nil, errors.New("the job's root is gone")
	}
	root, err := os.OpenRoot(fmt.Sprintf("/proc/%d/root", c.cmd.Process.Pid))
	if err != nil {
		return nil, err
	}
	defer root.Close() //nolint:errcheck // it was only read
	return root.OpenRoot(strings.TrimPrefix(c.mount, "/"))
}

func (c *isolatedChild) release() {
	if c.lingers {
		c.closeControl()
		_ = c.cmd.Wait() // how the job ended is known
	}
	_ = c.reports.Close()
	c.group.remove()
}

// Where isolated jobs find the directory of $BRIGADE_OUTPUT, and main.sh.
const (
	outputDir = "/mnt/brigade/output"
	hookDir   = "/hook"
)

// mounts lists what the job finds where, and its home.
func (p *plan) mounts(dirs *jobDirs) (all []mount, home string, err error) {
	home = "/root"
	if os.Geteuid() != 0 {
		home = filepath.Join("/home", filepath.Base(userName()))
	}
	bind := func(from, to string, readOnly bool) {
		all = append(all, mount{Kind: "bind", From: from, To: to, ReadOnly: readOnly})
	}
	bind(dirs.path("home"), home, false)
	bind(dirs.path("tmp"), "/tmp", false)
	bind(dirs.path("tmp"), "/var/tmp", false)
	bind(dirs.path("out"), outputDir, false)
	if dirs.share != "" {
		bind(dirs.share, p.spec.Storage.Path, false)
	}
	if dirs.cache != "" {
		bind(dirs.cache, p.spec.Cache.Path, false)
	}
	if p.source != "" {
		all = append(all, mount{Kind: "overlay", From: p.source, To: p.mount, Upper: dirs.path("src"), Work: dirs.path("work")})
	} else if p.keeps {
		bind(dirs.path("src"), p.mount, false)
	}
	const socket = "/var/run/docker.sock"
	if p.spec.Docker.Enabled {
		if resolved, err := filepath.EvalSymlinks(socket); err == nil {
			bind(resolved, socket, false)
		} else {
			p.note("docker.enabled has no effect, there is no %s", socket)
		}
	}
	volumes, err := p.volumeMounts(dirs)
	if err != nil {
		return nil, "", err
	}
	all = append(all, volumes...)
	all, err = p.withoutDoubles(all)
	return all, home, err
}

// withoutDoubles lets what the job asks for replace the home and temporary
// directories; nothing else can be at one path with something else.
func (p *plan) withoutDoubles(all []mount) ([]mount, error) {
	const replaceable = 3 // the first ones
	at := map[string]int{}
	out := all[:0:0]
	for _, m := range all {
		if j, ok := at[m.To]; ok && m.To != "" {
			if j >= replaceable {
				return nil, p.refuse("has two things at %s", m.To)
			}
			out[j] = m
			continue
		}
		at[m.To] = len(out)
		out = append(out, m)
	}
	return out, nil
}

// volumeMounts makes the directories of the job's volumes.
func (p *plan) volumeMounts(dirs *jobDirs) ([]mount, error) {
	var all []mount
	staged := map[string]bool{}
	for _, m := range p.spec.VolumeMounts {
		v := p.volumes[m.Name]
		to := mount{Kind: "bind", To: m.MountPath, ReadOnly: m.ReadOnly}
		sub := filepath.FromSlash(m.SubPath)
		switch {
		case v.HostPath != nil:
			from, err := p.hostPath(*v.HostPath, sub)
			if err != nil {
				return nil, err
			}
			to.From = from
		case v.EmptyDir.Medium == "Memory":
			if !staged[v.Name] {
				staged[v.Name] = true
				size, err := memorySize(v.EmptyDir.SizeLimit)
				if err != nil {
					return nil, p.refuse("has volume %q with sizeLimit %q, which is not a quantity such as 64Mi", v.Name, v.EmptyDir.SizeLimit)
				}
				all = append(all, mount{Kind: "tmpfs", From: stagedName(v.Name), Staged: true, Size: size})
			}
			to.From, to.Staged = filepath.Join(stagedName(v.Name), sub), true
		default:
			to.From = filepath.Join(dirs.path("vol"), stagedName(v.Name), sub)
			if err := os.MkdirAll(to.From, 0o777); err != nil {
				return nil, err
			}
		}
		all = append(all, to)
	}
	return all, nil
}

// stagedName is a volume's name as a file name, whatever the name is.
func stagedName(volume string) string { return "v-" + fmt.Sprintf("%x", volume) }

func memorySize(limit string) (string, error) {
	if limit == "" {
		return "", nil
	}
	v, err := quantity.Bytes(limit)
	if err != nil || v < 1 {
		return "", errors.New("not a size")
	}
	return strconv.FormatInt(min(v, 1<<50), 10), nil
}

// hostPath resolves a hostPath volume, making it when its type says so.
func (p *plan) hostPath(h brigade.HostPath, sub string) (string, error) {
	if !filepath.IsAbs(h.Path) || strings.Contains(h.Path, "\x00") {
		return "", p.refuse("has a hostPath %q that is not an absolute path", h.Path)
	}
	switch h.Type {
	case "DirectoryOrCreate":
		if err := os.MkdirAll(h.Path, 0o755); err != nil {
			return "", p.refuse("has a hostPath that cannot be made: %v", err)
		}
	case "FileOrCreate":
		f, err := os.OpenFile(h.Path, os.O_CREATE|os.O_RDONLY, 0o644)
		if err != nil {
			return "", p.refuse("has a hostPath that cannot be made: %v", err)
		}
		_ = f.Close()
	}
	base, err := filepath.EvalSymlinks(h.Path)
	if err != nil {
		return "", p.refuse("has a hostPath that is not there: %v", err)
	}
	resolved, err := filepath.EvalSymlinks(filepath.Join(base, sub))
	if err != nil {
		return "", p.refuse("has a subPath that is not there: %v", err)
	}
	if rel, err := filepath.Rel(base, resolved); err != nil || !filepath.IsLocal(rel) {
		return "", p.refuse("has subPath %q, which leads out of hostPath %s", sub, h.Path)
	}
	info, err := os.Stat(base)
	if err != nil {
		return "", p.refuse("has a hostPath that cannot be read: %v", err)
	}
	mode := info.Mode()
	fits := map[string]bool{
		"": true, "Directory": mode.IsDir(), "DirectoryOrCreate": mode.IsDir(), "File": mode.IsRegular(), "FileOrCreate": mode.IsRegular(),
		"Socket": mode&os.ModeSocket != 0, "CharDevice": mode&os.ModeCharDevice != 0, "BlockDevice": mode&os.ModeDevice != 0 && mode&os.ModeCharDevice == 0,
	}
	if !fits[h.Type] {
		return "", p.refuse("has hostPath %s, which is not of type %s", h.Path, h.Type)
	}
	return resolved, nil
}
