package projectfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/lazyregexp"
)

// field is a key of a mapping and its value, aliases followed.
type field struct {
	key, value *yaml.Node
}

func find(fields []field, name string) *field {
	for i := range fields {
		if fields[i].key.Value == name {
			return &fields[i]
		}
	}
	return nil
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// clip bounds what of a file is repeated in a message.
func clip(s string) string {
	if len(s) > 60 {
		return strings.ToValidUTF8(s[:60], "") + "…"
	}
	return s
}

// documentsOf splits data into documents, with places in the file. Data that
// begins with { or [ is JSON when it is JSON throughout, else YAML.
func documentsOf(name string, data []byte) ([]*yaml.Node, error) {
	trimmed := bytes.TrimLeft(bytes.TrimPrefix(data, []byte("\ufeff")), " \t\r\n")
	if len(trimmed) > 0 && (trimmed[0] == '{' || trimmed[0] == '[') {
		documents, err := jsonDocuments(name, data[len(data)-len(trimmed):], bytes.Count(data[:len(data)-len(trimmed)], []byte("\n")))
		if err == nil || strings.HasSuffix(strings.ToLower(name), ".json") {
			return documents, err
		}
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var documents []*yaml.Node
	for {
		var n yaml.Node
		err := dec.Decode(&n)
		if errors.Is(err, io.EOF) {
			return documents, nil
		}
		if err != nil {
			return nil, syntaxError(name, err)
		}
		if n.Kind == yaml.DocumentNode && len(n.Content) == 1 {
			documents = append(documents, n.Content[0])
		}
	}
}

var yamlLine = lazyregexp.New(`^line (\d+): `)

// syntaxError is what the YAML library found, in our form. It names no values.
func syntaxError(name string, err error) error {
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 0
	if m := yamlLine.FindStringSubmatch(message); m != nil {
		line, _ = strconv.Atoi(m[1])
		message = message[len(m[0]):]
	}
	e := brigade.Errorf(brigade.CodeInvalid, "%s: this is not YAML: %s", place(name, line, 0), message)
	if strings.Contains(message, "unknown anchor") {
		e.Message = place(name, line, 0) + ": an alias has no anchor"
		return e.WithHint("write a value that begins with * in quotes")
	}
	return e
}

// jsonReader turns JSON into the nodes that YAML gives.
type jsonReader struct {
	name string
	data []byte
	dec  *json.Decoder
	line int // of offset
	from int // offset of the start of that line
	past int // how far lines are counted
}

func jsonDocuments(name string, data []byte, linesBefore int) ([]*yaml.Node, error) {
	r := &jsonReader{name: name, data: data, dec: json.NewDecoder(bytes.NewReader(data)), line: linesBefore + 1}
	r.dec.UseNumber()
	var documents []*yaml.Node
	for {
		n, err := r.value(0)
		if errors.Is(err, io.EOF) {
			return documents, nil
		}
		if err != nil {
			return nil, err
		}
		documents = append(documents, n)
	}
}

// place moves to the start of the next token and says where that is.
func (r *jsonReader) place() (line, column int) {
	offset := int(r.dec.InputOffset())
	for offset < len(r.data) && strings.IndexByte(" \t\r\n,:", r.data[offset]) >= 0 {
		offset++
	}
	for ; r.past < offset; r.past++ {
		if r.data[r.past] == '\n' {
			r.line, r.from = r.line+1, r.past+1
		}
	}
	return r.line, offset - r.from + 1
}

func (r *jsonReader) fail(err error) error {
	line, column := r.place()
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return brigade.Errorf(brigade.CodeInvalid, "%s: the JSON ends too early", place(r.name, line, column))
	}
	return brigade.Errorf(brigade.CodeInvalid, "%s: this is not JSON", place(r.name, line, column))
}

// value reads one value; io.EOF when there is none at the top.
func (r *jsonReader) value(depth int) (*yaml.Node, error) {
	n := &yaml.Node{Kind: yaml.ScalarNode}
	n.Line, n.Column = r.place()
	token, err := r.dec.Token()
	switch {
	case errors.Is(err, io.EOF) && depth == 0:
		return nil, io.EOF
	case err != nil:
		return nil, r.fail(err)
	case depth > maxDepth:
		return nil, brigade.Errorf(brigade.CodeInvalid, "%s: this is nested too deeply", place(r.name, n.Line, n.Column))
	}
	switch token := token.(type) {
	case json.Delim:
		return n, r.nested(n, token, depth)
	case string:
		n.Tag, n.Value, n.Style = "!!str", token, yaml.DoubleQuotedStyle
	case json.Number:
		n.Tag, n.Value = "!!int", token.String()
		if strings.ContainsAny(n.Value, ".eE") {
			n.Tag = "!!float"
		}
	case bool:
		n.Tag, n.Value = "!!bool", fmt.Sprint(token)
	default:
		n.Tag, n.Value = "!!null", "null"
	}
	return n, nil
}

// nested reads what follows { or [.
func (r *jsonReader) nested(n *yaml.Node, opened json.Delim, depth int) error {
	n.Kind, n.Tag = yaml.MappingNode, "!!map"
	if opened == '[' {
		n.Kind, n.Tag = yaml.SequenceNode, "!!seq"
	}
	for r.dec.More() {
		v, err := r.value(depth + 1)
		if err != nil {
			return err
		}
		n.Content = append(n.Content, v)
		if n.Kind == yaml.MappingNode {
			if v, err = r.value(depth + 1); err != nil {
				return err
			}
			n.Content = append(n.Content, v)
		}
	}
	if _, err := r.dec.Token(); err != nil {
		return r.fail(err)
	}
	return nil
}

// count counts the nodes below n and itself; an alias is one.
func count(n *yaml.Node) int {
	all := 1
	for _, c := range n.Content {
		all += count(c)
	}
	return all
}

// resolve follows aliases. It returns nil, and records a problem, when the file
// has too many nodes, as aliases within aliases make them.
func (r *reader) resolve(n *yaml.Node) *yaml.Node {
	for n != nil && n.Kind == yaml.AliasNode {
		if r.nodes++; r.nodes > r.maxNodes {
			break
		}
		n = n.Alias
	}
	if r.nodes++; n == nil || r.nodes > r.maxNodes {
		if r.nodes <= r.maxNodes+2 {
			r.wrong(&yaml.Node{}, "", "there are too many values in this file")
		}
		return nil
	}
	return n
}

// fields lists a mapping's fields. Merge keys (<<) add what is not there.
func (r *reader) fields(n *yaml.Node) []field { return r.merged(n, 0) }

func (r *reader) merged(n *yaml.Node, depth int) []field {
	var own []field
	var merges []*yaml.Node
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := r.resolve(n.Content[i]), r.resolve(n.Content[i+1])
		if key == nil || value == nil {
			return own
		}
		switch {
		case key.Kind != yaml.ScalarNode:
			r.wrong(key, "", "a key is a text")
		case key.ShortTag() == "!!merge":
			merges = append(merges, value)
		case seen[key.Value]:
			r.wrong(key, "", "%q is there twice", clip(key.Value))
		default:
			seen[key.Value] = true
			own = append(own, field{key, value})
		}
	}
	for _, m := range merges {
		own = r.merge(own, seen, m, depth+1)
	}
	return own
}

// merge adds to fields those of the mapping m, or of the mappings it lists.
func (r *reader) merge(to []field, seen map[string]bool, m *yaml.Node, depth int) []field {
	m = r.resolve(m)
	switch {
	case m == nil:
	case depth > maxDepth:
		r.wrong(m, "", "this is nested too deeply")
	case m.Kind == yaml.SequenceNode:
		for _, item := range m.Content {
			to = r.merge(to, seen, item, depth+1)
		}
	case m.Kind == yaml.MappingNode:
		for _, f := range r.merged(m, depth) {
			if !seen[f.key.Value] {
				seen[f.key.Value] = true
				to = append(to, f)
			}
		}
	default:
		r.wrong(m, "", "<< needs a mapping")
	}
	return to
}
