package brigade

// Event is something that happened outside and starts a build.
type Event struct {
	Provider   string   `json:"provider"`       // who sent it: github, brigade-cli, GenericWebhook …
	Type       string   `json:"type"`           // what happened: push, exec, pull_request:opened …
	Also       []string `json:"also,omitempty"` // further names it is fired under in the same build, where the script has a handler for them
	Revision   Revision `json:"revision"`
	CloneURL   string   `json:"cloneURL,omitempty"` // overrides the project's, for forks
	Payload    string   `json:"payload"`            // as received, not parsed
	ShortTitle string   `json:"shortTitle,omitempty"`
	LongTitle  string   `json:"longTitle,omitempty"`
	LogLevel   LogLevel `json:"logLevel,omitempty"`
	Script     string   `json:"script,omitempty"`     // brigade.js sent with the event
	ScriptFile string   `json:"scriptFile,omitempty"` // the name Script is known by, such as "ci/brigade.ts"; default brigade.js
	Config     string   `json:"config,omitempty"`     // brigade.json sent with the event

	Key         string `json:"key,omitempty"`         // identity by which a repeat is recognised, unique per project; empty: never a repeat
	Actor       string `json:"actor,omitempty"`       // who caused it, for people
	Untrusted   bool   `json:"untrusted,omitempty"`   // from a fork or a stranger: gets no secrets
	ScriptRef   string `json:"scriptRef,omitempty"`   // ref the script is taken from when it is not Revision
	TraceParent string `json:"traceparent,omitempty"` // W3C trace context it arrived with
}

// Revision is a state of a repository. Both empty means the head of the
// default branch.
type Revision struct {
	Commit string `json:"commit,omitempty"`
	Ref    string `json:"ref,omitempty"`
}

// LogLevel is the least severity a worker logs: ALL, LOG, INFO, WARN, ERROR or NONE.
type LogLevel string

// The log levels of v1, least severe first.
const (
	LevelAll   LogLevel = "ALL"
	LevelLog   LogLevel = "LOG"
	LevelInfo  LogLevel = "INFO"
	LevelWarn  LogLevel = "WARN"
	LevelError LogLevel = "ERROR"
	LevelNone  LogLevel = "NONE"
)

var levelRank = map[LogLevel]int{LevelAll: 0, "": 1, LevelLog: 1, LevelInfo: 2, LevelWarn: 3, LevelError: 4, LevelNone: 5}

// Valid reports whether l is one of the levels, or empty (which means LOG).
func (l LogLevel) Valid() bool { _, ok := levelRank[l]; return ok }

// Shows reports whether a worker with level l logs a line of level line.
func (l LogLevel) Shows(line LogLevel) bool { return levelRank[line] >= levelRank[l] }
