package modules

import _ "embed"

//go:embed js/fs.js
var fsSource string

//go:embed js/fs_stats.js
var fsStatsSource string

//go:embed js/fs_promises.js
var fsPromisesSource string

//go:embed js/fs_streams.js
var fsStreamsSource string

// fsModules lists fs.
func fsModules() []Module {
	return []Module{
		{Names: []string{"fs"}, Node: true, Source: fsSource, Native: nativeFS},
		{Names: []string{"internal/fs_stats"}, Internal: true, Source: fsStatsSource},
		{Names: []string{"fs/promises"}, Node: true, Source: fsPromisesSource},
		{Names: []string{"internal/fs_streams"}, Internal: true, Source: fsStreamsSource},
	}
}
