'use strict';
// timers/promises.

const timers = require('timers');
const { AbortError, check, invalidArgType } = require('internal/errors');

function checked(options) {
  if (options === undefined) return {};
  if (options === null || typeof options !== 'object') throw invalidArgType('options', 'Object', options);
  check.signal(options.signal, 'options.signal');
  if (options.ref !== undefined) check.boolean(options.ref, 'options.ref');
  return options;
}

function waiting(start, stop, value, options) {
  try {
    options = checked(options);
  } catch (err) { return Promise.reject(err); }
  const { signal, ref = true } = options;
  if (signal && signal.aborted) return Promise.reject(new AbortError(undefined, { cause: signal.reason }));
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      stop(timer);
      reject(new AbortError(undefined, { cause: signal.reason }));
    };
    const timer = start(() => {
      if (signal) signal.removeEventListener('abort', onAbort);
      resolve(value);
    });
    if (!ref) timer.unref();
    if (signal) signal.addEventListener('abort', onAbort, { once: true });
  });
}

function setTimeout(delay, value, options) {
  return waiting((f) => timers.setTimeout(f, delay), timers.clearTimeout, value, options);
}

function setImmediate(value, options) {
  return waiting((f) => timers.setImmediate(f), timers.clearImmediate, value, options);
}

function setInterval(delay, value, options) {
  const { signal, ref = true } = checked(options);
  if (signal && signal.aborted) throw new AbortError(undefined, { cause: signal.reason });
  let due = 0, wake = null, failed = null, done = false;
  const poke = () => { if (wake) { const f = wake; wake = null; f(); } };
  const timer = timers.setInterval(() => { due++; poke(); }, delay);
  if (!ref) timer.unref();
  const onAbort = () => {
    timers.clearInterval(timer);
    failed = new AbortError(undefined, { cause: signal.reason });
    poke();
  };
  if (signal) signal.addEventListener('abort', onAbort, { once: true });
  const end = () => {
    done = true;
    timers.clearInterval(timer);
    if (signal) signal.removeEventListener('abort', onAbort);
  };
  return {
    async next() {
      while (due === 0 && !failed && !done) await new Promise((resolve) => { wake = resolve; });
      if (due > 0 && !done) { due--; return { value, done: false }; }
      if (failed) { const err = failed; failed = null; end(); throw err; }
      return { value: undefined, done: true };
    },
    async return(v) { end(); poke(); return { value: v, done: true }; },
    [Symbol.asyncIterator]() { return this; },
  };
}

module.exports = {
  setTimeout, setImmediate, setInterval,
  scheduler: { wait: (delay, options) => setTimeout(delay, undefined, options), yield: () => setImmediate() },
};
