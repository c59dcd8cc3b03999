// Package option fills in what options leave out.
package option

import "time"

// Default sets v to by when it is zero or negative.
func Default[T int | time.Duration](v *T, by T) {
	if *v <= 0 {
		*v = by
	}
}
