package charts

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/brigadecore/brigade/v3/e2e/cluster"
)

// person is somebody with a kubeconfig and no right but those of the table in
// docs/guide/brig-in-a-cluster.md, without the one to delete.
type person struct {
	w    world
	path string // of brig
	env  []string
}

const rightsOfPeople = `
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: person}
rules:
  - {apiGroups: [""], resources: [secrets, pods], verbs: [get, list, watch]}
  - {apiGroups: [""], resources: [pods/log], verbs: [get]}
  - {apiGroups: [""], resources: [secrets], verbs: [create, update, patch]}
  - {apiGroups: [""], resources: [configmaps], verbs: [create, get]}
  - {apiGroups: [""], resources: [pods/portforward], verbs: [create, get]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: person}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: person}
subjects: [{kind: ServiceAccount, name: person}]
`

func (w world) person() person {
	w.t.Helper()
	w.c.Kubectl(w.t, "-n", w.ns, "create", "serviceaccount", "person")
	w.c.Apply(w.t, w.ns, rightsOfPeople)
	home := w.t.TempDir()
	return person{w: w, path: brig(w.t), env: append(os.Environ(),
		"KUBECONFIG="+w.c.KubeconfigFor(w.t, "person", w.ns), "HOME="+home, "XDG_CONFIG_HOME="+home, "BRIGADE_TOKEN=", "BRIGADE_NAMESPACE=", "DISPLAY=", "BROWSER=",
	)}
}

func (p person) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, p.path, args...)
	cmd.Env, cmd.Dir = p.env, p.w.t.TempDir()
	return cmd
}

// brig runs a command that has to succeed.
func (p person) brig(args ...string) string {
	p.w.t.Helper()
	ctx, cancel := context.WithTimeout(p.w.t.Context(), patience)
	defer cancel()
	var out, errs strings.Builder
	cmd := p.command(ctx, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		p.w.t.Errorf("brig %q: %v\n%s%s", args, err, &out, &errs)
	}
	return out.String()
}

// follows runs a build and reads the log of its script, which has no pod, with
// nothing but what is in the guide.
func (p person) follows() {
	t := p.w.t
	t.Helper()
	out := p.brig("run", "acme/hello", "-n", p.w.ns, "--no-color")
	for _, want := range []string{"the script says hi", "hello you"} {
		if !strings.Contains(out, want) {
			t.Errorf("brig run prints no %q:\n%s", want, out)
		}
	}
	found := regexp.MustCompile(`Build: (\S+),`).FindStringSubmatch(out)
	if found == nil {
		t.Fatalf("no build in:\n%s", out)
	}
	if out := p.brig("build", "logs", found[1], "-n", p.w.ns); !strings.Contains(out, "the script says hi") {
		t.Errorf("brig build logs prints:\n%s", out)
	}
}

// logsIn makes a context of the installation, and works there.
func (p person) logsIn() {
	t := p.w.t
	t.Helper()
	out := p.brig("login", "-n", p.w.ns, "--name", "here")
	if !strings.Contains(out, "who may: read\n") || !strings.Contains(out, "context here") {
		t.Errorf("brig login prints:\n%s", out)
	}
	if out := p.brig("build", "list", "-o", "name"); strings.TrimSpace(out) == "" {
		t.Error("in the context there are no builds")
	}
	refused := p.command(t.Context(), "token", "list")
	if out, err := refused.CombinedOutput(); err == nil || !strings.Contains(string(out), "admin") {
		t.Errorf("brig token list without the right to it: %v\n%s", err, out)
	}
	admin := p.w.c.Kubectl(t, "-n", p.w.ns, "exec", "service/"+release+"-brigade-api", "--", "/brig", "token", "create", "admin", "--scope", "admin",
		"--server", "http://127.0.0.1:7745", "--token-file", "/var/lib/brigade/token")
	login := p.command(t.Context(), "login", "--token-file", "-")
	login.Stdin = strings.NewReader(admin)
	if out, err := login.CombinedOutput(); err != nil || !strings.Contains(string(out), "who may: admin") {
		t.Errorf("brig login with a token: %v\n%s", err, out)
	}
	if out := p.brig("token", "list"); !strings.Contains(out, "readers of the namespace's Secrets") {
		t.Errorf("tokens:\n%s", out)
	}
	if out := p.brig("context", "list", "--columns", "NAME,LOGGED IN"); !regexp.MustCompile(`here +yes`).MatchString(out) {
		t.Errorf("contexts:\n%s", out)
	}
	if out := p.brig("logout"); !strings.Contains(out, "context here") {
		t.Errorf("brig logout prints:\n%s", out)
	}
}

// looks opens the dashboard at a port of this machine and reads its health
// there.
func (p person) looks(scheme string) {
	t := p.w.t
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := p.command(ctx, "dashboard", "-n", p.w.ns, "--port", "0", "--open-dashboard=false")
	pipe, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { cancel(); _ = cmd.Wait() }()
	line, err := bufio.NewReader(pipe).ReadString('\n')
	found := regexp.MustCompile(` at (https?)(://\S+)`).FindStringSubmatch(line)
	if found == nil || found[1] != scheme {
		t.Fatalf("brig dashboard prints %q, %v", line, err)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	cluster.Until(t, "the dashboard answers", func() error {
		resp, err := client.Get(found[1] + found[2] + "healthz")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if text, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
			return errors.Join(err, fmt.Errorf("%s: %s", resp.Status, text))
		}
		return nil
	})
}

// certificate makes a Secret with one of its own.
func (w world) certificate(name string) {
	w.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	about := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"ci.example.org"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, about, about, &key.PublicKey, key)
	if err != nil {
		w.t.Fatal(err)
	}
	text, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		w.t.Fatal(err)
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name}, Type: corev1.SecretTypeTLS, Data: map[string][]byte{
		"tls.crt": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}), "tls.key": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: text}),
	}}
	if _, err := w.client.CoreV1().Secrets(w.ns).Create(w.t.Context(), secret, metav1.CreateOptions{}); err != nil {
		w.t.Fatal(err)
	}
}

// follow is what somebody does who reads docs/guide/brig-in-a-cluster.md, with
// an API without and with TLS.
func (w world) follow(t *testing.T) {
	w.t, w.h.t = t, t
	p := w.person()
	p.follows()
	p.looks("http")
	p.logsIn()
	w.certificate("api-tls")
	w.h.upgrade(release, load(t, "brigade"), values(t, "api: {tls: {secretName: api-tls}}"), true)
	p.follows()
	p.looks("https")
	w.h.upgrade(release, load(t, "brigade"), values(t, "api: {tls: {secretName: ''}}"), true)
	w.c.Kubectl(t, "-n", w.ns, "delete", "role,rolebinding", "person")
}
