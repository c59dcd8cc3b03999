package modules

import _ "embed"

//go:embed js/stream.js
var streamSource string

//go:embed js/stream_promises.js
var streamPromisesSource string

//go:embed js/stream_consumers.js
var streamConsumersSource string

//go:embed js/stream_web.js
var streamWebSource string

//go:embed js/stream_destroy.js
var streamDestroySource string

//go:embed js/stream_readable.js
var streamReadableSource string

//go:embed js/stream_writable.js
var streamWritableSource string

//go:embed js/stream_duplex.js
var streamDuplexSource string

//go:embed js/stream_end.js
var streamEndSource string

//go:embed js/stream_iterate.js
var streamIterateSource string

//go:embed js/stream_adapters.js
var streamAdaptersSource string

// streamModules lists the streams.
func streamModules() []Module {
	return []Module{
		{Names: []string{"stream"}, Node: true, Source: streamSource},
		{Names: []string{"stream/promises"}, Node: true, Source: streamPromisesSource},
		{Names: []string{"stream/consumers"}, Node: true, Source: streamConsumersSource},
		{Names: []string{"stream/web"}, Node: true, Source: streamWebSource, Globals: map[string]string{
			"ReadableStream":                  "ReadableStream",
			"ReadableStreamDefaultReader":     "ReadableStreamDefaultReader",
			"ReadableStreamDefaultController": "ReadableStreamDefaultController",
			"WritableStream":                  "WritableStream",
			"WritableStreamDefaultWriter":     "WritableStreamDefaultWriter",
			"WritableStreamDefaultController": "WritableStreamDefaultController",
			"TransformStream":                 "TransformStream",
			"CountQueuingStrategy":            "CountQueuingStrategy",
			"ByteLengthQueuingStrategy":       "ByteLengthQueuingStrategy",
			"TextEncoderStream":               "TextEncoderStream",
			"TextDecoderStream":               "TextDecoderStream",
			"CompressionStream":               "CompressionStream",
			"DecompressionStream":             "DecompressionStream",
		}},
		{Names: []string{"internal/stream_destroy"}, Internal: true, Source: streamDestroySource},
		{Names: []string{"internal/stream_readable"}, Internal: true, Source: streamReadableSource},
		{Names: []string{"internal/stream_writable"}, Internal: true, Source: streamWritableSource},
		{Names: []string{"internal/stream_duplex"}, Internal: true, Source: streamDuplexSource},
		{Names: []string{"internal/stream_end"}, Internal: true, Source: streamEndSource},
		{Names: []string{"internal/stream_iterate"}, Internal: true, Source: streamIterateSource},
		{Names: []string{"internal/stream_adapters"}, Internal: true, Source: streamAdaptersSource},
	}
}
