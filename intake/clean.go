package intake

import (
	"net"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/lazyregexp"
)

// What a delivery keeps of a request's values, in bytes.
const (
	maxKept     = 1 << 10
	maxKeptBody = 256 << 10
)

// Remote says who sent a request.
type Remote func(*http.Request) string

// connection is the address of the connection, without its port.
func connection(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// keptHeaders are those that say what an event is; a name that ends in - is a
// prefix. What looks like a credential is not kept even so.
var keptHeaders = []string{
	"X-Github-Event", "X-Github-Delivery", "X-Github-Hook-", "X-Gitlab-Event", "X-Gitlab-Event-Uuid", "X-Gitlab-Webhook-Uuid",
	"X-Gitea-", "X-Forgejo-", "X-Gogs-", "X-Event-Key", "X-Hook-Uuid", "X-Request-Uuid", "X-Attempt-Number",
	"Ce-", "Content-Type", "User-Agent", "Traceparent", "Aeg-Event-Type", "Aeg-Delivery-Count", "Idempotency-Key",
}

// hiding matches the names of what is never kept.
var hiding = lazyregexp.New(`(?i)secret|token|signature|password|passwd|authorization|credential|api[-_]?key|^sig$|^key$|^code$|hmac`)

// wildcards finds the names in a pattern of net/http.ServeMux.
var wildcards = lazyregexp.New(`\{([A-Za-z_][A-Za-z0-9_]*)(?:\.\.\.)?\}`)

// keepPath returns the values of the route's wildcards that are no secret.
func keepPath(route string, value func(string) string) map[string]string {
	kept := map[string]string{}
	for _, m := range wildcards.FindAllStringSubmatch(route, -1) {
		if !hiding.MatchString(m[1]) {
			kept[m[1]] = cut(value(m[1]), maxKept)
		}
	}
	if len(kept) == 0 {
		return nil
	}
	return kept
}

// keepQuery returns the parameters that are no secret.
func keepQuery(query url.Values) url.Values {
	var kept url.Values
	for name, values := range query {
		if hiding.MatchString(name) || len(name) > maxKept || len(kept) >= 50 || !utf8.ValidString(name) {
			continue
		}
		if kept == nil {
			kept = url.Values{}
		}
		kept[name] = keepValues(values)
	}
	return kept
}

// keepHeader returns the headers that say what the event is.
func keepHeader(header http.Header) http.Header {
	var kept http.Header
	for name, values := range header {
		if !keeps(name) || len(kept) >= 50 {
			continue
		}
		if kept == nil {
			kept = http.Header{}
		}
		kept[name] = keepValues(values)
	}
	return kept
}

func keeps(name string) bool {
	for _, k := range keptHeaders {
		if name == k {
			return true
		}
		if strings.HasSuffix(k, "-") && strings.HasPrefix(name, k) {
			return !hiding.MatchString(name)
		}
	}
	return false
}

func keepValues(values []string) []string {
	kept := make([]string, 0, len(values))
	for _, v := range values[:min(len(values), 10)] {
		kept = append(kept, cut(v, maxKept))
	}
	return kept
}

// keepBody returns the body when it can be delivered again as it came, but a
// form without its fields that are secrets, such as the token of Slack.
func keepBody(body []byte, contentType string) string {
	if len(body) > maxKeptBody || !utf8.Valid(body) {
		return ""
	}
	kind, _, _ := strings.Cut(contentType, ";")
	if !strings.EqualFold(strings.TrimSpace(kind), "application/x-www-form-urlencoded") || strings.HasPrefix(strings.TrimSpace(string(body)), "{") {
		return string(body) // also JSON that says it is a form
	}
	var kept []string
	for field := range strings.SplitSeq(string(body), "&") {
		name, _, is := strings.Cut(field, "=")
		if plain, err := url.QueryUnescape(name); err == nil {
			name = plain
		}
		if !is || !hiding.MatchString(name) {
			kept = append(kept, field)
		}
	}
	return strings.Join(kept, "&")
}

// projectIn is the project that a path names.
func projectIn(path map[string]string) string {
	if org, repo := path["org"], path["repo"]; org != "" && repo != "" {
		return org + "/" + repo
	}
	return path["project"]
}

// typesOf are the types of the events, each once, at most 20.
func typesOf(events []brigade.Event) []string {
	var types []string
	seen := map[string]bool{}
	for i := range events {
		t := cut(events[i].Type, maxName)
		if !seen[t] && len(types) < 20 {
			seen[t] = true
			types = append(types, t)
		}
	}
	return types
}
