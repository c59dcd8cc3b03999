package api

import (
	"crypto/subtle"
	"encoding/json"
	"net/http"
	"slices"
)

// compareSecrets says which of the values that are sent are the ones that the
// project has. With it a file can be compared with a server, although a server
// shows no secrets. Those who ask may set secrets, and are written down in the
// audit log, since one can guess this way.
func compareSecrets(c *call) error {
	var in struct {
		Secrets     map[string]any    `json:"secrets"`
		Credentials map[string]string `json:"credentials"`
	}
	p, err := c.findProject()
	if err != nil {
		return err
	}
	if err := c.body(&in); err != nil {
		return err
	}
	same := []string{}
	for name, value := range in.Secrets {
		if has, ok := p.Secrets[name]; ok && value != nil && sameValue(has, value) {
			same = append(same, "secrets."+name)
		}
	}
	for _, f := range secretFields(p) {
		if value := in.Credentials[f.name]; value != "" && sameValue(*f.value, value) {
			same = append(same, f.name)
		}
	}
	slices.Sort(same)
	return c.json(http.StatusOK, map[string]any{"same": same})
}

// sameValue compares values of JSON in a time that does not tell how far they
// agree.
func sameValue(a, b any) bool {
	x, err := json.Marshal(a)
	if err != nil {
		return false
	}
	y, err := json.Marshal(b)
	return err == nil && subtle.ConstantTimeCompare(x, y) == 1
}
