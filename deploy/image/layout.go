package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// What follows is the OCI image specification's, 1.1:
// https://github.com/opencontainers/image-spec

const (
	typeIndex    = "application/vnd.oci.image.index.v1+json"
	typeManifest = "application/vnd.oci.image.manifest.v1+json"
	typeConfig   = "application/vnd.oci.image.config.v1+json"
	typeLayer    = "application/vnd.oci.image.layer.v1.tar+gzip"
)

type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int64             `json:"size"`
	Platform    *ociPlatform      `json:"platform,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

type ociPlatform struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
	Variant      string `json:"variant,omitempty"`
}

type index struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType"`
	Manifests     []descriptor      `json:"manifests"`
	Annotations   map[string]string `json:"annotations,omitempty"`
}

type manifest struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType"`
	Config        descriptor        `json:"config"`
	Layers        []descriptor      `json:"layers"`
	Annotations   map[string]string `json:"annotations,omitempty"`
}

type config struct {
	Created string `json:"created"`
	ociPlatform
	Config  runConfig `json:"config"`
	RootFS  rootFS    `json:"rootfs"`
	History []history `json:"history"`
}

type runConfig struct {
	User       string            `json:"User"`
	Env        []string          `json:"Env"`
	Entrypoint []string          `json:"Entrypoint"`
	WorkingDir string            `json:"WorkingDir"`
	Labels     map[string]string `json:"Labels,omitempty"`
}

type rootFS struct {
	Type    string   `json:"type"`
	DiffIDs []string `json:"diff_ids"`
}

type history struct {
	Created   string `json:"created"`
	CreatedBy string `json:"created_by"`
}

// layout collects what the archive holds.
type layout struct {
	opt    options
	dir    string // for layers until they are in the archive
	base   *layer // the same for all platforms
	blobs  []blob
	images []image
}

// blob is one file of the archive that is named by its digest.
type blob struct {
	digest string
	text   []byte // of a small one
	path   string // of a large one
	size   int64
}

// image is that of one platform.
type image struct {
	platform         platform
	manifest         descriptor
	config           string
	layers           []string
	packed, unpacked int64
}

// labels describe the image, as the specification names them.
func (l *layout) labels() map[string]string {
	labels := map[string]string{
		"org.opencontainers.image.title":       "brig",
		"org.opencontainers.image.description": "Brigade: event-driven scripting for containers",
		"org.opencontainers.image.source":      "https://github.com/brigadecore/brigade",
		"org.opencontainers.image.licenses":    "Apache-2.0",
		"org.opencontainers.image.version":     l.opt.version,
		"org.opencontainers.image.created":     l.opt.time.Format(time.RFC3339),
	}
	if l.opt.revision != "" {
		labels["org.opencontainers.image.revision"] = l.opt.revision
	}
	return labels
}

// add makes the image of a platform around a program.
func (l *layout) add(p platform, program string) error {
	level := gzip.BestCompression
	if l.opt.fast {
		level = gzip.BestSpeed
	}
	if l.base == nil {
		base, err := writeLayer(filepath.Join(l.dir, "base"), level, base(), l.opt.time)
		if err != nil {
			return fmt.Errorf("pack the base: %w", err)
		}
		l.base = &base
	}
	top, err := writeLayer(filepath.Join(l.dir, "layer-"+p.arch), level, []file{{name: "brig", mode: 0o755, content: program}}, l.opt.time)
	if err != nil {
		return fmt.Errorf("pack the program: %w", err)
	}
	made := image{platform: p}
	at := l.opt.time.Format(time.RFC3339)
	on := ociPlatform{Architecture: p.arch, OS: p.os}
	c := config{Created: at, ociPlatform: on, RootFS: rootFS{Type: "layers"}, Config: runConfig{
		User:       fmt.Sprintf("%d:%d", user, user),
		Env:        []string{"PATH=/", "HOME=/home/nonroot", "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"},
		Entrypoint: []string{"/brig"}, WorkingDir: "/home/nonroot", Labels: l.labels(),
	}}
	m := manifest{SchemaVersion: 2, MediaType: typeManifest, Annotations: l.labels()}
	for _, part := range []struct {
		layer
		by string
	}{{*l.base, "certificates, users and directories"}, {top, "/brig for " + p.String()}} {
		l.put(blob{digest: part.digest, path: part.path, size: part.packed})
		c.RootFS.DiffIDs = append(c.RootFS.DiffIDs, part.diffID)
		c.History = append(c.History, history{Created: at, CreatedBy: part.by})
		m.Layers = append(m.Layers, descriptor{MediaType: typeLayer, Digest: part.digest, Size: part.packed})
		made.layers = append(made.layers, part.digest)
		made.packed += part.packed
		made.unpacked += part.unpacked
	}
	if m.Config, err = l.json(typeConfig, c); err != nil {
		return err
	}
	made.config = m.Config.Digest
	if made.manifest, err = l.json(typeManifest, m); err != nil {
		return err
	}
	made.manifest.Platform = &on
	l.images = append(l.images, made)
	return nil
}

