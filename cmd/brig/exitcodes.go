package main

import (
	"fmt"
	"sort"
	"strings"

	"github.com/spf13/cobra"

	brigade "github.com/brigadecore/brigade/v3"
)

// exitCode is a row of the table that help and the documentation show.
type exitCode struct {
	code    int
	meaning string
}

var exitCodes = []exitCode{
	{brigade.ExitOK, "done; the build succeeded"},
	{brigade.ExitBuildFailed, "the build failed: a job or the script did"},
	{brigade.ExitUsage, "a flag, an argument or an input file is wrong"},
	{brigade.ExitScript, "the script could not be loaded, or a module or dependency of it is missing"},
	{brigade.ExitNotFound, "there is no such build, job or project"},
	{brigade.ExitConflict, "it exists already, or somebody else works on it"},
	{brigade.ExitUnavailable, "an engine, a registry, a repository or a server cannot be reached"},
	{brigade.ExitDenied, "the credentials do not allow it"},
	{brigade.ExitStore, "the local store failed"},
	{brigade.ExitInternal, "a bug, or something nobody foresaw"},
	{brigade.ExitCanceled, "canceled, such as with Ctrl-C"},
}

// newExitCodes makes the help topic `brig help exit-codes`.
func newExitCodes(*State) *cobra.Command {
	return &cobra.Command{Use: "exit-codes", Short: "The exit codes of brig, and the error codes behind them", Long: exitCodeHelp()}
}

func exitCodeHelp() string {
	byExit := map[int][]string{}
	for _, c := range brigade.Codes() {
		byExit[c.ExitCode()] = append(byExit[c.ExitCode()], string(c))
	}
	var b strings.Builder
	b.WriteString("Exit codes:\n\n")
	for _, row := range exitCodes {
		fmt.Fprintf(&b, "  %3d  %s\n", row.code, row.meaning)
		if codes := byExit[row.code]; len(codes) > 0 {
			sort.Strings(codes)
			fmt.Fprintf(&b, "       %s\n", strings.Join(codes, ", "))
		}
	}
	b.WriteString("\nThe words are the error codes that end with it, as -o json prints them.\n")
	return b.String()
}

// exitCodeLine is the short form for the help of commands that run builds.
const exitCodeLine = "Exit codes: 0 ok, 1 the build failed, 2 usage, 3 the script could not be loaded,\n130 canceled; the others are in `brig help exit-codes`."
