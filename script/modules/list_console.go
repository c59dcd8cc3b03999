package modules

import _ "embed"

//go:embed js/console.js
var consoleSource string

//go:embed js/console_table.js
var consoleTableSource string

// consoleModules lists console.
func consoleModules() []Module {
	return []Module{
		{Names: []string{"console"}, Node: true, Source: consoleSource, Native: nativeConsole, Globals: map[string]string{"console": ""}},
		{Names: []string{"internal/console_table"}, Internal: true, Source: consoleTableSource},
	}
}
