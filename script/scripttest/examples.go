package scripttest

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/brigadecore/brigade/v3"
)

// examplesText are events as gateways made them of requests of their kind. A
// test keeps them equal to the gateways' own test data.
//
//go:embed examples.json
var examplesText []byte

var examples = sync.OnceValue(func() []brigade.Event {
	var list []brigade.Event
	if err := json.Unmarshal(examplesText, &list); err != nil {
		panic(fmt.Sprintf("the embedded examples cannot be read: %v", err)) // found by any test
	}
	return list
})

// Example returns the built-in event of that provider and type as JSON; "" is
// the provider's first. CodeNotFound names those there are.
func Example(provider, kind string) (string, error) {
	var types, providers []string
	for _, e := range examples() {
		if !strings.EqualFold(e.Provider, provider) {
			if !slices.Contains(providers, e.Provider) {
				providers = append(providers, e.Provider)
			}
			continue
		}
		if e.Type == kind || kind == "" {
			text, err := json.Marshal(map[string]any{
				"provider": e.Provider, "type": e.Type, "also": append([]string{}, e.Also...), "revision": e.Revision, "payload": e.Payload,
			})
			return string(text), err
		}
		types = append(types, e.Type)
	}
	if len(types) > 0 {
		return "", brigade.Errorf(brigade.CodeNotFound, "there is no example %q of %s; there are %s", kind, provider, strings.Join(types, ", "))
	}
	return "", brigade.Errorf(brigade.CodeNotFound, "there are no examples of %q; there are some of %s", provider, strings.Join(providers, ", "))
}

// ExampleOf returns the first built-in event of that type whose payload is
// JSON, whoever sends it.
func ExampleOf(kind string) (e brigade.Event, ok bool) {
	for _, e := range examples() {
		if (e.Type == kind || slices.Contains(e.Also, kind)) && json.Valid([]byte(e.Payload)) {
			e.Type = kind
			return e, true
		}
	}
	return brigade.Event{}, false
}
