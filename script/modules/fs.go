package modules

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// maxRead is the most that one call reads, 256 MiB.
const maxRead = 256 << 20

// reader reads files below the directories a script may see. Symbolic links
// are followed as long as they stay below one of those.
type reader struct {
	env   *Env
	mu    sync.Mutex // guards files, which background reads use too
	files map[int]*os.File
	next  int
}

func newReader(env *Env) *reader { return &reader{env: env, files: map[int]*os.File{}, next: 20} }

func errnoText(code string) string {
	text, ok := map[string]string{
		"ENOENT": "no such file or directory", "EACCES": "permission denied", "ENOTDIR": "not a directory",
		"EISDIR": "illegal operation on a directory", "EINVAL": "invalid argument", "EBADF": "bad file descriptor",
		"EROFS": "read-only file system", "ELOOP": "too many symbolic links encountered", "EFBIG": "file too large",
		"ENAMETOOLONG": "name too long", "EIO": "i/o error", "EMFILE": "too many open files",
	}[code]
	if !ok {
		return "operation failed"
	}
	return text
}

func sysError(code, syscall, path string) *SysError {
	message := fmt.Sprintf("%s: %s, %s", code, errnoText(code), syscall)
	if path != "" || (syscall == "open" && code == "ENOENT") {
		message += fmt.Sprintf(" '%s'", path)
	}
	return &SysError{Code: code, Syscall: syscall, Path: path, Message: message}
}

// sysErrorOf translates an error of package os.
func sysErrorOf(err error, syscall, path string) *SysError {
	code := "EIO"
	switch {
	case errors.Is(err, fs.ErrNotExist):
		code = "ENOENT"
	case errors.Is(err, fs.ErrPermission):
		code = "EACCES"
	default:
		if c := errnoCode(err); c != "" {
			code = c
		} else if strings.Contains(err.Error(), "too many links") || strings.Contains(err.Error(), "too many symbolic links") {
			code = "ELOOP"
		}
	}
	return sysError(code, syscall, path)
}

// absolute is path as seen from the script's working directory.
func (r *reader) absolute(path string) string {
	if !filepath.IsAbs(path) {
		path = filepath.Join(r.env.Dir, path)
	}
	return filepath.Clean(path)
}

// below returns the root that holds path, "" for none, and path relative to it.
func (r *reader) below(path string) (root, rel string) {
	for _, dir := range r.env.Roots {
		dirs := []string{filepath.Clean(dir)}
		if real, err := filepath.EvalSymlinks(dir); err == nil && real != dirs[0] {
			dirs = append(dirs, real)
		}
		for _, d := range dirs {
			rel, err := filepath.Rel(d, path)
			if err == nil && filepath.IsLocal(rel) {
				return d, rel
			}
		}
	}
	return "", ""
}

func (r *reader) outside(syscall, path string) *SysError {
	err := sysError("EACCES", syscall, path)
	err.Message += " (a script reads only below " + strings.Join(r.env.Roots, ", ") + ")"
	if len(r.env.Roots) == 0 {
		err.Message = sysError("EACCES", syscall, path).Message + " (there is no directory this script may read)"
	}
	return err
}

// resolve is where path really is, after its symbolic links.
func (r *reader) resolve(path, syscall string) (string, *SysError) {
	if strings.ContainsRune(path, 0) {
		return "", sysError("EINVAL", syscall, path)
	}
	if path == "" {
		return "", sysError("ENOENT", syscall, path)
	}
	abs := r.absolute(path)
	if root, _ := r.below(abs); root == "" {
		return "", r.outside(syscall, path)
	}
	real, err := filepath.EvalSymlinks(abs)
	if err != nil {
		return "", sysErrorOf(err, syscall, path)
	}
	if strings.HasSuffix(path, "/") || strings.HasSuffix(path, "/.") {
		if info, err := os.Stat(real); err == nil && !info.IsDir() {
			return "", sysError("ENOTDIR", syscall, path)
		}
	}
	if root, _ := r.below(real); root == "" {
		return "", r.outside(syscall, path)
	}
	return real, nil
}

