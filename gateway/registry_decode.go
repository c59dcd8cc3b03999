package gateway

import (
	"encoding/json"
	"strings"

	brigade "github.com/brigadecore/brigade/v3"
)

// notification holds what tells the registries' notifications apart, and what
// is read of Docker Hub's and of Azure's own.
type notification struct {
	PushData *struct {
		Tag    string `json:"tag"`
		Pusher string `json:"pusher"`
	} `json:"push_data"` // Docker Hub
	Repository  json.RawMessage  `json:"repository"`
	Events      *json.RawMessage `json:"events"`      // distribution
	EventData   *json.RawMessage `json:"event_data"`  // Harbor
	Type        string           `json:"type"`        // Harbor, CloudEvents
	Operator    string           `json:"operator"`    // Harbor
	SpecVersion string           `json:"specversion"` // CloudEvents
	Source      string           `json:"source"`      // CloudEvents
	Data        *json.RawMessage `json:"data"`        // CloudEvents
	artifact
}

// artifact is an entry of a notification as the distribution registry sends
// it, and Azure, too.
type artifact struct {
	ID     string `json:"id"`
	Action string `json:"action"`
	Target *struct {
		Repository string `json:"repository"`
		Tag        string `json:"tag"`
		Digest     string `json:"digest"`
	} `json:"target"`
	Actor struct {
		Name string `json:"name"`
	} `json:"actor"`
}

func (a artifact) push(payload []byte) imagePush {
	p := imagePush{id: a.ID, action: a.Action, actor: a.Actor.Name, payload: payload}
	if a.Target != nil {
		p.repository, p.tag, p.digest = a.Target.Repository, a.Target.Tag, a.Target.Digest
	}
	return p
}

// harborData is what Harbor says about a push.
type harborData struct {
	Resources  json.RawMessage `json:"resources"` // harborResource each
	Repository struct {
		Name         string `json:"name"`
		RepoFullName string `json:"repo_full_name"`
	} `json:"repository"`
}

type harborResource struct {
	Tag    string `json:"tag"`
	Digest string `json:"digest"`
}

// harborPushes are the names of a push in Harbor's formats, the first of which
// is an old one.
var harborPushes = map[string]bool{"pushImage": true, "PUSH_ARTIFACT": true, "harbor.artifact.pushed": true}

// readNotification finds out who sent the notification by what is in it.
func readNotification(body []byte) ([]imagePush, error) {
	if isList(body) {
		return readGridList(body)
	}
	var n notification
	if err := decode(body, &n); err != nil {
		return nil, err
	}
	switch {
	case n.PushData != nil:
		return readDockerHub(n, body)
	case n.Events != nil:
		return readDistribution(*n.Events, body)
	case n.EventData != nil:
		return readHarbor(n, *n.EventData, func(data []byte) []byte { return replaced(body, "event_data", data) })
	case n.SpecVersion != "" && n.Data != nil:
		return readCloudNotification(n, body)
	case n.Target != nil || n.Action != "":
		return []imagePush{n.push(body)}, nil
	}
	return nil, brigade.Errorf(brigade.CodeInvalid, "the body is not the notification of a registry that is known")
}

func readDockerHub(n notification, body []byte) ([]imagePush, error) {
	var repository struct {
		RepoName  string `json:"repo_name"`
		Namespace string `json:"namespace"`
		Name      string `json:"name"`
	}
	if len(n.Repository) > 0 {
		if err := decode(n.Repository, &repository); err != nil {
			return nil, err
		}
	}
	name := repository.RepoName
	if name == "" {
		name = strings.TrimPrefix(repository.Namespace+"/"+repository.Name, "/")
	}
	return []imagePush{{action: "push", repository: name, tag: n.PushData.Tag, actor: n.PushData.Pusher, payload: body}}, nil
}

