package modules

import (
	"strings"
	"time"
)

// nativeClock gives milliseconds since the module was loaded.
func nativeClock(*Env) map[string]any {
	start := time.Now()
	return map[string]any{"now": func() float64 { return sinceMillis(start) }}
}

func sinceMillis(start time.Time) float64 {
	return float64(time.Since(start)) / float64(time.Millisecond)
}

func nativeConsole(env *Env) map[string]any {
	native := nativeClock(env)
	native["write"] = env.consoleWrite
	return native
}

func (env *Env) consoleWrite(level, text string) {
	if env.Console != nil {
		env.Console(level, text)
		return
	}
	write := env.Stdout
	if level == "warn" || level == "error" || level == "trace" {
		write = env.Stderr
	}
	for line := range strings.SplitSeq(text, "\n") {
		write(line)
	}
}

// nativePerformance adds the time at which the clock began, in milliseconds
// since 1970.
func nativePerformance(env *Env) map[string]any {
	native := nativeClock(env)
	native["origin"] = float64(env.Now().UnixNano()) / 1e6
	return native
}
