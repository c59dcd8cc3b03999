package engine

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"sort"
	"time"

	"github.com/dop251/goja"

	"github.com/brigadecore/brigade/v3/script/modules"
)

// maxDepth is how deep values may be nested that cross between Go and the script.
const maxDepth = 500

var errTooDeep = errors.New("the value is nested too deep, or contains itself")

// toJS converts a Go value into a JavaScript value of its own: maps become
// plain objects with sorted keys, slices arrays, []byte a Uint8Array, functions
// functions, errors Error objects, time.Time a Date and nil null. Values of the
// engine itself pass unchanged. It panics with a JavaScript exception for
// other types.
func (e *Engine) toJS(v any) goja.Value { return e.toJSDepth(v, 0) }

func (e *Engine) toJSDepth(v any, depth int) goja.Value {
	if depth > maxDepth {
		panic(e.vm.NewTypeError(errTooDeep.Error()))
	}
	switch v := v.(type) {
	case nil:
		return goja.Null()
	case goja.Value:
		return v
	case string, bool, int, int64, int32, uint32, uint8, uint16, uint64, float64, float32:
		return e.vm.ToValue(v)
	case []byte:
		return e.bytesToJS(v)
	case map[string]any:
		return e.mapToJS(v, depth)
	case []any:
		items := make([]any, len(v))
		for i, item := range v {
			items[i] = e.toJSDepth(item, depth+1)
		}
		return e.vm.NewArray(items...)
	case time.Time:
		date, err := e.vm.New(e.vm.Get("Date"), e.vm.ToValue(v.UnixMilli()))
		if err != nil {
			panic(err)
		}
		return date
	case modules.Async:
		return e.promise(v)
	case error:
		return e.errorToJS(v)
	}
	return e.reflectToJS(reflect.ValueOf(v), depth)
}

