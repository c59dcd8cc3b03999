'use strict';
// Reading a stream with for await, making one of an iterable, and the operators
// map, filter and so on.

const errors = require('internal/errors');
const { Readable } = require('internal/stream_readable');
const { finished, addAbortSignal } = require('internal/stream_end');
const { destroyer } = require('internal/stream_destroy');
const { AbortError, check } = errors;

// iterate is the asynchronous iterator over what a stream reads.
function iterate(stream, options) {
  if (typeof stream.read !== 'function') stream = new Readable({ objectMode: true }).wrap(stream);
  let failure, over = false, wake = null, started = false, stop;
  const poke = () => { if (wake) { const f = wake; wake = null; f(); } };
  function start() {
    started = true;
    stream.on('readable', poke);
    stop = finished(stream, { writable: false }, (err) => {
      failure = err ? err : null;
      poke();
    });
  }
  async function close(err) {
    if (over) return;
    over = true;
    if ((err || !options || options.destroyOnReturn !== false) && (failure === undefined || (stream._readableState && stream._readableState.autoDestroy))) {
      destroyer(stream, err === undefined ? null : err);
    } else {
      stream.removeListener('readable', poke);
      if (stop) stop();
    }
  }
  return {
    stream,
    async next() {
      if (over) return { value: undefined, done: true };
      if (!started) start();
      for (;;) {
        const chunk = stream.destroyed ? null : stream.read();
        if (chunk !== null) return { value: chunk, done: false };
        if (failure) { const err = failure; await close(err); throw err; }
        if (failure === null) { await close(); return { value: undefined, done: true }; }
        await new Promise((resolve) => { wake = resolve; });
      }
    },
    async return(value) {
      if (!started && !over) { over = true; destroyer(stream, null); }
      else await close();
      return { value, done: true };
    },
    async throw(err) { await close(err); throw err; },
    [Symbol.asyncIterator]() { return this; },
  };
}

Readable.prototype[Symbol.asyncIterator] = function() { return iterate(this); };
Readable.prototype.iterator = function(options) {
  if (options !== undefined) check.object(options, 'options');
  return iterate(this, options);
};
if (Symbol.asyncDispose) Readable.prototype[Symbol.asyncDispose] = function() { return new Promise((resolve) => { this.once('close', resolve); this.destroy(); }); };

Readable.from = function from(iterable, options) {
  if (typeof iterable === 'string' || iterable instanceof Uint8Array) {
    return new Readable({ objectMode: true, ...options, read() { this.push(iterable); this.push(null); } });
  }
  let iterator;
  const isAsync = Boolean(iterable && iterable[Symbol.asyncIterator]);
  if (isAsync) iterator = iterable[Symbol.asyncIterator]();
  else if (iterable && iterable[Symbol.iterator]) iterator = iterable[Symbol.iterator]();
  else throw errors.invalidArgType('iterable', ['Iterable'], iterable);
  const readable = new Readable({ objectMode: true, highWaterMark: 1, ...options });
  let reading = false;
  async function next() {
    for (;;) {
      try {
        const step = isAsync ? await iterator.next() : iterator.next();
        if (step.done) { readable.push(null); return; }
        const value = step.value && typeof step.value.then === 'function' ? await step.value : step.value;
        if (value === null) {
          reading = false;
          throw errors.make(TypeError, 'ERR_STREAM_NULL_VALUES', 'May not write null values to stream');
        }
        if (readable.push(value)) continue;
        reading = false;
      } catch (err) {
        readable.destroy(err);
      }
      return;
    }
  }
  readable._read = function() { if (!reading) { reading = true; next(); } };
  readable._destroy = function(err, callback) {
    (async () => {
      if (err !== undefined && err !== null && typeof iterator.throw === 'function') {
        const step = await iterator.throw(err);
        await step.value;
        if (step.done) return;
      }
      if (typeof iterator.return === 'function') { const step = await iterator.return(); await step.value; }
    })().then(() => require('process').nextTick(callback, err), (e) => require('process').nextTick(callback, e || err));
  };
  return readable;
};

function optionsOf(options) {
  if (options != null) check.object(options, 'options');
  options = options || {};
  if (options.signal != null) check.signal(options.signal, 'options.signal');
  const concurrency = options.concurrency === undefined ? 1 : Math.floor(options.concurrency);
  check.integer(concurrency, 'options.concurrency', 1);
  return { ...options, concurrency };
}

