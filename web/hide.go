package web

import (
	"encoding/json"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/mask"
)

// hideBuild replaces secrets in everything of b that an event, a script or a
// person had a hand in. b is the caller's own.
func hideBuild(m *mask.Masker, b *brigade.Build) {
	e := &b.Event
	e.Payload = mask.Payload(e.Payload)
	for _, s := range []*string{
		&e.Type, &e.Provider, &e.Revision.Ref, &e.Revision.Commit, &e.CloneURL, &e.Payload, &e.ShortTitle, &e.LongTitle,
		&e.Script, &e.ScriptFile, &e.Config, &e.Actor, &e.ScriptRef, &b.Script, &b.Waiting, &b.ConcurrencyKey,
	} {
		*s = m.String(*s)
	}
	e.CloneURL = cleanURL(e.CloneURL)
	b.Failure = hideError(m, b.Failure)
	b.History = hideSteps(m, b.History)
	if b.Cancel != nil {
		c := *b.Cancel
		c.Reason, c.Actor = m.String(c.Reason), m.String(c.Actor)
		b.Cancel = &c
	}
}

// hideJob does the same for a job. Values of environment variables are not
// shown at all.
func hideJob(m *mask.Masker, j *brigade.Job) error {
	j.Handle = ""
	j.Failure = hideError(m, j.Failure)
	j.History = hideSteps(m, j.History)
	j.Spec.Image, j.Spec.Shell = m.String(j.Spec.Image), m.String(j.Spec.Shell)
	hideAll(m, j.Spec.Tasks)
	hideAll(m, j.Spec.Args)
	for i := range j.Artifacts {
		j.Artifacts[i].Name = m.String(j.Artifacts[i].Name)
	}
	if len(j.Outputs) == 0 {
		return nil
	}
	hidden, err := hideValue(m, j.Outputs)
	if err != nil {
		return err
	}
	j.Outputs, _ = hidden.(map[string]any)
	return nil
}

func hideAll(m *mask.Masker, list []string) {
	for i := range list {
		list[i] = m.String(list[i])
	}
}

// hideValue replaces secrets in the strings of a JSON value, names included.
func hideValue(m *mask.Masker, v any) (any, error) {
	switch v := v.(type) {
	case string:
		return m.String(v), nil
	case map[string]any:
		hidden := make(map[string]any, len(v))
		for k, e := range v {
			one, err := hideValue(m, e)
			if err != nil {
				return nil, err
			}
			hidden[m.String(k)] = one
		}
		return hidden, nil
	case []any:
		hidden := make([]any, len(v))
		for i, e := range v {
			one, err := hideValue(m, e)
			if err != nil {
				return nil, err
			}
			hidden[i] = one
		}
		return hidden, nil
	case nil, bool:
		return v, nil
	}
	text, err := json.Marshal(v) // a number, or something a store made
	if err != nil {
		return nil, err
	}
	if hidden := m.String(string(text)); hidden != string(text) {
		return hidden, nil
	}
	return v, nil
}

func hideError(m *mask.Masker, e *brigade.Error) *brigade.Error {
	if e == nil {
		return nil
	}
	return &brigade.Error{Code: e.Code, Message: m.String(e.Message), Hint: m.String(e.Hint)}
}

func hideSteps(m *mask.Masker, steps []brigade.Step) []brigade.Step {
	hidden := append([]brigade.Step(nil), steps...)
	for i := range hidden {
		hidden[i].Note = m.String(hidden[i].Note)
	}
	return hidden
}

// cleanURL hides the password in an address.
func cleanURL(address string) string { return mask.URL(address, mask.Replacement) }