// openReal opens a file. The kernel, or package os for it, makes sure once more
// that nothing on the way leads out, in case somebody exchanges a link now.
func (r *reader) openReal(path, syscall string) (*os.File, *SysError) {
	real, sys := r.resolve(path, syscall)
	if sys != nil {
		return nil, sys
	}
	dir, rel := r.below(real)
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, sysErrorOf(err, syscall, path)
	}
	defer root.Close()
	if info, err := root.Stat(rel); err != nil {
		return nil, sysErrorOf(err, syscall, path)
	} else if !info.Mode().IsRegular() && !info.IsDir() {
		return nil, sysError("EINVAL", syscall, path) // a pipe or a device would block for ever
	}
	f, err := root.Open(rel)
	if err != nil {
		return nil, sysErrorOf(err, syscall, path)
	}
	return f, nil
}

func (r *reader) readFile(path string) (any, *SysError) {
	f, sys := r.openReal(path, "open")
	if sys != nil {
		return nil, sys
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, sysErrorOf(err, "fstat", path)
	}
	if info.IsDir() {
		return nil, sysError("EISDIR", "read", "")
	}
	data, err := io.ReadAll(io.LimitReader(f, maxRead+1))
	if err != nil {
		return nil, sysErrorOf(err, "read", path)
	}
	if len(data) > maxRead {
		return nil, sysError("EFBIG", "read", path)
	}
	return data, nil
}

func (r *reader) stat(path string) (any, *SysError) {
	real, sys := r.resolve(path, "stat")
	if sys != nil {
		return nil, sys
	}
	info, err := os.Lstat(real)
	if err != nil {
		return nil, sysErrorOf(err, "stat", path)
	}
	return statFields(info), nil
}

// parentOf resolves the directory of path, so that path itself may be a link.
func (r *reader) parentOf(path, syscall string) (string, *SysError) {
	abs := r.absolute(path)
	if root, rel := r.below(abs); root == "" {
		return "", r.outside(syscall, path)
	} else if rel == "." {
		return abs, nil
	}
	dir, sys := r.resolve(filepath.Dir(abs), syscall)
	if sys != nil {
		return "", &SysError{Code: sys.Code, Syscall: syscall, Path: path, Message: sysError(sys.Code, syscall, path).Message}
	}
	return filepath.Join(dir, filepath.Base(abs)), nil
}

func (r *reader) lstat(path string) (any, *SysError) {
	real, sys := r.parentOf(path, "lstat")
	if sys != nil {
		return nil, sys
	}
	info, err := os.Lstat(real)
	if err != nil {
		return nil, sysErrorOf(err, "lstat", path)
	}
	return statFields(info), nil
}

func (r *reader) readlink(path string) (any, *SysError) {
	real, sys := r.parentOf(path, "readlink")
	if sys != nil {
		return nil, sys
	}
	target, err := os.Readlink(real)
	if err != nil {
		return nil, sysErrorOf(err, "readlink", path)
	}
	return target, nil
}

func (r *reader) realpath(path string) (any, *SysError) {
	real, sys := r.resolve(path, "realpath")
	if sys != nil {
		return nil, sys
	}
	return real, nil
}

// access answers for reading only: nothing is writable here.
func (r *reader) access(path string, mode int) (any, *SysError) {
	real, sys := r.resolve(path, "access")
	if sys != nil {
		return nil, sys
	}
	if mode&2 != 0 {
		return nil, sysError("EROFS", "access", path)
	}
	info, err := os.Lstat(real)
	if err != nil {
		return nil, sysErrorOf(err, "access", path)
	}
	if mode&1 != 0 && info.Mode()&0o111 == 0 {
		return nil, sysError("EACCES", "access", path)
	}
	return nil, nil
}

