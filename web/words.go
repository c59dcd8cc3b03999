package web

import (
	"fmt"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/brigadecore/brigade/v3"
)

// duration writes d for people: 0.4 s, 12 s, 3 m 05 s, 2 h 10 m, 3 d 4 h.
func duration(d time.Duration) string {
	switch {
	case d < 0:
		return "0 s"
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d m %02d s", int(d.Minutes()), int(d.Seconds())%60)
	case d < 24*time.Hour:
		return fmt.Sprintf("%d h %02d m", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d d %d h", int(d.Hours())/24, int(d.Hours())%24)
}

// ago writes how long before now t was, or how long after.
func ago(now, t time.Time) string {
	if t.IsZero() {
		return ""
	}
	d := now.Sub(t)
	ahead := d < 0
	d = d.Abs()
	var text string
	switch {
	case d < 5*time.Second && !ahead:
		return "just now"
	case d < time.Minute:
		text = fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		text = fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		text = fmt.Sprintf("%d h", int(d.Hours()))
	default:
		text = fmt.Sprintf("%d days", int(d.Hours())/24)
	}
	if ahead {
		return "in " + text
	}
	return text + " ago"
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

func iso(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

func bytesOf(n int64) string {
	switch {
	case n < 1<<10:
		return fmt.Sprintf("%d B", n)
	case n < 1<<20:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	case n < 1<<30:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
}

// stateWord is the state as people read it.
func stateWord(s brigade.State) string {
	if s == brigade.StatePending {
		return "waiting"
	}
	return string(s)
}

// took is how long a build ran, or has been running; 0 before it starts.
func took(now time.Time, b *brigade.Build) time.Duration {
	switch {
	case b.Started.IsZero():
		return 0
	case !b.Ended.IsZero():
		return b.Ended.Sub(b.Started)
	}
	return max(0, now.Sub(b.Started))
}

// eventTitle says what started a build: the event's title, or what is known.
func eventTitle(e brigade.Event) string {
	if e.ShortTitle != "" {
		return e.ShortTitle
	}
	if e.LongTitle != "" {
		first, _, _ := strings.Cut(e.LongTitle, "\n")
		return first
	}
	return ""
}

// shortRef is a branch, tag or pull request without what git puts before it.
func shortRef(ref string) string {
	for _, prefix := range []string{"refs/heads/", "refs/tags/", "refs/"} {
		if rest, ok := strings.CutPrefix(ref, prefix); ok {
			return rest
		}
	}
	return ref
}

func shortCommit(sha string) string {
	if len(sha) > 8 && isHex(sha) {
		return sha[:8]
	}
	return sha
}

// shortID is the end of a build's ID, in which those of one day differ.
func shortID(id string) string {
	if len(id) > 8 {
		return id[len(id)-8:]
	}
	return id
}

func isHex(s string) bool {
	for _, r := range s {
		if (r < '0' || r > '9') && (r < 'a' || r > 'f') {
			return false
		}
	}
	return s != ""
}

// projectURL is the address of a project: its name where that can be a path.
func projectURL(id, name string) string {
	if name == "" || len(name) > 200 || path.Clean("/"+name) != "/"+name || strings.HasPrefix(name, "brigade-") {
		name = id
	}
	parts := strings.Split(name, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return "/projects/" + strings.Join(parts, "/")
}

func buildURL(id string) string { return "/builds/" + url.PathEscape(id) }

func jobURL(buildID, name string) string { return buildURL(buildID) + "/jobs/" + url.PathEscape(name) }

func artifactURL(buildID, job, name string) string {
	parts := strings.Split(name, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return jobURL(buildID, job) + "/artifacts/" + strings.Join(parts, "/")
}

// agentName is what people call the browser that calls itself so.
func agentName(agent string) string {
	name := ""
	for _, known := range [][2]string{{"Edg/", "Edge"}, {"OPR/", "Opera"}, {"Firefox/", "Firefox"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"}, {"curl/", "curl"}} {
		if strings.Contains(agent, known[0]) {
			name = known[1]
			break
		}
	}
	if name == "" {
		return cut(agent, 40)
	}
	for _, known := range [][2]string{{"Android", "Android"}, {"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Windows", "Windows"}, {"Mac OS X", "macOS"}, {"CrOS", "ChromeOS"}, {"Linux", "Linux"}} {
		if strings.Contains(agent, known[0]) {
			return name + " on " + known[1]
		}
	}
	return name
}
