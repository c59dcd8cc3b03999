package modules

import _ "embed"

//go:embed js/inspect.js
var inspectSource string

//go:embed js/inspect_kinds.js
var inspectKindsSource string

//go:embed js/inspect_layout.js
var inspectLayoutSource string

//go:embed js/inspect_names.js
var inspectNamesSource string

//go:embed js/format.js
var formatSource string

// inspectModules lists what turns values into text.
func inspectModules() []Module {
	return []Module{
		{Names: []string{"internal/inspect"}, Internal: true, Source: inspectSource},
		{Names: []string{"internal/inspect_kinds"}, Internal: true, Source: inspectKindsSource},
		{Names: []string{"internal/inspect_layout"}, Internal: true, Source: inspectLayoutSource},
		{Names: []string{"internal/inspect_names"}, Internal: true, Source: inspectNamesSource},
		{Names: []string{"internal/format"}, Internal: true, Source: formatSource},
	}
}
