package gateway

import (
	"encoding/json"
	"mime"
	"net/http"
	"strconv"
	"strings"

	brigade "github.com/brigadecore/brigade/v3"
)

// CloudEvents takes CloudEvents over HTTP: versions 0.2, 0.3 and 1.0,
// structured, binary or several in a batch. It takes the events of Azure Event
// Grid's own schema, too. Each is the event cloudevent, and is fired under its
// own type as well. The project's GenericGatewaySecret is in the path, as in
// v1, or the bearer token.
type CloudEvents struct{}

var _ brigade.Gateway = (*CloudEvents)(nil)

// NewCloudEvents returns the gateway.
func NewCloudEvents() *CloudEvents { return &CloudEvents{} }

const (
	// cloudEventsV1 begins the paths of Brigade v1. Who sends there gets v1's
	// answer and its default ref.
	cloudEventsV1 = "/cloudevents/v02/"
	// maxHandshakeRate is how many requests per minute a sender may be
	// allowed that asks.
	maxHandshakeRate = 6000
	maxEventType     = 200 // bytes of a CloudEvent's own type
)

// Name is "cloudevents".
func (*CloudEvents) Name() string { return "cloudevents" }

// Routes are v1's and their like, for events and for the handshake that comes
// before them.
func (*CloudEvents) Routes() []string {
	var routes []string
	for _, method := range []string{"POST ", "OPTIONS "} {
		for _, path := range []string{cloudEventsV1, "/cloudevents/"} {
			routes = append(routes, method+path+"{project}/{secret}", method+path+"{project}")
		}
	}
	return routes
}

// Read decodes the events of a request.
func (*CloudEvents) Read(in brigade.Inbound) (brigade.Reading, error) {
	var none brigade.Reading
	project, err := cloudEventsProject(in)
	if err != nil {
		return none, err
	}
	reading := brigade.Reading{Project: project, Verify: genericSecret(in)}
	if strings.HasPrefix(in.Route, "OPTIONS ") {
		err := handshake(in.Header, &reading)
		return reading, err
	}
	list, err := readCloudEvents(in)
	if err != nil {
		return none, err
	}
	v1 := strings.Contains(in.Route, cloudEventsV1)
	seen := map[string]bool{}
	for _, c := range list {
		if code := c.validationCode(); code != "" {
			acceptGrid(code, &reading)
			return reading, nil
		}
		e, err := c.event(v1)
		if err != nil {
			return none, err
		}
		if !seen[e.Key] {
			seen[e.Key] = true
			reading.Events = append(reading.Events, e)
		}
	}
	switch {
	case len(reading.Events) == 0:
		reading.Ignored = "the batch is empty"
	case v1:
		reading.Answer = statusAnswer("Success")
	}
	return reading, nil
}

// cloudEventsProject is namedProject, except that the data of an event in
// binary mode may be other than text.
func cloudEventsProject(in brigade.Inbound) (string, error) {
	if in.Header.Get("Ce-Specversion") == "" {
		return namedProject(in)
	}
	if err := checkSize(in.Body); err != nil {
		return "", err
	}
	in.Body = nil
	return namedProject(in)
}

// handshake grants a sender what it asks for before it sends, as the HTTP
// webhooks of CloudEvents do (HTTP 1.1 Web Hooks for Event Delivery, section
// 4). Only its own origin is allowed, only to who has the secret, and it is
// never called back.
func handshake(h http.Header, reading *brigade.Reading) error {
	origin := h.Get("WebHook-Request-Origin")
	if err := checkName("origin in the header WebHook-Request-Origin", origin, maxRef); err != nil {
		return err
	}
	rate := maxHandshakeRate
	if asked, err := strconv.Atoi(h.Get("WebHook-Request-Rate")); err == nil && asked > 0 {
		rate = min(rate, asked)
	}
	reading.Header = http.Header{}
	reading.Header.Set("WebHook-Allowed-Origin", origin)
	reading.Header.Set("WebHook-Allowed-Rate", strconv.Itoa(rate))
	reading.Header.Set("Allow", "POST, OPTIONS")
	reading.Ignored = "a sender asked whether it may send"
	reading.Answer = func([]*brigade.Build) (int, any) { return http.StatusOK, nil }
	return nil
}

