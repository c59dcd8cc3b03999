package main

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"hash"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// user is who the program runs as, and whose group. Distroless images have the
// same.
const user = 65532

// file is something in a layer. Directories' names end with a slash.
type file struct {
	name    string
	mode    int64
	owner   int
	text    string // content of a small file
	content string // path of a large one
}

// base is what the program needs around it: whom to trust, who it is, and
// directories that it may write to where nothing is mounted.
func base() []file {
	return []file{
		{name: "etc/", mode: 0o755},
		{name: "etc/group", mode: 0o644, text: "root:x:0:\nnonroot:x:65532:\nnobody:x:65534:\n"},
		{name: "etc/nsswitch.conf", mode: 0o644, text: "hosts: files dns\n"},
		{name: "etc/passwd", mode: 0o644, text: "root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\nnobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin\n"},
		{name: "etc/ssl/", mode: 0o755},
		{name: "etc/ssl/certs/", mode: 0o755},
		{name: "etc/ssl/certs/ca-certificates.crt", mode: 0o644, text: authorities()},
		{name: "home/", mode: 0o755},
		{name: "home/nonroot/", mode: 0o700, owner: user},
		{name: "root/", mode: 0o700},
		{name: "tmp/", mode: 0o1777},
		{name: "var/", mode: 0o755},
		{name: "var/lib/", mode: 0o755},
		{name: "var/lib/brigade/", mode: 0o700, owner: user},
		{name: "vcs/", mode: 0o777, owner: user},
	}
}

// authorities are Mozilla's, as PEM. They come from a module whose version
// go.mod names, so that they do not depend on the machine. Those that are
// trusted with conditions only, which PEM cannot express, are left out.
func authorities() string {
	var b strings.Builder
	for root := range bundle.Roots() {
		if root.Constraint == nil {
			b.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}))
		}
	}
	return b.String()
}

// layer is a packed tar file.
type layer struct {
	path     string
	digest   string // of the packed file
	diffID   string // of what is in it
	packed   int64
	unpacked int64
}

// meter counts and sums what is written.
type meter struct {
	hash.Hash
	n int64
}

func newMeter() *meter { return &meter{Hash: sha256.New()} }

func (m *meter) Write(p []byte) (int, error) {
	m.n += int64(len(p))
	return m.Hash.Write(p)
}

func (m *meter) digest() string { return "sha256:" + hex.EncodeToString(m.Sum(nil)) }

// writeLayer packs the files into path.
func writeLayer(path string, level int, files []file, at time.Time) (l layer, err error) {
	out, err := os.Create(path)
	if err != nil {
		return l, err
	}
	defer func() {
		if closeErr := out.Close(); err == nil {
			err = closeErr
		}
	}()
	packed, plain := newMeter(), newMeter()
	zip, err := gzip.NewWriterLevel(io.MultiWriter(out, packed), level)
	if err != nil {
		return l, err
	}
	w := tar.NewWriter(io.MultiWriter(zip, plain))
	for _, f := range files {
		if err := add(w, f, at); err != nil {
			return l, err
		}
	}
	if err := w.Close(); err != nil {
		return l, err
	}
	if err := zip.Close(); err != nil {
		return l, err
	}
	return layer{path: path, digest: packed.digest(), diffID: plain.digest(), packed: packed.n, unpacked: plain.n}, nil
}

func add(w *tar.Writer, f file, at time.Time) error {
	h := &tar.Header{Name: f.name, Mode: f.mode, Uid: f.owner, Gid: f.owner, Size: int64(len(f.text)), ModTime: at, Typeflag: tar.TypeReg, Format: tar.FormatUSTAR}
	if strings.HasSuffix(f.name, "/") {
		h.Typeflag = tar.TypeDir
		return w.WriteHeader(h)
	}
	var content io.Reader = strings.NewReader(f.text)
	if f.content != "" {
		in, err := os.Open(f.content)
		if err != nil {
			return err
		}
		defer in.Close() //nolint:errcheck // it was only read
		info, err := in.Stat()
		if err != nil {
			return err
		}
		h.Size, content = info.Size(), in
	}
	if err := w.WriteHeader(h); err != nil {
		return err
	}
	_, err := io.Copy(w, content)
	return err
}
