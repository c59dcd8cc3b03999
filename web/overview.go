package web

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/brigadecore/brigade/v3"
)

const (
	stripLength      = 24  // builds in a project's strip
	projectsPerPage  = 50  // of the overview
	activeMost       = 50  // running and waiting builds shown
	recentSort       = 200 // projects up to which the overview is sorted by what happened last
	stripWidth       = 10  // of a bar and the gap after it, in user units
	stripHeight      = 26
	stripLeastHeight = 4
)

// bar is a build in a strip: as high as it took long.
type bar struct {
	URL, Label string
	State      brigade.State
	X, Y, H    int
}

// strip is what a project's last builds came to, oldest first.
type strip struct {
	Bars   []bar
	Rate   string // of success, "" when no build has ended
	Median time.Duration
	Trend  string // how the newer half compares with the older one; "" when that is not known
	Slower bool
	// Percent is the number of the trend.
	Percent string
	Label   string
}

// projectRow is a project on the overview.
type projectRow struct {
	URL, Name, Repository string
	Last                  *brigade.Build
	Strip                 strip
}

type overviewData struct {
	Projects []projectRow
	Query    string
	Total    int
	Next     string
	Running  []*brigade.Build
	Waiting  []*brigade.Build
	More     bool // not all running and waiting ones are shown
}

// overview is the first page: what runs and waits now, and the projects.
func overview(c *call) (*page, error) {
	q := c.r.URL.Query()
	data := &overviewData{Query: strings.TrimSpace(q.Get("q"))}
	active, next, err := c.listBuilds(brigade.BuildFilter{
		States: []brigade.State{brigade.StatePending, brigade.StateRunning}, Limit: activeMost,
	})
	if err != nil {
		return nil, err
	}
	data.More = next != ""
	for _, b := range active {
		if b.State == brigade.StateRunning {
			data.Running = append(data.Running, b)
		} else {
			data.Waiting = append(data.Waiting, b)
		}
	}
	if err := c.projectRows(data, q.Get("from")); err != nil {
		return nil, err
	}
	state := brigade.State("")
	if len(data.Running) > 0 {
		state = brigade.StateRunning
	}
	return &page{Title: "Projects", Template: "overview", Section: "projects", Data: data, Live: true, State: state}, nil
}

// projectRows fills in the projects from a place in the list on.
func (c *call) projectRows(data *overviewData, from string) error {
	all, err := c.web.opt.Store.ListProjects(c.ctx())
	if err != nil {
		return err
	}
	var shown []*brigade.Project
	for _, p := range all {
		if c.who.sees(p.ID, p.Name) && strings.Contains(strings.ToLower(p.Name), strings.ToLower(data.Query)) {
			shown = append(shown, p)
		}
	}
	data.Total = len(shown)
	start, _ := strconv.Atoi(from)
	start = min(max(0, start), len(shown))
	recent := len(shown) <= recentSort
	if !recent {
		shown = shown[start:min(len(shown), start+projectsPerPage)]
	}
	rows := make([]projectRow, 0, len(shown))
	for _, p := range shown {
		builds, err := c.web.opt.Store.ListBuilds(c.ctx(), brigade.BuildFilter{ProjectID: p.ID, Limit: stripLength})
		if err != nil {
			return err
		}
		row := projectRow{URL: projectURL(p.ID, p.Name), Name: p.Name, Repository: p.Repository}
		for _, b := range builds {
			if err := c.dress(b); err != nil {
				return err
			}
		}
		if len(builds) > 0 {
			row.Last = builds[0]
		}
		row.Strip = makeStrip(builds, c.web.opt.Now())
		rows = append(rows, row)
	}
	if recent {
		slices.SortStableFunc(rows, func(a, b projectRow) int { return strings.Compare(lastID(b), lastID(a)) })
		rows = rows[start:min(len(rows), start+projectsPerPage)]
	}
	if start+len(rows) < data.Total {
		data.Next = strconv.Itoa(start + len(rows))
	}
	data.Projects = rows
	return nil
}

func lastID(r projectRow) string {
	if r.Last == nil {
		return ""
	}
	return r.Last.ID
}

// leastTrend is how many builds must have ended for a trend.
const leastTrend = 8

// trend compares the newer half of the times, which come newest first, with
// the older half: its median, and what part of that it is.
func (s *strip) trend(times []time.Duration) {
	if len(times) < leastTrend {
		return
	}
	half := func(part []time.Duration) time.Duration {
		part = slices.Sorted(slices.Values(part))
		return part[len(part)/2]
	}
	newer, older := half(times[:len(times)/2]), half(times[len(times)/2:])
	if older <= 0 {
		return
	}
	percent := int((newer - older) * 100 / older)
	switch {
	case percent >= 5:
		s.Percent, s.Slower = strconv.Itoa(percent)+"%", true
		s.Trend = s.Percent + " slower"
	case percent <= -5:
		s.Percent = strconv.Itoa(-percent) + "%"
		s.Trend = s.Percent + " faster"
	default:
		s.Trend = "steady"
	}
}

// makeStrip draws builds, which come newest first.
func makeStrip(builds []*brigade.Build, now time.Time) strip {
	var s strip
	var times []time.Duration
	succeeded, failed := 0, 0
	for _, b := range builds {
		switch b.State {
		case brigade.StateSucceeded:
			succeeded++
		case brigade.StateFailed:
			failed++
		default:
			continue
		}
		times = append(times, took(now, b))
	}
	s.trend(times)
	highest := time.Duration(1) // one that takes far longer than usual must not make all others low
	if ended := len(times); ended > 0 {
		slices.Sort(times)
		s.Rate = strconv.Itoa(succeeded*100/ended) + "%"
		s.Median = times[ended/2]
		highest = max(1, min(times[ended-1], 5*s.Median/2))
	}
	for i, b := range slices.Backward(builds) {
		d := took(now, b)
		h := min(stripHeight, max(stripLeastHeight, int(stripHeight*d/highest)))
		label := "#" + shortID(b.ID) + " " + b.Event.Type + ": " + stateWord(b.State)
		if d > 0 {
			label += ", " + duration(d)
		}
		s.Bars = append(s.Bars, bar{URL: buildURL(b.ID), Label: label, State: b.State, X: (len(builds) - 1 - i) * stripWidth, Y: stripHeight - h, H: h})
	}
	s.Label = "The last " + strconv.Itoa(len(builds)) + " builds: " + strconv.Itoa(succeeded) + " succeeded, " + strconv.Itoa(failed) + " failed"
	return s
}
