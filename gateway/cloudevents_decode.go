package gateway

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/event"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/lazyregexp"
)

// cloudEvent is what is used of a CloudEvent of any version.
type cloudEvent struct {
	id, source, kind, subject string
	traceParent               string // "" when it is none
	data                      []byte // as JSON; nil when it is something else
	payload                   []byte // the whole event, as JSON
}

// version02 is the version that v1 took and that the SDK knows no more.
const version02 = "0.2"

// cloudPrefix begins the headers that carry attributes in binary mode.
const cloudPrefix = "Ce-"

var traceContext = lazyregexp.New(`^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$`)

// readStructured reads an event that is one JSON object.
func readStructured(text []byte) (cloudEvent, error) {
	var probe struct {
		Version any `json:"specversion"`
	}
	if err := decode(text, &probe); err != nil {
		return cloudEvent{}, err
	}
	if probe.Version == version02 {
		return read02(text)
	}
	e, err := readWithSDK(func() (*event.Event, error) {
		var e event.Event
		err := e.UnmarshalJSON(text)
		return &e, err
	})
	if err != nil {
		return cloudEvent{}, err
	}
	return newCloudEvent(e, text), nil
}

// readBinary reads an event whose attributes are headers and whose data is the
// body.
func readBinary(h http.Header, body []byte) (cloudEvent, error) {
	h = decodedHeaders(h)
	if h.Get("Ce-Specversion") == version02 {
		return readBinary02(h, body)
	}
	e, err := readWithSDK(func() (*event.Event, error) {
		return binding.ToEvent(context.Background(), cehttp.NewMessage(h, io.NopCloser(bytes.NewReader(body))))
	})
	if err != nil {
		return cloudEvent{}, err
	}
	if isJSONType(e.DataContentType()) {
		if len(e.Data()) > 0 && !json.Valid(e.Data()) {
			return cloudEvent{}, brigade.Errorf(brigade.CodeInvalid, "the data of the CloudEvent is not the JSON that it is said to be")
		}
	} else if !utf8.Valid(e.Data()) {
		e.DataBase64 = true
	}
	if !e.DataBase64 && !utf8.Valid(e.Data()) {
		return cloudEvent{}, brigade.Errorf(brigade.CodeInvalid, "the data of the CloudEvent is no UTF-8 text")
	}
	if e.DataBase64 && e.SpecVersion() == event.CloudEventsVersionV03 {
		e.SetDataContentEncoding(event.Base64)
	}
	text, err := json.Marshal(e)
	if err != nil {
		return cloudEvent{}, errCloudEvent(err)
	}
	return newCloudEvent(e, text), nil
}

// decodedHeaders undoes the percent-encoding of attributes in headers.
func decodedHeaders(h http.Header) http.Header {
	decoded := http.Header{}
	for name, values := range h {
		if len(values) == 0 {
			continue
		}
		value := values[0]
		if plain, err := url.PathUnescape(value); err == nil && strings.HasPrefix(name, cloudPrefix) && utf8.ValidString(plain) {
			value = plain
		}
		if name == "Content-Type" || len(name) > len(cloudPrefix) && strings.HasPrefix(name, cloudPrefix) {
			decoded[name] = []string{value}
		}
	}
	return decoded
}

// readWithSDK has the SDK read an event and checks it. The SDK panics about
// some that are not well-formed, such as one whose data_base64 is a number.
func readWithSDK(read func() (*event.Event, error)) (e *event.Event, err error) {
	defer func() {
		if recover() != nil {
			e, err = nil, errCloudEvent(nil)
		}
	}()
	if e, err = read(); err == nil {
		err = e.Validate()
	}
	if err != nil {
		return nil, errCloudEvent(err)
	}
	return e, nil
}

// errCloudEvent names the attributes that are wrong, but not what they hold.
func errCloudEvent(err error) error {
	var wrong event.ValidationError
	if errors.As(err, &wrong) && len(wrong) > 0 {
		names := slices.Sorted(maps.Keys(wrong))
		return brigade.Errorf(brigade.CodeInvalid, "the CloudEvent lacks what is required, or it is wrong: %s", strings.Join(names, ", "))
	}
	return brigade.Errorf(brigade.CodeInvalid, "the body is not a CloudEvent of version 0.2, 0.3 or 1.0")
}

func newCloudEvent(e *event.Event, text []byte) cloudEvent {
	c := cloudEvent{id: e.ID(), source: e.Source(), kind: e.Type(), subject: e.Subject(), payload: text}
	if tp, ok := e.Extensions()["traceparent"].(string); ok && traceContext.MatchString(tp) {
		c.traceParent = tp
	}
	if isJSONType(e.DataContentType()) && json.Valid(e.Data()) {
		c.data = e.Data()
	}
	return c
}

// isJSONType reports whether data of that content type is JSON, which it is
// as well when nothing is said.
func isJSONType(contentType string) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	return contentType == "" || err == nil && (kind == "application/json" || kind == "text/json" || strings.HasSuffix(kind, "+json"))
}

// cloudEvent02 is an event of version 0.2, in which the content type has
// another name and extensions may be in an object of their own.
type cloudEvent02 struct {
	ID          string          `json:"id"`
	Type        string          `json:"type"`
	Source      string          `json:"source"`
	Subject     string          `json:"subject"`
	TraceParent string          `json:"traceparent"`
	Data        json.RawMessage `json:"data"`
	Extensions  map[string]any  `json:"extensions"`
}

func read02(text []byte) (cloudEvent, error) {
	var e cloudEvent02
	if err := decode(text, &e); err != nil {
		return cloudEvent{}, err
	}
	var missing []string
	for _, attribute := range [][2]string{{"id", e.ID}, {"source", e.Source}, {"type", e.Type}} {
		if strings.TrimSpace(attribute[1]) == "" {
			missing = append(missing, attribute[0])
		}
	}
	if len(missing) > 0 {
		return cloudEvent{}, brigade.Errorf(brigade.CodeInvalid, "the CloudEvent lacks what is required: %s", strings.Join(missing, ", "))
	}
	c := cloudEvent{id: e.ID, source: e.Source, kind: e.Type, subject: e.Subject, data: e.Data, payload: text}
	if e.TraceParent == "" {
		e.TraceParent, _ = e.Extensions["traceparent"].(string)
	}
	if traceContext.MatchString(e.TraceParent) {
		c.traceParent = e.TraceParent
	}
	return c, nil
}

func readBinary02(h http.Header, body []byte) (cloudEvent, error) {
	attributes := map[string]any{}
	for name := range h {
		if rest, found := strings.CutPrefix(name, cloudPrefix); found {
			attributes[strings.ToLower(rest)] = h.Get(name)
		}
	}
	contentType := h.Get("Content-Type")
	if contentType != "" {
		attributes["contenttype"] = contentType
	}
	delete(attributes, "data")
	switch {
	case len(body) == 0:
	case isJSONType(contentType):
		if !json.Valid(body) || !utf8.Valid(body) {
			return cloudEvent{}, brigade.Errorf(brigade.CodeInvalid, "the data of the CloudEvent is not the JSON that it is said to be")
		}
		attributes["data"] = json.RawMessage(body)
	case utf8.Valid(body):
		attributes["data"] = string(body)
	default:
		attributes["data"] = base64.StdEncoding.EncodeToString(body)
		attributes["datacontentencoding"] = "base64"
	}
	text, err := json.Marshal(attributes)
	if err != nil {
		return cloudEvent{}, errCloudEvent(err)
	}
	return read02(text)
}
