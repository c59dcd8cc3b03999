package tui

import (
	"slices"
	"strings"
	"time"

	brigade "github.com/brigadecore/brigade/v3"
)

// draw brings the screen up to date, if there is something to tell. The caller
// holds the lock.
func (v *Live) draw(now time.Time) {
	if v.finished {
		return
	}
	if !v.dirty && now.Sub(v.drawn) < spinEvery {
		return
	}
	w, h := v.o.size()
	lines := v.pendingLines(w)
	var block []string
	if now.Sub(v.began) >= firstBlock || v.canvas.block != nil || v.stopText != "" {
		block = v.block(now, w, h)
	}
	if len(lines) > 0 || len(block) > 0 {
		v.canvas.frame(lines, block, w, h)
	}
	v.dirty, v.drawn = false, now
}

// pendingLines are the rows of what is to be printed above the block.
func (v *Live) pendingLines(w int) []string {
	if len(v.pending) == 0 {
		return nil
	}
	prefix := min(v.b.widest, maxPrefix, w/3)
	lines := make([]string, 0, len(v.pending))
	for _, e := range v.pending {
		if e.r == nil {
			lines = append(lines, wrap(e.text, w-1, maxRowsALine, v.l.ellipsis())...)
			continue
		}
		name := e.r.prefix(v.l, prefix)
		for i, row := range wrap(e.text, w-1-prefix-3, maxRowsALine, v.l.ellipsis()) {
			if i == 0 {
				lines = append(lines, strings.TrimRight(name+" "+e.mark+" "+row, " "))
			} else {
				lines = append(lines, strings.Repeat(" ", prefix)+" "+v.l.dim(v.l.bar())+" "+row)
			}
		}
	}
	clear(v.pending)
	v.pending, v.bytes = v.pending[:0], 0
	return lines
}

// prefix is the job's name in its colour, cols wide. It is kept until the width
// changes.
func (r *row) prefix(l look, cols int) string {
	if r.prefixText == "" || r.prefixWidth != cols {
		r.prefixWidth = cols
		r.prefixText = l.fg(jobColors[r.index%len(jobColors)], pad(cut(r.name, cols, l.ellipsis()), cols, false))
	}
	return r.prefixText
}

// block draws what stays at the bottom, in at most half the terminal.
func (v *Live) block(now time.Time, w, h int) []string {
	cols, room := w-1, max(2, h/2)
	var lines []string
	if h >= 12 {
		lines = append(lines, v.l.dim(strings.Repeat(v.l.pick("─", "-"), cols)))
	}
	spin := int(now.UnixMilli() / spinEvery.Milliseconds())
	for i, work := range v.works {
		if i < 3 && len(lines) < room-1 {
			lines = append(lines, work.line(v.l, spin, cols, now))
		}
	}
	if v.status != "" && len(lines) < room-1 {
		lines = append(lines, cut(v.l.dim(v.status), cols, v.l.ellipsis()))
	}
	lines = append(lines, v.jobRows(now, cols, room-1-len(lines))...)
	return append(lines, v.footer(now, spin, cols))
}

// rank orders states by how much a person wants to see them now.
func rank(s brigade.State) int {
	switch s {
	case brigade.StateRunning:
		return 0
	case brigade.StatePulling:
		return 1
	case brigade.StateFailed:
		return 2
	case brigade.StatePending:
		return 3
	case brigade.StateCanceled:
		return 4
	}
	return 5
}

// jobRows draws as many jobs as there is room for, those first that matter
// most, in the order in which they came.
func (v *Live) jobRows(now time.Time, cols, room int) []string {
	if len(v.b.rows) == 0 || room <= 0 {
		return nil
	}
	shown := v.b.rows
	if len(shown) > room {
		shown = slices.Clone(shown)
		slices.SortStableFunc(shown, func(a, b *row) int {
			if d := rank(a.job.State) - rank(b.job.State); d != 0 {
				return d
			}
			return b.job.Ended.Compare(a.job.Ended)
		})
		rest := shown[room-1:]
		shown = shown[:room-1]
		slices.SortFunc(shown, func(a, b *row) int { return a.index - b.index })
		return append(v.drawRows(shown, now, cols), cut(v.l.dim("  "+v.moreText(rest)), cols, ""))
	}
	return v.drawRows(shown, now, cols)
}

