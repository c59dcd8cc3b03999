'use strict';
// EventEmitter and its companions.

const kCapture = Symbol('kCapture');
const kShapeMode = Symbol('shapeMode');
const kErrorMonitor = Symbol('events.errorMonitor');
const kRejection = Symbol.for('nodejs.rejection');
let defaultMax = 10;

let errorsModule;
const errors = () => (errorsModule = errorsModule || require('internal/errors'));

function checkListener(listener) {
  if (typeof listener !== 'function') throw errors().invalidArgType('listener', 'Function', listener);
}

function EventEmitter(options) {
  EventEmitter.init.call(this, options);
}

EventEmitter.prototype._events = undefined;
EventEmitter.prototype._eventsCount = 0;
EventEmitter.prototype._maxListeners = undefined;

EventEmitter.init = function(options) {
  if (this._events === undefined || this._events === Object.getPrototypeOf(this)._events) {
    this._events = Object.create(null);
    this._eventsCount = 0;
    this[kShapeMode] = false;
  } else this[kShapeMode] = true;
  this._maxListeners = this._maxListeners || undefined;
  if (options && options.captureRejections !== undefined) {
    errors().check.boolean(options.captureRejections, 'options.captureRejections');
    this[kCapture] = options.captureRejections;
  } else this[kCapture] = EventEmitter.prototype[kCapture];
};
Object.defineProperty(EventEmitter.prototype, kCapture, { value: false, writable: true, enumerable: false });

function methods(object, table) {
  for (const key of Reflect.ownKeys(table)) object[key] = table[key];
}

function unhandledError(emitter, args) {
  const err = args[0];
  if (err instanceof Error) return err;
  let text;
  try { text = require('internal/inspect').inspect(err); } catch { text = err; }
  const wrapped = errors().make(Error, 'ERR_UNHANDLED_ERROR',
    `Unhandled error. (${text})`);
  wrapped.context = err;
  return wrapped;
}

function watchPromise(emitter, result, type, args) {
  if (result === null || typeof result !== 'object' || typeof result.then !== 'function') return;
  result.then(undefined, (err) => {
    require('process').nextTick(() => {
      if (typeof emitter[kRejection] === 'function') {
        emitter[kRejection](err, type, ...args);
        return;
      }
      const before = emitter[kCapture];
      try {
        emitter[kCapture] = false;
        emitter.emit('error', err);
      } finally {
        emitter[kCapture] = before;
      }
    });
  });
}

function limitOf(emitter) {
  return emitter._maxListeners === undefined ? defaultMax : emitter._maxListeners;
}

function warnLeak(emitter, type, list) {
  list.warned = true;
  const name = emitter.constructor ? emitter.constructor.name : 'EventEmitter';
  const warning = new Error(`Possible EventEmitter memory leak detected. ${list.length} ${String(type)} listeners ` +
    `added to [${name}]. Use emitter.setMaxListeners() to increase limit`);
  warning.name = 'MaxListenersExceededWarning';
  warning.emitter = emitter;
  warning.type = type;
  warning.count = list.length;
  require('process').emitWarning(warning);
}

function add(emitter, type, listener, prepend) {
  checkListener(listener);
  let events = emitter._events;
  if (events === undefined) {
    events = emitter._events = Object.create(null);
    emitter._eventsCount = 0;
  } else if (events.newListener !== undefined) {
    emitter.emit('newListener', type, listener.listener ? listener.listener : listener);
    events = emitter._events;
  }
  const existing = events[type];
  if (existing === undefined) {
    events[type] = listener;
    emitter._eventsCount++;
    return emitter;
  }
  let list = existing;
  if (typeof existing === 'function') {
    list = events[type] = prepend ? [listener, existing] : [existing, listener];
  } else if (prepend) list.unshift(listener);
  else list.push(listener);
  const limit = limitOf(emitter);
  if (limit > 0 && list.length > limit && !list.warned) warnLeak(emitter, type, list);
  return emitter;
}

function onceWrapper(...args) {
  if (this.fired) return undefined;
  this.fired = true;
  this.emitter.removeListener(this.type, this.wrapper);
  return this.listener.apply(this.emitter, args);
}

function wrapOnce(emitter, type, listener) {
  checkListener(listener);
  const state = { fired: false, emitter, type, listener, wrapper: undefined };
  state.wrapper = onceWrapper.bind(state);
  state.wrapper.listener = listener;
  return state.wrapper;
}

function listenersOf(emitter, type, unwrap) {
  const found = emitter._events === undefined ? undefined : emitter._events[type];
  if (found === undefined) return [];
  const list = typeof found === 'function' ? [found] : found.slice();
  return unwrap ? list.map((l) => l.listener || l) : list;
}

