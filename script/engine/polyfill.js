(function (cleanStack, checkJSON, jsonMistake, tidied) {
	"use strict";
	function add(target, name, value) {
		if (!(name in target)) Object.defineProperty(target, name, { value: value, writable: true, configurable: true });
	}
	add(Promise, "withResolvers", function withResolvers() {
		var out = {};
		out.promise = new this(function (resolve, reject) { out.resolve = resolve; out.reject = reject; });
		return out;
	});
	add(Promise, "try", function (f) {
		var args = Array.prototype.slice.call(arguments, 1);
		return new this(function (resolve) { resolve(f.apply(undefined, args)); });
	});
	add(Object, "groupBy", function groupBy(items, key) {
		var out = Object.create(null), i = 0;
		for (var item of items) {
			var k = key(item, i++);
			if (typeof k !== "symbol") k = String(k);
			(out[k] || (out[k] = [])).push(item);
		}
		return out;
	});
	add(Map, "groupBy", function groupBy(items, key) {
		var out = new Map(), i = 0;
		for (var item of items) {
			var k = key(item, i++);
			if (out.has(k)) out.get(k).push(item); else out.set(k, [item]);
		}
		return out;
	});
	add(Array, "fromAsync", function fromAsync(items, map, self) {
		return (async function () {
			var out = [], i = 0, make = items[Symbol.asyncIterator] || items[Symbol.iterator];
			if (!make) items = Array.from(items), make = items[Symbol.iterator];
			var it = make.call(items);
			for (;;) {
				var step = await it.next();
				if (step.done) return out;
				var v = await step.value;
				out.push(map ? await map.call(self, v, i) : v);
				i++;
			}
		})();
	});
	// The stack of errors that a script makes reads as in Node.
	function readable(Base) {
		var Wrapped = function () {
			var e = Reflect.construct(Base, arguments, new.target || Wrapped);
			var stack = cleanStack(e.stack);
			if (new.target && new.target !== Wrapped && new.target.name) { // the engine does not name constructors
				stack = stack.replace(/\n    at ([^()\n]+)(?=\n|$)/, "\n    at new " + new.target.name + " ($1)");
			}
			Object.defineProperty(e, "stack", { value: stack, writable: true, configurable: true });
			return e;
		};
		Object.defineProperty(Wrapped, "name", { value: Base.name, configurable: true });
		Object.defineProperty(Wrapped, "length", { value: Base.length, configurable: true });
		Object.defineProperty(Wrapped, "prototype", { value: Base.prototype, writable: false });
		if (TheError) Object.setPrototypeOf(Wrapped, TheError);
		Object.defineProperty(Base.prototype, "constructor", { value: Wrapped, writable: true, configurable: true });
		Object.defineProperty(globalThis, Base.name, { value: Wrapped, writable: true, configurable: true });
		return Wrapped;
	}
	var TheError;
	TheError = readable(Error);
	[TypeError, RangeError, SyntaxError, ReferenceError, EvalError, URIError, AggregateError].forEach(readable);
	add(Error, "captureStackTrace", function captureStackTrace(target, above) {
		var lines = new Error("").stack.split("\n").slice(1);
		if (typeof above === "function" && above.name) {
			var own = lines.findIndex(function (line) { return line.indexOf("    at " + above.name + " (") === 0; });
			lines = lines.slice(own + 1);
		}
		var head = target instanceof Error ? Error.prototype.toString.call(target) : (target && target.name) || "Error";
		Object.defineProperty(target, "stack", { value: [head].concat(lines).join("\n"), writable: true, configurable: true });
	});
	["dispose", "asyncDispose"].forEach(function (name) {
		if (!(name in Symbol)) Object.defineProperty(Symbol, name, { value: Symbol("Symbol." + name), writable: false, enumerable: false, configurable: false });
	});
	if (!("stackTraceLimit" in Error)) Error.stackTraceLimit = 10;
	var proto = Object.prototype;
	add(proto, "__defineGetter__", function (name, get) {
		Object.defineProperty(this, name, { get: get, enumerable: true, configurable: true });
	});
	add(proto, "__defineSetter__", function (name, set) {
		Object.defineProperty(this, name, { set: set, enumerable: true, configurable: true });
	});
	function lookup(kind) {
		return function (name) {
			for (var o = Object(this); o; o = Object.getPrototypeOf(o)) {
				var d = Object.getOwnPropertyDescriptor(o, name);
				if (d) return d[kind];
			}
		};
	}
	add(proto, "__lookupGetter__", lookup("get"));
	add(proto, "__lookupSetter__", lookup("set"));
	// References are strong here: nothing tells us what the collector freed.
	add(globalThis, "WeakRef", class WeakRef {
		#target;
		constructor(target) {
			if (target === null || (typeof target !== "object" && typeof target !== "function" && typeof target !== "symbol")) throw new TypeError("WeakRef: target must be an object");
			this.#target = target;
		}
		deref() { return this.#target; }
		get [Symbol.toStringTag]() { return "WeakRef"; }
	});
	add(globalThis, "FinalizationRegistry", class FinalizationRegistry {
		constructor(cleanup) { if (typeof cleanup !== "function") throw new TypeError("FinalizationRegistry: cleanup must be callable"); }
		register() {}
		unregister() { return false; }
		get [Symbol.toStringTag]() { return "FinalizationRegistry"; }
	});
	var strings = {
		isWellFormed: function isWellFormed() { return !/[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?:^|[^\uD800-\uDBFF])[\uDC00-\uDFFF]/.test(this); },
		toWellFormed: function toWellFormed() {
			return String(this).replace(/[\uD800-\uDBFF](?![\uDC00-\uDFFF])/g, "\uFFFD").replace(/(^|[^\uD800-\uDBFF])[\uDC00-\uDFFF]/g, "$1\uFFFD");
		},
	};
	for (var s in strings) add(String.prototype, s, strings[s]);
	add(Date.prototype, "getYear", function getYear() { return this.getFullYear() - 1900; });
	add(Date.prototype, "setYear", function setYear(year) { year = Number(year); return this.setFullYear(year >= 0 && year <= 99 ? 1900 + Math.trunc(year) : year); });
	add(Date.prototype, "toGMTString", Date.prototype.toUTCString);
	var arrays = {
		findLast: function findLast(f, self) { for (var i = this.length - 1; i >= 0; i--) if (f.call(self, this[i], i, this)) return this[i]; },
		findLastIndex: function findLastIndex(f, self) { for (var i = this.length - 1; i >= 0; i--) if (f.call(self, this[i], i, this)) return i; return -1; },
		toReversed: function toReversed() { return Array.from(this).reverse(); },
		toSorted: function toSorted(f) { return Array.from(this).sort(f); },
		toSpliced: function toSpliced() { var a = Array.from(this); a.splice.apply(a, arguments); return a; },
		with: function (i, v) { var a = Array.from(this); if (i < 0) i += a.length; if (i < 0 || i >= a.length) throw new RangeError("Invalid index : " + i); a[i] = v; return a; },
	};
	for (var m in arrays) add(Array.prototype, m, arrays[m]);
	// Iterator helpers, on the prototype that generators and collections share.
	var Iter = Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]()));
	var helpers = {
		map: function* (f) { var i = 0; for (var v of this) yield f(v, i++); },
		filter: function* (f) { var i = 0; for (var v of this) if (f(v, i++)) yield v; },
		take: function* (n) { if (n > 0) for (var v of this) { yield v; if (--n <= 0) return; } },
		drop: function* (n) { for (var v of this) if (n-- <= 0) yield v; },
		flatMap: function* (f) { var i = 0; for (var v of this) yield* f(v, i++); },
		toArray: function () { return Array.from(this); },
		forEach: function (f) { var i = 0; for (var v of this) f(v, i++); },
		some: function (f) { var i = 0; for (var v of this) if (f(v, i++)) return true; return false; },
		every: function (f) { var i = 0; for (var v of this) if (!f(v, i++)) return false; return true; },
		find: function (f) { var i = 0; for (var v of this) if (f(v, i++)) return v; },
		reduce: function (f, start) {
			var i = 0, have = arguments.length > 1, acc = start;
			for (var v of this) { if (have) acc = f(acc, v, i); else { acc = v; have = true; } i++; }
			if (!have) throw new TypeError("Reduce of a done iterator with no initial value");
			return acc;
		},
	};
	for (var h in helpers) add(Iter, h, helpers[h]);
	// Text that is nested millions deep would overflow the engine's own stack.
	var parse = JSON.parse;
	JSON.parse = { parse(text, reviver) {
		text = String(text);
		if (text.length > 20000) checkJSON(text);
		try {
			return parse(text, reviver);
		} catch (e) {
			var mistake = e instanceof SyntaxError && jsonMistake(text);
			throw mistake ? new SyntaxError(mistake) : e;
		}
	} }.parse;
	// What the script hands to catch, and to then as the second, see addTidying.
	return function handler(f) {
		return typeof f !== "function" ? f : function (e) {
			tidied(e);
			return f.apply(this, arguments);
		};
	};
})
