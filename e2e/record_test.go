package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
)

// line is one object that `brig run -o json` prints, as far as tests look at it.
type line struct {
	Type    string          `json:"type"`
	Job     string          `json:"job"`
	State   brigade.State   `json:"state"`
	Created time.Time       `json:"created"`
	Started time.Time       `json:"started"`
	Ended   time.Time       `json:"ended"`
	Output  string          `json:"output"`
	Event   json.RawMessage `json:"event"` // a string in "fired", else an object
	Text    string          `json:"text"`
	Failure *brigade.Error  `json:"failure"`
}

// record is a build as its JSON lines tell it.
type record struct {
	jobs   map[string]line   // the last line of each
	output map[string]string // what each job printed
	fired  []string
	log    string // what the script logged
	result line
}

func readRecord(stdout string) (*record, error) {
	r := &record{jobs: map[string]line{}, output: map[string]string{}}
	for text := range strings.Lines(stdout) {
		var l line
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			return nil, fmt.Errorf("a line of stdout is no JSON object: %q", text)
		}
		switch {
		case l.Type == "job":
			r.jobs[l.Job] = l
			r.output[l.Job] = l.Output
		case l.Type == "fired":
			var name string
			if err := json.Unmarshal(l.Event, &name); err != nil {
				return nil, fmt.Errorf("a fired event has no name: %q", text)
			}
			r.fired = append(r.fired, name)
		case l.Type == "log" && l.Job == "":
			r.log += l.Text + "\n"
		case l.Type == "result":
			r.result = l
		}
	}
	if r.result.Type == "" {
		return nil, fmt.Errorf("stdout has no result")
	}
	return r, nil
}

func (r *record) names() []string { return slices.Sorted(maps.Keys(r.jobs)) }
