'use strict';
// Writable.

const EventEmitter = require('events');
const errors = require('internal/errors');
const { Stream, destroy, undestroy, construct, errorOrDestroy, nextTick, highWaterMark, getters } = require('internal/stream_destroy');
const { Buffer } = require('buffer');
const { make } = errors;
const nothing = () => {};

function WritableState(options, stream, isDuplex) {
  this.objectMode = Boolean(options && (options.objectMode || (isDuplex && options.writableObjectMode)));
  this.highWaterMark = highWaterMark(options, isDuplex ? 'writableHighWaterMark' : 'highWaterMark', this.objectMode);
  this.finalCalled = this.needDrain = this.ending = this.ended = this.finished = this.destroyed = false;
  this.decodeStrings = !(options && options.decodeStrings === false);
  this.defaultEncoding = (options && options.defaultEncoding) || 'utf8';
  this.length = 0;
  this.writing = false;
  this.corked = 0;
  this.sync = true;
  this.bufferProcessing = false;
  this.onwrite = (err) => onWrite(stream, err);
  this.writecb = null;
  this.writelen = 0;
  this.afterWriteTickInfo = null;
  this.buffered = [];
  this.allBuffers = this.allNoop = true;
  this.pendingcb = 0;
  this.constructed = true;
  this.prefinished = this.errorEmitted = false;
  this.emitClose = !options || options.emitClose !== false;
  this.autoDestroy = !options || options.autoDestroy !== false;
  this.errored = null;
  this.closed = this.closeEmitted = false;
  Object.defineProperty(this, 'onFinish', { value: [], writable: true, enumerable: false });
}
WritableState.prototype.getBuffer = function() { return this.buffered; };
Object.defineProperty(WritableState.prototype, 'bufferedRequestCount', { get() { return this.buffered.length; } });

function Writable(options) {
  const isDuplex = this instanceof require('internal/stream_duplex').Duplex;
  if (!isDuplex && !Function.prototype[Symbol.hasInstance].call(Writable, this)) return new Writable(options);
  this._writableState = new WritableState(options, this, isDuplex);
  if (options) {
    if (typeof options.write === 'function') this._write = options.write;
    if (typeof options.writev === 'function') this._writev = options.writev;
    if (typeof options.destroy === 'function') this._destroy = options.destroy;
    if (typeof options.final === 'function') this._final = options.final;
    if (typeof options.construct === 'function') this._construct = options.construct;
    if (options.signal) require('internal/stream_end').addAbortSignal(options.signal, this);
  }
  Stream.call(this, options);
  construct(this, () => {
    const state = this._writableState;
    if (!state.writing) clearBuffer(this, state);
    finishMaybe(this, state);
  });
}
Object.setPrototypeOf(Writable.prototype, Stream.prototype);
Object.setPrototypeOf(Writable, Stream);
Writable.WritableState = WritableState;

Object.defineProperty(Writable, Symbol.hasInstance, {
  value(object) {
    if (Function.prototype[Symbol.hasInstance].call(this, object)) return true;
    return this === Writable && Boolean(object) && object._writableState instanceof WritableState;
  },
});

Writable.prototype.pipe = function() {
  errorOrDestroy(this, make(Error, 'ERR_STREAM_CANNOT_PIPE', 'Cannot pipe, not readable'));
};

function write(stream, chunk, encoding, callback) {
  const state = stream._writableState;
  if (typeof encoding === 'function') { callback = encoding; encoding = state.defaultEncoding; }
  else {
    if (!encoding) encoding = state.defaultEncoding;
    else if (encoding !== 'buffer' && !Buffer.isEncoding(encoding)) throw make(TypeError, 'ERR_UNKNOWN_ENCODING', `Unknown encoding: ${encoding}`);
    if (typeof callback !== 'function') callback = nothing;
  }
  if (chunk === null) throw make(TypeError, 'ERR_STREAM_NULL_VALUES', 'May not write null values to stream');
  if (!state.objectMode) {
    if (typeof chunk === 'string') {
      if (state.decodeStrings !== false) { chunk = Buffer.from(chunk, encoding); encoding = 'buffer'; }
    } else if (chunk instanceof Buffer) encoding = 'buffer';
    else if (chunk instanceof Uint8Array) { chunk = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength); encoding = 'buffer'; }
    else throw errors.invalidArgType('chunk', ['string', 'Buffer', 'TypedArray', 'DataView'], chunk);
  }
  let err;
  if (state.ending) err = make(Error, 'ERR_STREAM_WRITE_AFTER_END', 'write after end');
  else if (state.destroyed) err = make(Error, 'ERR_STREAM_DESTROYED', 'Cannot call write after a stream was destroyed');
  if (err) {
    nextTick(callback, err);
    errorOrDestroy(stream, err, true);
    return err;
  }
  state.pendingcb++;
  return writeOrBuffer(stream, state, chunk, encoding, callback);
}