// readdir returns name, type, name, type …, sorted by name. The types are those
// of fs.constants.UV_DIRENT_*.
func (r *reader) readdir(path string) (any, *SysError) {
	f, sys := r.openReal(path, "scandir")
	if sys != nil {
		return nil, sys
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && !info.IsDir() {
		return nil, sysError("ENOTDIR", "scandir", path)
	}
	entries, err := f.ReadDir(-1)
	if err != nil {
		return nil, sysErrorOf(err, "scandir", path)
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	out := make([]any, 0, 2*len(entries))
	for _, e := range entries {
		out = append(out, e.Name(), direntType(e.Type()))
	}
	return out, nil
}

func direntType(mode fs.FileMode) int {
	switch {
	case mode.IsRegular():
		return 1
	case mode.IsDir():
		return 2
	case mode&fs.ModeSymlink != 0:
		return 3
	case mode&fs.ModeNamedPipe != 0:
		return 4
	case mode&fs.ModeSocket != 0:
		return 5
	case mode&fs.ModeCharDevice != 0:
		return 6
	case mode&fs.ModeDevice != 0:
		return 7
	}
	return 0
}

func (r *reader) open(path string) (any, *SysError) {
	f, sys := r.openReal(path, "open")
	if sys != nil {
		return nil, sys
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.files) >= 1000 {
		_ = f.Close()
		return nil, sysError("EMFILE", "open", path)
	}
	r.next++
	r.files[r.next] = f
	return r.next, nil
}

func (r *reader) file(fd int, syscall string) (*os.File, *SysError) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if f := r.files[fd]; f != nil {
		return f, nil
	}
	return nil, sysError("EBADF", syscall, "")
}

func (r *reader) close(fd int) (any, *SysError) {
	r.mu.Lock()
	f := r.files[fd]
	delete(r.files, fd)
	r.mu.Unlock()
	if f == nil {
		return nil, sysError("EBADF", "close", "")
	}
	_ = f.Close() // it was only read
	return nil, nil
}

// read reads up to size bytes at position at, or where the last read ended when
// that is negative. No bytes means the end.
func (r *reader) read(fd, size int, at int64) (any, *SysError) {
	f, sys := r.file(fd, "read")
	if sys != nil {
		return nil, sys
	}
	buf := make([]byte, min(max(size, 0), maxRead))
	var n int
	var err error
	if at >= 0 {
		n, err = f.ReadAt(buf, at)
	} else {
		n, err = f.Read(buf)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, sysErrorOf(err, "read", "")
	}
	return buf[:n], nil
}

func (r *reader) fstat(fd int) (any, *SysError) {
	f, sys := r.file(fd, "fstat")
	if sys != nil {
		return nil, sys
	}
	info, err := f.Stat()
	if err != nil {
		return nil, sysErrorOf(err, "fstat", "")
	}
	return statFields(info), nil
}

// do runs one operation by its name.
func (r *reader) do(op, path string, a, b int64) (any, *SysError) {
	switch op {
	case "readFile":
		return r.readFile(path)
	case "stat":
		return r.stat(path)
	case "lstat":
		return r.lstat(path)
	case "readdir":
		return r.readdir(path)
	case "realpath":
		return r.realpath(path)
	case "readlink":
		return r.readlink(path)
	case "access":
		return r.access(path, int(a))
	case "open":
		return r.open(path)
	case "close":
		return r.close(int(a))
	case "fstat":
		return r.fstat(int(a))
	}
	return nil, sysError("EINVAL", op, path)
}

func nativeFS(env *Env) map[string]any {
	r := newReader(env)
	context.AfterFunc(env.Loop.Context(), r.closeAll)
	stdout, stderr := &lineWriter{write: env.Stdout}, &lineWriter{write: env.Stderr}
	return map[string]any{
		"call": func(op, path string, a, b int64) map[string]any { return outcome(r.do(op, path, a, b)) },
		"start": func(op, path string, a, b int64, done func(...any)) {
			background(env, done, func() (any, *SysError) { return r.do(op, path, a, b) })
		},
		"read": func(fd, size int, at int64) map[string]any { return outcome(r.read(fd, size, at)) },
		"startRead": func(fd, size int, at int64, done func(...any)) {
			background(env, done, func() (any, *SysError) { return r.read(fd, size, at) })
		},
		"write": func(fd int, text string) {
			if fd == 2 {
				stderr.text(text)
			} else {
				stdout.text(text)
			}
		},
		"absolute": r.absolute,
	}
}

func (r *reader) closeAll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for fd, f := range r.files {
		_ = f.Close()
		delete(r.files, fd)
	}
}

// outcome is what the JavaScript side gets: {value} or {error}.
func outcome(v any, sys *SysError) map[string]any {
	if sys != nil {
		return map[string]any{"error": map[string]any{"code": sys.Code, "syscall": sys.Syscall, "path": sys.Path, "message": sys.Message}}
	}
	return map[string]any{"value": v}
}

// background runs work outside the loop and done with its outcome on it.
func background(env *Env, done func(...any), work func() (any, *SysError)) {
	release := env.Loop.Hold()
	go func() {
		defer release()
		result := outcome(work())
		env.Loop.Post(func() { done(result) })
	}()
}
