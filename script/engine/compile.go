package engine

import (
	"encoding/base64"
	"errors"
	"fmt"
	"path"
	"regexp"
	"strings"
	"sync"

	"github.com/dop251/goja"
	"github.com/dop251/goja/ast"
	"github.com/dop251/goja/parser"
	"github.com/dop251/goja/unistring"

	"github.com/brigadecore/brigade/v3"
)

// The parameters of a module's function.
var (
	fileParams    = []string{"exports", "require", "module", "__filename", "__dirname", "__meta"}
	builtinParams = []string{"exports", "require", "module", "native", "engine"}
)

// unit is a compiled module: a program whose value is the module's function.
type unit struct {
	program *goja.Program
	// async says that the module exports only pending, a promise of its
	// exports, because it waits at its top level.
	async bool
	esm   bool // it was an ES module
	// imports are the modules that an ES module imports.
	imports []string
}

// cacheLimit is how many bytes of source a Cache remembers the programs of.
const cacheLimit = 64 << 20

// Cache keeps compiled modules for all engines that share it. It is safe for
// concurrent use.
type Cache struct {
	mu    sync.Mutex
	units map[cacheKey]*unit
	bytes int
}

type cacheKey struct{ name, source string }

// NewCache returns an empty cache.
func NewCache() *Cache { return &Cache{units: map[cacheKey]*unit{}} }

// get returns the unit of a source, compiled by make when it is not known.
func (c *Cache) get(name, source string, make func() (*unit, error)) (*unit, error) {
	key := cacheKey{name, source}
	c.mu.Lock()
	u := c.units[key]
	c.mu.Unlock()
	if u != nil {
		return u, nil
	}
	u, err := make()
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.bytes += len(source); c.bytes > cacheLimit {
		c.units, c.bytes = map[cacheKey]*unit{}, len(source)
	}
	c.units[key] = u
	return u, nil
}

// compileFile compiles a file of the script or of a package; typeModule says
// that the package declares its files to be ES modules. A mistake in it is a
// *brigade.Error with the position and the line.
func (c *Cache) compileFile(name, source string, typeModule bool) (*unit, error) {
	key := name
	if typeModule {
		key += " as a module"
	}
	return c.get(key, source, func() (*unit, error) {
		if err := checkSource(name, source); err != nil {
			return nil, err
		}
		source := plainText(source)
		if needsTransform(name, source) {
			return transform(name, source, typeModule)
		}
		u, err := compile(name, source, "", fileParams)
		if err == nil {
			return u, nil
		}
		return transform(name, source, typeModule)
	})
}

// compileBuiltin compiles an embedded module.
func (c *Cache) compileBuiltin(name, source string) (*unit, error) {
	file := "brigade:" + name
	return c.get(file, source, func() (*unit, error) {
		u, err := compile(file, source, "", builtinParams)
		if err != nil {
			return nil, fmt.Errorf("the built-in module %q does not compile: %w", name, err)
		}
		return u, nil
	})
}

// plainText takes away a byte order mark, and turns a #! line into a comment.
func plainText(source string) string {
	source = strings.TrimPrefix(source, "\ufeff")
	if strings.HasPrefix(source, "#!") {
		source = "//" + source[2:]
	}
	return source
}

// maybeAwait matches what the engine reads as a call or an operation of
// something named await where it stands outside an async function.
var maybeAwait = regexp.MustCompile("\\bawait\\s*[(\\[`+/-]")

func needsTransform(name, source string) bool {
	switch path.Ext(name) {
	case ".ts", ".mts", ".cts", ".tsx", ".jsx", ".mjs":
		return true
	}
	return maybeAwait.MatchString(source) && awaitsAtTop(name, source)
}

