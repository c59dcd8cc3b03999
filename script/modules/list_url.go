package modules

import _ "embed"

//go:embed js/url_legacy.js
var urlLegacySource string

//go:embed js/url.js
var urlSource string

//go:embed js/querystring.js
var querystringSource string

//go:embed js/punycode.js
var punycodeSource string

// urlModules lists the URL parsers.
func urlModules() []Module {
	return []Module{
		{Names: []string{"url"}, Node: true, Source: urlLegacySource, Native: nativeURL},
		{Names: []string{"internal/url"}, Internal: true, Source: urlSource, Native: nativeURL, Globals: map[string]string{"URL": "URL", "URLSearchParams": "URLSearchParams"}},
		{Names: []string{"querystring"}, Node: true, Source: querystringSource, Native: nativeURL},
		{Names: []string{"punycode"}, Node: true, Source: punycodeSource},
	}
}
