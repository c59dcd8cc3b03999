package brigade

import "time"

// LogLine is one line of a build's worker or of a job. Text carries no line
// end, has secrets masked already, and is at most MaxLineBytes long: longer
// lines are cut into several.
type LogLine struct {
	BuildID string    `json:"buildID"`
	JobID   string    `json:"jobID,omitempty"` // empty: the worker's own log
	Seq     int64     `json:"seq"`             // 1, 2, 3 … within its build and job
	Time    time.Time `json:"time"`
	Level   LogLevel  `json:"level,omitempty"` // of worker lines
	Text    string    `json:"text"`
}

// Limits on logs and results. A job's kept log and its result string are cut
// at the same size, and say so.
const (
	MaxLineBytes      = 64 << 10
	DefaultLogCap     = 10 << 20
	MaxOutputsBytes   = 1 << 20 // of the file at $BRIGADE_OUTPUT
	MaxScriptBytes    = 5 << 20
	MaxPayloadBytes   = 25 << 20
	DefaultJobTimeout = 15 * time.Minute
)

// LogQuery selects lines of one log.
type LogQuery struct {
	BuildID string
	JobID   string // empty: the worker's
	After   int64  // only lines with a higher Seq
	Tail    int    // only the last Tail lines, when above 0
	Limit   int    // at most this many, when above 0
}
