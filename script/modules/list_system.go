package modules

import _ "embed"

//go:embed js/os.js
var osSource string

//go:embed js/constants.js
var constantsSource string

//go:embed js/perf_hooks.js
var perfHooksSource string

//go:embed js/diagnostics_channel.js
var diagnosticsChannelSource string

//go:embed js/net.js
var netSource string

//go:embed js/tty.js
var ttySource string

//go:embed js/readline.js
var readlineSource string

//go:embed js/dns.js
var dnsSource string

// systemModules lists what tells of the machine and of the program.
func systemModules() []Module {
	return []Module{
		{Names: []string{"os"}, Node: true, Source: osSource, Native: nativeOS},
		{Names: []string{"constants"}, Node: true, Source: constantsSource},
		{Names: []string{"perf_hooks"}, Node: true, Source: perfHooksSource, Native: nativePerformance, Globals: map[string]string{
			"performance":         "performance",
			"PerformanceObserver": "PerformanceObserver",
			"PerformanceEntry":    "PerformanceEntry",
		}},
		{Names: []string{"diagnostics_channel"}, Node: true, Source: diagnosticsChannelSource},
		{Names: []string{"net"}, Node: true, Source: netSource, Native: nativeNet},
		{Names: []string{"tty"}, Node: true, Source: ttySource},
		{Names: []string{"readline"}, Node: true, Source: readlineSource},
		{Names: []string{"dns"}, Node: true, Source: dnsSource, Native: nativeDNS},
	}
}
