package app

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/dispatch"
)

func TestImports(t *testing.T) {
	script := `
const { events } = require("brigadier");
const _ = require('lodash'), get = require("lodash/get");
import moment from "moment"
import "side-effect";
const lazy = () => import("@scope/pkg/sub");
require("./local"); require("/abs"); require("node:fs");`
	got := imports(script)
	for _, want := range []string{"lodash", "moment", "side-effect", "@scope/pkg"} {
		if !got[want] {
			t.Errorf("%s is not seen", want)
		}
	}
	for _, not := range []string{"brigadier", "./local", "/abs", "node:fs"} {
		if got[not] {
			t.Errorf("%s is taken for a package", not)
		}
	}
}

// TestServersKeepTheirEnvironment has a project whose .npmrc tries to send a
// variable of the server to a registry of its own.
func TestServersKeepTheirEnvironment(t *testing.T) {
	var mu sync.Mutex
	var seen []string
	registry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		seen = append(seen, r.Header.Get("Authorization"))
		mu.Unlock()
		http.NotFound(w, r)
	}))
	defer registry.Close()
	host := strings.TrimPrefix(registry.URL, "http:")
	for _, strangers := range []bool{true, false} {
		seen = nil
		dir, state := t.TempDir(), t.TempDir()
		npmrc := "registry=" + registry.URL + "\n" + host + "/:_authToken=${SERVER_SECRET}\n"
		if err := os.WriteFile(filepath.Join(dir, ".npmrc"), []byte(npmrc), 0o600); err != nil {
			t.Fatal(err)
		}
		d := &dependencies{strangers: strangers, opt: Options{Dirs: Dirs{State: state, Cache: state}, Environ: []string{"SERVER_SECRET=top-secret"}}}
		_, err := d.Install(context.Background(), dispatch.DependencyRequest{
			Config: `{"dependencies":{"nope":"1.0.0"}}`, Dir: dir, Notice: func(string) {},
		})
		var e *brigade.Error
		if !errors.As(err, &e) || e.Code != brigade.CodeDependency {
			t.Fatalf("strangers %v: %v", strangers, err)
		}
		if got := slices.Contains(seen, "Bearer top-secret"); got == strangers {
			t.Errorf("strangers %v: the registry saw %q", strangers, seen)
		}
	}
}
