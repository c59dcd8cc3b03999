package modules

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// nodeVersion is the version of Node whose interface the modules offer.
const nodeVersion = "v20.20.0"

// lineWriter cuts text into lines; what has no line end yet waits.
type lineWriter struct {
	write   func(line string)
	partial strings.Builder
}

func (w *lineWriter) text(s string) {
	for {
		line, rest, found := strings.Cut(s, "\n")
		w.partial.WriteString(line)
		if !found {
			return
		}
		w.flushLine()
		s = rest
	}
}

func (w *lineWriter) flushLine() {
	w.write(w.partial.String())
	w.partial.Reset()
}

func (w *lineWriter) flush() {
	if w.partial.Len() > 0 {
		w.flushLine()
	}
}

func nodePlatform() string {
	if runtime.GOOS == "windows" {
		return "win32"
	}
	return runtime.GOOS
}

func nodeArch() string {
	switch runtime.GOARCH {
	case "amd64":
		return "x64"
	case "386":
		return "ia32"
	}
	return runtime.GOARCH
}

func nativeProcess(env *Env) map[string]any {
	start := time.Now()
	stdout, stderr := &lineWriter{write: env.Stdout}, &lineWriter{write: env.Stderr}
	vars := make(map[string]any, len(env.Vars))
	for k, v := range env.Vars {
		vars[k] = v
	}
	argv := make([]any, len(env.Args))
	for i, a := range env.Args {
		argv[i] = a
	}
	return map[string]any{
		"env": vars, "argv": argv, "platform": nodePlatform(), "arch": nodeArch(), "version": nodeVersion,
		"versions": map[string]any{"brigade": "3", "modules": "115", "uv": "1.46.0", "zlib": "1.3.1", "unicode": "15.1"},
		"pid":      os.Getpid(), "ppid": os.Getppid(), "uid": max(os.Getuid(), 0), "gid": max(os.Getgid(), 0),
		"tick":   func(f func(...any)) { env.Tick(func() { f() }) },
		"stdout": stdout.text,
		"stderr": stderr.text,
		"flush":  func() { stdout.flush(); stderr.flush() },
		"exit":   env.Exit,
		"cwd":    func() string { return env.Dir },
		"chdir":  env.chdir,
		"uptime": func() float64 { return time.Since(start).Seconds() },
		"hrtime": func() []any {
			d := time.Since(start) + time.Second
			return []any{int64(d / time.Second), int64(d % time.Second)}
		},
		"memory": func() []any {
			m := memoryUsage()
			return []any{m["rss"], m["heapTotal"], m["heapUsed"]}
		},
	}
}

// chdir changes where relative paths begin. It returns what failed, or nil.
func (env *Env) chdir(dir string) map[string]any {
	real, sys := newReader(env).resolve(dir, "chdir")
	if sys != nil {
		return map[string]any{"code": sys.Code, "text": errnoText(sys.Code)}
	}
	if info, err := os.Stat(real); err != nil || !info.IsDir() {
		return map[string]any{"code": "ENOTDIR", "text": errnoText("ENOTDIR")}
	}
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(env.Dir, dir)
	}
	env.Dir = filepath.Clean(dir)
	return nil
}

func memoryUsage() map[string]any {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return map[string]any{
		"rss": int64(m.Sys), "heapTotal": int64(m.HeapSys), "heapUsed": int64(m.HeapAlloc),
		"external": 0, "arrayBuffers": 0,
	}
}
