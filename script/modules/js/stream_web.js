'use strict';
// The web streams, as far as fetch and its users need them: default readers
// and writers, queues bounded by a high-water mark, tee and pipes.

const errors = require('internal/errors');
const closedKey = Symbol.for('brigade.closed');

function deferred() {
  const d = {};
  d.promise = new Promise((resolve, reject) => { d.resolve = resolve; d.reject = reject; });
  d.promise.catch(() => {});
  return d;
}

function invalidState(message) { return errors.make(TypeError, 'ERR_INVALID_STATE', `Invalid state: ${message}`); }

class CountQueuingStrategy {
  constructor({ highWaterMark }) { this.highWaterMark = highWaterMark; }
  get size() { return () => 1; }
}
class ByteLengthQueuingStrategy {
  constructor({ highWaterMark }) { this.highWaterMark = highWaterMark; }
  get size() { return (chunk) => chunk.byteLength; }
}

const secret = Symbol('readable');

class ReadableStreamDefaultController {
  constructor(state) { this[secret] = state; }
  get desiredSize() {
    const s = this[secret];
    if (s.state === 'errored') return null;
    return s.state === 'closed' ? 0 : s.mark - s.size;
  }
  close() {
    const s = this[secret];
    if (s.closing || s.state !== 'open') throw invalidState('Controller is already closed');
    s.closing = true;
    s.settle();
  }
  enqueue(chunk) {
    const s = this[secret];
    if (s.closing || s.state !== 'open') throw invalidState('Controller is already closed');
    s.enqueue(chunk);
  }
  error(reason) { this[secret].fail(reason); }
  get byobRequest() { return null; }
}

// ReadState is what a ReadableStream is behind its face.
class ReadState {
  constructor(source, strategy, bytes) {
    this.source = source;
    this.mark = strategy.highWaterMark === undefined ? (bytes ? 0 : 1) : strategy.highWaterMark;
    this.measure = strategy.size || (bytes ? (c) => c.byteLength : () => 1);
    this.queue = [];
    this.size = 0;
    this.waiting = [];
    this.state = 'open';
    this.closing = this.pulling = this.pullAgain = this.started = this.disturbed = false;
    this.closed = deferred();
    this.controller = new ReadableStreamDefaultController(this);
  }
  start() {
    const ready = () => { this.started = true; this.pull(); };
    const result = this.source.start ? this.source.start(this.controller) : undefined;
    Promise.resolve(result).then(ready, (err) => this.fail(err));
  }
  enqueue(chunk) {
    const next = this.waiting.shift();
    if (next) next.resolve({ value: chunk, done: false });
    else {
      const size = this.measure(chunk);
      this.queue.push([chunk, size]);
      this.size += size;
    }
    this.pull();
  }
  settle() {
    if (!this.closing || this.queue.length > 0 || this.state !== 'open') return;
    this.state = 'closed';
    for (const next of this.waiting.splice(0)) next.resolve({ value: undefined, done: true });
    this.closed.resolve();
  }
  fail(reason) {
    if (this.state !== 'open') return;
    this.state = 'errored';
    this.reason = reason;
    this.queue = [];
    this.size = 0;
    for (const next of this.waiting.splice(0)) next.reject(reason);
    this.closed.reject(reason);
  }
  pull() {
    if (!this.started || this.closing || this.state !== 'open' || !this.source.pull) return;
    if (this.waiting.length === 0 && this.size >= this.mark) return;
    if (this.pulling) { this.pullAgain = true; return; }
    this.pulling = true;
    let result;
    try { result = Promise.resolve(this.source.pull(this.controller)); } catch (err) { this.pulling = false; this.fail(err); return; }
    result.then(() => {
      this.pulling = false;
      if (this.pullAgain) { this.pullAgain = false; this.pull(); }
    }, (err) => this.fail(err));
  }
  read() {
    this.disturbed = true;
    if (this.queue.length > 0) {
      const [value, size] = this.queue.shift();
      this.size -= size;
      this.settle();
      this.pull();
      return Promise.resolve({ value, done: false });
    }
    if (this.state === 'errored') return Promise.reject(this.reason);
    if (this.state === 'closed') return Promise.resolve({ value: undefined, done: true });
    const next = deferred();
    this.waiting.push(next);
    this.pull();
    return next.promise;
  }
  async cancel(reason) {
    this.disturbed = true;
    if (this.state === 'errored') throw this.reason;
    if (this.state === 'closed') return;
    this.queue = [];
    this.size = 0;
    this.closing = true;
    this.settle();
    if (this.source.cancel) await this.source.cancel(reason);
  }
}

