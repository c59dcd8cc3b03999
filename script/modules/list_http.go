package modules

import _ "embed"

//go:embed js/http.js
var httpSource string

//go:embed js/https.js
var httpsSource string

//go:embed js/http_messages.js
var httpMessagesSource string

//go:embed js/http_client.js
var httpClientSource string

//go:embed js/fetch.js
var fetchSource string

//go:embed js/fetch_body.js
var fetchBodySource string

//go:embed js/headers.js
var headersSource string

// httpModules lists http, https and fetch.
func httpModules() []Module {
	return []Module{
		{Names: []string{"http"}, Node: true, Source: httpSource},
		{Names: []string{"https"}, Node: true, Source: httpsSource},
		{Names: []string{"internal/http_messages"}, Internal: true, Source: httpMessagesSource},
		{Names: []string{"internal/http_client"}, Internal: true, Source: httpClientSource, Native: nativeHTTP},
		{Names: []string{"internal/fetch"}, Internal: true, Source: fetchSource, Native: nativeHTTP, Globals: map[string]string{
			"fetch": "fetch",
		}},
		{Names: []string{"internal/fetch_body"}, Internal: true, Source: fetchBodySource, Globals: map[string]string{
			"Request":  "Request",
			"Response": "Response",
		}},
		{Names: []string{"internal/headers"}, Internal: true, Source: headersSource, Globals: map[string]string{
			"Headers":  "Headers",
			"FormData": "FormData",
		}},
	}
}