// reflectToJS is toJS for named and less usual types.
func (e *Engine) reflectToJS(v reflect.Value, depth int) goja.Value {
	switch v.Kind() {
	case reflect.Func:
		if v.IsNil() {
			return goja.Null()
		}
		return e.native("", v)
	case reflect.Map:
		if v.Type().Key().Kind() != reflect.String {
			break
		}
		m := make(map[string]any, v.Len())
		for it := v.MapRange(); it.Next(); {
			m[it.Key().String()] = it.Value().Interface()
		}
		return e.mapToJS(m, depth)
	case reflect.Slice, reflect.Array:
		items := make([]any, v.Len())
		for i := range items {
			items[i] = e.toJSDepth(v.Index(i).Interface(), depth+1)
		}
		return e.vm.NewArray(items...)
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return goja.Null()
		}
		return e.toJSDepth(v.Elem().Interface(), depth+1)
	case reflect.String:
		return e.vm.ToValue(v.String())
	case reflect.Bool:
		return e.vm.ToValue(v.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return e.vm.ToValue(v.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return e.vm.ToValue(v.Uint())
	case reflect.Float32, reflect.Float64:
		return e.vm.ToValue(v.Float())
	}
	panic(e.vm.NewTypeError("a Go value of type %s cannot be used in a script", v.Type()))
}

func (e *Engine) mapToJS(m map[string]any, depth int) goja.Value {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	obj := e.vm.NewObject()
	for _, k := range keys {
		value := m[k]
		var js goja.Value
		if rv := reflect.ValueOf(value); rv.IsValid() && rv.Kind() == reflect.Func && rv.Type() != asyncType && !rv.IsNil() {
			js = e.native(k, rv)
		} else {
			js = e.toJSDepth(value, depth+1)
		}
		if err := obj.Set(k, js); err != nil {
			panic(err)
		}
	}
	return obj
}

// bytesToJS makes a Uint8Array that owns b from then on.
func (e *Engine) bytesToJS(b []byte) goja.Value {
	array, err := e.vm.New(e.uint8Array, e.vm.ToValue(e.vm.NewArrayBuffer(b)))
	if err != nil {
		panic(err)
	}
	return array
}

// fromJS converts a JavaScript value into string, bool, int64, float64, nil
// (undefined, null), []byte (typed arrays, views and buffers, copied), []any,
// map[string]any (own enumerable properties), time.Time, error (Error objects)
// or func(...any) (any, error).
func (e *Engine) fromJS(v goja.Value) any { return e.fromJSDepth(v, 0) }

func (e *Engine) fromJSDepth(v goja.Value, depth int) any {
	if depth > maxDepth {
		panic(e.vm.NewTypeError(errTooDeep.Error()))
	}
	if v == nil || goja.IsUndefined(v) || goja.IsNull(v) {
		return nil
	}
	obj, ok := v.(*goja.Object)
	if !ok {
		return v.Export()
	}
	if b, ok := e.bytesOf(obj); ok {
		return b
	}
	if call, ok := goja.AssertFunction(obj); ok {
		return e.callback(call)
	}
	switch obj.ClassName() {
	case "Array":
		n := int(obj.Get("length").ToInteger())
		items := make([]any, n)
		for i := range items {
			items[i] = e.fromJSDepth(obj.Get(fmt.Sprint(i)), depth+1)
		}
		return items
	case "Error":
		return e.thrown(obj)
	case "Date", "String", "Number", "Boolean":
		return obj.Export()
	}
	m := make(map[string]any)
	for _, k := range obj.Keys() {
		m[k] = e.fromJSDepth(obj.Get(k), depth+1)
	}
	return m
}

// bytesOf returns a copy of the bytes behind a buffer or a view of one.
func (e *Engine) bytesOf(obj *goja.Object) ([]byte, bool) {
	if obj.ExportType() == bufferType {
		return append([]byte(nil), obj.Export().(goja.ArrayBuffer).Bytes()...), true
	}
	if isView, _ := e.isView(goja.Undefined(), obj); isView == nil || !isView.ToBoolean() {
		return nil, false
	}
	inner, ok := obj.Get("buffer").(*goja.Object)
	if !ok {
		return nil, false
	}
	if inner.ExportType() != bufferType {
		return nil, false
	}
	buffer := inner.Export().(goja.ArrayBuffer)
	from, n, all := obj.Get("byteOffset").ToInteger(), obj.Get("byteLength").ToInteger(), buffer.Bytes()
	if from < 0 || n < 0 || from+n > int64(len(all)) {
		return nil, false
	}
	return append([]byte(nil), all[from:from+n]...), true
}

// argument converts v into a parameter of the given type.
func (e *Engine) argument(v goja.Value, to reflect.Type) reflect.Value {
	if to == valueType {
		if v == nil {
			v = goja.Undefined()
		}
		return reflect.ValueOf(&v).Elem()
	}
	out := reflect.New(to).Elem()
	if v == nil || goja.IsUndefined(v) || goja.IsNull(v) {
		return out
	}
	switch {
	case to.Kind() == reflect.String:
		out.SetString(v.String())
	case to.Kind() == reflect.Bool:
		out.SetBool(v.ToBoolean())
	case out.CanInt():
		out.SetInt(integer(v))
	case out.CanUint():
		out.SetUint(uint64(integer(v)))
	case out.CanFloat():
		out.SetFloat(v.ToFloat())
	case to == bytesType:
		out.SetBytes(e.bytesArgument(v))
	case to.Kind() == reflect.Func:
		out.Set(e.funcArgument(v, to))
	default:
		e.assign(out, e.fromJS(v))
	}
	return out
}

// integer is v as an integer, with what is out of range at the nearest end.
func integer(v goja.Value) int64 {
	f := v.ToFloat()
	switch {
	case math.IsNaN(f):
		return 0
	case f >= math.MaxInt64:
		return math.MaxInt64
	case f <= math.MinInt64:
		return math.MinInt64
	}
	return int64(f)
}

func (e *Engine) bytesArgument(v goja.Value) []byte {
	if obj, ok := v.(*goja.Object); ok {
		if b, ok := e.bytesOf(obj); ok {
			return b
		}
		if obj.ClassName() != "String" {
			panic(e.vm.NewTypeError("expected a Uint8Array, a Buffer or a string"))
		}
	}
	return []byte(v.String())
}

// assign sets out, a map, a slice or an interface, to what fromJS returned.
func (e *Engine) assign(out reflect.Value, value any) {
	if value == nil {
		return
	}
	rv := reflect.ValueOf(value)
	switch {
	case rv.Type().AssignableTo(out.Type()):
		out.Set(rv)
		return
	case out.Kind() == reflect.Map && rv.Kind() == reflect.Map:
		out.Set(reflect.MakeMapWithSize(out.Type(), rv.Len()))
		for it := rv.MapRange(); it.Next(); {
			item := reflect.New(out.Type().Elem()).Elem()
			e.assignScalar(item, it.Value().Interface())
			out.SetMapIndex(it.Key(), item)
		}
		return
	case out.Kind() == reflect.Slice && rv.Kind() == reflect.Slice:
		out.Set(reflect.MakeSlice(out.Type(), rv.Len(), rv.Len()))
		for i := range rv.Len() {
			e.assignScalar(out.Index(i), rv.Index(i).Interface())
		}
		return
	}
	panic(e.vm.NewTypeError("expected %s", describe(out.Type())))
}

func (e *Engine) assignScalar(out reflect.Value, value any) {
	if value != nil && out.Kind() == reflect.String {
		out.SetString(fmt.Sprint(value))
		return
	}
	e.assign(out, value)
}

func describe(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Map:
		return "an object"
	case reflect.Slice:
		return "an array"
	}
	return "a " + t.String()
}