// put adds a blob, unless it is there already.
func (l *layout) put(b blob) {
	if !slices.ContainsFunc(l.blobs, func(other blob) bool { return other.digest == b.digest }) {
		l.blobs = append(l.blobs, b)
	}
}

// json adds a blob that is a document.
func (l *layout) json(mediaType string, v any) (descriptor, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return descriptor{}, err
	}
	sum := newMeter()
	_, _ = sum.Write(text) // it never fails
	l.put(blob{digest: sum.digest(), text: text, size: int64(len(text))})
	return descriptor{MediaType: mediaType, Digest: sum.digest(), Size: int64(len(text))}, nil
}

// write writes the archive and returns the digest of the image's index. The
// archive appears as a whole.
func (l *layout) write(path string) (string, error) {
	all := index{SchemaVersion: 2, MediaType: typeIndex, Annotations: l.labels()}
	for _, image := range l.images {
		all.Manifests = append(all.Manifests, image.manifest)
	}
	top, err := l.json(typeIndex, all)
	if err != nil {
		return "", err
	}
	full := l.opt.name + ":" + l.opt.tag
	top.Annotations = map[string]string{"org.opencontainers.image.ref.name": l.opt.tag, "io.containerd.image.name": full}
	entry, err := json.Marshal(index{SchemaVersion: 2, MediaType: typeIndex, Manifests: []descriptor{top}})
	if err != nil {
		return "", err
	}
	// Engines that do not know OCI archives read this, for the first platform.
	type oldImage struct {
		Config   string
		RepoTags []string
		Layers   []string
	}
	first := oldImage{Config: inLayout(l.images[0].config), RepoTags: []string{full}}
	for _, digest := range l.images[0].layers {
		first.Layers = append(first.Layers, inLayout(digest))
	}
	old, err := json.Marshal([]oldImage{first})
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	out, err := os.CreateTemp(filepath.Dir(path), ".brig-image-")
	if err != nil {
		return "", err
	}
	err = l.archive(out, entry, old)
	if closeErr := out.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Chmod(out.Name(), 0o644)
	}
	if err == nil {
		err = os.Rename(out.Name(), path)
	}
	if err != nil {
		_ = os.Remove(out.Name())
		return "", fmt.Errorf("write the archive: %w", err)
	}
	return top.Digest, nil
}

// inLayout is where the archive holds a blob.
func inLayout(digest string) string {
	return "blobs/" + strings.Replace(digest, ":", "/", 1)
}

func (l *layout) archive(out io.Writer, entry, old []byte) error {
	w := tar.NewWriter(out)
	put := func(name string, size int64, content io.Reader) error {
		h := &tar.Header{Name: name, Mode: 0o644, Size: size, ModTime: l.opt.time, Typeflag: tar.TypeReg, Format: tar.FormatUSTAR}
		if strings.HasSuffix(name, "/") {
			h.Typeflag, h.Mode = tar.TypeDir, 0o755
		}
		if err := w.WriteHeader(h); err != nil {
			return err
		}
		_, err := io.Copy(w, content)
		return err
	}
	text := func(name string, text []byte) error { return put(name, int64(len(text)), bytes.NewReader(text)) }
	for _, err := range []error{
		text("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`)),
		text("index.json", entry), text("manifest.json", old), text("blobs/", nil), text("blobs/sha256/", nil),
	} {
		if err != nil {
			return err
		}
	}
	slices.SortFunc(l.blobs, func(a, b blob) int { return strings.Compare(a.digest, b.digest) })
	for _, b := range l.blobs {
		if err := l.archiveBlob(b, put); err != nil {
			return err
		}
	}
	return w.Close()
}

func (l *layout) archiveBlob(b blob, put func(string, int64, io.Reader) error) error {
	if b.path == "" {
		return put(inLayout(b.digest), b.size, bytes.NewReader(b.text))
	}
	in, err := os.Open(b.path)
	if err != nil {
		return err
	}
	defer in.Close() //nolint:errcheck // it was only read
	return put(inLayout(b.digest), b.size, in)
}
