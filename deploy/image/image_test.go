package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// made builds an image around programs that are none, and returns the archive.
func made(t *testing.T) []byte {
	t.Helper()
	dir := t.TempDir()
	opt, err := read(t.Context(), []string{
		"-o", filepath.Join(dir, "out", "image.tar"), "-name", "example.com/brig", "-version", "v1.2.3+four",
		"-binary", "linux/amd64=" + filepath.Join(dir, "amd64"), "-binary", "linux/arm64=" + filepath.Join(dir, "arm64"),
	}, func(key string) string { return map[string]string{"SOURCE_DATE_EPOCH": "1700000000"}[key] })
	if err != nil {
		t.Fatal(err)
	}
	for _, arch := range []string{"amd64", "arm64"} {
		if err := os.WriteFile(filepath.Join(dir, arch), bytes.Repeat([]byte("program for "+arch), 10_000), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	var said bytes.Buffer
	if err := run(t.Context(), opt, &said); err != nil {
		t.Fatal(err)
	}
	if text := said.String(); !strings.Contains(text, "example.com/brig:v1.2.3-four  sha256:") || strings.Count(text, "MB to pull") != 2 {
		t.Errorf("it says:\n%s", text)
	}
	archive, err := os.ReadFile(opt.out)
	if err != nil {
		t.Fatal(err)
	}
	return archive
}

func entries(t *testing.T, r io.Reader) (map[string][]byte, map[string]*tar.Header) {
	t.Helper()
	texts, headers := map[string][]byte{}, map[string]*tar.Header{}
	in := tar.NewReader(r)
	for {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return texts, headers
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		texts[h.Name], headers[h.Name] = text, h
	}
}

func TestSameImageTwice(t *testing.T) {
	first := made(t)
	if !bytes.Equal(first, made(t)) {
		t.Fatal("the image differs from one build to the next")
	}
	_, headers := entries(t, bytes.NewReader(first))
	for name, h := range headers {
		if !h.ModTime.Equal(time.Unix(1700000000, 0)) || h.Uname != "" {
			t.Errorf("%s: %v %q", name, h.ModTime, h.Uname)
		}
	}
}

// TestLayout follows the archive as a container engine does, and checks every
// digest and size on the way.
func TestLayout(t *testing.T) {
	files, _ := entries(t, bytes.NewReader(made(t)))
	if string(files["oci-layout"]) != `{"imageLayoutVersion":"1.0.0"}` {
		t.Errorf("oci-layout: %s", files["oci-layout"])
	}
	used := map[string]bool{}
	blob := func(d descriptor, to any) []byte {
		t.Helper()
		text := files[inLayout(d.Digest)]
		used[inLayout(d.Digest)] = true
		sum := sha256.Sum256(text)
		if int64(len(text)) != d.Size || "sha256:"+hex.EncodeToString(sum[:]) != d.Digest {
			t.Fatalf("%s has %d bytes and digest %x, not what %+v says", inLayout(d.Digest), len(text), sum, d)
		}
		if to != nil {
			if err := json.Unmarshal(text, to); err != nil {
				t.Fatal(err)
			}
		}
		return text
	}
	var entry, all index
	if err := json.Unmarshal(files["index.json"], &entry); err != nil || len(entry.Manifests) != 1 {
		t.Fatalf("index.json: %s %v", files["index.json"], err)
	}
	if got := entry.Manifests[0].Annotations["io.containerd.image.name"]; got != "example.com/brig:v1.2.3-four" {
		t.Errorf("name = %q", got)
	}
	blob(entry.Manifests[0], &all)
	if len(all.Manifests) != 2 || all.Annotations["org.opencontainers.image.version"] != "v1.2.3+four" {
		t.Fatalf("%+v", all)
	}
	for i, arch := range []string{"amd64", "arm64"} {
		var m manifest
		var c config
		blob(all.Manifests[i], &m)
		blob(m.Config, &c)
		if all.Manifests[i].Platform.Architecture != arch || c.Architecture != arch || c.OS != "linux" {
			t.Errorf("platform %d: %+v, %+v", i, all.Manifests[i].Platform, c.ociPlatform)
		}
		if c.Config.User != "65532:65532" || !slices.Equal(c.Config.Entrypoint, []string{"/brig"}) || c.Created != "2023-11-14T22:13:20Z" {
			t.Errorf("config: %+v", c)
		}
		root, modes := map[string][]byte{}, map[string]*tar.Header{}
		for n, layer := range m.Layers {
			plain, err := gzip.NewReader(bytes.NewReader(blob(layer, nil)))
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(plain)
			if err != nil {
				t.Fatal(err)
			}
			if sum := sha256.Sum256(text); "sha256:"+hex.EncodeToString(sum[:]) != c.RootFS.DiffIDs[n] {
				t.Errorf("layer %d is not what diff_ids says", n)
			}
			texts, headers := entries(t, bytes.NewReader(text))
			for name := range texts {
				root[name], modes[name] = texts[name], headers[name]
			}
		}
		if !bytes.HasPrefix(root["brig"], []byte("program for "+arch)) || modes["brig"].Mode != 0o755 {
			t.Errorf("/brig for %s is %.20q", arch, root["brig"])
		}
		if modes["tmp/"].Mode != 0o1777 || modes["vcs/"].Mode != 0o777 || modes["home/nonroot/"].Uid != user {
			t.Error("there are directories with the wrong rights")
		}
		if !bytes.Contains(root["etc/passwd"], []byte("nonroot:x:65532:65532:")) {
			t.Errorf("/etc/passwd: %s", root["etc/passwd"])
		}
		if pool := x509.NewCertPool(); !pool.AppendCertsFromPEM(root["etc/ssl/certs/ca-certificates.crt"]) {
			t.Error("there are no certificates")
		}
	}
	for name := range files {
		if strings.HasPrefix(name, "blobs/sha256/") && name != "blobs/sha256/" && !used[name] {
			t.Errorf("%s is in the archive for nothing", name)
		}
	}
	var old []struct{ Config string }
	if err := json.Unmarshal(files["manifest.json"], &old); err != nil || len(old) != 1 || files[old[0].Config] == nil {
		t.Errorf("manifest.json: %s %v", files["manifest.json"], err)
	}
}

func TestMistakes(t *testing.T) {
	none := func(string) string { return "" }
	for _, args := range [][]string{{"-platform", "plan9"}, {"-platform", "windows/amd64"}, {"-binary", "x"}, {"-nonsense"}} {
		if _, err := read(t.Context(), args, none); err == nil {
			t.Errorf("%v: no error", args)
		}
	}
	opt, err := read(t.Context(), []string{"-o", filepath.Join(t.TempDir(), "x"), "-binary", "linux/amd64=/does/not/exist"}, none)
	if err != nil {
		t.Fatal(err)
	}
	if err := run(t.Context(), opt, io.Discard); err == nil || !strings.Contains(err.Error(), "/does/not/exist") {
		t.Errorf("%v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(opt.out), "*")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}
