package main

import (
	"encoding/json"
	"io"

	"github.com/spf13/cobra"

	brigade "github.com/brigadecore/brigade/v3"
)

// outputFlag adds -o to a command that prints a table or an object.
func outputFlag(cmd *cobra.Command, output *string) {
	cmd.Flags().StringVarP(output, "output", "o", "", "format: json, else a table for people")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"json"}, cobra.ShellCompDirectiveNoFileComp))
	cmd.PreRunE = func(*cobra.Command, []string) error { return checkOutput(*output) }
}

func checkOutput(output string) error {
	if output != "" && output != "json" && output != "table" {
		return brigade.Errorf(brigade.CodeUsage, "there is no output format %q", output).WithHint("use -o json")
	}
	return nil
}

// writeJSON prints v, indented, as the whole answer of a command.
func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}
