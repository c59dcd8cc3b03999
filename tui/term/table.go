package term

import (
	"strings"

	"github.com/brigadecore/brigade/v3/tui"
)

// column is a column of a table that gives way where there is no room.
type column struct {
	head  string
	right bool
	least int // columns below which it does not shrink; 0: it does not shrink
	most  int // columns above which it does not grow; 0: any
	rank  int // the highest goes first when there is no room; 0: it stays
}

const gap = 2

// layout returns the width of each column in a table of w columns; -1 for
// those that are left out.
func layout(columns []column, rows [][]string, w int) []int {
	natural := make([]int, len(columns))
	for i, c := range columns {
		natural[i] = tui.Width(c.head)
		for _, row := range rows {
			natural[i] = max(natural[i], tui.Width(row[i]))
		}
		if c.most > 0 {
			natural[i] = min(natural[i], c.most)
		}
	}
	widths := append([]int{}, natural...)
	for {
		over := total(widths) - w
		if over <= 0 {
			return widths
		}
		if shrink(columns, widths, over) {
			return widths
		}
		out := -1
		for i, c := range columns {
			if c.rank > 0 && widths[i] >= 0 && (out < 0 || c.rank > columns[out].rank) {
				out = i
			}
		}
		if out < 0 {
			return widths // the line is cut
		}
		for i := range widths {
			if widths[i] >= 0 {
				widths[i] = natural[i]
			}
		}
		widths[out] = -1
	}
}

func total(widths []int) int {
	n := -gap
	for _, w := range widths {
		if w >= 0 {
			n += w + gap
		}
	}
	return n
}

// shrink makes columns narrower by over in all, and reports whether it could.
func shrink(columns []column, widths []int, over int) bool {
	for over > 0 {
		widest := -1
		for i, c := range columns {
			if c.least > 0 && widths[i] > c.least && (widest < 0 || widths[i] > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			return false
		}
		widths[widest]--
		over--
	}
	return true
}

// tableLine writes cells, which are clean, in columns of those widths.
func tableLine(columns []column, widths []int, cells []string, look tui.Look) string {
	var b strings.Builder
	first := true
	for i, c := range columns {
		if widths[i] < 0 {
			continue
		}
		if !first {
			b.WriteString(strings.Repeat(" ", gap))
		}
		first = false
		b.WriteString(tui.Pad(tui.Cut(cells[i], widths[i], look.Ellipsis()), widths[i], c.right))
	}
	return b.String()
}

func heads(columns []column) []string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.head
	}
	return names
}
