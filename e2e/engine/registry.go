package engine

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"time"
)

// registry is an image registry on the loopback interface that can only be
// pulled from. It stands in for docker.io as well, so that an image nobody has
// is answered with the words of a registry and not with those of a resolver.
type registry struct {
	address            string
	server             *http.Server
	served             chan error
	username, password string
	names              map[string]bool // "team/tool:1"
	manifest           blob
	blobs              map[string]blob // by digest
	pulls              atomic.Int64
}

type blob struct {
	mediaType string
	data      []byte
	digest    string
}

func newBlob(mediaType string, data []byte) blob {
	sum := sha256.Sum256(data)
	return blob{mediaType: mediaType, data: data, digest: "sha256:" + hex.EncodeToString(sum[:])}
}

func (b blob) descriptor() map[string]any {
	return map[string]any{"mediaType": b.mediaType, "size": len(b.data), "digest": b.digest}
}

func serveRegistry(rootfs []byte, opts Options) (*registry, error) {
	r := &registry{
		username: opts.Username, password: opts.Password,
		names: map[string]bool{}, blobs: map[string]blob{}, served: make(chan error, 1),
	}
	for _, name := range opts.Pullable {
		r.names[name] = true
	}
	if err := r.pack(rootfs); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the registry: %w", err)
	}
	r.address = listener.Addr().String()
	r.server = &http.Server{Handler: r, ReadHeaderTimeout: 10 * time.Second}
	go func() { r.served <- r.server.Serve(listener) }()
	return r, nil
}

// pack makes the image: one layer, its configuration and the manifest.
func (r *registry) pack(rootfs []byte) error {
	var packed bytes.Buffer
	zip, err := gzip.NewWriterLevel(&packed, gzip.BestSpeed)
	if err != nil {
		return err
	}
	if _, err := zip.Write(rootfs); err != nil {
		return err
	}
	if err := zip.Close(); err != nil {
		return err
	}
	layer := newBlob("application/vnd.docker.image.rootfs.diff.tar.gzip", packed.Bytes())
	config, err := json.Marshal(map[string]any{
		"architecture": runtime.GOARCH, "os": "linux", "created": "2026-01-01T00:00:00Z",
		"config":  map[string]any{"Cmd": []string{"/bin/sh"}, "Env": []string{"PATH=/usr/bin:/bin"}},
		"rootfs":  map[string]any{"type": "layers", "diff_ids": []string{newBlob("", rootfs).digest}},
		"history": []map[string]any{{"created": "2026-01-01T00:00:00Z", "created_by": "busybox"}},
	})
	if err != nil {
		return err
	}
	configBlob := newBlob("application/vnd.docker.container.image.v1+json", config)
	manifest, err := json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
		"config": configBlob.descriptor(), "layers": []any{layer.descriptor()},
	})
	if err != nil {
		return err
	}
	r.manifest = newBlob("application/vnd.docker.distribution.manifest.v2+json", manifest)
	r.blobs[layer.digest], r.blobs[configBlob.digest] = layer, configBlob
	return nil
}

// conf is the part of registries.conf that makes an engine use r.
func (r *registry) conf() string {
	port := r.address[strings.LastIndex(r.address, ":"):]
	var b strings.Builder
	for _, location := range []string{r.address, "localhost" + port} {
		fmt.Fprintf(&b, "[[registry]]\nlocation = %q\ninsecure = true\n", location)
	}
	fmt.Fprintf(&b, "[[registry]]\nprefix = \"docker.io\"\nlocation = %q\ninsecure = true\n", r.address)
	return b.String()
}

// ServeHTTP answers the reading half of the registry API.
func (r *registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	if !r.allowed(req) {
		w.Header().Set("WWW-Authenticate", `Basic realm="loopback"`)
		refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required")
		return
	}
	if req.Method != http.MethodGet && req.Method != http.MethodHead {
		refuse(w, http.StatusMethodNotAllowed, "UNSUPPORTED", "this registry can only be read")
		return
	}
	path := strings.TrimPrefix(req.URL.Path, "/v2/")
	if path == "" {
		_, _ = w.Write([]byte("{}"))
		return
	}
	if name, reference, ok := strings.Cut(path, "/manifests/"); ok {
		r.serveManifest(w, name, reference)
		return
	}
	_, digest, _ := strings.Cut(path, "/blobs/")
	if b, ok := r.blobs[digest]; ok {
		serveBlob(w, b)
		return
	}
	refuse(w, http.StatusNotFound, "BLOB_UNKNOWN", "blob unknown to registry")
}

func (r *registry) allowed(req *http.Request) bool {
	if r.username == "" {
		return true
	}
	username, password, _ := req.BasicAuth()
	return subtle.ConstantTimeCompare([]byte(username+":"+password), []byte(r.username+":"+r.password)) == 1
}

func (r *registry) serveManifest(w http.ResponseWriter, name, reference string) {
	if !r.names[name+":"+reference] && reference != r.manifest.digest {
		refuse(w, http.StatusNotFound, "MANIFEST_UNKNOWN", "manifest unknown")
		return
	}
	r.pulls.Add(1)
	serveBlob(w, r.manifest)
}

func serveBlob(w http.ResponseWriter, b blob) {
	if b.mediaType != "" {
		w.Header().Set("Content-Type", b.mediaType)
	}
	w.Header().Set("Docker-Content-Digest", b.digest)
	w.Header().Set("Content-Length", fmt.Sprint(len(b.data)))
	_, _ = w.Write(b.data)
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"errors": []map[string]string{{"code": code, "message": message}}})
}

func (r *registry) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := r.server.Shutdown(ctx); err != nil {
		return fmt.Errorf("stop the registry: %w", err)
	}
	<-r.served
	return nil
}

// Pulls is how often a manifest was asked for.
func (e *Engine) Pulls() int64 { return e.registry.pulls.Load() }
