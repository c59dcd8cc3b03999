// RegExp with what the engine's own lacks: property escapes, the flags v and d,
// the names of groups where the flag is u and the text not ASCII, and on request
// what Annex B leaves in RegExp.$1 and the like.
(function (lower) {
	"use strict";
	var Base = RegExp, proto = Base.prototype, exec = proto.exec;
	function hidden(target, name, value) {
		Object.defineProperty(target, name, { value: value, writable: false, enumerable: false, configurable: true });
	}
	function isRegExp(v) {
		if (v === null || (typeof v !== "object" && typeof v !== "function")) return false;
		var match = v[Symbol.match];
		return match !== undefined ? !!match : v instanceof Base;
	}
	var known = new Map();
	function lowered(source, flags) {
		var key = flags + "/" + source, low = known.get(key);
		if (!low) {
			low = lower(source, flags);
			if (low.error) throw new SyntaxError(low.error);
			if (known.size > 500) known.clear();
			known.set(key, low);
		}
		return low;
	}
	function needed(source, flags) {
		return flags.indexOf("v") >= 0 || flags.indexOf("d") >= 0 ||
			flags.indexOf("u") >= 0 && /\\[pP]|\(\?<[^=!]/.test(source);
	}
	function make(source, flags, target) {
		var low = lowered(source, flags);
		var re = Reflect.construct(Base, [low.source, low.flags], target);
		hidden(re, "source", source.replace(/\\[^]|[\n/]/g, function (c) { return c === "/" ? "\\/" : c === "\n" ? "\\n" : c; }) || "(?:)");
		hidden(re, "flags", flags.split("").sort().join(""));
		if (flags.indexOf("v") >= 0) {
			hidden(re, "unicodeSets", true);
			hidden(re, "unicode", false);
		}
		var indexed = flags.indexOf("d") >= 0;
		if (indexed) hidden(re, "hasIndices", true);
		if (indexed || low.names.some(Boolean)) hidden(re, "exec", indexed ? positioned(low) : named(low));
		return re;
	}
	function groupsOf(names, list) {
		var groups = Object.create(null);
		names.forEach(function (name, n) { if (name && groups[name] === undefined) groups[name] = list[n + 1]; });
		return groups;
	}
	// named makes the exec of an expression whose groups have names.
	function named(low) {
		return function (text) {
			var m = exec.call(this, text);
			if (m && !m.groups) m.groups = groupsOf(low.names, m);
			return m;
		};
	}
	// positioned makes the exec of an expression with the flag d.
	function positioned(low) {
		var again;
		return function (text) {
			text = String(text);
			var m = exec.call(this, text);
			if (!m) return m;
			if (!again) again = new Base(low.indexed, low.flags.replace(/[gy]/g, "") + "y");
			again.lastIndex = m.index;
			var found = exec.call(again, text);
			var indices = [[m.index, m.index + m[0].length]];
			low.groups.forEach(function (group, n) {
				var part = found && found[group];
				if (m[n + 1] === undefined || part === undefined) { indices.push(undefined); return; }
				var end = text.length - found[low.rests[n]].length;
				indices.push([end - part.length, end]);
			});
			var hasNames = low.names.some(Boolean);
			if (hasNames && !m.groups) m.groups = groupsOf(low.names, m);
			indices.groups = hasNames ? groupsOf(low.names, indices) : undefined;
			m.indices = indices;
			return m;
		};
	}
	var Wrapped = function RegExp(pattern, flags) {
		var regexp = isRegExp(pattern);
		if (!new.target && regexp && flags === undefined && pattern.constructor === Wrapped) return pattern;
		if (regexp) {
			if (flags === undefined) flags = pattern.flags;
			pattern = pattern.source;
		}
		var source = pattern === undefined ? "" : String(pattern), f = flags === undefined ? "" : String(flags);
		if (needed(source, f)) return make(source, f, new.target || Wrapped);
		return Reflect.construct(Base, [pattern === undefined ? undefined : source, f], new.target || Wrapped);
	};
	Object.setPrototypeOf(Wrapped, Base);
	Object.defineProperty(Wrapped, "prototype", { value: proto, writable: false });
	Object.defineProperty(Wrapped, Symbol.species, { get: function () { return this; }, configurable: true });
	Object.defineProperty(proto, "constructor", { value: Wrapped, writable: true, configurable: true });
	Object.defineProperty(globalThis, "RegExp", { value: Wrapped, writable: true, configurable: true });
	["hasIndices", "unicodeSets"].forEach(function (name) {
		Object.defineProperty(proto, name, { get: function () { return this === proto ? undefined : false; }, configurable: true });
	});
	// remember lets RegExp.$1 and its kin tell of the last match. It makes every
	// regular expression slower.
	return function remember() {
		if ("$1" in Wrapped) return;
		var last = { match: [""], text: "" };
		last.match.index = 0;
		Object.defineProperty(proto, "exec", { value: function (text) {
			text = String(text);
			var m = exec.call(this, text);
			if (m) last = { match: m, text: text };
			return m;
		}, writable: true, configurable: true });
		Object.defineProperty(proto, "test", { value: function (text) { return this.exec(text) !== null; }, writable: true, configurable: true });
		function tell(names, get) {
			names.forEach(function (name) {
				Object.defineProperty(Wrapped, name, { get: get, set: function () {}, configurable: true });
			});
		}
		for (var n = 1; n < 10; n++) (function (n) { tell(["$" + n], function () { return last.match[n] || ""; }); })(n);
		tell(["lastMatch", "$&"], function () { return last.match[0]; });
		tell(["lastParen", "$+"], function () { return last.match.length > 1 && last.match[last.match.length - 1] || ""; });
		tell(["leftContext", "$`"], function () { return last.text.slice(0, last.match.index); });
		tell(["rightContext", "$'"], function () { return last.text.slice(last.match.index + last.match[0].length); });
		tell(["input", "$_"], function () { return last.text; });
	};
})
