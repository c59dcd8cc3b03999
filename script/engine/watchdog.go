package engine

import (
	"sync"
	"time"
)

// watchdog calls expired when a turn lasts too long.
type watchdog struct {
	expired func()

	mu    sync.Mutex
	timer *time.Timer
	turn  uint64
	depth int
}

// begin starts the clock of a turn; one that is inside another has none of its own.
func (w *watchdog) begin(limit time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.depth++
	if w.depth > 1 {
		return
	}
	w.turn++
	turn := w.turn
	if w.timer != nil {
		w.timer.Stop()
	}
	w.timer = time.AfterFunc(limit, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.depth > 0 && w.turn == turn {
			w.expired()
		}
	})
}

func (w *watchdog) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.depth > 0 {
		w.depth--
	}
	if w.depth == 0 && w.timer != nil {
		w.timer.Stop()
	}
}
