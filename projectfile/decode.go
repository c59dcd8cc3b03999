package projectfile

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	brigade "github.com/brigadecore/brigade/v3"
	"github.com/brigadecore/brigade/v3/internal/lazyregexp"
)

// ours reads a project in our own form.
func (r *reader) ours(n *yaml.Node, fields []field) {
	name := find(fields, "name")
	if name == nil || name.value.Kind != yaml.ScalarNode || isNull(name.value) || name.value.Value == "" {
		r.wrong(n, "give it one, such as name: acme/app", "the project has no name")
		return
	}
	p := brigade.NewProject(name.value.Value)
	r.at = map[string]*yaml.Node{}
	before := len(r.problems) + r.more
	var rest []field
	for _, f := range fields {
		switch f.key.Value {
		case "kind", "$schema":
		case "apiVersion":
			if f.value.Value != APIVersion {
				r.wrong(f.value, "leave it out, or write "+APIVersion, "there is no apiVersion %q", clip(f.value.Value))
			}
		default:
			rest = append(rest, f)
		}
	}
	r.structure(n, rest, reflect.ValueOf(p).Elem(), "", 0)
	for _, s := range SecretFields() {
		if *s.Of(p) == Placeholder {
			r.placeholder(n, s.Path)
		}
	}
	for key, v := range p.Secrets {
		if v == Placeholder {
			r.placeholder(n, "secrets."+key)
		}
	}
	if len(r.problems)+r.more == before {
		r.add(n, p)
	}
}

func (r *reader) placeholder(n *yaml.Node, path string) {
	if v := r.at[path]; v != nil {
		n = v
	}
	r.wrong(n, "leave it out to keep the secret that is stored; brig project export --with-secrets writes the real ones",
		"%s is only the placeholder of a secret", path)
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// fieldsOf are the JSON names of a struct's fields and their indexes, in order.
func fieldsOf(t reflect.Type) (names []string, index map[string]int) {
	index = map[string]int{}
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if name != "" && name != "-" {
			names = append(names, name)
			index[name] = i
		}
	}
	return names, index
}

// structure reads fields into the struct v.
func (r *reader) structure(n *yaml.Node, fields []field, v reflect.Value, path string, depth int) {
	if depth > maxDepth {
		r.wrong(n, "", "this is nested too deeply")
		return
	}
	names, index := fieldsOf(v.Type())
	for _, f := range fields {
		i, ok := index[f.key.Value]
		if !ok {
			meant := ""
			if len(r.problems) >= maxProblems {
				r.more++ // without looking for what was meant
				continue
			}
			if near := nearest(f.key.Value, path, names); near != "" {
				meant = "; did you mean " + near + "?"
			}
			r.wrong(f.key, "docs/reference/project.md lists the fields", "unknown field %q%s", join(path, clip(f.key.Value)), meant)
			continue
		}
		r.value(f.value, v.Field(i), join(path, f.key.Value), depth+1)
	}
}

var durationType = reflect.TypeFor[brigade.Duration]()

// value reads n into v. null leaves v as it is.
func (r *reader) value(n *yaml.Node, v reflect.Value, path string, depth int) {
	if n = r.resolve(n); n == nil || isNull(n) {
		return
	}
	if depth > maxDepth {
		r.wrong(n, "", "this is nested too deeply")
		return
	}
	r.at[path] = n
	switch {
	case v.Type() == durationType:
		r.duration(n, v, path)
	case v.Kind() == reflect.Pointer:
		made := reflect.New(v.Type().Elem())
		r.value(n, made.Elem(), path, depth+1)
		v.Set(made)
	case v.Kind() == reflect.Struct:
		if r.want(n, yaml.MappingNode, path, "a mapping") {
			r.structure(n, r.fields(n), v, path, depth+1)
		}
	case v.Kind() == reflect.Slice:
		r.list(n, v, path, depth)
	case v.Kind() == reflect.Map:
		r.mapping(n, v, path, depth)
	case v.Kind() == reflect.Interface:
		if any, ok := r.any(n, path, depth); ok && any != nil {
			v.Set(reflect.ValueOf(any))
		}
	default:
		r.scalar(n, v, path)
	}
}

// want checks the kind of a node and reports a wrong one.
func (r *reader) want(n *yaml.Node, kind yaml.Kind, path, what string) bool {
	if n.Kind != kind {
		r.wrong(n, "", "%s must be %s", path, what)
		return false
	}
	return true
}

func (r *reader) list(n *yaml.Node, v reflect.Value, path string, depth int) {
	if !r.want(n, yaml.SequenceNode, path, "a list") || len(n.Content) == 0 {
		return
	}
	made := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, item := range n.Content {
		r.value(item, made.Index(i), fmt.Sprintf("%s[%d]", path, i), depth+1)
	}
	v.Set(made)
}

func (r *reader) mapping(n *yaml.Node, v reflect.Value, path string, depth int) {
	if !r.want(n, yaml.MappingNode, path, "a mapping") || len(n.Content) == 0 {
		return
	}
	made := reflect.MakeMap(v.Type())
	for _, f := range r.fields(n) {
		if f.key.Value == "" {
			r.wrong(f.key, "", "%s has an empty key", path)
			continue
		}
		e := reflect.New(v.Type().Elem()).Elem()
		r.value(f.value, e, join(path, f.key.Value), depth+1)
		made.SetMapIndex(reflect.ValueOf(f.key.Value), e)
	}
	v.Set(made)
}