methods(EventEmitter.prototype, {
  setMaxListeners(n) {
    errors().check.number(n, 'setMaxListeners', 0);
    this._maxListeners = n;
    return this;
  },
  getMaxListeners() { return limitOf(this); },
  emit(type, ...args) {
    const events = this._events;
    if (type === 'error') {
      if (events !== undefined && events[kErrorMonitor] !== undefined) this.emit(kErrorMonitor, ...args);
      if (events === undefined || events.error === undefined) throw unhandledError(this, args);
    }
    const handler = events === undefined ? undefined : events[type];
    if (handler === undefined) return false;
    const capture = this[kCapture];
    if (typeof handler === 'function') {
      const result = handler.apply(this, args);
      if (capture && result !== undefined && result !== null) watchPromise(this, result, type, args);
      return true;
    }
    for (const listener of handler.slice()) {
      const result = listener.apply(this, args);
      if (capture && result !== undefined && result !== null) watchPromise(this, result, type, args);
    }
    return true;
  },
  addListener(type, listener) { return add(this, type, listener, false); },
  prependListener(type, listener) { return add(this, type, listener, true); },
  once(type, listener) {
    checkListener(listener);
    return this.on(type, wrapOnce(this, type, listener));
  },
  prependOnceListener(type, listener) {
    checkListener(listener);
    return this.prependListener(type, wrapOnce(this, type, listener));
  },
  removeListener(type, listener) {
    checkListener(listener);
    const events = this._events;
    const found = events === undefined ? undefined : events[type];
    if (found === undefined) return this;
    if (found === listener || found.listener === listener) {
      this._eventsCount--;
      delete events[type];
      if (events.removeListener) this.emit('removeListener', type, found.listener || listener);
      return this;
    }
    if (typeof found === 'function') return this;
    let at = found.length - 1;
    while (at >= 0 && found[at] !== listener && found[at].listener !== listener) at--;
    if (at < 0) return this;
    found.splice(at, 1);
    if (found.length === 1) events[type] = found[0];
    if (events.removeListener !== undefined) this.emit('removeListener', type, listener);
    return this;
  },
  removeAllListeners(type) {
    const events = this._events;
    if (events === undefined) return this;
    if (events.removeListener === undefined) {
      if (arguments.length === 0) {
        this._events = Object.create(null);
        this._eventsCount = 0;
      } else if (events[type] !== undefined) {
        delete events[type];
        this._eventsCount--;
      }
      return this;
    }
    if (arguments.length === 0) {
      for (const key of Reflect.ownKeys(events)) if (key !== 'removeListener') this.removeAllListeners(key);
      this.removeAllListeners('removeListener');
      this._events = Object.create(null);
      this._eventsCount = 0;
      return this;
    }
    for (const listener of listenersOf(this, type).reverse()) this.removeListener(type, listener);
    return this;
  },
  listeners(type) { return listenersOf(this, type, true); },
  rawListeners(type) { return listenersOf(this, type, false); },
  listenerCount(type, listener) {
    const list = listenersOf(this, type);
    return listener == null ? list.length : list.filter((l) => l === listener || l.listener === listener).length;
  },
  eventNames() { return this._eventsCount > 0 ? Reflect.ownKeys(this._events) : []; },
});
EventEmitter.prototype.on = EventEmitter.prototype.addListener;
EventEmitter.prototype.off = EventEmitter.prototype.removeListener;

function onceEvent(emitter, name, options) {
  const signal = options ? options.signal : undefined;
  errors().check.signal(signal, 'options.signal');
  return new Promise((resolve, reject) => {
    if (signal && signal.aborted) { reject(new (errors().AbortError)(undefined, { cause: signal.reason })); return; }
    const web = typeof emitter.on !== 'function';
    if (web && typeof emitter.addEventListener !== 'function') {
      throw errors().invalidArgType('emitter', 'EventEmitter', emitter);
    }
    const drop = (type, f) => (web ? emitter.removeEventListener(type, f) : emitter.removeListener(type, f));
    const done = (settle) => {
      drop(name, onEvent);
      if (!web && name !== 'error') drop('error', onError);
      if (signal) signal.removeEventListener('abort', onAbort);
      settle();
    };
    const onEvent = (...args) => done(() => resolve(args));
    const onError = (err) => done(() => reject(err));
    const onAbort = () => done(() => reject(new (errors().AbortError)(undefined, { cause: signal.reason })));
    if (web) emitter.addEventListener(name, onEvent, { once: true });
    else {
      emitter.once(name, onEvent);
      if (name !== 'error') emitter.once('error', onError);
    }
    if (signal) signal.addEventListener('abort', onAbort, { once: true });
  });
}

