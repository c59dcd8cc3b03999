package api

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/id"
)

// AuditEntry says that somebody changed something, or tried to.
type AuditEntry struct {
	ID        string       `json:"id"` // lower-case ULID
	Time      time.Time    `json:"time"`
	Actor     string       `json:"actor"`
	Kind      string       `json:"kind"` // how the actor is known: token, oidc or anonymous
	TokenID   string       `json:"tokenID,omitempty"`
	Action    string       `json:"action"` // project.put, event.create, token.revoke …
	Project   string       `json:"project,omitempty"`
	Target    string       `json:"target,omitempty"` // what was changed: an ID or a name
	Remote    string       `json:"remote,omitempty"`
	RequestID string       `json:"requestID"`
	Status    int          `json:"status"` // of the answer
	Code      brigade.Code `json:"code,omitempty"`
	Reason    string       `json:"reason,omitempty"` // why it was refused or failed
}

// audit writes down what a known caller changed or was refused. Attempts of
// unknown ones are not written down: they could fill the log.
func (c *call) audit(failure error) {
	if c.route.action == "" || c.who == nil {
		return
	}
	now := c.a.opt.Now()
	e := AuditEntry{
		ID: id.New(now), Time: now.UTC(), Actor: c.who.Name, Kind: c.who.Kind, TokenID: c.who.TokenID,
		Action: c.route.action, Project: c.project, Target: c.target,
		Remote: c.remote(), RequestID: c.id, Status: c.w.status,
	}
	if e.Project == "" {
		e.Project = cut(c.r.PathValue("project"), 256)
	}
	if e.Target == "" {
		for _, name := range []string{"build", "job", "name", "delivery", "token"} {
			if v := c.r.PathValue(name); v != "" {
				e.Target = cut(v, 256)
				break
			}
		}
	}
	if failure != nil {
		p, _ := c.describe(failure)
		e.Code, e.Reason = p.Code, cut(p.Detail, 1024)
	}
	c.a.Audit(c.r.Context(), e)
}

// Audit writes an entry, for other parts of the server in which people change
// things. Its ID and Time are set when they are empty. It goes on after ctx
// ended, and logs a failure.
func (a *API) Audit(ctx context.Context, e AuditEntry) {
	now := a.opt.Now()
	if e.ID == "" {
		e.ID, e.Time = id.New(now), now.UTC()
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	data, err := json.Marshal(e)
	if err == nil {
		err = a.opt.Records.PutRecord(ctx, KindAudit, e.ID, data)
	}
	if err != nil {
		a.opt.Log.Error("write the audit log", "err", err, "actor", e.Actor, "action", e.Action, "project", e.Project, "target", e.Target, "status", e.Status)
		return
	}
	a.pruneAudit(ctx, now)
}

func cut(s string, most int) string {
	if len(s) > most {
		return s[:most]
	}
	return s
}

// pruner remembers when old audit records were last deleted.
type pruner struct {
	mu   sync.Mutex
	last time.Time
}

// pruneAudit deletes audit records that are too old, about once a day.
func (a *API) pruneAudit(ctx context.Context, now time.Time) {
	a.prune.mu.Lock()
	due := now.Sub(a.prune.last) > 24*time.Hour
	if due {
		a.prune.last = now
	}
	a.prune.mu.Unlock()
	if !due {
		return
	}
	if _, err := a.opt.Records.DeleteRecords(ctx, KindAudit, id.Lowest(now.Add(-a.opt.Limits.AuditAge)), false); err != nil {
		a.opt.Log.Warn("prune the audit log", "err", err)
	}
}

type auditPage struct {
	Entries []AuditEntry `json:"entries"`
	Next    string       `json:"next,omitempty"`
}

// maxScan bounds how many records one request looks at.
const maxScan = 20_000

// listAudit answers with audit records, newest first.
func listAudit(c *call) error {
	before, limit, err := c.page()
	if err != nil {
		return err
	}
	q := c.r.URL.Query()
	out := auditPage{Entries: []AuditEntry{}}
	for seen := 0; len(out.Entries) < limit && seen < maxScan; {
		page, err := c.a.opt.Records.ListRecords(c.r.Context(), KindAudit, brigade.RecordQuery{Before: before, Limit: 500})
		if err != nil {
			return err
		}
		for _, r := range page {
			seen++
			before = r.Key
			var e AuditEntry
			if err := json.Unmarshal(r.Data, &e); err != nil {
				continue // somebody else's
			}
			if matches(q.Get("actor"), e.Actor) && matches(q.Get("action"), e.Action) && matches(q.Get("project"), e.Project) {
				out.Entries = append(out.Entries, e)
			}
			if len(out.Entries) == limit {
				break
			}
		}
		if len(page) < 500 && len(out.Entries) < limit {
			before = ""
			break
		}
	}
	out.Next = before
	c.linkNext(out.Next)
	return c.json(http.StatusOK, out)
}

func matches(want, is string) bool { return want == "" || want == is }
