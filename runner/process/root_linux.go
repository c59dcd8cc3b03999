package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// While the root is built, the root directory is a small tmpfs with
//
//	/oldroot   the host, as it is
//	/newroot   what the job will see
//	/stage     directories under short names
const (
	oldRoot  = "/oldroot"
	newRoot  = "/newroot"
	stageDir = "/stage"

	rootSize = "64m" // of the tmpfs, which is also the job's root directory
)

// builder builds the root of a job.
type builder struct {
	stage     stage
	staged    int
	skeletons []string
}

// buildRoot makes the root directory of the job the process's own.
func buildRoot(s stage) error {
	b := &builder{stage: s}
	for _, step := range []struct {
		name string
		run  func() error
	}{
		{"make a private root", b.enter}, {"show the host", b.showHost}, {"make /dev", b.makeDev}, {"make /proc", b.makeProc},
		{"make /run and /tmp", b.makeRun}, {"write main.sh", b.writeMain}, {"hide", b.hide}, {"mount", b.mountAll}, {"enter the root", b.leave},
	} {
		if err := step.run(); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return nil
}

// enter moves the process to the tmpfs.
func (b *builder) enter() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := tmpfs(b.stage.Base, "mode=755,size="+rootSize); err != nil {
		return err
	}
	if err := os.Chdir(b.stage.Base); err != nil {
		return err
	}
	for _, dir := range []string{oldRoot, newRoot, stageDir} {
		if err := os.Mkdir("."+dir, 0o755); err != nil {
			return err
		}
	}
	if err := unix.Mount("."+newRoot, "."+newRoot, "", unix.MS_BIND, ""); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."+oldRoot); err != nil {
		return fmt.Errorf("pivot: %w", err)
	}
	return os.Chdir("/")
}

// leave makes /newroot the root directory and drops everything else.
func (b *builder) leave() error {
	for _, dir := range b.skeletons {
		if err := b.readOnly(dir, false); err != nil {
			return err
		}
	}
	if err := os.Chdir(newRoot); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("pivot: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("leave the host: %w", err)
	}
	return os.Chdir("/")
}

// ownPlaces are the directories of the root that are not the host's.
var ownPlaces = []string{"proc", "dev", "run", "tmp"}

// essential are the ones no job can do without.
var essential = []string{"bin", "etc", "lib", "lib64", "sbin", "usr"}

// showHost binds every directory of the host, read-only.
func (b *builder) showHost() error {
	entries, err := os.ReadDir(oldRoot)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if slices.Contains(ownPlaces, entry.Name()) {
			continue
		}
		if err := graft(filepath.Join(oldRoot, entry.Name()), filepath.Join(newRoot, entry.Name()), entry); err != nil && slices.Contains(essential, entry.Name()) {
			return err
		}
	}
	if err := b.readOnly(newRoot, true); err != nil {
		return err
	}
	return writable(newRoot)
}

// graft makes from, a directory entry, appear at the missing path to.
func graft(from, to string, entry os.DirEntry) error {
	switch {
	case entry.Type()&os.ModeSymlink != 0:
		link, err := os.Readlink(from)
		if err != nil {
			return err
		}
		return os.Symlink(link, to)
	case entry.IsDir():
		if err := os.Mkdir(to, 0o755); err != nil {
			return err
		}
	default:
		if err := touch(to); err != nil {
			return err
		}
	}
	if err := bind(from, to); err != nil {
		_ = os.Remove(to)
		return err
	}
	return nil
}

func touch(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	return f.Close()
}

func bind(from, to string) error {
	if err := unix.Mount(from, to, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("bind %s: %w", strings.TrimPrefix(to, newRoot), err)
	}
	return nil
}

func tmpfs(at, options string) error {
	if err := unix.Mount("tmpfs", at, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, options); err != nil {
		return fmt.Errorf("mount tmpfs: %w", err)
	}
	return nil
}

