package source_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/source"
)

// sshServer serves git-upload-pack to who has the key, or a certificate of the
// authority.
type sshServer struct {
	*testing.T
	address   string // host:port
	host      ssh.Signer
	user      ssh.Signer
	authority ssh.Signer
	private   string // the user's key, as PEM

	mu      sync.Mutex
	refused int // of the first connections
}

func signer(t *testing.T) (ssh.Signer, string) {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		t.Fatal(err)
	}
	return s, string(pem.EncodeToMemory(block))
}

func newSSHServer(t *testing.T) *sshServer {
	s := &sshServer{T: t}
	s.host, _ = signer(t)
	s.authority, _ = signer(t)
	s.user, s.private = signer(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	t.Cleanup(func() { _ = listener.Close(); running.Wait() })
	s.address = listener.Addr().String()
	check := ssh.CertChecker{
		IsUserAuthority: func(key ssh.PublicKey) bool {
			return bytes.Equal(key.Marshal(), s.authority.PublicKey().Marshal())
		},
		UserKeyFallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			if !bytes.Equal(key.Marshal(), s.user.PublicKey().Marshal()) {
				return nil, errors.New("who is that?")
			}
			return nil, nil
		},
	}
	config := &ssh.ServerConfig{PublicKeyCallback: check.Authenticate}
	config.AddHostKey(s.host)
	running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() { s.talk(conn, config) })
		}
	})
	return s
}

func (s *sshServer) talk(conn net.Conn, config *ssh.ServerConfig) {
	defer conn.Close()
	s.mu.Lock()
	s.refused--
	refuse := s.refused >= 0
	s.mu.Unlock()
	if refuse {
		return
	}
	_, channels, requests, err := ssh.NewServerConn(conn, config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for c := range channels {
		channel, requests, err := c.Accept()
		if err != nil {
			return
		}
		go serveGit(channel, requests)
	}
}

func serveGit(channel ssh.Channel, requests <-chan *ssh.Request) {
	defer channel.Close()
	for r := range requests {
		var command struct{ Text string }
		if r.Type != "exec" || ssh.Unmarshal(r.Payload, &command) != nil {
			_ = r.Reply(false, nil)
			continue
		}
		_ = r.Reply(true, nil)
		name, dir, _ := strings.Cut(command.Text, " ")
		if name != "git-upload-pack" {
			return
		}
		cmd := exec.Command("git", "upload-pack", strings.Trim(dir, "'"))
		cmd.Env = append(os.Environ(), "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*")
		cmd.Stdout, cmd.Stderr = channel, channel.Stderr()
		in, err := cmd.StdinPipe()
		if err != nil || cmd.Start() != nil {
			return
		}
		go func() { _, _ = io.Copy(in, channel); _ = in.Close() }()
		status := uint32(0)
		if cmd.Wait() != nil {
			status = 128
		}
		_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{status}))
		return
	}
}

func (s *sshServer) known(key ssh.PublicKey) string {
	return knownhosts.Line([]string{s.address}, key) + "\n"
}

// certificate signs the user's key for a principal.
func (s *sshServer) certificate(principal string) string {
	s.Helper()
	c := &ssh.Certificate{
		Key: s.user.PublicKey(), CertType: ssh.UserCert, ValidPrincipals: []string{principal},
		ValidAfter: uint64(time.Now().Add(-time.Hour).Unix()), ValidBefore: uint64(time.Now().Add(time.Hour).Unix()),
	}
	if err := c.SignCert(rand.Reader, s.authority); err != nil {
		s.Fatal(err)
	}
	return string(ssh.MarshalAuthorizedKey(c))
}