function onIterator(emitter, name, options) {
  const signal = options ? options.signal : undefined;
  errors().check.signal(signal, 'options.signal');
  if (signal && signal.aborted) throw new (errors().AbortError)(undefined, { cause: signal.reason });
  const ready = [], waiting = [];
  let failure = null, finished = false;
  const web = typeof emitter.on !== 'function';
  const onEvent = (...args) => {
    const next = waiting.shift();
    if (next) next.resolve({ value: args, done: false });
    else ready.push(args);
  };
  const onError = (err) => {
    const next = waiting.shift();
    if (next) next.reject(err); else failure = err;
    iterator.return();
  };
  const onAbort = () => onError(new (errors().AbortError)(undefined, { cause: signal.reason }));
  const iterator = {
    next() {
      if (ready.length > 0) return Promise.resolve({ value: ready.shift(), done: false });
      if (failure) {
        const p = Promise.reject(failure);
        failure = null;
        return p;
      }
      if (finished) return Promise.resolve({ value: undefined, done: true });
      return new Promise((resolve, reject) => waiting.push({ resolve, reject }));
    },
    return() {
      if (web) emitter.removeEventListener(name, onEvent);
      else { emitter.removeListener(name, onEvent); emitter.removeListener('error', onError); }
      for (const type of (options && options.close) || []) emitter.removeListener(type, iterator.return);
      if (signal) signal.removeEventListener('abort', onAbort);
      finished = true;
      for (const next of waiting.splice(0)) next.resolve({ value: undefined, done: true });
      return Promise.resolve({ value: undefined, done: true });
    },
    throw(err) {
      if (!(err instanceof Error)) throw errors().invalidArgType('EventEmitter.AsyncIterator', 'Error', err);
      onError(err);
    },
    [Symbol.asyncIterator]() { return this; },
  };
  if (web) emitter.addEventListener(name, onEvent);
  else {
    emitter.on(name, onEvent);
    if (name !== 'error') emitter.on('error', onError);
    for (const type of (options && options.close) || []) emitter.on(type, iterator.return);
  }
  if (signal) signal.addEventListener('abort', onAbort, { once: true });
  return iterator;
}

function setMaxListeners(n = defaultMax, ...targets) {
  errors().check.number(n, 'setMaxListeners', 0);
  if (targets.length === 0) { defaultMax = n; return; }
  for (const target of targets) {
    if (typeof target.setMaxListeners === 'function') target.setMaxListeners(n);
    else target[Symbol.for('brigade.maxListeners')] = n;
  }
}

module.exports = EventEmitter;
methods(EventEmitter, {
  EventEmitter,
  once: onceEvent,
  on: onIterator,
  errorMonitor: kErrorMonitor,
  captureRejectionSymbol: kRejection,
  usingDomains: false,
  setMaxListeners,
  getMaxListeners(target) {
    if (typeof target.getMaxListeners === 'function') return target.getMaxListeners();
    const own = target[Symbol.for('brigade.maxListeners')];
    return own === undefined ? defaultMax : own;
  },
  getEventListeners(target, type) {
    if (typeof target.listeners === 'function') return target.listeners(type);
    return require('internal/event_target').listenersOf(target, type);
  },
  listenerCount(emitter, type) {
    if (typeof emitter.listenerCount === 'function') return emitter.listenerCount(type);
    return listenersOf(emitter, type).length;
  },
  addAbortListener(signal, listener) {
    if (signal === undefined) throw errors().invalidArgType('signal', 'AbortSignal', signal);
    errors().check.signal(signal, 'signal');
    checkListener(listener);
    let stop = () => {};
    if (signal.aborted) queueMicrotask(() => listener());
    else {
      signal.addEventListener('abort', listener, { once: true });
      stop = () => signal.removeEventListener('abort', listener);
    }
    return { [Symbol.dispose || Symbol.for('nodejs.dispose')]: stop };
  },
});
Object.defineProperty(EventEmitter, 'defaultMaxListeners', {
  enumerable: true,
  get() { return defaultMax; },
  set(n) {
    errors().check.number(n, 'defaultMaxListeners', 0);
    defaultMax = n;
  },
});
Object.defineProperty(EventEmitter, 'captureRejections', {
  enumerable: true,
  get() { return EventEmitter.prototype[kCapture]; },
  set(value) {
    errors().check.boolean(value, 'EventEmitter.captureRejections');
    EventEmitter.prototype[kCapture] = value;
  },
});
Object.defineProperty(EventEmitter, 'EventEmitterAsyncResource', {
  enumerable: true,
  get() { return require('async_hooks').EventEmitterAsyncResource; },
});