// makeDev makes a /dev without disks.
func (b *builder) makeDev() error {
	dev := newRoot + "/dev"
	if err := os.Mkdir(dev, 0o755); err != nil {
		return err
	}
	if err := tmpfs(dev, "mode=755,size=64k"); err != nil {
		return err
	}
	for _, dir := range []string{"pts", "shm", "net"} {
		if err := os.Mkdir(filepath.Join(dev, dir), 0o755); err != nil {
			return err
		}
	}
	for _, name := range []string{"null", "zero", "full", "random", "urandom", "tty", "fuse", "kvm", "net/tun"} {
		from, to := filepath.Join(oldRoot, "dev", name), filepath.Join(dev, name)
		if _, err := os.Lstat(from); err != nil {
			continue
		}
		if err := touch(to); err != nil {
			return err
		}
		if err := bind(from, to); err != nil && name == "null" {
			return err
		}
	}
	for name, to := range map[string]string{"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2", "ptmx": "pts/ptmx"} {
		if err := os.Symlink(to, filepath.Join(dev, name)); err != nil {
			return err
		}
	}
	// Without it there are no pseudo terminals, which few jobs need.
	_ = unix.Mount("devpts", dev+"/pts", "devpts", unix.MS_NOSUID|unix.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620")
	size := ""
	if b.stage.Memory > 0 {
		size = ",size=" + strconv.FormatInt(b.stage.Memory, 10)
	}
	return tmpfs(dev+"/shm", "mode=1777"+size)
}

// makeProc makes a /proc of the job's own, or shows the host's.
func (b *builder) makeProc() error {
	proc := newRoot + "/proc"
	if err := os.Mkdir(proc, 0o555); err != nil {
		return err
	}
	if !b.stage.NewProc {
		if err := bind(oldRoot+"/proc", proc); err != nil {
			return err
		}
		return b.readOnly(proc, true)
	}
	if err := unix.Mount("proc", proc, "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return err
	}
	if os.Geteuid() != 0 {
		return nil // its settings are root's
	}
	for _, name := range []string{"sys", "sysrq-trigger", "irq", "bus", "fs", "acpi", "scsi"} {
		path := filepath.Join(proc, name)
		if _, err := os.Lstat(path); err != nil {
			continue
		}
		if err := bind(path, path); err != nil {
			return err
		}
		if err := b.readOnly(path, true); err != nil {
			return err
		}
	}
	return nil
}

// runKept is what /run keeps: name resolution, and where some systems have
// their programs.
var runKept = []string{"systemd/resolve", "resolvconf", "NetworkManager/resolv.conf", "connman", "netconfig", "current-system", "booted-system", "opengl-driver"}

// makeRun makes an empty /run and /tmp.
func (b *builder) makeRun() error {
	run := newRoot + "/run"
	for _, dir := range []string{run, newRoot + "/tmp"} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
	}
	for _, name := range runKept {
		from, to := filepath.Join(oldRoot, "run", name), filepath.Join(run, name)
		info, err := os.Lstat(from)
		if err != nil {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if graft(from, to, dirEntry{info}) == nil && info.Mode()&os.ModeSymlink == 0 {
			if err := b.readOnly(to, true); err != nil {
				return err
			}
		}
	}
	// Where it is no link to /run, it holds the same kind of things.
	if info, err := os.Lstat(newRoot + "/var/run"); err == nil && info.IsDir() {
		return tmpfs(newRoot+"/var/run", "mode=755,size=1m")
	}
	return nil
}

// writeMain makes /hook.
func (b *builder) writeMain() error {
	if b.stage.Probe {
		return nil
	}
	dir, err := b.resolve(hookDir, aDirectory)
	if err != nil {
		return err
	}
	if err := tmpfs(dir, "mode=755"); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "main.sh"), []byte(b.stage.Main), 0o755); err != nil {
		return err
	}
	return b.readOnly(dir, false)
}

// dirEntry makes a FileInfo a DirEntry.
type dirEntry struct{ os.FileInfo }

func (d dirEntry) Type() os.FileMode          { return d.Mode().Type() }
func (d dirEntry) Info() (os.FileInfo, error) { return d.FileInfo, nil }

