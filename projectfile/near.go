package projectfile

import (
	"reflect"
	"strings"

	brigade "github.com/brigadecore/brigade/v3"
)

// nearest is the field that was probably meant by an unknown one: one of the
// same mapping that is spelled nearly so, or one of that name elsewhere.
func nearest(unknown, path string, names []string) string {
	if near := nearName(unknown, names); near != "" {
		return join(path, near)
	}
	if path == "" {
		if at := moved[unknown]; at != "" {
			return at
		}
	}
	found := ""
	walkPaths(reflect.TypeFor[brigade.Project](), "", func(at string) {
		last := at[strings.LastIndex(at, ".")+1:]
		if found == "" && strings.EqualFold(last, unknown) {
			found = at
		}
	})
	return found
}

// moved are names of v1 whose place is another one here.
var moved = map[string]string{
	"project":             "name",
	"github.token":        "repo.token",
	"vcsSidecarResources": "kubernetes.vcsSidecarResourcesLimits and kubernetes.vcsSidecarResourcesRequests",
	"cacheStorageClass":   "kubernetes.cacheStorageClass",
	"scriptPath":          "brigadejsPath",
	"configPath":          "brigadeConfigPath",
}

// walkPaths calls visit with the path of each field that is no struct.
func walkPaths(t reflect.Type, path string, visit func(string)) {
	names, index := fieldsOf(t)
	for _, name := range names {
		ft := t.Field(index[name]).Type
		if ft.Kind() == reflect.Pointer {
			ft = ft.Elem()
		}
		if ft.Kind() == reflect.Struct {
			walkPaths(ft, join(path, name), visit)
		} else {
			visit(join(path, name))
		}
	}
}

// Nearest is the name that is spelled nearly like s; "" when there is none.
func Nearest(s string, names []string) string { return nearName(s, names) }

// nearName is the name that differs from s by the case of letters or by at most
// two letters, a third of it at the most; "" when there is none.
func nearName(s string, names []string) string {
	if len(s) > 60 {
		return ""
	}
	best, least := "", min(2, len(s)/3)+1
	for _, name := range names {
		if strings.EqualFold(name, s) {
			return name
		}
		if d := distance(strings.ToLower(s), strings.ToLower(name)); d < least {
			best, least = name, d
		}
	}
	return best
}

// distance counts the bytes to insert, delete or replace to make a into b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