// compile makes a unit of CommonJS text. The text is wrapped into a function
// as a tree and not as text, so that positions stay what they are. sourceMap
// is "" or the JSON text of one.
func compile(name, source, sourceMap string, params []string) (u *unit, err error) {
	defer func() {
		if x := recover(); x != nil { // the engine's compiler gives up on a few constructs this way
			u, err = nil, fmt.Errorf("%s: the JavaScript compiler failed: %v", name, x)
		}
	}()
	text, opts := source, []parser.Option{parser.WithDisableSourceMaps}
	if sourceMap != "" {
		text = source + "\n//# sourceMappingURL=data:application/json;base64," + base64.StdEncoding.EncodeToString([]byte(sourceMap))
		opts = []parser.Option{parser.WithSourceMapLoader(refuseSourceMap)}
	}
	tree, err := parser.ParseFile(nil, name, text, 0, opts...)
	if err != nil {
		return compileAsText(name, text, err, params, opts)
	}
	adapt(name, source, tree.Body, params)
	list := make([]*ast.Binding, len(params))
	for i, p := range params {
		list[i] = &ast.Binding{Target: &ast.Identifier{Name: unistring.NewFromString(p), Idx: 1}}
	}
	function := &ast.FunctionLiteral{
		Function:        1,
		ParameterList:   &ast.ParameterList{Opening: 1, List: list, Closing: 1},
		Body:            &ast.BlockStatement{LeftBrace: 1, List: tree.Body, RightBrace: 1},
		Source:          source,
		DeclarationList: tree.DeclarationList,
	}
	tree.Body, tree.DeclarationList = []ast.Statement{&ast.ExpressionStatement{Expression: function}}, nil
	program, err := goja.CompileAST(tree, false)
	if err != nil {
		return nil, err
	}
	return &unit{program: program}, nil
}

// adapt changes what the engine does otherwise than Node in the tree of a module.
func adapt(name, source string, body []ast.Statement, params []string) {
	replaceRegExps(source, body)
	if len(params) == len(fileParams) {
		addTidying(name, source, body)
	}
}

// compileAsText compiles what is no program but may be a function's body, such
// as a module with a return at its top level. cause is the error as a program.
func compileAsText(name, text string, cause error, params []string, opts []parser.Option) (*unit, error) {
	if !strings.Contains(text, "return") {
		return nil, cause
	}
	wrapped := "(function (" + strings.Join(params, ", ") + ") {" + text + "\n})"
	tree, err := parser.ParseFile(nil, name, wrapped, 0, opts...)
	if err != nil || len(tree.Body) != 1 {
		return nil, cause
	}
	adapt(name, text, tree.Body, params)
	program, err := goja.CompileAST(tree, false)
	if err != nil {
		return nil, cause
	}
	return &unit{program: program}, nil
}

// refuseSourceMap keeps a script from naming a file that the engine would open.
func refuseSourceMap(string) ([]byte, error) {
	return nil, errors.New("source maps are only read from the file itself")
}

// parseError makes the error of a script of what the engine's parser says.
func parseError(name, source string, err error) error {
	var list parser.ErrorList
	if errors.As(err, &list) && len(list) > 0 {
		first := list[0]
		return syntaxError(name, source, first.Position.Line, first.Position.Column, first.Message)
	}
	var compiled *goja.CompilerSyntaxError
	if errors.As(err, &compiled) && compiled.File != nil {
		pos := compiled.File.Position(compiled.Offset)
		return syntaxError(name, source, pos.Line, pos.Column, compiled.Message)
	}
	return &brigade.Error{Code: brigade.CodeScriptLoad, Message: fmt.Sprintf("%s: %v", name, err), Err: err}
}

// syntaxError is the error about a mistake at a place of a script; line and
// column count from 1.
func syntaxError(name, source string, line, column int, text string) *brigade.Error {
	message := fmt.Sprintf("%s:%d:%d: %s", name, line, column, text)
	if frame := codeFrame(source, line, column); frame != "" {
		message += "\n\n" + frame
	}
	return &brigade.Error{Code: brigade.CodeScriptLoad, Message: message}
}

// maxFrameWidth is how much of a long line a code frame shows.
const maxFrameWidth = 100

// codeFrame shows a line of source with a caret below the column, or nothing
// when there is no such line. line and column count from 1.
func codeFrame(source string, line, column int) string {
	lines := strings.SplitN(source, "\n", line+1)
	if line < 1 || line > len(lines) || column < 1 {
		return ""
	}
	text := []rune(strings.TrimRight(lines[line-1], "\r"))
	at := min(column-1, len(text))
	from, dots := 0, ""
	if at > maxFrameWidth-20 {
		from, dots = at-maxFrameWidth/2, "…"
	}
	to := min(len(text), from+maxFrameWidth)
	number := fmt.Sprintf("  %d | ", line)
	var pad strings.Builder
	for _, r := range text[from:at] {
		if r != '\t' {
			r = ' '
		}
		pad.WriteRune(r)
	}
	gap := strings.Repeat(" ", len(number)-2+len([]rune(dots)))
	return fmt.Sprintf("%s%s%s\n%s| %s^", number, dots, string(text[from:to]), gap[:len(number)-2], gap[len(number)-2:]+pad.String())
}
