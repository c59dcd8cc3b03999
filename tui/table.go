package tui

import (
	"io"
	"strings"
)

// Table writes rows of text in aligned columns, as `brig build list` does.
// Columns are measured in terminal columns; no line ends in spaces.
type Table struct {
	heads []string
	right []bool
	rows  [][]string
	gap   int
	lead  string
	style func(string) string // of the heads

	least []int // widths of what was written before
}

// NewTable starts a table with these column heads. A head that begins with ">"
// is one of a column of numbers, which is aligned to the right.
func NewTable(heads ...string) *Table {
	t := &Table{gap: 2}
	for _, h := range heads {
		name, right := strings.CutPrefix(h, ">")
		t.heads = append(t.heads, name)
		t.right = append(t.right, right)
	}
	return t
}

// Add adds a row. Cells are cleaned; missing ones are empty and those beyond
// the last column are dropped.
func (t *Table) Add(cells ...string) {
	for i := range cells {
		cells[i] = Clean(cells[i], false)
	}
	t.add(cells)
}

// add takes cells that are clean and may have colours.
func (t *Table) add(cells []string) {
	row := make([]string, len(t.heads))
	copy(row, cells)
	t.rows = append(t.rows, row)
}

// Write writes the heads and all rows. What is added afterwards is written by
// another call, without the heads and below the columns of before. It returns
// the writer's error.
func (t *Table) Write(w io.Writer) error {
	lines, ws := t.lines(), t.widths()
	if t.least != nil {
		lines = lines[1:]
	}
	t.least, t.rows = ws, nil
	if len(lines) == 0 {
		return nil
	}
	_, err := io.WriteString(w, strings.Join(lines, "\n")+"\n")
	return err
}

func (t *Table) widths() []int {
	ws := make([]int, len(t.heads))
	for i, h := range t.heads {
		ws[i] = width(h)
		if t.least != nil {
			ws[i] = t.least[i]
		}
	}
	for _, row := range t.rows {
		for i, cell := range row {
			ws[i] = max(ws[i], width(cell))
		}
	}
	return ws
}

// total is the width of a full line.
func (t *Table) total() int {
	n := width(t.lead) + t.gap*(len(t.heads)-1)
	for _, w := range t.widths() {
		n += w
	}
	return n
}

func (t *Table) lines() []string {
	ws := t.widths()
	lines := make([]string, 0, len(t.rows)+1)
	line := func(row []string, style func(string) string) {
		var b strings.Builder
		b.WriteString(t.lead)
		for i, cell := range row {
			if i > 0 {
				b.WriteString(strings.Repeat(" ", t.gap))
			}
			b.WriteString(pad(cell, ws[i], t.right[i]))
		}
		text := strings.TrimRight(b.String(), " ")
		if style != nil {
			text = style(text)
		}
		lines = append(lines, text)
	}
	line(t.heads, t.style)
	for _, row := range t.rows {
		line(row, nil)
	}
	return lines
}
