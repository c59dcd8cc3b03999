// Package quickstart lets the program that imports it start without collecting
// garbage: what packages make when they are initialised stays, and to find that
// out once or twice took a third of a short command's processor time. From the
// first collection on, which comes at 16 MiB instead of 4, all is as usual.
//
// It works because packages are initialised in the order of their paths once
// what they import is: most of what allocates comes after this one. GOGC in the
// environment goes before it.
package quickstart

import (
	"runtime"
	"runtime/debug"
)

// percent is GOGC until the first collection; the heap may grow to 4 MiB times
// a hundredth of it before that.
const percent = 400

// On says that it works.
var On = begin()

func begin() bool {
	usual := debug.SetGCPercent(percent)
	if usual != 100 { // somebody wants it otherwise: GOGC is set
		debug.SetGCPercent(usual)
		return false
	}
	watched := new([16]byte) // large enough to be collected on its own
	runtime.SetFinalizer(watched, func(*[16]byte) { debug.SetGCPercent(usual) })
	return true
}