func TestSSH(t *testing.T) {
	dir, _, _ := repository(t)
	s := newSSHServer(t)
	_, strangerKey := signer(t)
	good := source.HostKeys{Pods: true, Known: s.known(s.host.PublicKey())}
	other, _ := signer(t)
	elsewhere := "git.example.org " + string(ssh.MarshalAuthorizedKey(other.PublicKey()))
	dollars := strings.ReplaceAll(s.private, "\n", "$")
	for name, c := range map[string]struct {
		repo  brigade.Repo
		hosts source.HostKeys
		want  string // in the error; "": none
	}{
		"key":                     {brigade.Repo{SSHKey: s.private}, good, ""},
		"key as v1 keeps it":      {brigade.Repo{SSHKey: dollars}, good, ""},
		"certificate":             {brigade.Repo{SSHKey: s.private, SSHCert: s.certificate("git")}, good, ""},
		"certificate, v1":         {brigade.Repo{SSHKey: dollars, SSHCert: strings.ReplaceAll(s.certificate("git"), "\n", "$")}, good, ""},
		"wrong principal":         {brigade.Repo{SSHKey: s.private, SSHCert: s.certificate("somebody")}, good, "does not accept the key"},
		"wrong key":               {brigade.Repo{SSHKey: strangerKey}, good, "does not accept the key"},
		"no key":                  {brigade.Repo{}, good, "needs an SSH key"},
		"nonsense":                {brigade.Repo{SSHKey: "-----BEGIN"}, good, "key cannot be read"},
		"nonsense as certificate": {brigade.Repo{SSHKey: s.private, SSHCert: "x"}, good, "certificate cannot be read"},
		"another's certificate":   {brigade.Repo{SSHKey: strangerKey, SSHCert: s.certificate("git")}, good, "does not belong"},
		"unknown host":            {brigade.Repo{SSHKey: s.private}, source.HostKeys{Pods: true}, "nothing is known"},
		"unknown host, accepted":  {brigade.Repo{SSHKey: s.private}, source.HostKeys{Pods: true, AcceptNew: true}, ""},
		"another key of the host": {brigade.Repo{SSHKey: s.private}, source.HostKeys{Pods: true, AcceptNew: true, Known: s.known(other.PublicKey())}, "another key"},
		"revoked":                 {brigade.Repo{SSHKey: s.private}, source.HostKeys{Pods: true, AcceptNew: true, Known: "@revoked * " + string(ssh.MarshalAuthorizedKey(s.host.PublicKey()))}, "revoked"},
		"host of the project":     {brigade.Repo{SSHKey: s.private, KnownHosts: s.known(s.host.PublicKey())}, source.HostKeys{}, ""},
		"host of both":            {brigade.Repo{SSHKey: s.private, KnownHosts: s.known(s.host.PublicKey())}, source.HostKeys{Pods: true, Known: elsewhere}, ""},
		"other hosts, project":    {brigade.Repo{SSHKey: s.private, KnownHosts: elsewhere}, source.HostKeys{Pods: true, AcceptNew: true}, "nothing is known"},
		"other hosts, no files":   {brigade.Repo{SSHKey: s.private, KnownHosts: elsewhere}, source.HostKeys{}, "nothing is known"},
		"odd list of hosts":       {brigade.Repo{SSHKey: s.private}, source.HostKeys{Pods: true, Known: "x y\n"}, "cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			p := brigade.NewProject("acme/app")
			p.Repo = c.repo
			p.Repo.CloneURL = "ssh://git@" + s.address + dir
			to := t.TempDir()
			var told []string
			f := source.New(source.Options{HostKeys: c.hosts})
			err := f.Into(t.Context(), p, &brigade.Build{Event: brigade.Event{Revision: brigade.Revision{Ref: "main"}}}, to, func(s string) { told = append(told, s) })
			if c.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				if got := read(t, to, "file"); got != "two" {
					t.Errorf("file = %q", got)
				}
				if fingerprint := ssh.FingerprintSHA256(s.host.PublicKey()); strings.Contains(strings.Join(told, "\n"), fingerprint) != c.hosts.AcceptNew {
					t.Errorf("told: %q", told)
				}
				return
			}
			var e *brigade.Error
			if !errors.As(err, &e) || !strings.Contains(e.Message, c.want) || e.Hint == "" && c.want != "does not belong" {
				t.Fatalf("got %v, want %q", err, c.want)
			}
			if body := strings.Split(strings.TrimSpace(c.repo.SSHKey), "\n"); len(body) > 2 && strings.Contains(err.Error(), body[1]) {
				t.Error("the message shows the key")
			}
		})
	}
}

