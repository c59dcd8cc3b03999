package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/tui"
)

// outputs are what -o can be of commands that print objects.
var outputs = []string{"json", "yaml", "table", "name"}

// outputFlag adds -o to a command that prints a table or an object.
func outputFlag(cmd *cobra.Command, output *string) {
	cmd.Flags().StringVarP(output, "output", "o", "", "format: json, yaml, name (one a line, for other commands), else a table for people")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(outputs, cobra.ShellCompDirectiveNoFileComp))
	beforeRun(cmd, func() error { return checkOutput(*output, outputs...) })
}

// jsonFlag adds -o to a command that prints JSON lines or something for people.
func jsonFlag(cmd *cobra.Command, output *string) {
	cmd.Flags().StringVarP(output, "output", "o", "", "json: one JSON object per line")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"json"}, cobra.ShellCompDirectiveNoFileComp))
	beforeRun(cmd, func() error { return checkOutput(*output, "json") })
}

func checkOutput(output string, known ...string) error {
	if output == "" || slices.Contains(known, output) {
		return nil
	}
	return brigade.Errorf(brigade.CodeUsage, "there is no output format %q", output).WithHint("use -o %s", strings.Join(known, ", -o "))
}

// printObject prints v as -o says, and reports whether it did: a table is for
// the caller to print. name is what -o name prints.
func (s *State) printObject(output string, v any, name string) (done bool, err error) {
	switch output {
	case "json":
		return true, writeJSON(s.Stdout, v)
	case "yaml":
		return true, writeYAML(s.Stdout, v)
	case "name":
		_, err := fmt.Fprintln(s.Stdout, tui.Clean(name, false))
		return true, err
	}
	return false, nil
}

// writeJSON prints v, indented, as the whole answer of a command.
func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// writeYAML prints v as its JSON says it, with the same names in the same
// order.
func writeYAML(w io.Writer, v any) error {
	var text bytes.Buffer
	if err := writeJSON(&text, v); err != nil {
		return err
	}
	var doc yaml.Node // JSON is YAML, nearly
	if err := yaml.Unmarshal([]byte(escapeForYAML(text.String())), &doc); err != nil {
		return fmt.Errorf("write YAML: %w", err)
	}
	block(&doc)
	enc := yaml.NewEncoder(w)
	enc.SetIndent(2)
	if err := enc.Encode(&doc); err != nil {
		return fmt.Errorf("write YAML: %w", err)
	}
	return enc.Close()
}

// escapeForYAML escapes those characters in the texts of JSON that may be there
// as they are in JSON, but not in YAML.
func escapeForYAML(text string) string {
	odd := func(r rune) bool {
		return r >= 0x7f && r < 0xa0 || r == 0xfeff || r == 0xfffe || r == 0xffff
	}
	if !strings.ContainsFunc(text, odd) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if odd(r) {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// block has a document written on lines instead of in brackets. Texts keep
// what says that they are texts.
func block(n *yaml.Node) {
	if n.Kind != yaml.ScalarNode || strings.Contains(n.Value, "\n") {
		n.Style = 0
	} else if n.Tag == "!!str" {
		n.Style = plainStyle(n.Value)
	}
	for _, child := range n.Content {
		block(child)
	}
}

// plainStyle is no style where every reader of YAML takes a text for a text
// without quotes.
func plainStyle(text string) yaml.Style {
	written, err := yaml.Marshal(text)
	if err != nil || string(written) != text+"\n" {
		return yaml.DoubleQuotedStyle
	}
	return 0
}
