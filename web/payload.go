package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/brigadecore/brigade/v3"
)

const (
	maxNodes  = 3000      // of a payload that is shown folded
	maxFolded = 512 << 10 // bytes of a payload that is shown folded
	maxShown  = 256 << 10 // bytes of a text that is shown as it is
	maxDepth  = 40        // of nested values
)

// node is a JSON value as it is shown: folded when it has children.
type node struct {
	Name     string
	Named    bool
	Value    string // of a leaf, as JSON writes it
	Kind     string // string, number, word, object or array
	Children []node
	Count    int
	Open     bool
}

// parseNodes reads a JSON text with the order of its fields. ok is false when
// it is none, or too much of it.
func parseNodes(text string) (n node, ok bool) {
	if len(text) > maxFolded {
		return node{}, false
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	left := maxNodes
	n, err := readNode(d, 0, &left)
	if err != nil {
		return node{}, false
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return node{}, false
	}
	return n, len(n.Children) > 0
}

var errTooMuch = errors.New("too much to be shown")

func readNode(d *json.Decoder, depth int, left *int) (node, error) {
	token, err := d.Token()
	if err != nil {
		return node{}, err
	}
	if *left--; *left < 0 || depth > maxDepth {
		return node{}, errTooMuch
	}
	delim, ok := token.(json.Delim)
	if !ok {
		return leaf(token), nil
	}
	n := node{Kind: "object", Open: depth < 2}
	if delim == '[' {
		n.Kind = "array"
	}
	for d.More() {
		name := ""
		if n.Kind == "object" {
			key, err := d.Token()
			if err != nil {
				return node{}, err
			}
			name, _ = key.(string)
		}
		child, err := readNode(d, depth+1, left)
		if err != nil {
			return node{}, err
		}
		if n.Kind == "object" {
			child.Name, child.Named = name, true
		} else {
			child.Name, child.Named = strconv.Itoa(n.Count), true
		}
		n.Children = append(n.Children, child)
		n.Count++
	}
	_, err = d.Token()
	return n, err
}

func leaf(token json.Token) node {
	switch v := token.(type) {
	case string:
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false) // the template does that
		if e.Encode(v) != nil {
			return node{Kind: "string"}
		}
		return node{Kind: "string", Value: strings.TrimSpace(b.String())}
	case json.Number:
		return node{Kind: "number", Value: v.String()}
	case nil:
		return node{Kind: "word", Value: "null"}
	}
	return node{Kind: "word", Value: fmt.Sprint(token)}
}

// valueNode shows a value that was JSON.
func valueNode(name string, v any) node {
	data, err := json.Marshal(v)
	if err != nil {
		return node{Name: name, Kind: "word", Value: "?"}
	}
	n, ok := parseNodes(string(data))
	if !ok {
		n = node{Kind: "word", Value: cut(string(data), 1000)}
	}
	n.Name, n.Named = name, name != ""
	return n
}

// textData is a text, or the start of it.
type textData struct {
	Build      *brigade.Build
	URL        string
	Tree       *node
	Lines      []string
	Bytes      int64
	Cut        bool
	Name, File string
}

// eventPage shows what started a build, its payload folded.
func eventPage(c *call) (*page, error) {
	b, err := c.findBuild(true)
	if err != nil {
		return nil, err
	}
	d := &textData{Build: b, URL: buildURL(b.ID), Bytes: int64(len(b.Event.Payload)), Name: "Payload"}
	if n, ok := parseNodes(b.Event.Payload); ok {
		d.Tree = &n
	} else {
		d.Lines, d.Cut = shownLines(b.Event.Payload)
	}
	return &page{Title: "Event of " + b.Project + " " + b.Event.Type, Template: "event", Section: "builds", Crumbs: buildCrumbs(b), Data: d}, nil
}

// scriptPage shows the script as it ran.
func scriptPage(c *call) (*page, error) {
	b, err := c.findBuild(true)
	if err != nil {
		return nil, err
	}
	d := &textData{Build: b, URL: buildURL(b.ID), Bytes: int64(len(b.Script)), Name: "Script", File: b.Event.ScriptFile}
	d.Lines, d.Cut = shownLines(b.Script)
	return &page{Title: "Script of " + b.Project + " " + shortID(b.ID), Template: "script", Section: "builds", Crumbs: buildCrumbs(b), Data: d}, nil
}

func buildCrumbs(b *brigade.Build) []crumb {
	return []crumb{{"Projects", "/"}, {b.Project, projectURL(b.ProjectID, b.Project)}, {b.Event.Type + " #" + shortID(b.ID), buildURL(b.ID)}}
}

func shownLines(text string) (lines []string, cutOff bool) {
	if text == "" {
		return nil, false
	}
	if len(text) > maxShown {
		text, cutOff = strings.ToValidUTF8(text[:maxShown], ""), true
	}
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n"), cutOff
}

// payloadFile sends a payload, secrets hidden, to be saved.
func payloadFile(c *call) error {
	b, err := c.findBuild(true)
	if err != nil {
		return err
	}
	c.w.Header().Set("Content-Disposition", attachment("payload-"+b.ID+".txt"))
	return c.send(http.StatusOK, "text/plain; charset=utf-8", []byte(b.Event.Payload))
}
