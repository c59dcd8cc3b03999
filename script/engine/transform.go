package engine

import (
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"

	"github.com/evanw/esbuild/pkg/api"

	"github.com/brigadecore/brigade/v3"
)

// lacking are the features that the engine lacks and the bundler rewrites.
var lacking = map[string]bool{
	"async-generator":                  false,
	"for-await":                        false,
	"dynamic-import":                   false,
	"decorators":                       false,
	"using":                            false,
	"import-attributes":                false,
	"import-assertions":                false,
	"regexp-match-indices":             false,
	"regexp-set-notation":              false,
	"unicode-escapes":                  false, // the engine's parser fails on those with six digits
	"hashbang":                         false,
	"inline-script":                    false,
	"export-star-as":                   false,
	"top-level-await":                  false,
	"arbitrary-module-namespace-names": false,
}

var metaDefines = map[string]string{
	"import.meta.url":      "__meta.url",
	"import.meta.dirname":  "__meta.dirname",
	"import.meta.filename": "__meta.filename",
	"import.meta.resolve":  "__meta.resolve",
	"import.meta.main":     "__meta.main",
}

// noTopAwait is how the bundler begins its error about a top-level await in a
// text that is to become CommonJS.
const noTopAwait = "Top-level await"

func loaderOf(name string) api.Loader {
	switch path.Ext(name) {
	case ".ts", ".mts", ".cts":
		return api.LoaderTS
	case ".tsx":
		return api.LoaderTSX
	case ".jsx":
		return api.LoaderJSX
	}
	return api.LoaderJS
}

// rewritten is a script as the bundler wrote it.
type rewritten struct {
	code, sourceMap string
	file            string // the script's name in the source map
	async           bool   // it waits at its top level, see unit
}

// transform compiles TypeScript, ES modules and what else the engine does not
// understand itself.
func transform(name, source string, typeModule bool) (*unit, error) {
	r, err := rewrite(name, source, typeModule)
	if err != nil {
		return nil, err
	}
	u, err := compileTransformed(name, source, r)
	if err != nil {
		return nil, err
	}
	u.async = r.async
	return u, nil
}

// rewrite has the bundler make plain CommonJS of a script.
func rewrite(name, source string, typeModule bool) (rewritten, error) {
	file := name
	if typeModule {
		file += ".mjs" // default imports of CommonJS then work as in Node
	}
	out := api.Transform(source, api.TransformOptions{
		Loader:            loaderOf(name),
		Format:            api.FormatCommonJS,
		Supported:         lacking,
		Define:            metaDefines,
		Sourcefile:        file,
		Sourcemap:         api.SourceMapExternal,
		SourcesContent:    api.SourcesContentExclude,
		TsconfigRaw:       "{}",
		LogLevel:          api.LogLevelSilent,
		IgnoreAnnotations: true,
	})
	for _, m := range out.Errors {
		if strings.HasPrefix(m.Text, noTopAwait) {
			return rewriteAsync(name, source)
		}
	}
	if len(out.Errors) > 0 {
		return rewritten{}, messageError(name, source, out.Errors[0])
	}
	return rewritten{code: string(out.Code), sourceMap: string(out.Map), file: file}, nil
}

// awaitsAtTop reports whether a script awaits at its top level.
func awaitsAtTop(name, source string) bool {
	out := api.Transform(source, api.TransformOptions{Loader: loaderOf(name), Format: api.FormatCommonJS, LogLevel: api.LogLevelSilent, TsconfigRaw: "{}"})
	for _, m := range out.Errors {
		if strings.HasPrefix(m.Text, noTopAwait) {
			return true
		}
	}
	return false
}

// compileTransformed compiles what the bundler wrote.
func compileTransformed(name, source string, r rewritten) (*unit, error) {
	code := strings.Replace(r.code, nodeDefault, ourDefault, 1)
	u, err := compile(name, code, fixMap(r.sourceMap, r.file, name), fileParams)
	if err != nil {
		return nil, parseError(name, source, err)
	}
	if u.esm = strings.Contains(code, "__toCommonJS("); u.esm {
		u.imports = staticImports(code)
	}
	return u, nil
}

// importLine matches what the bundler makes of an import statement.
var importLine = regexp.MustCompile(`(?m)^(?:var \w+ = (?:__toESM\()?|__reExport\(\w+, )?require\(("(?:[^"\\\n]|\\.)*")\)`)