func (v *Live) moreText(rest []*row) string {
	counts := map[brigade.State]int{}
	for _, r := range rest {
		counts[r.job.State]++
	}
	return v.l.ellipsis() + " and " + itoa(len(rest)) + " more (" + countText(counts, ", ") + ")"
}

// countText tells how many jobs are in which state: "8 running, 4 waiting".
func countText(counts map[brigade.State]int, between string) string {
	var parts []string
	for _, s := range []brigade.State{brigade.StateFailed, brigade.StateRunning, brigade.StatePulling,
		brigade.StatePending, brigade.StateCanceled, brigade.StateSucceeded} {
		if counts[s] > 0 {
			parts = append(parts, itoa(counts[s])+" "+stateWord(s))
		}
	}
	return strings.Join(parts, between)
}

func stateWord(s brigade.State) string {
	if s == brigade.StatePending {
		return "waiting"
	}
	return string(s)
}

func (v *Live) drawRows(rows []*row, now time.Time, cols int) []string {
	nameW, imageW := 0, 0
	for _, r := range rows {
		nameW, imageW = max(nameW, width(r.name)), max(imageW, width(r.image))
	}
	nameW = min(nameW, 36, cols/3)
	imageW = min(imageW, 22)
	if cols < 60 {
		imageW = 0
	}
	lines := make([]string, len(rows))
	for i, r := range rows {
		lines[i] = v.drawRow(r, now, cols, nameW, imageW)
	}
	return lines
}

func (v *Live) drawRow(r *row, now time.Time, cols, nameW, imageW int) string {
	const stateW, timeW = 11, 6
	state := r.job.State
	symbol := v.l.symbol(state)
	if state == brigade.StateRunning {
		symbol = v.l.spinner(int(now.UnixMilli()/spinEvery.Milliseconds()) + r.index)
	}
	text, took := stateWord(state), r.ran(now)
	switch {
	case state == brigade.StatePulling:
		text = strings.TrimSpace(text + " " + r.percent())
		took = r.waited(now)
	case state == brigade.StatePending:
		took = r.waited(now)
	case state == brigade.StateFailed && r.job.ExitCode != 0:
		text = "exit " + itoa(r.job.ExitCode)
	}
	name := pad(cut(r.name, nameW, v.l.ellipsis()), nameW, false)
	line := v.l.state(state, symbol) + " " + v.l.fg(jobColors[r.index%len(jobColors)], name)
	if imageW > 0 {
		line += "  " + v.l.dim(pad(cut(r.image, imageW, v.l.ellipsis()), imageW, false))
	}
	time := runningFor(took)
	switch {
	case state.Ended() && r.job.Started.IsZero():
		time = ""
	case state.Ended():
		time = Duration(took)
	}
	line += "  " + v.l.state(state, pad(text, stateW, false)) + " " + pad(time, timeW, true)
	if room := cols - width(line) - 2; room >= 8 && !state.Ended() {
		last := r.last
		if state == brigade.StatePulling {
			last = r.notice
		}
		line += "  " + v.l.dim(cut(strings.TrimLeft(last, " "), room, v.l.ellipsis()))
	}
	return cut(strings.TrimRight(line, " "), cols, "")
}

// footer is the last line: how far the build is.
func (v *Live) footer(now time.Time, spin, cols int) string {
	took := v.b.since(now)
	if v.b.build == nil {
		took = now.Sub(v.began)
	}
	clock := runningFor(took)
	dot := " " + v.l.dot() + " "
	var text string
	switch counts := v.b.counts; {
	case v.stopText != "":
		text = v.stopText
		if width(text)+2 > cols {
			text = strings.Replace(text, "press Ctrl-C again to kill", "(Ctrl-C: kill)", 1)
		}
		return v.l.fg(colorAmber, cut(v.l.spinner(spin)+" "+text, cols, v.l.ellipsis()))
	case v.b.build == nil:
		text = "preparing"
	case len(v.b.rows) == 0:
		text = "running the script"
	default:
		text = itoa(v.b.ended()) + " of " + plural(len(v.b.rows), "job") + " done"
		for _, s := range []brigade.State{brigade.StateFailed, brigade.StateRunning, brigade.StatePulling, brigade.StatePending} {
			if counts[s] > 0 {
				text += dot + v.l.state(s, itoa(counts[s])+" "+stateWord(s))
			}
		}
	}
	return cut(v.l.fg(colorBlue, v.l.spinner(spin))+" "+v.l.bold(clock)+dot+text, cols, v.l.ellipsis())
}
