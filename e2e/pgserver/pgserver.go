//go:build unix

// Package pgserver starts PostgreSQL servers for tests: real ones, each with a
// directory and a socket of its own, gone when the test is over, also when its
// process is killed.
package pgserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// patience is how long a server may take to start or to stop.
const patience = 2 * time.Minute

// Server is one that runs.
type Server struct {
	dir  string // holds the data and the socket
	bin  string
	cred *syscall.Credential // nil unless we are root, as whom PostgreSQL refuses to run

	pid   int             // of the process group
	ended <-chan struct{} // nil while it is stopped
	alive io.Closer       // the server stops when this is closed, also by our end
	log   *os.File
}

// ErrMissing is the error of Start on a machine without PostgreSQL.
var ErrMissing = errors.New("there is no PostgreSQL server here (Debian: apt-get install postgresql)")

// Start makes an empty server and returns once it answers.
func Start() (*Server, error) {
	bin, err := find()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "pgserver") // not a test's own: the name of a socket must be short
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir, bin: bin}
	if err := s.make(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := s.Resume(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// find returns the folder of the newest server's programs.
func find() (string, error) {
	folders, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	slices.SortFunc(folders, func(a, b string) int { return version(b) - version(a) })
	if on, err := exec.LookPath("postgres"); err == nil {
		folders = append(folders, filepath.Dir(on))
	}
	for _, folder := range folders {
		if _, err := os.Stat(filepath.Join(folder, "initdb")); err == nil {
			return folder, nil
		}
	}
	return "", ErrMissing
}

func version(folder string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(folder))) // 0 for what is no number
	return n
}

// make prepares the directory.
func (s *Server) make() error {
	if os.Geteuid() == 0 {
		uid, gid, err := somebody()
		if err != nil {
			return err
		}
		s.cred = &syscall.Credential{Uid: uid, Gid: gid}
		if err := os.Chown(s.dir, int(uid), int(gid)); err != nil {
			return err
		}
	}
	if err := os.Chmod(s.dir, 0o755); err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(s.dir, "log"))
	if err != nil {
		return err
	}
	s.log = log
	out, err := s.command(context.Background(), "initdb", "-D", s.data(), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync").CombinedOutput()
	if err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	return nil
}

// somebody is a user without rights whom PostgreSQL may run as.
func somebody() (uid, gid uint32, err error) {
	for _, name := range []string{"postgres", "nobody"} {
		u, lookup := user.Lookup(name)
		if err = lookup; err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			return 0, 0, err
		}
		gid, err := strconv.ParseUint(u.Gid, 10, 32)
		return uint32(uid), uint32(gid), err
	}
	return 0, 0, err
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

func (s *Server) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, name), args...)
	cmd.Dir = s.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.cred}
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C"}
	return cmd
}

// guard runs a server and stops it when its standard input ends: that is when
// we close it, and when we are no more.
const guard = `exec 3<&0; "$@" </dev/null 3<&- & server=$!
{ read -r _ <&3; kill -INT $server; } 2>/dev/null & reader=$!
wait $server; kill $reader 2>/dev/null`

// Resume starts the server again after Stop or Kill. After Kill it may have to
// wait for processes that notice only then.
func (s *Server) Resume() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		ended, err := s.start()
		if err != nil {
			return err
		}
		for again := false; !again; {
			if err = s.command(ctx, "pg_isready", "-q", "-h", s.dir).Run(); err == nil {
				return nil
			}
			select {
			case <-ctx.Done():
				text, _ := os.ReadFile(s.log.Name())
				return fmt.Errorf("the server does not answer: %w\n%s", err, text)
			case <-ended:
				again = true
			case <-time.After(20 * time.Millisecond):
			}
		}
	}
}

// start starts it; the channel is closed when it has ended.
func (s *Server) start() (<-chan struct{}, error) {
	cmd := exec.Command("/bin/sh", "-c", guard, "sh", filepath.Join(s.bin, "postgres"), "-D", s.data(), "-k", s.dir, "-c", "listen_addresses=",
		"-c", "fsync=off", "-c", "full_page_writes=off", "-c", "max_connections=200", "-c", "shared_buffers=64MB", "-c", "unix_socket_permissions=0777")
	cmd.Dir = s.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.cred, Setpgid: true}
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C"}
	cmd.Stdout, cmd.Stderr = s.log, s.log
	alive, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // its exit code says how it was stopped, which we know
	}()
	s.pid, s.alive, s.ended = cmd.Process.Pid, alive, ended
	return ended, nil
}

// DSN is the address of a database of the server; "postgres" is always there.
// Every user may come in.
func (s *Server) DSN(database string) string {
	return "host=" + s.dir + " user=postgres dbname=" + database
}

// Execute runs SQL in the database postgres.
func (s *Server) Execute(ctx context.Context, sql string) error {
	out, err := s.command(ctx, "psql", "-qX", "-v", "ON_ERROR_STOP=1", "-h", s.dir, "-U", "postgres", "-c", sql).CombinedOutput()
	if err != nil {
		return fmt.Errorf("psql: %w: %s", err, out)
	}
	return nil
}

// Stop ends the server in an orderly way, cutting off whoever is connected.
func (s *Server) Stop() error {
	if s.ended == nil {
		return nil
	}
	_ = s.alive.Close() // it may have ended by itself
	timer := time.AfterFunc(patience, func() { _ = syscall.Kill(-s.pid, syscall.SIGKILL) })
	defer timer.Stop()
	<-s.ended
	s.ended = nil
	return nil
}

// Kill ends the server as a crash would: all its processes at once.
func (s *Server) Kill() error {
	text, err := os.ReadFile(filepath.Join(s.data(), "postmaster.pid"))
	if err != nil {
		return err
	}
	line, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(line)
	if err != nil {
		return err
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		return err
	}
	return s.Stop()
}

// Close ends the server and removes what it kept.
func (s *Server) Close() error {
	return errors.Join(s.Stop(), s.log.Close(), os.RemoveAll(s.dir))
}
