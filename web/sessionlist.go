package web

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/brigadecore/brigade/v3"
)

// sessionRow is a session as its owner sees it.
type sessionRow struct {
	Key string
	sessionRecord
	Used time.Time
	This bool // it is the one that looks
}

// ownerOf tells people apart, also those of the same name from different
// places.
func ownerOf(who *Identity) string { return who.Kind + " " + who.Name }

// list returns the sessions that are not over, those used last first.
func (s *sessions) list(ctx context.Context, now time.Time) ([]sessionRow, error) {
	rows := map[string]*sessionRow{}
	if s.records != nil {
		if err := s.listKept(ctx, now, rows); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, one := range s.byKey {
		if !one.mu.TryLock() { // it is being looked at just now: what is kept will do
			if s.records == nil {
				rows[key] = &sessionRow{Key: key, sessionRecord: one.sessionRecord, Used: now}
			}
			continue
		}
		switch row := rows[key]; {
		case one.over(s.limits, now) || row == nil && s.records != nil: // ended elsewhere
			delete(s.byKey, key)
			delete(rows, key)
		case row == nil:
			rows[key] = &sessionRow{Key: key, sessionRecord: one.sessionRecord, Used: one.used}
		default:
			row.Used = one.used
		}
		one.mu.Unlock()
	}
	list := make([]sessionRow, 0, len(rows))
	for _, row := range rows {
		list = append(list, *row)
	}
	slices.SortFunc(list, func(a, b sessionRow) int {
		if c := b.Used.Compare(a.Used); c != 0 {
			return c
		}
		return strings.Compare(a.Key, b.Key)
	})
	return list, nil
}

// listKept reads the sessions in the records, and deletes those that are over.
func (s *sessions) listKept(ctx context.Context, now time.Time, rows map[string]*sessionRow) error {
	before := ""
	for {
		page, err := s.records.ListRecords(ctx, KindSession, brigade.RecordQuery{Before: before, Limit: maxPerList})
		if err != nil {
			return err
		}
		for _, r := range page {
			before = r.Key
			row := &sessionRow{Key: r.Key}
			if json.Unmarshal(r.Data, &row.sessionRecord) == nil {
				rows[r.Key] = row
			}
		}
		if len(page) < maxPerList {
			break
		}
	}
	for key, row := range rows {
		var state sessionState
		data, err := s.records.Record(ctx, KindSessionState, key)
		if err == nil {
			err = json.Unmarshal(data, &state)
		}
		row.Used = state.Used
		lapsed := now.Sub(state.Used) > s.limits.Idle+usedEvery || now.Sub(row.Created) > s.limits.Session
		if err == nil && !lapsed || err != nil && brigade.CodeOf(err) != brigade.CodeNotFound {
			continue
		}
		delete(rows, key)
		if err := s.end(ctx, key); err != nil {
			return err
		}
	}
	return nil
}

// makeRoom ends the sessions that were unused for longest when there are too
// many.
func (s *sessions) makeRoom(ctx context.Context, now time.Time) error {
	list, err := s.list(ctx, now)
	if err != nil {
		return err
	}
	for len(list) >= s.limits.Sessions {
		if err := s.end(ctx, list[len(list)-1].Key); err != nil {
			return err
		}
		list = list[:len(list)-1]
	}
	return nil
}

// own returns the caller's sessions.
func (c *call) own() ([]sessionRow, error) {
	list, err := c.web.sessions.list(c.ctx(), c.web.opt.Now())
	if err != nil {
		return nil, err
	}
	owner := ownerOf(c.who)
	list = slices.DeleteFunc(list, func(r sessionRow) bool { return r.Owner != owner })
	for i := range list {
		list[i].This = list[i].Key == c.session
	}
	return list, nil
}

// sessionsPage shows where somebody is logged in.
func sessionsPage(c *call) (*page, error) {
	list, err := c.own()
	if err != nil {
		return nil, err
	}
	return &page{Title: "Sessions", Template: "sessions", Data: map[string]any{"List": list}}, nil
}

// endSession ends one of the caller's sessions, or all but the one that asks.
func endSession(c *call) (string, error) {
	list, err := c.own()
	if err != nil {
		return "", err
	}
	key := c.r.PostForm.Get("key")
	found := key == ""
	for _, row := range list {
		if key == row.Key || key == "" && !row.This {
			found = true
			if err := c.web.sessions.end(c.ctx(), row.Key); err != nil {
				return "", err
			}
		}
	}
	if !found {
		return "", brigade.NotFound("session", cut(key, 16))
	}
	return "/sessions", nil
}
