package modules

import _ "embed"

//go:embed js/events.js
var eventsSource string

//go:embed js/event_target.js
var eventTargetSource string

// eventsModules lists EventEmitter and EventTarget.
func eventsModules() []Module {
	return []Module{
		{Names: []string{"events"}, Node: true, Source: eventsSource},
		{Names: []string{"internal/event_target"}, Internal: true, Source: eventTargetSource, Native: nativeClock, Globals: map[string]string{"Event": "Event", "EventTarget": "EventTarget", "CustomEvent": "CustomEvent", "AbortController": "AbortController", "AbortSignal": "AbortSignal"}},
	}
}