func (r *reader) scalar(n *yaml.Node, v reflect.Value, path string) {
	what := map[reflect.Kind]string{reflect.String: "a text", reflect.Bool: "true or false", reflect.Int: "a whole number"}[v.Kind()]
	if !r.want(n, yaml.ScalarNode, path, what) {
		return
	}
	tag := n.ShortTag()
	switch {
	case v.Kind() == reflect.String:
		if text, ok := text(n); ok {
			v.SetString(text)
			return
		}
	case v.Kind() == reflect.Bool && tag == "!!bool":
		v.SetBool(strings.EqualFold(n.Value, "true"))
		return
	case v.Kind() == reflect.Int && tag == "!!int":
		if i, err := strconv.ParseInt(n.Value, 10, 32); err == nil {
			v.SetInt(i)
			return
		}
	}
	r.wrong(n, "", "%s must be %s", path, what)
}

// text is a scalar as it is written, whatever it looks like.
func text(n *yaml.Node) (string, bool) {
	switch n.ShortTag() {
	case "!!str", "!!int", "!!float", "!!bool", "!!timestamp", "!!merge":
		return n.Value, true
	case "!!binary":
		raw, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(n.Value), ""))
		return string(raw), err == nil && utf8.Valid(raw)
	}
	return "", false
}

// any reads a value of whatever type, as JSON has them.
func (r *reader) any(n *yaml.Node, path string, depth int) (any, bool) {
	n = r.resolve(n)
	switch {
	case n == nil:
		return nil, false
	case depth > maxDepth:
		r.wrong(n, "", "this is nested too deeply")
		return nil, false
	case n.Kind == yaml.MappingNode:
		made := map[string]any{}
		for _, f := range r.fields(n) {
			made[f.key.Value], _ = r.any(f.value, join(path, f.key.Value), depth+1)
		}
		return made, true
	case n.Kind == yaml.SequenceNode:
		made := make([]any, len(n.Content))
		for i, item := range n.Content {
			made[i], _ = r.any(item, fmt.Sprintf("%s[%d]", path, i), depth+1)
		}
		return made, true
	}
	switch n.ShortTag() {
	case "!!null":
		return nil, true
	case "!!bool":
		return strings.EqualFold(n.Value, "true"), true
	case "!!int", "!!float":
		if f, err := strconv.ParseFloat(n.Value, 64); err == nil && writtenAs(f, n.Value) {
			return f, true
		}
		r.wrong(n, "write it in quotes", "%s would be changed if it were read as a number", path)
		return nil, false
	}
	if text, ok := text(n); ok {
		return text, true
	}
	r.wrong(n, "", "%s has a tag that is not known here", path)
	return nil, false
}

// writtenAs reports whether the number is written the way it would be printed.
func writtenAs(f float64, text string) bool {
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return false
	}
	printed, err := json.Marshal(f)
	return err == nil && string(printed) == text || strconv.FormatFloat(f, 'f', -1, 64) == text
}

func (r *reader) duration(n *yaml.Node, v reflect.Value, path string) {
	const example = "write it like 90s, 1h30m or 7d"
	if n.Kind == yaml.ScalarNode {
		if d, ok := parseDuration(n.Value); ok {
			v.SetInt(int64(d))
			return
		}
	}
	r.wrong(n, example, "%s must be a duration", path)
}

var (
	durationText = lazyregexp.New(`^[+-]?(?:(\d+(?:\.\d+)?)d)?((?:\d+(?:\.\d*)?(?:ns|us|µs|ms|s|m|h))*)$`)
	secondsText  = lazyregexp.New(`^[+-]?\d+(?:\.\d+)?$`)
)

// parseDuration reads "1d12h", "90s" or a number of seconds, of at most 100
// years.
func parseDuration(text string) (time.Duration, bool) {
	const most = 36500 * 24 * time.Hour
	if len(text) > 64 {
		return 0, false
	}
	if secondsText.MatchString(text) {
		s, err := strconv.ParseFloat(text, 64)
		return time.Duration(s * float64(time.Second)), err == nil && math.Abs(s) <= most.Seconds()
	}
	m := durationText.FindStringSubmatch(text)
	if m == nil || m[1] == "" && m[2] == "" {
		return 0, false
	}
	var d time.Duration
	if m[1] != "" {
		days, err := strconv.ParseFloat(m[1], 64)
		if err != nil || days > 36500 {
			return 0, false
		}
		d = time.Duration(days * 24 * float64(time.Hour))
	}
	if m[2] != "" {
		rest, err := time.ParseDuration(m[2])
		if err != nil || rest > most {
			return 0, false
		}
		d += rest
	}
	if text[0] == '-' {
		d = -d
	}
	return d, true
}

// formatDuration writes what parseDuration reads, as short as it can.
func formatDuration(d time.Duration) string {
	const day = 24 * time.Hour
	if d != 0 && d%day == 0 {
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	text := d.String()
	if d%time.Minute == 0 && d != 0 {
		text = strings.TrimSuffix(text, "0s")
	}
	if d%time.Hour == 0 && d != 0 {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
