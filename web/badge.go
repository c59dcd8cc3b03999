package web

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"

	"github.com/brigadecore/brigade/v3"
)

const (
	badgePath   = "/badge/"
	badgeCache  = "max-age=30, s-maxage=30, stale-while-revalidate=30"
	badgeLooks  = 4   // pages of builds that are looked through
	badgePage   = 100 // builds of a page
	badgeBudget = 40  // characters of the label at most
)

// badgeData is a badge: a label, and what the last build came to.
type badgeData struct {
	Label, Word, Color  string
	LabelWidth, Width   int
	WordWidth           int
	LabelAt, WordAt     int // middles of the texts
	LabelText, WordText int // widths of the texts
}

// badge shows what the last build of a project came to, as an image for a
// README. Everybody sees it when the project says so; else a project that is
// there cannot be told from one that is not.
func badge(c *call) error {
	name, ok := strings.CutSuffix(c.r.PathValue("project"), ".svg")
	if !ok {
		return brigade.NotFound("badge", cut(name, 200))
	}
	p, err := c.web.opt.Store.Project(c.ctx(), name)
	public := err == nil && p.PublicBadge
	if !public {
		if known := c.identify(); known != nil {
			return known
		}
		if c.who == nil || !c.who.Read || err == nil && !c.who.sees(p.ID, p.Name) {
			return brigade.NotFound("project", cut(name, 200))
		}
	}
	if err != nil {
		return err
	}
	q := c.r.URL.Query()
	state, err := c.lastState(p.ID, q.Get("event"), q.Get("branch"))
	if err != nil {
		return err
	}
	label := q.Get("label")
	if label == "" {
		label = "build"
	}
	return c.sendBadge(makeBadge(label, state), public)
}

// lastState is how the last build of a branch ended; without one it is that of
// builds which are of no pull request. "" when there is none.
func (c *call) lastState(projectID, event, branch string) (brigade.State, error) {
	f := brigade.BuildFilter{
		ProjectID: projectID, Type: event, Limit: badgePage,
		States: []brigade.State{brigade.StateSucceeded, brigade.StateFailed, brigade.StateCanceled},
	}
	for range badgeLooks {
		page, err := c.web.opt.Store.ListBuilds(c.ctx(), f)
		if err != nil {
			return "", err
		}
		for _, b := range page {
			ref := b.Event.Revision.Ref
			foreign := b.Event.Untrusted || strings.HasPrefix(ref, "refs/pull/") || strings.HasPrefix(ref, "refs/merge-requests/")
			if branch != "" && shortRef(ref) == branch && !b.Event.Untrusted || branch == "" && !foreign {
				return b.State, nil
			}
			f.Before = b.ID
		}
		if len(page) < badgePage {
			break
		}
	}
	return "", nil
}

// sendBadge answers with the image. Other sites may show it; caches keep it
// for a short while, those between us and the browser only when it is public.
func (c *call) sendBadge(b badgeData, public bool) error {
	var out bytes.Buffer
	if err := c.web.templates.ExecuteTemplate(&out, "badge", b); err != nil {
		return err
	}
	h := c.w.Header()
	h.Set("Cache-Control", "private, "+badgeCache)
	if public {
		h.Set("Cache-Control", "public, "+badgeCache)
		h.Set("Cross-Origin-Resource-Policy", "cross-origin")
		h.Set("Access-Control-Allow-Origin", "*")
	}
	sum := sha256.Sum256(out.Bytes())
	tag := `"` + hex.EncodeToString(sum[:8]) + `"`
	h.Set("ETag", tag)
	for has := range strings.SplitSeq(c.r.Header.Get("If-None-Match"), ",") {
		if strings.TrimPrefix(strings.TrimSpace(has), "W/") == tag {
			c.begun = true
			c.w.WriteHeader(http.StatusNotModified)
			return nil
		}
	}
	return c.send(http.StatusOK, "image/svg+xml", out.Bytes())
}

func makeBadge(label string, state brigade.State) badgeData {
	label = cutRunes(label, badgeBudget)
	b := badgeData{Label: label, Word: "unknown", Color: "#6b7280"}
	switch state {
	case brigade.StateSucceeded:
		b.Word, b.Color = "passing", "#16803c"
	case brigade.StateFailed:
		b.Word, b.Color = "failing", "#c92a2a"
	case brigade.StateCanceled:
		b.Word = "canceled"
	}
	b.LabelText, b.WordText = textWidth(label), textWidth(b.Word)
	b.LabelWidth, b.WordWidth = b.LabelText+12, b.WordText+12
	b.Width = b.LabelWidth + b.WordWidth
	b.LabelAt, b.WordAt = b.LabelWidth/2, b.LabelWidth+b.WordWidth/2
	return b
}

// textWidth is about how wide a text is in a sans-serif font of 11 pixels; the
// image stretches it to exactly that.
func textWidth(text string) int {
	tenths := 0
	for _, r := range text {
		switch {
		case strings.ContainsRune("ijl.,:;'|!I ", r):
			tenths += 36
		case strings.ContainsRune("frt()[]{}/-1", r):
			tenths += 46
		case strings.ContainsRune("mwMW@%", r):
			tenths += 98
		case r >= 'A' && r <= 'Z':
			tenths += 76
		case r < 0x300:
			tenths += 66
		default:
			tenths += 110
		}
	}
	return (tenths + 9) / 10
}

// cutRunes cuts a text after so many characters, and leaves out those that are
// no text.
func cutRunes(text string, most int) string {
	runes := []rune(strings.ToValidUTF8(text, ""))
	if len(runes) > most {
		runes = append(runes[:most-1], '…')
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == 0xfffe || r == 0xffff {
			return ' ' // XML has none of them
		}
		return r
	}, string(runes))
}

// badgeURL is where the badge of a project is, below the dashboard's address.
func badgeURL(id, name string) string {
	return badgePath + strings.TrimPrefix(projectURL(id, name), "/projects/") + ".svg"
}

// badgeMarkdown is what a README shows the badge with.
func badgeMarkdown(base, name, image, page string) string {
	label := strings.NewReplacer("[", "", "]", "", "\\", "", "`", "", "\n", " ").Replace(name)
	whole := func(path string) string {
		u, err := url.Parse(base + path)
		if err != nil {
			return base + path
		}
		return strings.NewReplacer("(", "%28", ")", "%29").Replace(u.String())
	}
	return "[![" + label + "](" + whole(image) + ")](" + whole(page) + ")"
}
