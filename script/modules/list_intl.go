package modules

import _ "embed"

//go:embed js/intl.js
var intlSource string

//go:embed js/intl_locale.js
var intlLocaleSource string

//go:embed js/intl_date.js
var intlDateSource string

//go:embed js/intl_number.js
var intlNumberSource string

// intlModules lists Intl, and the methods of built-in objects that use it.
func intlModules() []Module {
	return []Module{
		{Names: []string{"internal/intl"}, Internal: true, Source: intlSource, Globals: map[string]string{
			"Intl": "",
		}},
		{Names: []string{"internal/intl_locale"}, Internal: true, Source: intlLocaleSource},
		{Names: []string{"internal/intl_date"}, Internal: true, Source: intlDateSource, Native: nativeIntl, Globals: map[string]string{
			"Date.prototype.toLocaleString":     "toLocaleString",
			"Date.prototype.toLocaleDateString": "toLocaleDateString",
			"Date.prototype.toLocaleTimeString": "toLocaleTimeString",
		}},
		{Names: []string{"internal/intl_number"}, Internal: true, Source: intlNumberSource, Globals: map[string]string{
			"Number.prototype.toLocaleString": "toLocaleString",
			"BigInt.prototype.toLocaleString": "toLocaleString",
		}},
	}
}
