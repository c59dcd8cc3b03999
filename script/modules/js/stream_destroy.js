'use strict';
// How streams are constructed, fail and are destroyed; and the base class.

const EventEmitter = require('events');
const { make, AbortError } = require('internal/errors');

const kConstruct = Symbol('kConstruct'), kDestroy = Symbol('kDestroy');
let tick;
function nextTick(fn, ...args) {
  tick = tick || require('process').nextTick;
  tick(fn, ...args);
}

// Stream is the base of all streams, and the oldest way to pipe.
function Stream(options) { EventEmitter.call(this, options); }
Object.setPrototypeOf(Stream.prototype, EventEmitter.prototype);
Object.setPrototypeOf(Stream, EventEmitter);

Stream.prototype.pipe = function pipe(dest, options) {
  const source = this;
  const onData = (chunk) => { if (dest.writable && dest.write(chunk) === false && source.pause) source.pause(); };
  const onDrain = () => { if (source.readable && source.resume) source.resume(); };
  let ended = false;
  const onEnd = () => { if (!ended) { ended = true; dest.end(); } };
  const onClose = () => { if (!ended) { ended = true; if (typeof dest.destroy === 'function') dest.destroy(); } };
  const onError = function(err) {
    cleanup();
    if (EventEmitter.listenerCount(this, 'error') === 0) this.emit('error', err);
  };
  const cleanup = () => {
    source.removeListener('data', onData);
    dest.removeListener('drain', onDrain);
    source.removeListener('end', onEnd);
    source.removeListener('close', onClose);
    for (const s of [source, dest]) {
      s.removeListener('error', onError);
    }
    source.removeListener('end', cleanup);
    source.removeListener('close', cleanup);
    dest.removeListener('close', cleanup);
  };
  source.on('data', onData);
  dest.on('drain', onDrain);
  if (!dest._isStdio && (!options || options.end !== false)) {
    source.on('end', onEnd);
    source.on('close', onClose);
  }
  source.prependListener('error', onError);
  dest.prependListener('error', onError);
  source.on('end', cleanup);
  source.on('close', cleanup);
  dest.on('close', cleanup);
  dest.emit('pipe', source);
  return dest;
};

Stream.prototype.eventNames = function eventNames() {
  return EventEmitter.prototype.eventNames.call(this).filter((name) => this.listenerCount(name) > 0);
};

function note(err, w, r) {
  if (!err) return;
  if (w && !w.errored) w.errored = err;
  if (r && !r.errored) r.errored = err;
}

function destroy(err, callback) {
  const r = this._readableState, w = this._writableState;
  const s = w || r;
  if ((w && w.destroyed) || (r && r.destroyed)) {
    if (typeof callback === 'function') callback();
    return this;
  }
  note(err, w, r);
  if (w) w.destroyed = true;
  if (r) r.destroyed = true;
  if (s.constructed) runDestroy(this, err, callback);
  else this.once(kDestroy, (er) => runDestroy(this, er || err, callback));
  return this;
}

function runDestroy(self, err, callback) {
  let called = false;
  const done = (failure) => {
    if (called) return;
    called = true;
    const r = self._readableState, w = self._writableState;
    note(failure, w, r);
    if (w) w.closed = true;
    if (r) r.closed = true;
    if (typeof callback === 'function') callback(failure);
    if (failure) nextTick(() => { emitError(self, failure); emitClose(self); });
    else nextTick(emitClose, self);
  };
  try {
    self._destroy(err || null, done);
  } catch (thrown) {
    done(thrown);
  }
}

function emitClose(self) {
  const r = self._readableState, w = self._writableState;
  if (w) w.closeEmitted = true;
  if (r) r.closeEmitted = true;
  if ((w && w.emitClose) || (r && r.emitClose)) self.emit('close');
}

function emitError(self, err) {
  const r = self._readableState, w = self._writableState;
  if ((w && w.errorEmitted) || (r && r.errorEmitted)) return;
  if (w) w.errorEmitted = true;
  if (r) r.errorEmitted = true;
  self.emit('error', err);
}

// errorOrDestroy reports an error: by destroying where that is the way.
function errorOrDestroy(stream, err, sync) {
  const r = stream._readableState, w = stream._writableState;
  if ((w && w.destroyed) || (r && r.destroyed)) return;
  if ((r && r.autoDestroy) || (w && w.autoDestroy)) {
    stream.destroy(err);
    return;
  }
  if (!err) return;
  note(err, w, r);
  if (sync) nextTick(emitError, stream, err);
  else emitError(stream, err);
}

function undestroy() {
  const r = this._readableState, w = this._writableState;
  if (r) Object.assign(r, { constructed: true, closed: false, closeEmitted: false, destroyed: false, errored: null, errorEmitted: false, reading: false, ended: r.readable === false, endEmitted: r.readable === false });
  if (w) Object.assign(w, { constructed: true, destroyed: false, closed: false, closeEmitted: false, errored: null, errorEmitted: false, finalCalled: false, prefinished: false, ended: w.writable === false, ending: w.writable === false, finished: w.writable === false });
}

function construct(stream, callback) {
  if (typeof stream._construct !== 'function') return;
  const r = stream._readableState, w = stream._writableState;
  if (r) r.constructed = false;
  if (w) w.constructed = false;
  stream.once(kConstruct, callback);
  if (stream.listenerCount(kConstruct) > 1) return;
  nextTick(runConstruct, stream);
}

function runConstruct(stream) {
  let called = false;
  const done = (err) => {
    if (called) {
      errorOrDestroy(stream, err || make(Error, 'ERR_MULTIPLE_CALLBACK', 'Callback called multiple times'));
      return;
    }
    called = true;
    const r = stream._readableState, w = stream._writableState;
    const s = w || r;
    if (r) r.constructed = true;
    if (w) w.constructed = true;
    if (s.destroyed) stream.emit(kDestroy, err);
    else if (err) errorOrDestroy(stream, err, true);
    else stream.emit(kConstruct);
  };
  try {
    stream._construct((err) => nextTick(done, err));
  } catch (err) {
    nextTick(done, err);
  }
}

// destroyer destroys anything that looks like a stream.
function destroyer(stream, err) {
  if (!stream || stream.destroyed) return;
  if (!err && !(stream.readableEnded || stream.writableFinished)) err = new AbortError();
  if (typeof stream.abort === 'function' && typeof stream.setHeader === 'function') stream.abort();
  else if (typeof stream.destroy === 'function') stream.destroy(err);
  else if (typeof stream.close === 'function') stream.close();
}

function highWaterMark(options, key, objectMode, fallback) {
  const specific = options ? options[key] : undefined;
  const value = specific != null ? specific : options && options.highWaterMark != null ? options.highWaterMark : undefined;
  if (value === undefined) return fallback === undefined ? (objectMode ? 16 : 16 * 1024) : fallback;
  if (!Number.isInteger(value) || value < 0) {
    throw require('internal/errors').invalidArgValue(specific != null ? `options.${key}` : 'options.highWaterMark', value);
  }
  return Math.floor(value);
}

// getters defines read-only (or settable) views of a state on a prototype.
function getters(prototype, table) {
  for (const [name, get] of Object.entries(table)) {
    const [g, s] = Array.isArray(get) ? get : [get, undefined];
    Object.defineProperty(prototype, name, { enumerable: false, configurable: true, get: g, set: s });
  }
}

module.exports = { Stream, destroy, undestroy, construct, errorOrDestroy, destroyer, nextTick, highWaterMark, getters };
