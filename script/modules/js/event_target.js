'use strict';
// EventTarget, Event, CustomEvent, AbortController and AbortSignal.

const { invalidArgType, make, missingArgs } = require('internal/errors');
const { DOMException } = require('internal/dom_exception');
const custom = Symbol.for('nodejs.util.inspect.custom');
const kStop = Symbol('stop'), kTarget = Symbol('target'), kCurrent = Symbol('current'), kPassive = Symbol('passive');
const kListeners = Symbol('kEvents'), kHandlers = Symbol('kHandlers');

class Event {
  #type;
  #options;
  #prevented = false;
  #time = native.now();
  constructor(type, options = undefined) {
    if (arguments.length === 0) throw missingArgs('type');
    if (options != null && typeof options !== 'object') throw invalidArgType('options', 'Object', options);
    this.#type = `${type}`;
    this.#options = { bubbles: false, cancelable: false, composed: false, ...options };
    this[kTarget] = this[kCurrent] = null;
    this[kStop] = false;
    for (const key of [kTarget, kCurrent, kStop]) Object.defineProperty(this, key, { enumerable: false });
  }
  get type() { return this.#type; }
  get target() { return this[kTarget]; }
  get srcElement() { return this[kTarget]; }
  get currentTarget() { return this[kCurrent]; }
  get bubbles() { return Boolean(this.#options.bubbles); }
  get cancelable() { return Boolean(this.#options.cancelable); }
  get composed() { return Boolean(this.#options.composed); }
  get defaultPrevented() { return this.cancelable && this.#prevented; }
  get returnValue() { return !this.defaultPrevented; }
  get cancelBubble() { return this[kStop] !== false; }
  set cancelBubble(v) { if (v) this.stopPropagation(); }
  get eventPhase() { return this[kCurrent] ? 2 : 0; }
  get timeStamp() { return this.#time; }
  get isTrusted() { return false; }
  composedPath() { return this[kCurrent] ? [this[kCurrent]] : []; }
  preventDefault() { if (!this[kPassive]) this.#prevented = true; }
  stopPropagation() { if (!this[kStop]) this[kStop] = 'bubble'; }
  stopImmediatePropagation() { this[kStop] = 'now'; }
  initEvent(type, bubbles, cancelable) {
    this.#type = `${type}`;
    this.#options = { ...this.#options, bubbles, cancelable };
  }
  [custom](depth, options, inspect) {
    const name = this.constructor.name;
    if (depth < 0) return name;
    return `${name} ${inspect({ type: this.type, defaultPrevented: this.defaultPrevented, cancelable: this.cancelable, timeStamp: this.timeStamp },
      { ...options, depth: Number.isInteger(options.depth) ? options.depth - 1 : options.depth })}`;
  }
}
for (const [name, value] of [['NONE', 0], ['CAPTURING_PHASE', 1], ['AT_TARGET', 2], ['BUBBLING_PHASE', 3]]) Event[name] = value;

class CustomEvent extends Event {
  #detail;
  constructor(type, options = undefined) {
    super(...arguments);
    this.#detail = options && options.detail !== undefined ? options.detail : null;
  }
  get detail() { return this.#detail; }
}

function listenersFor(target) {
  let map = target[kListeners];
  if (map === undefined) {
    if (!(target instanceof EventTarget)) throw make(TypeError, 'ERR_INVALID_THIS', 'Value of "this" must be of type EventTarget');
    map = new Map();
    Object.defineProperty(target, kListeners, { value: map, enumerable: false });
  }
  return map;
}

function callListener(target, listener, event) {
  try {
    const result = typeof listener.callback === 'function' ? listener.callback.call(target, event) :
      listener.callback.handleEvent(event);
    if (result !== null && typeof result === 'object' && typeof result.then === 'function') {
      result.then(undefined, (err) => require('process').nextTick(() => { throw err; }));
    }
  } catch (err) {
    require('process').nextTick(() => { throw err; });
  }
}

class EventTarget {
  addEventListener(type, callback, options = undefined) {
    if (arguments.length < 2) throw missingArgs('type', 'listener');
    if (callback == null) return;
    if (typeof callback !== 'function' && typeof callback !== 'object') throw invalidArgType('listener', 'EventListener', callback);
    const { once = false, capture = options === true, passive = false, signal } = typeof options === 'object' && options !== null ? options : {};
    if (signal && signal.aborted) return;
    type = `${type}`;
    const map = listenersFor(this);
    const list = map.get(type) || [];
    if (list.some((l) => l.callback === callback && l.capture === Boolean(capture))) return;
    const listener = { callback, once: Boolean(once), capture: Boolean(capture), passive: Boolean(passive), removed: false };
    map.set(type, [...list, listener]);
    if (signal) signal.addEventListener('abort', () => this.removeEventListener(type, callback, options), { once: true });
    if (this[kChanged]) this[kChanged](type);
  }
  removeEventListener(type, callback, options = undefined) {
    if (arguments.length < 2) throw missingArgs('type', 'listener');
    const capture = Boolean(typeof options === 'object' && options !== null ? options.capture : options);
    const map = listenersFor(this), list = map.get(`${type}`);
    if (list === undefined) return;
    const rest = list.filter((l) => {
      const hit = l.callback === callback && l.capture === capture;
      if (hit) l.removed = true;
      return !hit;
    });
    if (rest.length === 0) map.delete(`${type}`);
    else map.set(`${type}`, rest);
    if (this[kChanged]) this[kChanged](`${type}`);
  }
  dispatchEvent(event) {
    if (arguments.length === 0) throw missingArgs('event');
    if (!(event instanceof Event)) throw invalidArgType('event', 'Event', event);
    if (event[kCurrent]) throw make(Error, 'ERR_EVENT_RECURSION', `The event "${event.type}" is already being dispatched`);
    const list = listenersFor(this).get(event.type) || [];
    event[kTarget] = event[kCurrent] = this;
    for (const listener of list) {
      if (listener.removed) continue;
      if (listener.once) this.removeEventListener(event.type, listener.callback, { capture: listener.capture });
      event[kPassive] = listener.passive;
      callListener(this, listener, event);
      if (event[kStop] === 'now') break;
    }
    Object.defineProperty(event, kPassive, { value: false, enumerable: false, writable: true, configurable: true });
    event[kCurrent] = null;
    return !event.defaultPrevented;
  }
  [custom](depth, options, inspect) {
    const name = this.constructor.name;
    return depth < 0 ? name : `${name} ${inspect({}, options)}`;
  }
}
const kChanged = Symbol('kChanged');

// defineHandler adds an "onabort"-like attribute.
function defineHandler(prototype, type) {
  Object.defineProperty(prototype, `on${type}`, {
    enumerable: true, configurable: true,
    get() { const h = this[kHandlers] && this[kHandlers][type]; return h ? h.value : null; },
    set(value) {
      if (!this[kHandlers]) Object.defineProperty(this, kHandlers, { value: {}, enumerable: false });
      const old = this[kHandlers][type];
      if (old) this.removeEventListener(type, old.listener);
      if (typeof value !== 'function') { delete this[kHandlers][type]; return; }
      const entry = { value, listener: (event) => value.call(this, event) };
      this[kHandlers][type] = entry;
      this.addEventListener(type, entry.listener);
    },
  });
}

const kCreate = Symbol('create'), kAbort = Symbol('abort');

class AbortSignal extends EventTarget {
  #aborted = false;
  #reason = undefined;
  constructor(key) {
    if (key !== kCreate) throw make(TypeError, 'ERR_ILLEGAL_CONSTRUCTOR', 'Illegal constructor');
    super();
  }
  get aborted() { return this.#aborted; }
  get reason() { return this.#reason; }
  throwIfAborted() { if (this.#aborted) throw this.#reason; }
  [kAbort](reason) {
    if (this.#aborted) return;
    this.#aborted = true;
    this.#reason = reason === undefined ? new DOMException('This operation was aborted', 'AbortError') : reason;
    this.dispatchEvent(new Event('abort'));
  }
  static abort(reason) {
    const signal = new AbortSignal(kCreate);
    signal[kAbort](reason);
    return signal;
  }
  static timeout(delay) {
    require('internal/errors').check.integer(delay, 'delay', 0);
    const signal = new AbortSignal(kCreate);
    require('timers').setTimeout(() => signal[kAbort](new DOMException('The operation was aborted due to timeout', 'TimeoutError')), delay).unref();
    return signal;
  }
  static any(signals) {
    const out = new AbortSignal(kCreate);
    const list = [...signals];
    const done = list.find((s) => s.aborted);
    if (done) { out[kAbort](done.reason); return out; }
    for (const signal of list) signal.addEventListener('abort', () => out[kAbort](signal.reason), { once: true });
    return out;
  }
  [custom](depth, options, inspect) {
    return depth < 0 ? 'AbortSignal' : `AbortSignal ${inspect({ aborted: this.aborted }, options)}`;
  }
}
defineHandler(AbortSignal.prototype, 'abort');

class AbortController {
  #signal = new AbortSignal(kCreate);
  get signal() { return this.#signal; }
  abort(reason = new DOMException('This operation was aborted', 'AbortError')) { this.#signal[kAbort](reason); }
  [custom](depth, options, inspect) {
    return depth < 0 ? 'AbortController' : `AbortController ${inspect({ signal: this.signal }, options)}`;
  }
}

for (const [Class, names] of [
  [Event, ['type', 'target', 'currentTarget', 'srcElement', 'composedPath', 'cancelable', 'defaultPrevented', 'timeStamp', 'bubbles', 'preventDefault', 'stopPropagation', 'stopImmediatePropagation']],
  [CustomEvent, ['detail']],
  [EventTarget, ['addEventListener', 'removeEventListener', 'dispatchEvent']],
  [AbortSignal, ['aborted', 'reason', 'throwIfAborted']],
  [AbortController, ['signal', 'abort']],
]) {
  for (const name of names) Object.defineProperty(Class.prototype, name, { enumerable: true });
  Object.defineProperty(Class.prototype, Symbol.toStringTag, { value: Class.name, configurable: true });
}

module.exports = {
  Event, CustomEvent, EventTarget, AbortController, AbortSignal, defineHandler, DOMException,
  listenersOf: (target, type) => (listenersFor(target).get(type) || []).map((l) => l.callback),
};