func TestSSHFromCommitsAndPullRequests(t *testing.T) {
	dir, first, _ := repository(t)
	s := newSSHServer(t)
	s.mu.Lock()
	s.refused = 2
	s.mu.Unlock()
	p := brigade.NewProject("acme/app")
	p.Repo = brigade.Repo{CloneURL: "ssh://git@" + s.address + dir, SSHKey: s.private}
	tries := 0
	f := source.New(source.Options{HostKeys: source.HostKeys{Pods: true, Known: s.known(s.host.PublicKey())}, Retry: source.Retry{Tries: 4, Pause: time.Millisecond}})
	for name, c := range map[string]struct {
		rev  brigade.Revision
		want string
	}{
		"a commit that is no head": {brigade.Revision{Commit: first}, "one"},
		"with its branch":          {brigade.Revision{Commit: first, Ref: "refs/heads/main"}, "one"},
		"with a ref that is wrong": {brigade.Revision{Commit: first, Ref: "refs/heads/nope"}, "one"},
		"a pull request":           {brigade.Revision{Ref: "refs/pull/7/head"}, "feature"},
		"v1's master":              {brigade.Revision{Ref: "master"}, "two"},
		"nothing":                  {brigade.Revision{}, "two"},
	} {
		to := t.TempDir()
		if err := f.Into(t.Context(), p, &brigade.Build{Event: brigade.Event{Revision: c.rev}}, to, func(text string) {
			if strings.HasPrefix(text, "try ") {
				tries++
			}
		}); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := read(t, to, "file"); got != c.want {
			t.Errorf("%s: file = %q, want %q", name, got, c.want)
		}
	}
	if tries != 2 {
		t.Errorf("%d tries were told, the server broke off 2", tries)
	}
}

func TestInto(t *testing.T) {
	dir, _, _ := repository(t)
	p := brigade.NewProject("acme/app")
	p.Repo.CloneURL = serve(t, dir, "")
	into := func(to string, opt source.Options) error {
		return source.New(opt).Into(t.Context(), p, &brigade.Build{}, to, func(string) {})
	}
	used := t.TempDir()
	write(t, used, "precious", "x")
	if err := into(used, source.Options{}); brigade.CodeOf(err) != brigade.CodeSource || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("%v", err)
	}
	if read(t, used, "precious") != "x" {
		t.Error("it was touched")
	}
	volume := t.TempDir()
	if err := os.Mkdir(filepath.Join(volume, "lost+found"), 0o700); err != nil {
		t.Fatal(err)
	}
	for range 2 { // kubelet starts init containers again
		if err := into(volume, source.Options{}); err != nil {
			t.Fatal(err)
		}
		write(t, volume, "left", "by an earlier try")
	}
	if err := into(volume, source.Options{History: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(filepath.Join(volume, "left")); err == nil {
		t.Error("what an earlier try left is still there")
	}
	if n := git(t, volume, "rev-list", "--count", "HEAD"); n != "2" {
		t.Errorf("the history has %s commits", n)
	}
	if tag := git(t, volume, "describe", "--tags"); !strings.HasPrefix(tag, "v1-1-") {
		t.Errorf("git describe says %s", tag)
	}
	if status := git(t, volume, "status", "--porcelain", "--untracked-files=no"); status != "" {
		t.Errorf("git status says %s", status)
	}
	if err := into(filepath.Join(volume, "not", "there"), source.Options{}); brigade.CodeOf(err) != brigade.CodeSource {
		t.Errorf("%v", err)
	}
	if os.Geteuid() == 0 {
		return
	}
	info, err := os.Stat(filepath.Join(volume, "file"))
	if err != nil || info.Mode().Perm()&0o006 != 0o006 {
		t.Errorf("other users of the pod cannot write: %v %v", info.Mode(), err)
	}
}
