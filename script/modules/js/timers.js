'use strict';
// timers, which are globals too.

const MAX = 2 ** 31 - 1;
const byId = new Map(); // timers that were turned into a number
const customPromisify = Symbol.for('nodejs.util.promisify.custom');

function checkCallback(callback) {
  if (typeof callback !== 'function') throw require('internal/errors').invalidArgType('callback', 'Function', callback);
}

function duration(ms) {
  const given = ms;
  ms = +ms;
  if (ms >= 1 && ms <= MAX) return Math.trunc(ms);
  if (ms > MAX) {
    require('process').emitWarning(`${given} does not fit into a 32-bit signed integer.\nTimeout duration was set to 1.`, 'TimeoutOverflowWarning');
  }
  return 1;
}

// inContext runs a callback with what AsyncLocalStorage held when it was set.
function inContext(context, fn, args) {
  const before = engine.context();
  if (context === before) return fn(...args);
  engine.setContext(context);
  try { return fn(...args); } finally { engine.setContext(before); }
}

class Timeout {
  #handle = 0;
  #due = 0;
  #ref = true;
  #context = engine.context();
  #args;
  constructor(callback, ms, args, repeat) {
    this._idleTimeout = duration(ms);
    this._onTimeout = callback;
    this._repeat = repeat ? this._idleTimeout : null;
    this._destroyed = false;
    this.#args = args;
    this.#arm(this._idleTimeout);
  }
  #arm(ms) {
    this.#due = native.now() + ms;
    this.#handle = native.after(ms, !this.#ref, () => this.#fire());
  }
  #fire() {
    this.#handle = 0;
    if (this._destroyed) return;
    if (this._repeat === null) this._destroyed = true;
    const callback = this._onTimeout;
    try {
      inContext(this.#context, callback === null ? () => {} : callback.bind(this), this.#args);
    } finally {
      if (!this._destroyed && this.#handle === 0) this.#arm(this._repeat);
      else if (this._destroyed && this.#handle === 0) byId.delete(this[Symbol.for('brigade.timerId')]);
    }
  }
  ref() { return this.#setRef(true); }
  unref() { return this.#setRef(false); }
  #setRef(ref) {
    if (this.#ref !== ref) {
      this.#ref = ref;
      if (this.#handle !== 0) {
        native.clear(this.#handle);
        this.#arm(Math.max(0, this.#due - native.now()));
      }
    }
    return this;
  }
  hasRef() { return this.#ref; }
  refresh() {
    if (this._onTimeout === null) return this;
    this._destroyed = false;
    if (this.#handle !== 0) native.clear(this.#handle);
    this.#arm(this._idleTimeout);
    return this;
  }
  close() {
    this._destroyed = true;
    this._onTimeout = null;
    if (this.#handle !== 0) native.clear(this.#handle);
    this.#handle = 0;
    return this;
  }
  [Symbol.toPrimitive]() {
    const key = Symbol.for('brigade.timerId');
    if (this[key] === undefined) {
      Object.defineProperty(this, key, { value: native.id(), enumerable: false });
      if (!this._destroyed) byId.set(this[key], this);
    }
    return this[key];
  }
}

class Immediate {
  #handle;
  #ref = true;
  #context = engine.context();
  constructor(callback, args) {
    this._onImmediate = callback;
    this._argv = args.length > 0 ? args : undefined;
    this._destroyed = false;
    this.#handle = native.immediate(() => {
      this._destroyed = true;
      inContext(this.#context, this._onImmediate, args);
    });
  }
  ref() { this.#ref = true; return this; }
  unref() { this.#ref = false; return this; }
  hasRef() { return !this._destroyed && this.#ref; }
  close() {
    if (!this._destroyed) native.clear(this.#handle);
    this._destroyed = true;
    this._onImmediate = null;
  }
}
Timeout.prototype[Symbol.dispose || Symbol.for('nodejs.dispose')] = Timeout.prototype.close;

function setTimeout(callback, ms, ...args) {
  checkCallback(callback);
  return new Timeout(callback, ms, args, false);
}

function setInterval(callback, ms, ...args) {
  checkCallback(callback);
  return new Timeout(callback, ms, args, true);
}

function setImmediate(callback, ...args) {
  checkCallback(callback);
  return new Immediate(callback, args);
}

function clearTimeout(timer) {
  if (timer instanceof Timeout) timer.close();
  else if (typeof timer === 'number' || typeof timer === 'string') {
    const found = byId.get(+timer);
    if (found) { byId.delete(+timer); found.close(); }
  }
}

function clearImmediate(immediate) {
  if (immediate instanceof Immediate) immediate.close();
}

function queueMicrotask(callback) {
  checkCallback(callback);
  const context = engine.context();
  Promise.resolve().then(() => {
    try {
      inContext(context, callback, []);
    } catch (err) {
      require('process').nextTick(() => { throw err; });
    }
  });
}

for (const [fn, name] of [[setTimeout, 'setTimeout'], [setImmediate, 'setImmediate']]) {
  Object.defineProperty(fn, customPromisify, { enumerable: true, get() { return require('timers/promises')[name]; } });
}

module.exports = {
  setTimeout, clearTimeout, setImmediate, clearImmediate, setInterval, clearInterval: clearTimeout, queueMicrotask,
  active(item) { enroll(item); if (item.refresh) item.refresh(); },
  unenroll(item) { clearTimeout(item.timer); },
  enroll,
  get promises() { return require('timers/promises'); },
};

function enroll(item, ms) { item._idleTimeout = ms === undefined ? item._idleTimeout : duration(ms); }
