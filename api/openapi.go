package api

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"

	"go.yaml.in/yaml/v3"
)

//go:embed openapi.yaml
var openAPI []byte

//go:embed v1.json
var v1Spec []byte

// openAPIDocument is openapi.yaml as JSON. It is made when somebody asks.
var openAPIDocument = sync.OnceValues(func() ([]byte, error) {
	var doc any
	if err := yaml.Unmarshal(openAPI, &doc); err != nil {
		return nil, fmt.Errorf("read openapi.yaml: %w", err)
	}
	data, err := json.Marshal(doc)
	return append(data, '\n'), err
})

func openAPIYAML(c *call) error {
	c.w.Header().Set("Content-Type", "application/yaml")
	_, _ = c.w.Write(openAPI)
	return nil
}

func openAPIJSON(c *call) error {
	data, err := openAPIDocument()
	if err != nil {
		return err
	}
	return c.send(http.StatusOK, data)
}

// v1Docs answers with the description of v1's routes, as Swagger 2.0.
func v1Docs(c *call) error { return c.send(http.StatusOK, v1Spec) }
