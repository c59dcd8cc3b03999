package dispatch

import (
	"encoding/json"
	"maps"
	"strings"
)

// parseOutputs reads what a job wrote to $BRIGADE_OUTPUT: one JSON object, or
// lines, each key=value or a JSON object. Later ones replace earlier ones. In
// key=value lines a value that is a JSON object or array is parsed, any other is
// a string. Other lines are skipped.
func parseOutputs(data []byte) map[string]any {
	text := strings.TrimSpace(string(data))
	if text == "" {
		return nil
	}
	if object, is := outputObject(text); is {
		return object
	}
	outputs := map[string]any{}
	for line := range strings.Lines(text) {
		if object, is := outputObject(strings.TrimSpace(line)); is {
			maps.Copy(outputs, object)
			continue
		}
		key, value, ok := strings.Cut(strings.TrimRight(line, "\r\n"), "=")
		if key = strings.TrimSpace(key); !ok || key == "" {
			continue
		}
		outputs[key] = outputValue(value)
	}
	return outputs
}

func outputObject(text string) (object map[string]any, is bool) {
	if !strings.HasPrefix(text, "{") {
		return nil, false
	}
	err := json.Unmarshal([]byte(text), &object)
	return object, err == nil
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