function writeOrBuffer(stream, state, chunk, encoding, callback) {
  const size = state.objectMode ? 1 : chunk.length;
  state.length += size;
  const ok = state.length < state.highWaterMark;
  if (!ok) state.needDrain = true;
  if (state.writing || state.corked || state.errored || !state.constructed) {
    state.buffered.push({ chunk, encoding, callback });
  } else {
    state.writelen = size;
    state.writecb = callback;
    state.writing = state.sync = true;
    stream._write(chunk, encoding, state.onwrite);
    state.sync = false;
  }
  return ok && !state.errored && !state.destroyed;
}

Writable.prototype.write = function(chunk, encoding, callback) { return write(this, chunk, encoding, callback) === true; };
Writable.prototype.cork = function() { this._writableState.corked++; };
Writable.prototype.uncork = function() {
  const state = this._writableState;
  if (!state.corked) return;
  state.corked--;
  if (!state.writing) clearBuffer(this, state);
};
Writable.prototype.setDefaultEncoding = function(encoding) {
  encoding = `${encoding}`.toLowerCase();
  if (!Buffer.isEncoding(encoding)) throw make(TypeError, 'ERR_UNKNOWN_ENCODING', `Unknown encoding: ${encoding}`);
  this._writableState.defaultEncoding = encoding;
  return this;
};

function onWrite(stream, err) {
  const state = stream._writableState, { sync, writecb: callback } = state;
  if (typeof callback !== 'function') {
    errorOrDestroy(stream, make(Error, 'ERR_MULTIPLE_CALLBACK', 'Callback called multiple times'));
    return;
  }
  state.writing = false;
  state.writecb = null;
  state.length -= state.writelen;
  state.writelen = 0;
  if (err) {
    if (!state.errored) state.errored = err;
    if (stream._readableState && !stream._readableState.errored) stream._readableState.errored = err;
    const fail = () => {
      --state.pendingcb;
      callback(err);
      failBuffer(state);
      errorOrDestroy(stream, err);
    };
    if (sync) nextTick(fail); else fail();
    return;
  }
  if (state.buffered.length > 0) clearBuffer(stream, state);
  if (!sync) { afterWrite(stream, state, [callback]); return; }
  if (state.afterWriteTickInfo !== null) { state.afterWriteTickInfo.push(callback); return; }
  state.afterWriteTickInfo = [callback];
  nextTick(() => {
    const list = state.afterWriteTickInfo;
    state.afterWriteTickInfo = null;
    afterWrite(stream, state, list);
  });
}

function afterWrite(stream, state, callbacks) {
  if (!state.ending && !stream.destroyed && state.length === 0 && state.needDrain) {
    state.needDrain = false;
    stream.emit('drain');
  }
  for (const callback of callbacks) {
    state.pendingcb--;
    callback(null);
  }
  if (state.destroyed) failBuffer(state);
  finishMaybe(stream, state);
}

function failBuffer(state) {
  if (state.writing) return;
  for (const { chunk, callback } of state.buffered.splice(0)) {
    state.length -= state.objectMode ? 1 : chunk.length;
    callback(state.errored || make(Error, 'ERR_STREAM_DESTROYED', 'Cannot call write after a stream was destroyed'));
  }
  for (const callback of state.onFinish.splice(0)) {
    callback(state.errored || make(Error, 'ERR_STREAM_DESTROYED', 'Cannot call end after a stream was destroyed'));
  }
}

function clearBuffer(stream, state) {
  if (state.corked || state.bufferProcessing || state.destroyed || !state.constructed || state.buffered.length === 0) return;
  state.bufferProcessing = true;
  if (state.buffered.length > 1 && stream._writev) {
    const list = state.buffered.splice(0);
    state.pendingcb -= list.length - 1;
    const allBuffers = list.every((item) => item.encoding === 'buffer');
    state.writelen = state.length;
    state.writecb = (err) => { for (const item of list) item.callback(err); };
    state.writing = state.sync = true;
    const chunks = list.map(({ chunk, encoding }) => ({ chunk, encoding }));
    chunks.allBuffers = allBuffers;
    stream._writev(chunks, state.onwrite);
    state.sync = false;
  } else {
    do {
      const { chunk, encoding, callback } = state.buffered.shift();
      state.writelen = state.objectMode ? 1 : chunk.length;
      state.writecb = callback;
      state.writing = state.sync = true;
      stream._write(chunk, encoding, state.onwrite);
      state.sync = false;
    } while (state.buffered.length > 0 && !state.writing);
  }
  state.bufferProcessing = false;
}

Writable.prototype._write = function(chunk, encoding, callback) {
  if (this._writev) this._writev([{ chunk, encoding }], callback);
  else throw make(Error, 'ERR_METHOD_NOT_IMPLEMENTED', 'The _write() method is not implemented');
};
Writable.prototype._writev = null;

