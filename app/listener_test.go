package app

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// writePair writes a certificate with that serial number, and its key.
func writePair(t *testing.T, cert, key string, serial int64, changed time.Time) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), NotAfter: changed.Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	write(t, key, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER}), changed)
	write(t, cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), changed)
}

func write(t *testing.T, file string, data []byte, changed time.Time) {
	t.Helper()
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(file, changed, changed); err != nil {
		t.Fatal(err)
	}
}

// A certificate is read again when its file changes. One that cannot be read
// changes nothing, and is told of once.
func TestCertificatesAreReadAgain(t *testing.T) {
	cert, key := filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	begun := time.Now()
	var logged bytes.Buffer
	log := slog.New(slog.NewTextHandler(&logged, nil))
	if _, err := newKeyPair(cert, key, log); err == nil {
		t.Fatal("no file is no error")
	}
	writePair(t, cert, key, 1, begun)
	keys, err := newKeyPair(cert, key, log)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		name   string
		change func()
		serial int64
		warned int
	}{
		{"nothing", func() {}, 1, 0},
		{"another one", func() { writePair(t, cert, key, 2, begun.Add(time.Minute)) }, 2, 0},
		{"a broken one", func() { write(t, cert, []byte("broken"), begun.Add(2*time.Minute)) }, 2, 1},
		{"still broken", func() {}, 2, 1},
		{"gone", func() { _ = os.Remove(cert) }, 2, 2},
		{"a good one", func() { writePair(t, cert, key, 3, begun.Add(3*time.Minute)) }, 3, 2},
	} {
		step.change()
		keys.looked = time.Time{}
		pair, err := keys.get(nil)
		if err != nil || pair.Leaf.SerialNumber.Int64() != step.serial {
			t.Errorf("%s: %v, %v", step.name, pair, err)
		}
		if n := strings.Count(logged.String(), "level=WARN"); n != step.warned {
			t.Errorf("%s: %d warnings: %s", step.name, n, logged.String())
		}
	}
}
