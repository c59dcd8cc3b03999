package api

import (
	"strings"
	"testing"
)

func TestDecodeSaysWhatIsWrong(t *testing.T) {
	var v struct {
		Name string `json:"name"`
	}
	for body, want := range map[string]string{
		``:                 "ends too early",
		`{`:                "ends too early",
		`{]`:               "malformed at byte 2",
		`[]`:               "must be a JSON object, and is not: array",
		`{"name": []}`:     `"name" is of the wrong kind: array`,
		`{"nme": ""}`:      `unknown field "nme"`,
		`{"name": ""} {}`:  "something after",
		`{"name": "fine"}`: "",
	} {
		err := decode([]byte(body), &v)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %s", body, err, want)
		}
	}
}
