package engine

import (
	"reflect"

	"github.com/dop251/goja/ast"
)

// Walk visits every node of the tree, parents first and siblings in order; up
// are the nodes above, outermost first. When visit answers false, what is below
// the node is left out.
func (t *Tree) Walk(visit func(n ast.Node, up []ast.Node) bool) { Walk(t.Program, visit) }

// Walk visits n and every node below it, as Tree.Walk does.
func Walk(n ast.Node, visit func(n ast.Node, up []ast.Node) bool) {
	w := walker{visit: visit}
	w.node(reflect.ValueOf(n))
}

type walker struct {
	visit func(n ast.Node, up []ast.Node) bool
	up    []ast.Node
}

var nodeType = reflect.TypeFor[ast.Node]()

// node visits what v points to when that is a node, else looks for nodes in it.
func (w *walker) node(v reflect.Value) {
	switch v.Kind() {
	case reflect.Interface:
		if !v.IsNil() {
			w.node(v.Elem())
		}
	case reflect.Slice:
		for i := range v.Len() {
			w.node(v.Index(i))
		}
	case reflect.Struct:
		if v.CanAddr() {
			w.node(v.Addr())
		}
	case reflect.Pointer:
		if v.IsNil() || v.Elem().Kind() != reflect.Struct || v.Elem().Type().PkgPath() != nodeType.PkgPath() {
			return
		}
		n, isNode := v.Interface().(ast.Node)
		if isNode {
			if !w.visit(n, w.up) {
				return
			}
			w.up = append(w.up, n)
			defer func() { w.up = w.up[:len(w.up)-1] }()
		}
		w.fields(v.Elem())
	}
}

// fields looks at the fields of a struct. Lists of declarations say again what
// stands in the bodies.
func (w *walker) fields(v reflect.Value) {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if field.Name != "DeclarationList" && field.IsExported() {
			w.node(v.Field(i))
		}
	}
}

// inTree calls change for every place in a tree that holds an expression, a
// statement or a part of one, from the outside in. It may set the value of an
// interface.
func inTree(v reflect.Value, change func(reflect.Value)) {
	switch v.Kind() {
	case reflect.Interface:
		if v.IsNil() {
			return
		}
		if v.CanSet() {
			change(v)
		}
		inTree(v.Elem(), change)
	case reflect.Slice:
		for i := range v.Len() {
			inTree(v.Index(i), change)
		}
	case reflect.Pointer:
		if v.IsNil() || v.Elem().Kind() != reflect.Struct || v.Elem().Type().PkgPath() != nodeType.PkgPath() {
			return
		}
		change(v)
		inTree(v.Elem(), change)
	case reflect.Struct:
		for i := range v.NumField() {
			if field := v.Type().Field(i); field.Name != "DeclarationList" && field.IsExported() {
				inTree(v.Field(i), change)
			}
		}
	}
}
