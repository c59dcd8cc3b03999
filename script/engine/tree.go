package engine

import (
	"encoding/base64"
	"strings"

	"github.com/dop251/goja/ast"
	"github.com/dop251/goja/file"
	"github.com/dop251/goja/parser"
)

// Tree is a parsed script, with the positions it has as it was written.
type Tree struct {
	Program *ast.Program
	shift   int // characters before the script in its first line
}

// bodyStart is what a script with a return at its top level is wrapped into.
const bodyStart = "(function () {"

// Parse reads a script as Load would, without running it. A mistake in it is a
// *brigade.Error with the position and the line.
func Parse(name, source string) (*Tree, error) {
	if err := checkSource(name, source); err != nil {
		return nil, err
	}
	source = plainText(source)
	if !needsTransform(name, source) {
		if t := parsePlain(name, source); t != nil {
			return t, nil
		}
	}
	r, err := rewrite(name, source, false)
	if err != nil {
		return nil, err
	}
	text := r.code + "\n//# sourceMappingURL=data:application/json;base64," +
		base64.StdEncoding.EncodeToString([]byte(fixMap(r.sourceMap, r.file, name)))
	program, err := parser.ParseFile(nil, name, text, 0, parser.WithSourceMapLoader(refuseSourceMap))
	if err != nil {
		return nil, parseError(name, source, err)
	}
	return &Tree{Program: program}, nil
}

// parsePlain reads what the engine understands itself, nil for all else.
func parsePlain(name, source string) *Tree {
	program, err := parser.ParseFile(nil, name, source, 0, parser.WithDisableSourceMaps)
	if err == nil {
		return &Tree{Program: program}
	}
	if !strings.Contains(source, "return") {
		return nil
	}
	program, err = parser.ParseFile(nil, name, bodyStart+source+"\n})", 0, parser.WithDisableSourceMaps)
	if err != nil {
		return nil
	}
	return &Tree{Program: program, shift: len(bodyStart)}
}

// At is a position in the script as it was written; both count from 1. Ours
// are positions in what the bundler added.
func (t *Tree) At(i file.Idx) (line, column int, ours bool) {
	at := t.Program.File.Position(int(i) - t.Program.File.Base())
	if at.Line == 1 {
		at.Column -= t.shift
	}
	return at.Line, max(at.Column, 1), strings.HasPrefix(at.Filename, "brigade:")
}
