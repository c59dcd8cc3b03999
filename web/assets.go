package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"

	"github.com/brigadecore/brigade/v3/internal/packed"
)

//go:embed assets templates
var files embed.FS

// assets are files that never change under their address, which holds a hash
// of what is in them.
type assets struct{ byName map[string]asset }

type asset struct {
	hash, kind string
	data, gzip []byte
}

func loadAssets() (*assets, error) {
	a := &assets{byName: map[string]asset{}}
	names, err := fs.Glob(files, "assets/*")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		data, err := files.ReadFile(name)
		if err == nil {
			err = a.add(path.Base(name), data)
		}
		if err != nil {
			return nil, fmt.Errorf("load %s: %w", name, err)
		}
	}
	return a, a.add("colors.css", colors())
}

func (a *assets) add(name string, data []byte) error {
	sum := sha256.Sum256(data)
	kinds := map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
	kind := kinds[path.Ext(name)]
	if kind == "" {
		kind = mime.TypeByExtension(path.Ext(name))
	}
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return err
	}
	_, err = z.Write(data)
	if err := errors.Join(err, z.Close()); err != nil {
		return err
	}
	a.byName[name] = asset{hex.EncodeToString(sum[:6]), kind, data, packed.Bytes()}
	return nil
}

// path is the address of an asset.
func (a *assets) path(name string) string { return "/assets/" + a.byName[name].hash + "/" + name }

func (a *assets) serve(w http.ResponseWriter, r *http.Request) {
	f, ok := a.byName[r.PathValue("name")]
	if !ok || f.hash != r.PathValue("hash") {
		http.Error(w, "There is no such file.", http.StatusNotFound)
		return
	}
	h := w.Header()
	h.Set("Content-Type", f.kind)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Vary", "Accept-Encoding")
	data := f.data
	if packed.Accepted(r.Header) {
		h.Set("Content-Encoding", "gzip")
		data = f.gzip
	}
	if r.Method != http.MethodHead {
		_, _ = w.Write(data)
	}
}

// colors is the style sheet of the 240 colors that terminals have besides
// their 16 own ones, which are in app.css because they depend on the scheme.
func colors() []byte {
	var b strings.Builder
	rule := func(n, r, g, bl int) {
		fmt.Fprintf(&b, ".f%d{color:#%02x%02x%02x}.g%d{background:#%02x%02x%02x}\n", n, r, g, bl, n, r, g, bl)
	}
	steps := [6]int{0, 95, 135, 175, 215, 255}
	for n := range 216 {
		rule(16+n, steps[n/36], steps[n/6%6], steps[n%6])
	}
	for n := range 24 {
		rule(232+n, 8+10*n, 8+10*n, 8+10*n)
	}
	return []byte(b.String())
}