// mapped yields what fn makes of each chunk, several at a time, in order.
function mapped(stream, fn, options) {
  check.func(fn, 'fn');
  const { concurrency, signal } = optionsOf(options);
  const controller = new AbortController();
  if (signal) {
    if (signal.aborted) controller.abort(signal.reason);
    else signal.addEventListener('abort', () => controller.abort(signal.reason), { once: true });
  }
  const source = iterate(stream), queue = [];
  let ended = false;
  async function fill() {
    while (!ended && queue.length < concurrency) {
      const step = await source.next();
      if (step.done) { ended = true; break; }
      const work = (async () => fn(step.value, { signal: controller.signal }))();
      work.catch(() => {});
      queue.push(work);
    }
  }
  return {
    async next() {
      for (;;) {
        if (controller.signal.aborted) { await source.return(); throw new AbortError(undefined, { cause: controller.signal.reason }); }
        await fill();
        if (queue.length === 0) return { value: undefined, done: true };
        try {
          const value = await queue.shift();
          if (value !== SKIP) return { value, done: false };
        } catch (err) {
          controller.abort();
          await source.return();
          throw err;
        }
      }
    },
    async return(value) { controller.abort(); await source.return(); return { value, done: true }; },
    [Symbol.asyncIterator]() { return this; },
  };
}
const SKIP = Symbol('skip');

async function each(iterable, visit) {
  const iterator = iterable[Symbol.asyncIterator]();
  for (;;) {
    const step = await iterator.next();
    if (step.done) return;
    if (await visit(step.value) === false) { await iterator.return(); return; }
  }
}

async function aborted(options) {
  if (options && options.signal && options.signal.aborted) throw new AbortError(undefined, { cause: options.signal.reason });
}

function limited(stream, count, dropping) {
  count = Number(count);
  if (Number.isNaN(count)) count = 0;
  if (count < 0) throw errors.outOfRange('number', '>= 0', count);
  const source = iterate(stream);
  let n = 0;
  return {
    async next() {
      for (;;) {
        if (!dropping && n >= count) { await source.return(); return { value: undefined, done: true }; }
        const step = await source.next();
        if (step.done) return step;
        n++;
        if (!dropping || n > count) return step;
      }
    },
    async return(value) { await source.return(); return { value, done: true }; },
    [Symbol.asyncIterator]() { return this; },
  };
}

const operators = {
  map(fn, options) { return Readable.from(mapped(this, fn, options)); },
  filter(fn, options) {
    check.func(fn, 'fn');
    return Readable.from(mapped(this, async (v, o) => (await fn(v, o) ? v : SKIP), options));
  },
  flatMap(fn, options) {
    check.func(fn, 'fn');
    const source = mapped(this, fn, options);
    let inner = null;
    return Readable.from({
      async next() {
        for (;;) {
          if (inner) {
            const step = await inner.next();
            if (!step.done) return { value: await step.value, done: false };
            inner = null;
          }
          const outer = await source.next();
          if (outer.done) return outer;
          inner = (outer.value[Symbol.asyncIterator] || outer.value[Symbol.iterator]).call(outer.value);
        }
      },
      return: (v) => source.return(v),
      [Symbol.asyncIterator]() { return this; },
    });
  },
  take(count) { return Readable.from(limited(this, count, false)); },
  drop(count) { return Readable.from(limited(this, count, true)); },
  compose(stage) { return require('internal/stream_duplex').Duplex.from({ readable: require('stream').pipeline(this, stage, () => {}), writable: undefined }); },
};
const terminals = {
  async forEach(fn, options) { check.func(fn, 'fn'); await each(mapped(this, async (v, o) => { await fn(v, o); return SKIP; }, options), () => {}); },
  async toArray(options) {
    await aborted(options);
    const out = [];
    await each(this, (v) => { out.push(v); return aborted(options); });
    return out;
  },
  async some(fn, options) {
    let found = false;
    await each(mapped(this, fn, options), (v) => { if (v) found = true; return !found; });
    return found;
  },
  async every(fn, options) {
    check.func(fn, 'fn');
    return !(await terminals.some.call(this, async (...a) => !(await fn(...a)), options));
  },
  async find(fn, options) {
    check.func(fn, 'fn');
    let found;
    await each(mapped(this, async (v, o) => (await fn(v, o) ? { v } : SKIP), options), (hit) => { found = hit.v; return false; });
    return found;
  },
  async reduce(fn, initial, options) {
    check.func(fn, 'reducer');
    await aborted(options);
    let has = arguments.length > 1, acc = initial;
    await each(this, async (v) => {
      if (!has) { has = true; acc = v; } else acc = await fn(acc, v, { signal: options && options.signal });
    });
    if (!has) throw errors.make(TypeError, 'ERR_INVALID_ARG_VALUE', 'Reduce of an empty stream requires an initial value');
    return acc;
  },
};
for (const [name, fn] of Object.entries({ ...operators, ...terminals })) {
  Object.defineProperty(Readable.prototype, name, { value: fn, writable: true, configurable: true, enumerable: false });
}

module.exports = { iterate, addAbortSignal };
