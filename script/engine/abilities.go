package engine

import (
	"reflect"
	"strings"

	"github.com/dop251/goja"
)

var (
	proxyType   = reflect.TypeFor[goja.Proxy]()
	promiseType = reflect.TypeFor[*goja.Promise]()
)

// asyncContext hands a value along asynchronous calls: what was current when a
// promise reaction was set up is current again while it runs.
type asyncContext struct {
	current goja.Value
	stack   []goja.Value
}

// Grab is asked for the value when a reaction is set up.
func (c *asyncContext) Grab() any { return c.current }

// Resumed tells that a reaction with that value begins to run.
func (c *asyncContext) Resumed(v any) {
	c.stack = append(c.stack, c.current)
	c.current, _ = v.(goja.Value)
}

// Exited tells that the reaction is over.
func (c *asyncContext) Exited() {
	if n := len(c.stack); n > 0 {
		c.current, c.stack = c.stack[n-1], c.stack[:n-1]
	}
}

// abilities is what built-in modules get as engine, see modules.Module.Source.
func (e *Engine) abilities() goja.Value {
	obj := e.vm.NewObject()
	add := func(name string, f func(goja.FunctionCall) goja.Value) {
		e.define(obj, name, e.vm.ToValue(f))
	}
	add("proxy", func(call goja.FunctionCall) goja.Value {
		o, ok := call.Argument(0).(*goja.Object)
		if !ok || o.ExportType() != proxyType { // Export of other objects would run their getters
			return goja.Undefined()
		}
		p, ok := o.Export().(goja.Proxy)
		if !ok {
			return goja.Undefined()
		}
		if p.Target() == nil || p.Handler() == nil {
			return e.vm.NewArray(goja.Null(), goja.Null())
		}
		return e.vm.NewArray(p.Target(), p.Handler())
	})
	add("promise", func(call goja.FunctionCall) goja.Value {
		o, ok := call.Argument(0).(*goja.Object)
		if !ok || o.ExportType() != promiseType {
			return goja.Undefined()
		}
		p, ok := o.Export().(*goja.Promise)
		if !ok {
			return goja.Undefined()
		}
		state := map[goja.PromiseState]string{
			goja.PromiseStatePending: "pending", goja.PromiseStateFulfilled: "fulfilled", goja.PromiseStateRejected: "rejected",
		}[p.State()]
		result := p.Result()
		if result == nil {
			result = goja.Undefined()
		}
		return e.vm.NewArray(state, result)
	})
	add("context", func(goja.FunctionCall) goja.Value {
		if e.async.current == nil {
			return goja.Undefined()
		}
		return e.async.current
	})
	add("setContext", func(call goja.FunctionCall) goja.Value {
		e.async.current = call.Argument(0)
		return goja.Undefined()
	})
	return obj
}

// lazyGlobal defines a global variable, or with a dotted name a property of a
// built-in object, whose value is made when it is first read.
func (e *Engine) lazyGlobal(name string, value func() goja.Value) {
	target := e.vm.GlobalObject()
	path := strings.Split(name, ".")
	for _, part := range path[:len(path)-1] {
		next, ok := target.Get(part).(*goja.Object)
		if !ok {
			return // nothing to hang it on
		}
		target = next
	}
	name = path[len(path)-1]
	get := func(goja.FunctionCall) goja.Value {
		v := value()
		if v == nil {
			v = goja.Undefined()
		}
		e.define(target, name, v)
		return v
	}
	put := func(call goja.FunctionCall) goja.Value {
		if receiver, ok := call.This.(*goja.Object); ok && receiver != target && len(path) > 1 {
			if err := receiver.DefineDataProperty(name, call.Argument(0), goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_TRUE); err != nil {
				panic(err)
			}
			return goja.Undefined()
		}
		e.define(target, name, call.Argument(0))
		return goja.Undefined()
	}
	if err := target.DefineAccessorProperty(name, e.vm.ToValue(get), e.vm.ToValue(put), goja.FLAG_TRUE, goja.FLAG_FALSE); err != nil {
		panic(err)
	}
}