class ReadableStreamDefaultReader {
  #stream;
  #closed;
  constructor(stream) {
    if (stream.locked) throw invalidState('ReadableStream is locked');
    this.#stream = stream;
    stream[secret].reader = this;
    this.#closed = stream[secret].closed.promise;
  }
  get closed() { return this.#closed; }
  read() {
    if (!this.#stream) return Promise.reject(invalidState('The reader is not attached to a stream'));
    return this.#stream[secret].read();
  }
  cancel(reason) {
    if (!this.#stream) return Promise.reject(invalidState('The reader is not attached to a stream'));
    return this.#stream[secret].cancel(reason);
  }
  releaseLock() {
    if (!this.#stream) return;
    const state = this.#stream[secret];
    for (const next of state.waiting.splice(0)) next.reject(invalidState('Releasing reader'));
    state.reader = undefined;
    this.#stream = undefined;
  }
}

class ReadableStream {
  constructor(source = {}, strategy = {}) {
    this[secret] = new ReadState(source === null ? {} : source, strategy || {}, source && source.type === 'bytes');
    Object.defineProperty(this, secret, { enumerable: false });
    this[secret].start();
  }
  get locked() { return this[secret].reader !== undefined; }
  get [closedKey]() { return this[secret].closed.promise; }
  getReader(options) {
    if (options && options.mode === 'byob') throw errors.unsupported('a BYOB reader', 'use getReader()');
    return new ReadableStreamDefaultReader(this);
  }
  cancel(reason) {
    if (this.locked) return Promise.reject(invalidState('ReadableStream is locked'));
    return this[secret].cancel(reason);
  }
  tee() {
    const reader = this.getReader();
    const branches = [];
    let reading = false;
    const pull = () => {
      if (reading) return undefined;
      reading = true;
      return reader.read().then(({ value, done }) => {
        reading = false;
        for (const c of branches) { if (done) { try { c.close(); } catch { /* canceled */ } } else { try { c.enqueue(value); } catch { /* canceled */ } } }
      }, (err) => { for (const c of branches) c.error(err); });
    };
    let canceled = 0;
    const cancel = (reason) => (++canceled === 2 ? reader.cancel(reason) : undefined);
    const branch = () => new ReadableStream({ start(c) { branches.push(c); }, pull, cancel }, { highWaterMark: 0 });
    return [branch(), branch()];
  }
  pipeThrough({ readable, writable }, options) {
    this.pipeTo(writable, options).catch(() => {});
    return readable;
  }
  async pipeTo(destination, options = {}) {
    const reader = this.getReader(), writer = destination.getWriter();
    const { signal } = options;
    const abort = () => {
      if (!options.preventAbort) writer.abort(signal.reason).catch(() => {});
      if (!options.preventCancel) reader.cancel(signal.reason).catch(() => {});
    };
    if (signal) { if (signal.aborted) abort(); else signal.addEventListener('abort', abort, { once: true }); }
    try {
      for (;;) {
        if (signal && signal.aborted) throw signal.reason;
        await writer.ready;
        const { value, done } = await reader.read();
        if (done) break;
        writer.write(value).catch(() => {});
      }
      if (!options.preventClose) await writer.close();
    } catch (err) {
      if (!options.preventAbort) await writer.abort(err).catch(() => {});
      if (!options.preventCancel) await reader.cancel(err).catch(() => {});
      throw err;
    } finally {
      if (signal) signal.removeEventListener('abort', abort);
      reader.releaseLock();
      writer.releaseLock();
    }
  }
  values({ preventCancel = false } = {}) {
    const reader = this.getReader();
    let over = false;
    return {
      async next() {
        if (over) return { value: undefined, done: true };
        const step = await reader.read();
        if (step.done) { over = true; reader.releaseLock(); }
        return step;
      },
      async return(value) {
        if (!over) {
          over = true;
          if (!preventCancel) await reader.cancel(value);
          reader.releaseLock();
        }
        return { value, done: true };
      },
      [Symbol.asyncIterator]() { return this; },
    };
  }
  [Symbol.asyncIterator](options) { return this.values(options); }
  static from(iterable) {
    const iterator = (iterable[Symbol.asyncIterator] || iterable[Symbol.iterator]).call(iterable);
    return new ReadableStream({
      async pull(controller) {
        const { value, done } = await iterator.next();
        if (done) controller.close(); else controller.enqueue(await value);
      },
      async cancel(reason) { if (iterator.return) await iterator.return(reason); },
    }, { highWaterMark: 0 });
  }
}

class WritableStreamDefaultController {
  #fail;
  constructor(fail, signal) { this.#fail = fail; this.signal = signal; }
  error(reason) { this.#fail(reason); }
}

class WriteState {
  constructor(sink, strategy) {
    this.sink = sink;
    this.mark = strategy.highWaterMark === undefined ? 1 : strategy.highWaterMark;
    this.measure = strategy.size || (() => 1);
    this.size = 0;
    this.state = 'open';
    this.closed = deferred();
    this.ready = deferred();
    this.ready.resolve();
    this.abortion = new AbortController();
    this.controller = new WritableStreamDefaultController((reason) => this.fail(reason), this.abortion.signal);
    this.chain = Promise.resolve().then(() => (sink.start ? sink.start(this.controller) : undefined));
    this.chain.catch((err) => this.fail(err));
  }
  fail(reason) {
    if (this.state === 'errored' || this.state === 'closed') return;
    this.state = 'errored';
    this.reason = reason;
    this.closed.reject(reason);
    this.ready.reject(reason);
    this.ready = deferred();
    this.ready.reject(reason);
  }
  write(chunk) {
    if (this.state === 'errored') return Promise.reject(this.reason);
    if (this.state !== 'open') return Promise.reject(invalidState('WritableStream is closed'));
    const size = this.measure(chunk);
    this.size += size;
    if (this.size >= this.mark) this.ready = deferred();
    const work = this.chain.then(() => {
      if (this.state === 'errored') throw this.reason;
      return this.sink.write ? this.sink.write(chunk, this.controller) : undefined;
    });
    this.chain = work.then(() => {
      this.size -= size;
      if (this.size < this.mark) this.ready.resolve();
    });
    this.chain.catch((err) => this.fail(err));
    work.catch(() => {});
    return work;
  }
  close() {
    if (this.state === 'errored') return Promise.reject(this.reason);
    if (this.state !== 'open') return Promise.reject(invalidState('WritableStream is closed'));
    this.state = 'closing';
    this.ready.resolve();
    const work = this.chain.then(() => (this.sink.close ? this.sink.close() : undefined));
    work.then(() => { this.state = 'closed'; this.closed.resolve(); }, (err) => { this.state = 'closing'; this.fail(err); });
    return work;
  }
  async abort(reason) {
    if (this.state === 'closed' || this.state === 'errored') return;
    this.abortion.abort(reason);
    this.fail(reason);
    if (this.sink.abort) await this.sink.abort(reason);
  }
}

class WritableStreamDefaultWriter {
  #stream;
  constructor(stream) {
    if (stream.locked) throw invalidState('WritableStream is locked');
    this.#stream = stream;
    stream[secret].writer = this;
  }
  get #state() {
    if (!this.#stream) throw invalidState('The writer is not attached to a stream');
    return this.#stream[secret];
  }
  get closed() { return this.#state.closed.promise; }
  get ready() { return this.#state.ready.promise; }
  get desiredSize() { return this.#state.state === 'errored' ? null : this.#state.mark - this.#state.size; }
  write(chunk) { return this.#state.write(chunk); }
  close() { return this.#state.close(); }
  abort(reason) { return this.#state.abort(reason); }
  releaseLock() {
    if (this.#stream) this.#stream[secret].writer = undefined;
    this.#stream = undefined;
  }
}

class WritableStream {
  constructor(sink = {}, strategy = {}) {
    this[secret] = new WriteState(sink || {}, strategy || {});
    Object.defineProperty(this, secret, { enumerable: false });
  }
  get locked() { return this[secret].writer !== undefined; }
  get [closedKey]() { return this[secret].closed.promise; }
  getWriter() { return new WritableStreamDefaultWriter(this); }
  close() { return this.locked ? Promise.reject(invalidState('WritableStream is locked')) : this[secret].close(); }
  abort(reason) { return this.locked ? Promise.reject(invalidState('WritableStream is locked')) : this[secret].abort(reason); }
}

class TransformStream {
  constructor(transformer = {}, writableStrategy = {}, readableStrategy = {}) {
    transformer = transformer || {};
    let out, wake = deferred();
    const controller = {
      enqueue: (chunk) => out.enqueue(chunk),
      error: (reason) => { out.error(reason); this.writable[secret].fail(reason); },
      terminate: () => { out.close(); this.writable[secret].fail(invalidState('TransformStream terminated')); },
      get desiredSize() { return out.desiredSize; },
    };
    this.readable = new ReadableStream({
      start(c) { out = c; },
      pull() { wake.resolve(); },
      cancel: (reason) => { this.writable[secret].fail(reason); wake.resolve(); },
    }, { highWaterMark: 0, ...readableStrategy });
    this.writable = new WritableStream({
      start: () => (transformer.start ? transformer.start(controller) : undefined),
      async write(chunk) {
        if (out.desiredSize !== null && out.desiredSize <= 0) { await wake.promise; wake = deferred(); }
        try {
          if (transformer.transform) await transformer.transform(chunk, controller);
          else controller.enqueue(chunk);
        } catch (err) { out.error(err); throw err; }
      },
      async close() {
        try {
          if (transformer.flush) await transformer.flush(controller);
          out.close();
        } catch (err) { out.error(err); throw err; }
      },
      abort: (reason) => out.error(reason),
    }, writableStrategy);
  }
}

class TextEncoderStream extends TransformStream {
  constructor() {
    const encoder = new TextEncoder();
    super({ transform(chunk, c) { const bytes = encoder.encode(`${chunk}`); if (bytes.length > 0) c.enqueue(bytes); } });
  }
  get encoding() { return 'utf-8'; }
}
class TextDecoderStream extends TransformStream {
  #decoder;
  constructor(label = 'utf-8', options = {}) {
    const decoder = new TextDecoder(label, options);
    super({
      transform(chunk, c) { const text = decoder.decode(chunk, { stream: true }); if (text !== '') c.enqueue(text); },
      flush(c) { const text = decoder.decode(); if (text !== '') c.enqueue(text); },
    });
    this.#decoder = decoder;
  }
  get encoding() { return this.#decoder.encoding; }
}

function compression(name, formats) {
  return class extends TransformStream {
    constructor(format) {
      const make = formats[format];
      if (!make) throw errors.invalidArgValue('format', format);
      const coder = require('zlib')[make]();
      let controller;
      coder.on('data', (chunk) => controller.enqueue(new Uint8Array(chunk)));
      super({
        start(c) { controller = c; },
        transform(chunk) { return new Promise((resolve, reject) => coder.write(chunk, (err) => (err ? reject(err) : resolve()))); },
        flush() { return new Promise((resolve, reject) => { coder.on('error', reject); coder.on('end', resolve); coder.end(); }); },
      });
    }
    static get name() { return name; }
  };
}

const all = module.exports = {
  ReadableStream, ReadableStreamDefaultReader, ReadableStreamDefaultController, WritableStream, WritableStreamDefaultWriter,
  WritableStreamDefaultController, TransformStream, CountQueuingStrategy, ByteLengthQueuingStrategy, TextEncoderStream, TextDecoderStream,
  CompressionStream: compression('CompressionStream', { gzip: 'createGzip', deflate: 'createDeflate', 'deflate-raw': 'createDeflateRaw' }),
  DecompressionStream: compression('DecompressionStream', { gzip: 'createGunzip', deflate: 'createInflate', 'deflate-raw': 'createInflateRaw' }),
};
for (const [name, Class] of Object.entries(all)) {
  Object.defineProperty(Class.prototype, Symbol.toStringTag, { value: name, configurable: true });
}
Object.defineProperty(ReadableStream, Symbol.for('brigade.state'), { value: secret });
