package main

import (
	"encoding/json"
	"errors"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"syscall"

	"github.com/brigadecore/brigade/v3/client"
)

// announced is a server that this user runs on this machine, so that brig
// finds the token it made.
type announced struct {
	PID   int    `json:"pid"`
	Token string `json:"token"` // the file
}

// announcement is the file that tells of the server whose API has that port.
func (s *State) announcement(port string) (string, error) {
	dirs, err := s.dirs()
	if err != nil {
		return "", err
	}
	return filepath.Join(dirs.State, "servers", port+".json"), nil
}

// announce tells brig of this user where the token of the server is whose API
// listens on address, until what it returns is called.
func (s *State) announce(address, tokenFile string) (end func(), err error) {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	path, err := s.announcement(port)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	data, err := json.Marshal(announced{PID: os.Getpid(), Token: tokenFile})
	if err != nil {
		return nil, err
	}
	err = toFile(path, func(f *os.File) error {
		_, err := f.Write(data)
		return err
	})
	return func() { _ = os.Remove(path) }, err
}

// ownToken is the token of the server of this user that listens at the
// address; "" when there is none. A server of another machine, or one that has
// ended and whose port somebody else may have by now, gets none.
func (s *State) ownToken(address string) string {
	c, err := client.New(client.Options{URL: address})
	if err != nil {
		return ""
	}
	u, err := url.Parse(c.URL())
	if err != nil || !client.Loopback(u.Host) {
		return ""
	}
	path, err := s.announcement(u.Port())
	if err != nil {
		return ""
	}
	data, err := os.ReadFile(path)
	var a announced
	if err != nil || json.Unmarshal(data, &a) != nil || !runs(a.PID, s.GOOS) {
		return ""
	}
	text, err := readInput("token", a.Token, 64<<10)
	if err != nil {
		return ""
	}
	return text
}

// runs reports whether a process with that ID exists.
func runs(pid int, goos string) bool {
	if pid <= 0 {
		return false
	}
	p, err := os.FindProcess(pid)
	if err != nil {
		return false
	}
	defer func() { _ = p.Release() }()
	if goos == "windows" {
		return true // it would not have been found
	}
	err = p.Signal(syscall.Signal(0))
	return err == nil || errors.Is(err, fs.ErrPermission)
}
