package report

import "time"

// due is the queue: entries by when their next attempt is due.
type due []*entry

func (d due) next() (time.Time, bool) {
	if len(d) == 0 {
		return time.Time{}, false
	}
	return d[0].at, true
}

// Len is part of heap.Interface.
func (d due) Len() int { return len(d) }

// Less is part of heap.Interface.
func (d due) Less(i, j int) bool { return d[i].at.Before(d[j].at) }

// Swap is part of heap.Interface.
func (d due) Swap(i, j int) {
	d[i], d[j] = d[j], d[i]
	d[i].index, d[j].index = i, j
}

// Push is part of heap.Interface.
func (d *due) Push(x any) {
	if e, ok := x.(*entry); ok {
		e.index = len(*d)
		*d = append(*d, e)
	}
}

// Pop is part of heap.Interface.
func (d *due) Pop() any {
	old := *d
	e := old[len(old)-1]
	e.index = -1
	old[len(old)-1] = nil
	*d = old[:len(old)-1]
	return e
}
