package modules

import _ "embed"

//go:embed js/process.js
var processSource string

//go:embed js/timers.js
var timersSource string

//go:embed js/timers_promises.js
var timersPromisesSource string

//go:embed js/async_hooks.js
var asyncHooksSource string

// processModules lists process, the timers and the asynchronous context.
func processModules() []Module {
	return []Module{
		{Names: []string{"process"}, Node: true, Source: processSource, Native: nativeProcess, Globals: map[string]string{"process": ""}},
		{Names: []string{"timers"}, Node: true, Source: timersSource, Native: nativeTimers, Globals: map[string]string{"setTimeout": "setTimeout", "clearTimeout": "clearTimeout", "setInterval": "setInterval", "clearInterval": "clearInterval", "setImmediate": "setImmediate", "clearImmediate": "clearImmediate", "queueMicrotask": "queueMicrotask"}},
		{Names: []string{"timers/promises"}, Node: true, Source: timersPromisesSource},
		{Names: []string{"async_hooks"}, Node: true, Source: asyncHooksSource},
	}
}
