package modules

import _ "embed"

//go:embed js/util.js
var utilSource string

//go:embed js/util_types.js
var utilTypesSource string

//go:embed js/deep_equal.js
var deepEqualSource string

//go:embed js/mime.js
var mimeSource string

//go:embed js/parse_args.js
var parseArgsSource string

// utilModules lists util and its parts.
func utilModules() []Module {
	return []Module{
		{Names: []string{"util", "sys"}, Node: true, Source: utilSource, Native: nativeUtil},
		{Names: []string{"util/types"}, Node: true, Source: utilTypesSource},
		{Names: []string{"internal/deep_equal"}, Internal: true, Source: deepEqualSource},
		{Names: []string{"internal/mime"}, Internal: true, Source: mimeSource},
		{Names: []string{"internal/parse_args"}, Internal: true, Source: parseArgsSource},
	}
}
