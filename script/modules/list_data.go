package modules

import _ "embed"

//go:embed js/blob.js
var blobSource string

//go:embed js/structured_clone.js
var structuredCloneSource string

//go:embed js/zlib.js
var zlibSource string

//go:embed js/assert.js
var assertSource string

//go:embed js/assert_error.js
var assertErrorSource string

// dataModules lists Blob, structuredClone, zlib and assert.
func dataModules() []Module {
	return []Module{
		{Names: []string{"internal/blob"}, Internal: true, Source: blobSource, Globals: map[string]string{
			"Blob": "Blob",
			"File": "File",
		}},
		{Names: []string{"internal/structured_clone"}, Internal: true, Source: structuredCloneSource, Globals: map[string]string{
			"structuredClone": "structuredClone",
		}},
		{Names: []string{"zlib"}, Node: true, Source: zlibSource, Native: nativeZlib},
		{Names: []string{"assert"}, Node: true, Source: assertSource},
		{Names: []string{"internal/assert_error"}, Internal: true, Source: assertErrorSource},
	}
}
