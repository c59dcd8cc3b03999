package main

import "github.com/spf13/cobra"

// completionExamples are how each shell takes what it completes with.
var completionExamples = map[string]string{
	"bash":       "  source <(brig completion bash)\n  brig completion bash > /etc/bash_completion.d/brig     for all sessions",
	"zsh":        "  source <(brig completion zsh)\n  brig completion zsh > \"${fpath[1]}/_brig\"              for all sessions",
	"fish":       "  brig completion fish | source\n  brig completion fish > ~/.config/fish/completions/brig.fish",
	"powershell": "  brig completion powershell | Out-String | Invoke-Expression",
}

// addCompletion adds the library's commands that write completions, with
// examples, and with errors as other commands have them.
func addCompletion(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		if cmd.Name() != "completion" {
			continue
		}
		cmd.GroupID = "setup"
		cmd.Short = "Write what a shell needs to complete commands, flags and names"
		cmd.Example = "  source <(brig completion bash)\n  brig completion fish | source"
		cmd.Args = unknownCommand
		cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		for _, shell := range cmd.Commands() {
			shell.Example = completionExamples[shell.Name()]
			shell.Args = args(cobra.NoArgs)
		}
	}
}