// staticImports lists the modules that the text of an ES module imports.
func staticImports(code string) []string {
	var names []string
	for _, m := range importLine.FindAllStringSubmatch(code, -1) {
		if name, err := strconv.Unquote(m[1]); err == nil {
			names = append(names, name)
		}
	}
	return names
}

// In Node the default import of a CommonJS module is all of its exports. The
// bundler does that for every module, since it cannot know which ones were ES
// modules before; we do.
const (
	nodeDefault = "isNodeMode || !mod || !mod.__esModule"
	ourDefault  = "isNodeMode && !__meta.esm(mod) || !mod || !mod.__esModule"
)

// rewriteAsync rewrites a module that awaits at its top level. The bundler
// wraps such a module into an async function when another one imports it
// dynamically; the result, whose imports are outside that function, can then
// become CommonJS.
func rewriteAsync(name, source string) (rewritten, error) {
	supported := make(map[string]bool, len(lacking))
	for k, v := range lacking {
		supported[k] = v
	}
	supported["top-level-await"] = true
	built := api.Build(api.BuildOptions{
		EntryPoints:       []string{"entry"},
		Bundle:            true,
		Format:            api.FormatESModule,
		Platform:          api.PlatformNeutral,
		Supported:         supported,
		Define:            metaDefines,
		Sourcemap:         api.SourceMapInline,
		SourcesContent:    api.SourcesContentExclude,
		TsconfigRaw:       "{}",
		TreeShaking:       api.TreeShakingFalse,
		IgnoreAnnotations: true,
		LogLevel:          api.LogLevelSilent,
		Plugins:           []api.Plugin{single(name, source)},
	})
	if len(built.Errors) > 0 {
		return rewritten{}, messageError(name, source, built.Errors[0])
	}
	if len(built.OutputFiles) == 0 {
		return rewritten{}, brigade.Errorf(brigade.CodeScriptLoad, "%s: the bundler wrote nothing", name)
	}
	out := api.Transform(string(built.OutputFiles[0].Contents), api.TransformOptions{
		Format:         api.FormatCommonJS,
		Supported:      lacking,
		Sourcefile:     name,
		Sourcemap:      api.SourceMapExternal,
		SourcesContent: api.SourcesContentExclude,
		TsconfigRaw:    "{}",
		LogLevel:       api.LogLevelSilent,
	})
	if len(out.Errors) > 0 {
		return rewritten{}, messageError(name, source, out.Errors[0])
	}
	return rewritten{code: string(out.Code), sourceMap: string(out.Map), file: "script:script", async: true}, nil
}

// single lets the bundler see one file, imported by an entry that exports the
// promise of its exports, and nothing of the file system.
func single(name, source string) api.Plugin {
	const space, entry = "script", "export const pending = import('script')"
	return api.Plugin{Name: "single", Setup: func(b api.PluginBuild) {
		b.OnResolve(api.OnResolveOptions{Filter: ".*"}, func(a api.OnResolveArgs) (api.OnResolveResult, error) {
			switch {
			case a.Kind == api.ResolveEntryPoint:
				return api.OnResolveResult{Path: "entry", Namespace: "entry"}, nil
			case a.Namespace == "entry":
				return api.OnResolveResult{Path: "script", Namespace: space}, nil
			}
			return api.OnResolveResult{Path: a.Path, External: true}, nil
		})
		load := func(namespace string, contents string, loader api.Loader) {
			b.OnLoad(api.OnLoadOptions{Filter: ".*", Namespace: namespace}, func(api.OnLoadArgs) (api.OnLoadResult, error) {
				return api.OnLoadResult{Contents: &contents, Loader: loader}, nil
			})
		}
		load("entry", entry, api.LoaderJS)
		load(space, source, loaderOf(name))
	}}
}

// messageError makes the error of a script of what the bundler says.
func messageError(name, source string, m api.Message) error {
	if m.Location == nil {
		return &brigade.Error{Code: brigade.CodeScriptLoad, Message: fmt.Sprintf("%s: %s", name, m.Text)}
	}
	return syntaxError(name, source, m.Location.Line, columnOf(m.Location), strings.TrimSuffix(m.Text, ":"))
}

// columnOf counts characters where the bundler counts bytes from 0.
func columnOf(at *api.Location) int {
	if at.Column > len(at.LineText) {
		return at.Column + 1
	}
	return len([]rune(at.LineText[:at.Column])) + 1
}
