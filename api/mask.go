package api

import (
	"bytes"
	"encoding/json"

	"github.com/brigadecore/brigade/v3/internal/mask"
)

const redacted = "REDACTED"

// structural are the fields that programs rely on: they are never made of
// secrets, and are left as they are even when a secret looks like them.
var structural = map[string]bool{
	"id": true, "buildID": true, "projectID": true, "project": true, "jobID": true, "rerunOf": true, "state": true, "code": true,
	"created": true, "started": true, "ended": true, "time": true, "retriedAt": true, "notBefore": true,
	"level": true, "logLevel": true, "sha256": true, "inherited": true, "next": true, "status": true, "outcome": true,
}

// maskJSON replaces secrets in the values of a JSON text, not in the names of
// its fields.
func maskJSON(m *mask.Masker, data []byte) []byte {
	if m.Empty() || m.String(string(data)) == string(data) {
		return data
	}
	var out bytes.Buffer
	out.Grow(len(data))
	var keys []string // of the objects and arrays we are in
	key := ""
	for i := 0; i < len(data); i++ {
		switch b := data[i]; b {
		case '{', '[':
			keys = append(keys, key)
		case '}', ']':
			if len(keys) > 0 {
				keys = keys[:len(keys)-1]
			}
			key = ""
		case ',':
			key = ""
			if len(keys) > 0 {
				key = keys[len(keys)-1]
			}
		case '"':
			end := stringEnd(data, i)
			text := data[i+1 : end]
			switch {
			case end+1 < len(data) && data[end+1] == ':':
				key = string(text)
			case !structural[key]:
				text = maskText(m, text)
			}
			out.WriteByte('"')
			out.Write(text)
			i = end
		}
		out.WriteByte(data[i])
	}
	return out.Bytes()
}

// maskText masks what is between the quotes of a JSON string. A secret that
// was only found together with its escapes is looked for in the text itself.
func maskText(m *mask.Masker, quoted []byte) []byte {
	var text string
	if json.Unmarshal([]byte(`"`+string(quoted)+`"`), &text) != nil {
		return []byte(redacted)
	}
	hidden := m.String(text)
	if hidden == text {
		return []byte(m.String(string(quoted)))
	}
	again, err := json.Marshal(hidden)
	if err != nil {
		return []byte(redacted)
	}
	return again[1 : len(again)-1]
}

// stringEnd returns where the string that begins at i has its closing quote.
func stringEnd(data []byte, i int) int {
	for j := i + 1; j < len(data); j++ {
		switch data[j] {
		case '\\':
			j++
		case '"':
			return j
		}
	}
	return len(data) - 1
}

// cleanURL hides the password in an address.
func cleanURL(address string) string { return mask.URL(address, redacted) }