// readCloudEvents finds out how the events are written. Who does not say what
// kind of JSON it sends gets what it means.
func readCloudEvents(in brigade.Inbound) ([]cloudEvent, error) {
	kind, _, _ := mime.ParseMediaType(in.Header.Get("Content-Type"))
	switch {
	case kind == "application/cloudevents-batch+json":
		return readBatch(in.Body)
	case strings.HasPrefix(kind, "application/cloudevents") && kind != "application/cloudevents+json":
		return nil, brigade.Errorf(brigade.CodeInvalid, "of the formats of CloudEvents only JSON is known")
	case kind != "application/cloudevents+json" && in.Header.Get("Ce-Specversion") != "":
		c, err := readBinary(in.Header, in.Body)
		return []cloudEvent{c}, err
	case isList(in.Body):
		return readBatch(in.Body)
	}
	c, err := readStructured(in.Body)
	return []cloudEvent{c}, err
}

func readBatch(body []byte) ([]cloudEvent, error) {
	items, err := decodeList(body)
	if err != nil {
		return nil, err
	}
	list := make([]cloudEvent, 0, len(items))
	for _, item := range items {
		read := readStructured
		if isGridEvent(item) {
			read = readGridEvent
		}
		c, err := read(item)
		if err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	return list, nil
}

// event is the CloudEvent as ours.
func (c cloudEvent) event(v1 bool) (brigade.Event, error) {
	var none brigade.Event
	if len(c.kind) > maxEventType || strings.ContainsFunc(c.kind, unprintable) {
		return none, brigade.Errorf(brigade.CodeInvalid, "the type of the CloudEvent is too long or no text")
	}
	revision, err := revisionIn(c.data, false)
	if err != nil {
		return none, err
	}
	if v1 && revision == (brigade.Revision{}) {
		revision.Ref = genericRef
	}
	e := brigade.Event{
		Provider: providerGeneric, Type: "cloudevent", Revision: revision, Payload: string(c.payload),
		ShortTitle: cut(c.subject, maxShortTitle), LongTitle: cut(c.kind+" from "+c.source, maxLongTitle),
		Key: eventKey("ce", c.source, c.id), TraceParent: c.traceParent,
	}
	if c.kind != e.Type {
		e.Also = []string{c.kind}
	}
	return e, nil
}

// Azure Event Grid in its own schema.

// gridValidation is the type of the event by which Event Grid asks whether it
// may send.
const gridValidation = "Microsoft.EventGrid.SubscriptionValidationEvent"

// gridEvent is an event in Event Grid's own schema.
type gridEvent struct {
	ID        string          `json:"id"`
	Topic     string          `json:"topic"`
	Subject   string          `json:"subject"`
	EventType string          `json:"eventType"`
	EventTime string          `json:"eventTime"`
	Data      json.RawMessage `json:"data"`
}

// isGridEvent tells Event Grid's schema from CloudEvents.
func isGridEvent(item []byte) bool {
	var probe struct {
		SpecVersion any `json:"specversion"`
		EventType   any `json:"eventType"`
	}
	return json.Unmarshal(item, &probe) == nil && probe.SpecVersion == nil && probe.EventType != nil
}

// readGridEvent makes a CloudEvent of an event of Event Grid, as Event Grid
// itself does when it is told to use that schema.
func readGridEvent(item []byte) (cloudEvent, error) {
	var g gridEvent
	if err := decode(item, &g); err != nil {
		return cloudEvent{}, err
	}
	source := g.Topic
	if source == "" {
		source = "eventgrid" // the first request of a subscription may have no topic
	}
	attributes := map[string]any{"specversion": "1.0", "id": g.ID, "type": g.EventType, "source": source}
	for name, value := range map[string]string{"subject": g.Subject, "time": g.EventTime} {
		if value != "" {
			attributes[name] = value
		}
	}
	if len(g.Data) > 0 {
		attributes["data"] = g.Data
	}
	text, err := json.Marshal(attributes)
	if err != nil {
		return cloudEvent{}, brigade.Errorf(brigade.CodeInvalid, "the body is not the JSON that was expected")
	}
	return readStructured(text)
}

// validationCode is the code of a question of Event Grid, or "".
func (c cloudEvent) validationCode() string {
	var data struct {
		ValidationCode string `json:"validationCode"`
	}
	if c.kind != gridValidation || json.Unmarshal(c.data, &data) != nil || len(data.ValidationCode) > maxRef {
		return ""
	}
	return data.ValidationCode
}

// acceptGrid answers to Event Grid's question. The address that it sends along
// is not called.
func acceptGrid(code string, reading *brigade.Reading) {
	reading.Events = nil
	reading.Ignored = "Azure Event Grid asked whether it may send"
	reading.Answer = func([]*brigade.Build) (int, any) {
		return http.StatusOK, map[string]string{"validationResponse": code}
	}
}

func unprintable(r rune) bool { return r < ' ' || r == 0x7f || r == 0xfffd }
