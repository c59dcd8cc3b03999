package process

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// want is what resolve has to find.
type want int

const (
	whatIsThere want = iota
	aDirectory       // made when missing
	aFile            // made when missing
)

// resolve returns where path, a path of the job, is below /newroot; links are
// followed as the job will.
func (b *builder) resolve(path string, w want) (string, error) {
	const most = 40 // links, as the kernel
	at := newRoot
	todo := strings.Split(strings.Trim(path, "/"), "/")
	for links := 0; len(todo) > 0; {
		name := todo[0]
		todo = todo[1:]
		switch name {
		case "", ".":
			continue
		case "..":
			if at != newRoot {
				at = filepath.Dir(at)
			}
			continue
		}
		next := filepath.Join(at, name)
		info, err := os.Lstat(next)
		if errors.Is(err, os.ErrNotExist) && w != whatIsThere {
			if err := b.create(next, len(todo) > 0 || w == aDirectory); err != nil {
				return "", err
			}
			info, err = os.Lstat(next)
		}
		if err != nil {
			return "", err
		}
		switch {
		case info.Mode()&os.ModeSymlink != 0:
			if links++; links > most {
				return "", fmt.Errorf("%s: too many links", path)
			}
			link, err := os.Readlink(next)
			if err != nil {
				return "", err
			}
			if filepath.IsAbs(link) {
				at = newRoot
			}
			todo = slices.Concat(strings.Split(link, "/"), todo)
			continue
		case !info.IsDir() && len(todo) > 0:
			return "", fmt.Errorf("%s is not a directory", strings.TrimPrefix(next, newRoot))
		case len(todo) == 0 && w != whatIsThere && (w == aDirectory) != info.IsDir():
			return "", errors.New("a directory cannot be put over a file, nor a file over a directory")
		}
		at = next
	}
	return at, nil
}

// create makes a directory or an empty file, also where the host's directory
// is read-only.
func (b *builder) create(path string, dir bool) error {
	try := func() error {
		if dir {
			return os.Mkdir(path, 0o755)
		}
		return touch(path)
	}
	err := try()
	if !errors.Is(err, unix.EROFS) && !errors.Is(err, os.ErrPermission) {
		return err
	}
	if err := b.skeleton(filepath.Dir(path)); err != nil {
		return err
	}
	return try()
}

// skeleton replaces a directory that cannot be written to by one in memory
// with the same things in it.
func (b *builder) skeleton(dir string) error {
	const most = 4096 // mounts for one directory
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	if len(entries) > most {
		return fmt.Errorf("nothing can be made in %s, which has more than %d files", strings.TrimPrefix(dir, newRoot), most)
	}
	original, err := b.alias(dir, true)
	if err != nil {
		return err
	}
	if err := tmpfs(dir, "mode=755,size=4m"); err != nil {
		return err
	}
	for _, entry := range entries {
		if err := graft(filepath.Join(original, entry.Name()), filepath.Join(dir, entry.Name()), entry); err != nil && !errors.Is(err, os.ErrPermission) {
			return err
		}
	}
	b.skeletons = append(b.skeletons, dir)
	return nil
}

// readOnly makes the mount at path read-only, with recursive also those below.
func (b *builder) readOnly(path string, recursive bool) error {
	flags := uint(0)
	if recursive {
		flags = unix.AT_RECURSIVE
	}
	err := error(unix.ENOSYS)
	if !b.stage.Old {
		err = unix.MountSetattr(unix.AT_FDCWD, path, flags, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY})
	}
	if errors.Is(err, unix.ENOSYS) {
		return remountAll(path, recursive)
	}
	if err != nil {
		err = fmt.Errorf("make %s read-only: %w", strings.TrimPrefix(path, newRoot), err)
	}
	return err
}

// writable makes a mount of our own, alone, writable again.
func writable(path string) error {
	return unix.Mount("", path, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_NOSUID|unix.MS_NODEV, "")
}

// remountAll does readOnly's work on Linux before 5.12, mount by mount.
func remountAll(path string, recursive bool) error {
	for _, m := range mountTable() {
		if m.at != path && (!recursive || !strings.HasPrefix(m.at, path+"/")) {
			continue
		}
		// Flags that are locked have to be repeated.
		flags := uintptr(unix.MS_REMOUNT | unix.MS_BIND | unix.MS_RDONLY)
		for option, flag := range map[string]uintptr{"nosuid": unix.MS_NOSUID, "nodev": unix.MS_NODEV, "noexec": unix.MS_NOEXEC, "noatime": unix.MS_NOATIME, "nodiratime": unix.MS_NODIRATIME, "relatime": unix.MS_RELATIME} {
			if slices.Contains(m.options, option) {
				flags |= flag
			}
		}
		// What we cannot reach the job cannot, either.
		if err := unix.Mount("", m.at, "", flags, ""); err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.EACCES) {
			return fmt.Errorf("make %s read-only: %w", strings.TrimPrefix(m.at, newRoot), err)
		}
	}
	return nil
}

// mountPoint is a line of the mount table.
type mountPoint struct {
	at      string
	options []string
}

// mountTable reads the process's mounts, while the host is at /oldroot.
func mountTable() []mountPoint {
	text, err := os.ReadFile(oldRoot + "/proc/self/mountinfo")
	if err != nil {
		return nil
	}
	var all []mountPoint
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 5 {
			all = append(all, mountPoint{unescapeMount(f[4]), strings.Split(f[5], ",")})
		}
	}
	return all
}

// unescapeMount undoes the octal escapes of the mount table.
func unescapeMount(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// hasMounts reports whether something is mounted below dir.
func hasMounts(dir string) bool {
	return slices.ContainsFunc(mountTable(), func(m mountPoint) bool { return strings.HasPrefix(m.at, dir+"/") })
}