Writable.prototype.end = function(chunk, encoding, callback) {
  const state = this._writableState;
  if (typeof chunk === 'function') { callback = chunk; chunk = encoding = null; }
  else if (typeof encoding === 'function') { callback = encoding; encoding = null; }
  let err;
  if (chunk !== null && chunk !== undefined) {
    const result = write(this, chunk, encoding);
    if (result instanceof Error) err = result;
  }
  if (state.corked) {
    state.corked = 1;
    this.uncork();
  }
  if (err) ;
  else if (!state.errored && !state.ending) {
    state.ending = true;
    finishMaybe(this, state, true);
    state.ended = true;
  } else if (state.finished) err = make(Error, 'ERR_STREAM_ALREADY_FINISHED', 'Cannot call end after a stream was finished');
  else if (state.destroyed) err = make(Error, 'ERR_STREAM_DESTROYED', 'Cannot call end after a stream was destroyed');
  if (typeof callback === 'function') {
    if (err) nextTick(callback, err);
    else if (state.finished) nextTick(callback);
    else state.onFinish.push(callback);
  }
  return this;
};

function needFinish(state) {
  return state.ending && !state.destroyed && state.constructed && state.length === 0 && !state.errored &&
    state.buffered.length === 0 && !state.finished && !state.writing && !state.errorEmitted && !state.closeEmitted;
}

function callFinal(stream, state) {
  let called = false;
  const done = (err) => {
    if (called) {
      errorOrDestroy(stream, err || make(Error, 'ERR_MULTIPLE_CALLBACK', 'Callback called multiple times'));
      return;
    }
    called = true;
    state.pendingcb--;
    if (err) {
      for (const callback of state.onFinish.splice(0)) callback(err);
      errorOrDestroy(stream, err, state.sync);
    } else if (needFinish(state)) {
      state.prefinished = true;
      stream.emit('prefinish');
      state.pendingcb++;
      nextTick(finish, stream, state);
    }
  };
  state.sync = true;
  state.pendingcb++;
  try {
    stream._final(done);
  } catch (err) {
    done(err);
  }
  state.sync = false;
}

function finishMaybe(stream, state, sync) {
  if (!needFinish(state)) return;
  if (!state.prefinished && !state.finalCalled) {
    if (typeof stream._final === 'function' && !state.destroyed) {
      state.finalCalled = true;
      callFinal(stream, state);
    } else {
      state.prefinished = true;
      stream.emit('prefinish');
    }
  }
  if (state.pendingcb !== 0) return;
  if (sync) {
    state.pendingcb++;
    nextTick(() => { if (needFinish(state)) finish(stream, state); else state.pendingcb--; });
  } else if (needFinish(state)) {
    state.pendingcb++;
    finish(stream, state);
  }
}

function finish(stream, state) {
  state.pendingcb--;
  state.finished = true;
  for (const callback of state.onFinish.splice(0)) callback();
  stream.emit('finish');
  const r = stream._readableState;
  if (state.autoDestroy && (!r || (r.autoDestroy && (r.endEmitted || r.readable === false)))) stream.destroy();
}

Writable.prototype.destroy = function(err, callback) {
  const state = this._writableState;
  if (!state.destroyed && (state.buffered.length > 0 || state.onFinish.length > 0)) nextTick(failBuffer, state);
  destroy.call(this, err, callback);
  return this;
};
Writable.prototype._undestroy = undestroy;
Writable.prototype._destroy = function(err, callback) { callback(err); };
Writable.prototype[EventEmitter.captureRejectionSymbol] = function(err) { this.destroy(err); };

getters(Writable.prototype, {
  closed() { return this._writableState ? this._writableState.closed : false; },
  destroyed: [function() { return this._writableState ? this._writableState.destroyed : false; },
    function(v) { if (this._writableState) this._writableState.destroyed = v; }],
  writable: [function() {
    const w = this._writableState;
    return Boolean(w) && w.writable !== false && !w.destroyed && !w.errored && !w.ending && !w.ended;
  }, function(v) { if (this._writableState) this._writableState.writable = Boolean(v); }],
  writableFinished() { return this._writableState ? this._writableState.finished : false; },
  writableObjectMode() { return this._writableState ? this._writableState.objectMode : false; },
  writableBuffer() { return this._writableState && this._writableState.getBuffer(); },
  writableEnded() { return this._writableState ? this._writableState.ending : false; },
  writableNeedDrain() { const w = this._writableState; return w ? !w.destroyed && !w.ending && w.needDrain : false; },
  writableHighWaterMark() { return this._writableState && this._writableState.highWaterMark; },
  writableCorked() { return this._writableState ? this._writableState.corked : 0; },
  writableLength() { return this._writableState && this._writableState.length; },
  errored() { return this._writableState ? this._writableState.errored : null; },
  writableAborted() { const s = this._writableState; return Boolean(s.writable !== false && (s.destroyed || s.errored) && !s.finished); },
});

module.exports = { Writable };
