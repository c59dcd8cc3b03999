'use strict';
// Duplex, Transform and PassThrough.

const { getters } = require('internal/stream_destroy');
const errors = require('internal/errors');

function Duplex(options) {
  if (!(this instanceof Duplex)) return new Duplex(options);
  Readable.call(this, options);
  Writable.call(this, options);
  this.allowHalfOpen = true;
  if (options) {
    if (options.allowHalfOpen === false) this.allowHalfOpen = false;
    if (options.readable === false) {
      this._readableState.readable = false;
      this._readableState.ended = this._readableState.endEmitted = true;
    }
    if (options.writable === false) {
      Object.assign(this._writableState, { writable: false, ending: true, ended: true, finished: true });
    }
  }
}
module.exports = { Duplex }; // Readable and Writable ask for it

const { Readable } = require('internal/stream_readable');
const { Writable } = require('internal/stream_writable');

Object.setPrototypeOf(Duplex.prototype, Readable.prototype);
Object.setPrototypeOf(Duplex, Readable);
for (const key of Reflect.ownKeys(Writable.prototype)) {
  if (key === 'constructor' || key in Duplex.prototype && key !== 'destroy' && key !== '_destroy') {
    if (key !== 'write' && key !== 'end') continue;
  }
  Object.defineProperty(Duplex.prototype, key, Object.getOwnPropertyDescriptor(Writable.prototype, key));
}
Duplex.prototype.pipe = Readable.prototype.pipe;
getters(Duplex.prototype, {
  destroyed: [function() {
    const r = this._readableState, w = this._writableState;
    return r !== undefined && w !== undefined && r.destroyed && w.destroyed;
  }, function(v) {
    if (this._readableState && this._writableState) this._readableState.destroyed = this._writableState.destroyed = v;
  }],
});

Duplex.from = function from(body) {
  if (body instanceof Duplex) return body;
  if (body && typeof body === 'object' && (body.readable || body.writable) && !body.pipe && !body.write) return pairUp(body.readable, body.writable);
  if (body instanceof Readable) return pairUp(body, undefined);
  if (body instanceof Writable) return pairUp(undefined, body);
  if (body && (body[Symbol.asyncIterator] || body[Symbol.iterator])) return Readable.from(body);
  if (body && typeof body.then === 'function') {
    return Readable.from({ [Symbol.asyncIterator]: () => { let done = false; return { async next() { if (done) return { done: true }; done = true; const value = await body; return value == null ? { done: true } : { value, done: false }; } }; } });
  }
  if (typeof body === 'function') {
    const input = new PassThrough({ objectMode: true });
    const result = body(input);
    if (result && result[Symbol.asyncIterator]) return pairUp(Readable.from(result), input);
    return pairUp(undefined, input);
  }
  throw errors.invalidArgType('body', ['Blob', 'ReadableStream', 'WritableStream', 'Stream', 'Iterable', 'AsyncIterable', 'Function', '{ readable, writable } pair', 'Promise'], body);
};

// pairUp makes one duplex of a readable and a writable side.
function pairUp(readable, writable) {
  const duplex = new Duplex({
    objectMode: true, readable: Boolean(readable), writable: Boolean(writable),
    read() { if (readable) readable.resume(); },
    write(chunk, encoding, callback) {
      if (writable.write(chunk, encoding)) callback();
      else writable.once('drain', callback);
    },
    final(callback) { writable.end(callback); },
    destroy(err, callback) {
      if (readable) readable.destroy(err);
      if (writable) writable.destroy(err);
      callback(err);
    },
  });
  if (readable) {
    readable.on('data', (chunk) => { if (!duplex.push(chunk)) readable.pause(); });
    readable.on('end', () => duplex.push(null));
    readable.on('error', (err) => duplex.destroy(err));
  }
  if (writable) writable.on('error', (err) => duplex.destroy(err));
  return duplex;
}

const kCallback = Symbol('kCallback');

function Transform(options) {
  if (!(this instanceof Transform)) return new Transform(options);
  const mark = options && options.readableHighWaterMark !== undefined ? options.readableHighWaterMark : options && options.highWaterMark;
  if (mark === 0) options = { ...options, highWaterMark: null, readableHighWaterMark: 0, writableHighWaterMark: options.writableHighWaterMark || 0 };
  Duplex.call(this, options);
  this._readableState.sync = false;
  this[kCallback] = null;
  if (options) {
    if (typeof options.transform === 'function') this._transform = options.transform;
    if (typeof options.flush === 'function') this._flush = options.flush;
  }
  this.on('prefinish', prefinish);
}
Object.setPrototypeOf(Transform.prototype, Duplex.prototype);
Object.setPrototypeOf(Transform, Duplex);

function final(callback) {
  if (typeof this._flush !== 'function' || this.destroyed) {
    this.push(null);
    if (callback) callback();
    return;
  }
  this._flush((err, data) => {
    if (err) {
      if (callback) callback(err);
      else this.destroy(err);
      return;
    }
    if (data != null) this.push(data);
    this.push(null);
    if (callback) callback();
  });
}

function prefinish() {
  if (this._final !== final) final.call(this);
}

Transform.prototype._final = final;
Transform.prototype._transform = function() {
  throw errors.make(Error, 'ERR_METHOD_NOT_IMPLEMENTED', 'The _transform() method is not implemented');
};
Transform.prototype._write = function(chunk, encoding, callback) {
  const r = this._readableState, w = this._writableState;
  const before = r.length;
  this._transform(chunk, encoding, (err, value) => {
    if (err) { callback(err); return; }
    if (value != null) this.push(value);
    if (w.ended || before === r.length || r.length < r.highWaterMark) callback();
    else this[kCallback] = callback;
  });
};
Transform.prototype._read = function() {
  if (!this[kCallback]) return;
  const callback = this[kCallback];
  this[kCallback] = null;
  callback();
};

function PassThrough(options) {
  if (!(this instanceof PassThrough)) return new PassThrough(options);
  Transform.call(this, options);
}
Object.setPrototypeOf(PassThrough.prototype, Transform.prototype);
Object.setPrototypeOf(PassThrough, Transform);
PassThrough.prototype._transform = function(chunk, encoding, callback) { callback(null, chunk); };

Object.assign(module.exports, { Transform, PassThrough });
