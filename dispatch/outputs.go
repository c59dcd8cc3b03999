package dispatch

import (
	"encoding/json"
	"strings"
)

// parseOutputs reads what a job wrote to $BRIGADE_OUTPUT: lines of key=value,
// or one JSON object. In key=value lines a value that is a JSON object or
// array is parsed, any other is a string. Lines without "=" are skipped.
func parseOutputs(data []byte) map[string]any {
	text := strings.TrimSpace(string(data))
	if text == "" {
		return nil
	}
	if strings.HasPrefix(text, "{") {
		var object map[string]any
		if json.Unmarshal([]byte(text), &object) == nil {
			return object
		}
	}
	outputs := map[string]any{}
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(strings.TrimRight(line, "\r\n"), "=")
		if key = strings.TrimSpace(key); !ok || key == "" {
			continue
		}
		outputs[key] = outputValue(value)
	}
	return outputs
}

func outputValue(text string) any {
	if strings.HasPrefix(text, "{") || strings.HasPrefix(text, "[") {
		var value any
		if json.Unmarshal([]byte(text), &value) == nil {
			return value
		}
	}
	return text
}
