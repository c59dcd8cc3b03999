package modules

import _ "embed"

//go:embed js/buffer.js
var bufferSource string

//go:embed js/buffer_encodings.js
var bufferEncodingsSource string

//go:embed js/buffer_methods.js
var bufferMethodsSource string

//go:embed js/buffer_numbers.js
var bufferNumbersSource string

//go:embed js/encoding.js
var encodingSource string

//go:embed js/string_decoder.js
var stringDecoderSource string

// bufferModules lists Buffer and the text encoders.
func bufferModules() []Module {
	return []Module{
		{Names: []string{"buffer"}, Node: true, Source: bufferSource, Globals: map[string]string{"Buffer": "Buffer", "atob": "atob", "btoa": "btoa"}},
		{Names: []string{"internal/buffer_encodings"}, Internal: true, Source: bufferEncodingsSource, Native: nativeEncodings},
		{Names: []string{"internal/buffer_methods"}, Internal: true, Source: bufferMethodsSource},
		{Names: []string{"internal/buffer_numbers"}, Internal: true, Source: bufferNumbersSource},
		{Names: []string{"internal/encoding"}, Internal: true, Source: encodingSource, Native: nativeTextCoding, Globals: map[string]string{"TextEncoder": "TextEncoder", "TextDecoder": "TextDecoder"}},
		{Names: []string{"string_decoder"}, Node: true, Source: stringDecoderSource},
	}
}
