package modules

import _ "embed"

//go:embed js/errors.js
var errorsSource string

//go:embed js/dom_exception.js
var domExceptionSource string

//go:embed js/call_sites.js
var callSitesSource string

// errorsModules lists what errors are made of.
func errorsModules() []Module {
	return []Module{
		{Names: []string{"internal/errors"}, Internal: true, Source: errorsSource},
		{Names: []string{"internal/dom_exception"}, Internal: true, Source: domExceptionSource, Globals: map[string]string{
			"DOMException": "DOMException",
		}},
		{Names: []string{"internal/call_sites"}, Internal: true, Source: callSitesSource, Globals: map[string]string{
			"Error.captureStackTrace": "captureStackTrace",
		}},
	}
}
