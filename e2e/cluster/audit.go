package cluster

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"
)

// auditPolicy makes the API server write down every request, once it is
// answered, and every watch when it begins.
const auditPolicy = `{"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"], "rules": [{"level": "Metadata"}]}`

// Request is a request that the API server answered.
type Request struct {
	Time      time.Time // when it came
	User      string    // system:serviceaccount:NAMESPACE:NAME
	UserAgent string
	Verb      string // get, list, watch, create, update, patch, delete, deletecollection
	Resource  string // pods
	Part      string // status, log …
	Namespace string
	Name      string
	Status    int // of HTTP
}

// Requests returns the requests the API server answered so far, those of
// everybody, in about the order in which they came. A watch is there twice when
// it ended. The cluster needs Options.Audit.
func (c *Cluster) Requests() ([]Request, error) {
	if !c.opts.Audit {
		return nil, errors.New("requests are only written down with Options.Audit")
	}
	f, err := os.Open(c.path("audit.log"))
	if err != nil {
		return nil, fmt.Errorf("read the requests: %w", err)
	}
	defer f.Close()
	var list []Request
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e struct {
			Verb                     string
			UserAgent                string
			RequestReceivedTimestamp time.Time
			User                     struct{ Username string }
			ObjectRef                struct{ Resource, Subresource, Namespace, Name string }
			ResponseStatus           struct{ Code int }
		}
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			break // the last line is being written
		}
		list = append(list, Request{
			Time: e.RequestReceivedTimestamp, User: e.User.Username, UserAgent: e.UserAgent, Verb: e.Verb,
			Resource: e.ObjectRef.Resource, Part: e.ObjectRef.Subresource, Namespace: e.ObjectRef.Namespace, Name: e.ObjectRef.Name,
			Status: e.ResponseStatus.Code,
		})
	}
	return list, lines.Err()
}
