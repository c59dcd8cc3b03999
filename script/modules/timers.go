package modules

import "time"

// handles numbers the timers of one script, so that it can stop them.
type handles struct {
	next  int
	stops map[int]func()
}

func (h *handles) add(schedule func(forget func()) (stop func())) int {
	h.next++
	id := h.next
	h.stops[id] = schedule(func() { delete(h.stops, id) })
	return id
}

func (h *handles) stop(id int) {
	if stop := h.stops[id]; stop != nil {
		delete(h.stops, id)
		stop()
	}
}

func nativeTimers(env *Env) map[string]any {
	h := &handles{stops: map[int]func(){}}
	native := nativeClock(env)
	native["after"] = func(ms float64, unref bool, f func(...any)) int {
		return h.add(func(forget func()) func() {
			return env.Loop.After(time.Duration(ms*float64(time.Millisecond)), unref, func() { forget(); f() })
		})
	}
	native["immediate"] = func(f func(...any)) int {
		return h.add(func(forget func()) func() {
			return env.Loop.Immediate(func() { forget(); f() })
		})
	}
	native["clear"] = h.stop
	native["id"] = func() int { h.next++; return h.next }
	return native
}
