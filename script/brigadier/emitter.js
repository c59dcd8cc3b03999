"use strict";

// The emitter of Node where that is there, else one of the same behaviour.
let theirs;
try {
	theirs = require("events");
} catch (err) {
	theirs = undefined;
}

function check(listener) {
	if (typeof listener === "function") return;
	const err = new TypeError(`The "listener" argument must be of type function. Received ${listener === null ? "null" : typeof listener}`);
	err.code = "ERR_INVALID_ARG_TYPE";
	throw err;
}

class EventEmitter {
	#events = new Map();

	#add(name, listener, first) {
		check(listener);
		if (this.#events.has("newListener")) this.emit("newListener", name, listener.listener || listener);
		const list = this.#events.get(name) || [];
		// The list that an emit walks over stays as it was when that began.
		this.#events.set(name, first ? [listener, ...list] : [...list, listener]);
		return this;
	}

	#once(name, listener) {
		check(listener);
		const wrapper = (...args) => {
			this.removeListener(name, wrapper);
			return listener.apply(this, args);
		};
		wrapper.listener = listener;
		return wrapper;
	}

	on(name, listener) { return this.#add(name, listener, false); }
	addListener(name, listener) { return this.#add(name, listener, false); }
	prependListener(name, listener) { return this.#add(name, listener, true); }
	once(name, listener) { return this.#add(name, this.#once(name, listener), false); }
	prependOnceListener(name, listener) { return this.#add(name, this.#once(name, listener), true); }
	off(name, listener) { return this.removeListener(name, listener); }

	removeListener(name, listener) {
		check(listener);
		const list = this.#events.get(name) || [];
		for (let i = list.length - 1; i >= 0; i--) {
			if (list[i] !== listener && list[i].listener !== listener) continue;
			const rest = list.filter((_, n) => n !== i);
			if (rest.length) this.#events.set(name, rest);
			else this.#events.delete(name);
			if (this.#events.has("removeListener")) this.emit("removeListener", name, listener.listener || listener);
			break;
		}
		return this;
	}

	removeAllListeners(name) {
		const names = arguments.length ? [name] : this.eventNames().filter((n) => n !== "removeListener").concat("removeListener");
		for (const n of names) {
			if (this.#events.has("removeListener")) {
				for (const f of this.rawListeners(n).reverse()) this.removeListener(n, f);
			}
			this.#events.delete(n);
		}
		return this;
	}

	emit(name, ...args) {
		const list = this.#events.get(name);
		if (!list) {
			if (name !== "error") return false;
			if (args[0] instanceof Error) throw args[0];
			const err = new Error(`Unhandled error. (${String(args[0])})`);
			err.code = "ERR_UNHANDLED_ERROR";
			err.context = args[0];
			throw err;
		}
		for (const f of list) f.apply(this, args);
		return true;
	}

	listeners(name) { return (this.#events.get(name) || []).map((f) => f.listener || f); }
	rawListeners(name) { return [...(this.#events.get(name) || [])]; }
	listenerCount(name, listener) {
		const list = this.#events.get(name) || [];
		return listener ? list.filter((f) => f === listener || f.listener === listener).length : list.length;
	}
	eventNames() { return [...this.#events.keys()]; }
	setMaxListeners() { return this; }
	getMaxListeners() { return 0; }
}

exports.EventEmitter = theirs ? theirs.EventEmitter || theirs : EventEmitter;
