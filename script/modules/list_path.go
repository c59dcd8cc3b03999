package modules

import _ "embed"

//go:embed js/path.js
var pathSource string

//go:embed js/path_win32.js
var pathWin32Source string

// pathModules lists path.
func pathModules() []Module {
	return []Module{
		{Names: []string{"path", "path/posix"}, Node: true, Source: pathSource},
		{Names: []string{"path/win32"}, Node: true, Source: pathWin32Source},
	}
}
