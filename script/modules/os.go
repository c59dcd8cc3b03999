package modules

import (
	"os"
	"runtime"
	"time"
)

// nativeOS describes the machine as far as a script may know it.
func nativeOS(env *Env) map[string]any {
	start := time.Now()
	home := func() string {
		for _, key := range []string{"HOME", "USERPROFILE"} {
			if v := env.Vars[key]; v != "" {
				return v
			}
		}
		return env.Dir
	}
	return map[string]any{
		"platform": nodePlatform(), "arch": nodeArch(), "cpus": runtime.NumCPU(),
		"uid": max(os.Getuid(), 0), "gid": max(os.Getgid(), 0),
		"release":  func() string { return "unknown" },
		"hostname": hostname,
		"homedir":  home,
		"tmpdir": func() string {
			for _, key := range []string{"TMPDIR", "TMP", "TEMP"} {
				if v := env.Vars[key]; v != "" {
					return v
				}
			}
			return "/tmp"
		},
		"username": func() string {
			for _, key := range []string{"USER", "LOGNAME", "USERNAME"} {
				if v := env.Vars[key]; v != "" {
					return v
				}
			}
			return "brigade"
		},
		"uptime":   func() float64 { return time.Since(start).Seconds() },
		"totalmem": func() int64 { return memoryUsage()["rss"].(int64) },
		"freemem":  func() int64 { return memoryUsage()["rss"].(int64) - memoryUsage()["heapUsed"].(int64) },
	}
}

func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return "localhost"
	}
	return name
}