// readDistribution reads what the distribution registry collects for a while.
func readDistribution(events, body []byte) ([]imagePush, error) {
	items, err := decodeList(events)
	if err != nil {
		return nil, err
	}
	pushes := make([]imagePush, 0, len(items))
	for _, item := range items {
		var a artifact
		if err := decode(item, &a); err != nil {
			return nil, err
		}
		payload := body
		if len(items) > 1 {
			payload = append(append([]byte(`{"events":[`), item...), "]}"...)
		}
		pushes = append(pushes, a.push(payload))
	}
	return pushes, nil
}

// readHarbor reads a notification of Harbor; around makes one of other data.
func readHarbor(n notification, data []byte, around func([]byte) []byte) ([]imagePush, error) {
	var d harborData
	if err := decode(data, &d); err != nil {
		return nil, err
	}
	p := imagePush{id: n.ID, action: n.Type, repository: d.Repository.RepoFullName, actor: n.Operator}
	if harborPushes[n.Type] {
		p.action = "push"
	}
	if p.repository == "" {
		p.repository = d.Repository.Name
	}
	var items []json.RawMessage
	if isList(d.Resources) {
		var err error
		if items, err = decodeList(d.Resources); err != nil {
			return nil, err
		}
	}
	whole := around(data)
	if len(items) == 0 {
		p.payload = whole
		return []imagePush{p}, nil
	}
	if n := len(items); n > 1 && n*len(whole) > brigade.MaxPayloadBytes {
		// Each event has a copy of nearly all of it.
		return nil, brigade.Errorf(brigade.CodeTooLarge, "the notification has too many resources")
	}
	var pushes []imagePush
	for _, item := range items {
		var r harborResource
		if err := decode(item, &r); err != nil {
			return nil, err
		}
		p.tag, p.digest, p.payload = r.Tag, r.Digest, whole
		if len(items) > 1 {
			p.payload = around(replaced(data, "resources", listOf(item)))
		}
		pushes = append(pushes, p)
	}
	return pushes, nil
}

// readCloudNotification reads what Event Grid and Harbor send as a CloudEvent.
func readCloudNotification(n notification, body []byte) ([]imagePush, error) {
	if strings.HasPrefix(n.Type, "harbor.") {
		return readHarbor(n, *n.Data, func(data []byte) []byte { return replaced(body, "data", data) })
	}
	var a artifact
	if err := decode(*n.Data, &a); err != nil {
		return nil, err
	}
	p := a.push(body)
	p.id = n.ID
	if a.Target == nil {
		p.action = n.Type
	}
	return []imagePush{p}, nil
}

// readGridList reads the events of Event Grid in its own schema.
func readGridList(body []byte) ([]imagePush, error) {
	items, err := decodeList(body)
	if err != nil {
		return nil, err
	}
	pushes := make([]imagePush, 0, len(items))
	for _, item := range items {
		var g gridEvent
		if err := decode(item, &g); err != nil {
			return nil, err
		}
		if code := (cloudEvent{kind: g.EventType, data: g.Data}).validationCode(); code != "" {
			return []imagePush{{validation: code}}, nil
		}
		var a artifact
		if len(g.Data) > 0 {
			if err := decode(g.Data, &a); err != nil {
				return nil, err
			}
		}
		p := a.push(body)
		if len(items) > 1 {
			p.payload = listOf(item)
		}
		if p.id = g.ID; a.Target == nil {
			p.action = g.EventType
		}
		pushes = append(pushes, p)
	}
	return pushes, nil
}

// listOf is the JSON array of one item.
func listOf(item []byte) []byte { return append(append([]byte("["), item...), ']') }

// replaced returns the JSON object with another value of a field that it has,
// or the object as it is when nothing changes.
func replaced(object []byte, field string, value []byte) []byte {
	var fields map[string]json.RawMessage
	if json.Unmarshal(object, &fields) != nil || string(fields[field]) == string(value) {
		return object
	}
	fields[field] = value
	text, err := json.Marshal(fields)
	if err != nil {
		return object
	}
	return text
}
