package modules

import (
	"time"
	_ "time/tzdata" // scripts in an image without a zone database format dates too
)

// zones looks up time zones for one script.
type zones struct{ known map[string]*time.Location }

func (z *zones) load(name string) *time.Location {
	if loc, ok := z.known[name]; ok {
		return loc
	}
	loc, err := time.LoadLocation(name)
	if err != nil || name == "" || name == "Local" {
		loc = nil
	}
	z.known[name] = loc
	return loc
}

func nativeIntl(env *Env) map[string]any {
	z := &zones{known: map[string]*time.Location{}}
	at := func(name string, ms float64) time.Time {
		loc := z.load(name)
		if loc == nil {
			loc = time.Local
		}
		return time.UnixMilli(int64(ms)).In(loc)
	}
	return map[string]any{
		"known": func(name string) bool { return z.load(name) != nil },
		"local": func() string { return localZone(env) },
		// offset is in seconds east of UTC.
		"offset": func(name string, ms float64) int { _, offset := at(name, ms).Zone(); return offset },
		"short":  func(name string, ms float64) string { short, _ := at(name, ms).Zone(); return short },
		"dst":    func(name string, ms float64) bool { return at(name, ms).IsDST() },
	}
}

// localZone is the zone that Date uses.
func localZone(env *Env) string {
	if name := time.Local.String(); name != "Local" && name != "" {
		return name
	}
	if name := env.Vars["TZ"]; name != "" {
		if _, err := time.LoadLocation(name); err == nil {
			return name
		}
	}
	return "UTC"
}