// hide covers what no job may see.
func (b *builder) hide() error {
	for _, path := range b.stage.Hide {
		at, err := b.resolve(path, whatIsThere)
		if err != nil {
			continue // not there
		}
		info, err := os.Lstat(at)
		if err != nil || at == newRoot {
			continue
		}
		if !info.IsDir() {
			err = bind(newRoot+"/dev/null", at)
		} else {
			err = tmpfs(at, "mode=755,size=1m")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// mountAll mounts what the job asked for and uncovers what it may see, outer
// paths first.
func (b *builder) mountAll() error {
	mounts := slices.Clone(b.stage.Mounts)
	for _, path := range b.stage.Show {
		if _, err := os.Stat(oldRoot + path); err == nil && filepath.IsAbs(path) {
			mounts = append(mounts, mount{Kind: "bind", From: path, To: filepath.Clean(path), ReadOnly: true})
		}
	}
	slices.SortStableFunc(mounts, func(x, y mount) int { return strings.Compare(x.To, y.To) })
	for _, m := range mounts {
		if err := b.mount(m); err != nil {
			return fmt.Errorf("%s: %w", m.To, err)
		}
	}
	return nil
}

func (b *builder) mount(m mount) error {
	from := oldRoot + m.From
	if m.Staged {
		from = filepath.Join(stageDir, m.From)
		if err := os.MkdirAll(from, 0o777); err != nil {
			return err
		}
	}
	if m.Kind == "tmpfs" {
		options := "mode=777"
		if m.Size != "" {
			options += ",size=" + m.Size
		}
		return tmpfs(from, options)
	}
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	w := aFile
	if info.IsDir() {
		w = aDirectory
	}
	at, err := b.resolve(m.To, w)
	if err != nil {
		return err
	}
	if m.Kind == "overlay" {
		return b.overlay(m, info, at)
	}
	if err := bind(from, at); err != nil || !m.ReadOnly {
		return err
	}
	return b.readOnly(at, true)
}

// overlay shows m.From at the path, writable, or a copy of it.
func (b *builder) overlay(m mount, info os.FileInfo, at string) error {
	upper := oldRoot + m.Upper
	if err := os.Chmod(upper, info.Mode().Perm()|0o700); err != nil {
		return err
	}
	if b.overlayed(m, at) == nil {
		return nil
	}
	if err := copyTree(context.Background(), oldRoot+m.From, upper, oldRoot+b.stage.State); err != nil {
		return err
	}
	return bind(upper, at)
}

// overlayed mounts the overlay, under names that need no escaping.
func (b *builder) overlayed(m mount, at string) error {
	if hasMounts(oldRoot + m.From) {
		return errors.New("other file systems are mounted in it, which an overlay does not show")
	}
	lower, err := b.alias(oldRoot+m.From, false)
	if err != nil {
		return err
	}
	job, err := b.alias(oldRoot+filepath.Dir(m.Upper), false)
	if err != nil {
		return err
	}
	options := fmt.Sprintf("lowerdir=%s,upperdir=%s/%s,workdir=%s/%s", lower, job, filepath.Base(m.Upper), job, filepath.Base(m.Work))
	// Only user attributes work in a user namespace, ours or one around us.
	tries := []string{",userxattr,volatile", ",userxattr"}
	if !b.stage.UserNS {
		tries = append(tries, "") // Linux before 5.11
	}
	for _, try := range tries {
		if err = unix.Mount("overlay", at, "overlay", unix.MS_NOSUID|unix.MS_NODEV, options+try); err == nil {
			return nil
		}
	}
	return err
}

// alias binds a directory below /stage and returns its name there.
func (b *builder) alias(dir string, recursive bool) (string, error) {
	b.staged++
	name := filepath.Join(stageDir, strconv.Itoa(b.staged))
	if err := os.Mkdir(name, 0o755); err != nil {
		return "", err
	}
	flags := uintptr(unix.MS_BIND)
	if recursive {
		flags |= unix.MS_REC
	}
	return name, unix.Mount(dir, name, "", flags, "")
}
