'use strict';
// Readable.

const EventEmitter = require('events');
const errors = require('internal/errors');
const { Stream, destroy, undestroy, construct, errorOrDestroy, nextTick, highWaterMark, getters } = require('internal/stream_destroy');
const { Buffer } = require('buffer');
const kPaused = Symbol('kPaused');

function ReadableState(options, stream, isDuplex) {
  this.objectMode = Boolean(options && (options.objectMode || (isDuplex && options.readableObjectMode)));
  this.highWaterMark = highWaterMark(options, isDuplex ? 'readableHighWaterMark' : 'highWaterMark', this.objectMode);
  this.buffer = [];
  this.length = 0;
  this.pipes = [];
  this.flowing = null;
  this.ended = this.endEmitted = this.reading = false;
  this.constructed = true;
  this.sync = true;
  this.needReadable = this.emittedReadable = this.readableListening = this.resumeScheduled = false;
  this.errorEmitted = false;
  this.emitClose = !options || options.emitClose !== false;
  this.autoDestroy = !options || options.autoDestroy !== false;
  this.destroyed = false;
  this.errored = null;
  this.closed = this.closeEmitted = false;
  this.defaultEncoding = (options && options.defaultEncoding) || 'utf8';
  this.awaitDrainWriters = new Set();
  this.readingMore = this.dataEmitted = false;
  this.decoder = this.encoding = null;
  this[kPaused] = null;
  if (options && options.encoding) {
    this.decoder = new (require('string_decoder').StringDecoder)(options.encoding);
    this.encoding = options.encoding;
  }
}

function Readable(options) {
  if (!(this instanceof Readable)) return new Readable(options);
  const isDuplex = this instanceof require('internal/stream_duplex').Duplex;
  this._readableState = new ReadableState(options, this, isDuplex);
  if (options) {
    if (typeof options.read === 'function') this._read = options.read;
    if (typeof options.destroy === 'function') this._destroy = options.destroy;
    if (typeof options.construct === 'function') this._construct = options.construct;
    if (options.signal && !isDuplex) require('internal/stream_end').addAbortSignal(options.signal, this);
  }
  Stream.call(this, options);
  construct(this, () => {
    if (this._readableState.needReadable) maybeReadMore(this, this._readableState);
  });
}
Object.setPrototypeOf(Readable.prototype, Stream.prototype);
Object.setPrototypeOf(Readable, Stream);
Readable.ReadableState = ReadableState;

Readable.prototype.destroy = destroy;
Readable.prototype._undestroy = undestroy;
Readable.prototype._destroy = function(err, callback) { callback(err); };
Readable.prototype[EventEmitter.captureRejectionSymbol] = function(err) { this.destroy(err); };
Readable.prototype._read = function() {
  throw errors.make(Error, 'ERR_METHOD_NOT_IMPLEMENTED', 'The _read() method is not implemented');
};

Readable.prototype.push = function(chunk, encoding) { return add(this, chunk, encoding, false); };
Readable.prototype.unshift = function(chunk, encoding) { return add(this, chunk, encoding, true); };

function toChunk(stream, state, chunk, encoding, front) {
  if (typeof chunk === 'string') {
    encoding = encoding || state.defaultEncoding;
    if (state.encoding !== encoding) {
      if (front && state.encoding) return Buffer.from(chunk, encoding).toString(state.encoding);
      return Buffer.from(chunk, encoding);
    }
    return chunk;
  }
  if (chunk instanceof Buffer) return chunk;
  if (chunk instanceof Uint8Array) return Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  if (chunk != null) errorOrDestroy(stream, errors.invalidArgType('chunk', ['string', 'Buffer', 'Uint8Array'], chunk));
  return chunk == null ? chunk : undefined;
}

function add(stream, chunk, encoding, front) {
  const state = stream._readableState;
  const text = typeof chunk === 'string' && state.encoding === (encoding || state.defaultEncoding);
  if (!state.objectMode) {
    const given = chunk;
    chunk = toChunk(stream, state, chunk, encoding, front);
    if (chunk === undefined && given !== undefined) return false;
  }
  if (chunk === null || (chunk === undefined && !state.objectMode)) {
    state.reading = false;
    if (chunk === null) onEnd(stream, state);
  } else if (state.objectMode || (chunk && chunk.length > 0)) {
    if (front) {
      if (state.endEmitted) errorOrDestroy(stream, errors.make(Error, 'ERR_STREAM_UNSHIFT_AFTER_END_EVENT', 'stream.unshift() after end event'));
      else if (state.destroyed || state.errored) return false;
      else addChunk(stream, state, chunk, true);
    } else if (state.ended) errorOrDestroy(stream, errors.make(Error, 'ERR_STREAM_PUSH_AFTER_EOF', 'stream.push() after EOF'));
    else if (state.destroyed || state.errored) return false;
    else {
      state.reading = false;
      if (state.decoder && !text) {
        chunk = state.decoder.write(chunk);
        if (state.objectMode || chunk.length !== 0) addChunk(stream, state, chunk, false);
        else maybeReadMore(stream, state);
      } else addChunk(stream, state, chunk, false);
    }
  } else if (!front) {
    state.reading = false;
    maybeReadMore(stream, state);
  }
  return !state.ended && (state.length < state.highWaterMark || state.length === 0);
}

function addChunk(stream, state, chunk, front) {
  if (state.flowing && state.length === 0 && !state.sync && stream.listenerCount('data') > 0) {
    state.awaitDrainWriters.clear();
    state.dataEmitted = true;
    stream.emit('data', chunk);
  } else {
    state.length += state.objectMode ? 1 : chunk.length;
    if (front) state.buffer.unshift(chunk);
    else state.buffer.push(chunk);
    if (state.needReadable) emitReadable(stream);
  }
  maybeReadMore(stream, state);
}

function onEnd(stream, state) {
  if (state.ended) return;
  if (state.decoder) {
    const rest = state.decoder.end();
    if (rest && rest.length) {
      state.buffer.push(rest);
      state.length += state.objectMode ? 1 : rest.length;
    }
  }
  state.ended = true;
  if (state.sync) emitReadable(stream);
  else {
    state.needReadable = false;
    state.emittedReadable = true;
    flushReadable(stream);
  }
}

function emitReadable(stream) {
  const state = stream._readableState;
  state.needReadable = false;
  if (state.emittedReadable) return;
  state.emittedReadable = true;
  nextTick(flushReadable, stream);
}

function flushReadable(stream) {
  const state = stream._readableState;
  if (!state.destroyed && !state.errored && (state.length || state.ended)) {
    stream.emit('readable');
    state.emittedReadable = false;
  }
  state.needReadable = !state.flowing && !state.ended && state.length <= state.highWaterMark;
  flow(stream);
}

function maybeReadMore(stream, state) {
  if (state.readingMore || !state.constructed) return;
  state.readingMore = true;
  nextTick(() => {
    while (!state.reading && !state.ended && (state.length < state.highWaterMark || (state.flowing && state.length === 0))) {
      const before = state.length;
      stream.read(0);
      if (before === state.length) break;
    }
    state.readingMore = false;
  });
}

function howMuch(n, state) {
  if (n <= 0 || (state.length === 0 && state.ended)) return 0;
  if (state.objectMode) return 1;
  if (Number.isNaN(n)) return state.flowing && state.length ? state.buffer[0].length : state.length;
  if (n <= state.length) return n;
  return state.ended ? state.length : 0;
}

function takeFrom(n, state) {
  if (state.length === 0) return null;
  if (state.objectMode) return state.buffer.shift();
  if (!n || n >= state.length) {
    const all = state.buffer.length === 1 ? state.buffer[0] : state.decoder ? state.buffer.join('') : Buffer.concat(state.buffer, state.length);
    state.buffer = [];
    return all;
  }
  const parts = [];
  let left = n;
  while (left > 0) {
    const head = state.buffer[0];
    if (head.length <= left) {
      parts.push(state.buffer.shift());
      left -= head.length;
    } else {
      parts.push(head.slice(0, left));
      state.buffer[0] = head.slice(left);
      left = 0;
    }
  }
  if (parts.length === 1) return parts[0];
  return state.decoder ? parts.join('') : Buffer.concat(parts, n);
}

Readable.prototype.read = function read(n) {
  n = n === undefined ? NaN : Number.isInteger(n) ? n : Number.parseInt(n, 10);
  const state = this._readableState, wanted = n;
  if (n > state.highWaterMark) state.highWaterMark = 2 ** Math.ceil(Math.log2(n));
  if (n !== 0) state.emittedReadable = false;
  if (n === 0 && state.needReadable && ((state.highWaterMark !== 0 ? state.length >= state.highWaterMark : state.length > 0) || state.ended)) {
    if (state.length === 0 && state.ended) endReadable(this);
    else emitReadable(this);
    return null;
  }
  n = howMuch(n, state);
  if (n === 0 && state.ended) {
    if (state.length === 0) endReadable(this);
    return null;
  }
  let more = state.needReadable || state.length === 0 || state.length - n < state.highWaterMark;
  if (state.ended || state.reading || state.destroyed || state.errored || !state.constructed) more = false;
  if (more) {
    state.reading = state.sync = true;
    if (state.length === 0) state.needReadable = true;
    try {
      this._read(state.highWaterMark);
    } catch (err) {
      errorOrDestroy(this, err);
    }
    state.sync = false;
    if (!state.reading) n = howMuch(wanted, state);
  }
  const out = n > 0 ? takeFrom(n, state) : null;
  if (out === null) {
    state.needReadable = state.length <= state.highWaterMark;
    n = 0;
  } else {
    state.length -= n;
    state.awaitDrainWriters.clear();
  }
  if (state.length === 0) {
    if (!state.ended) state.needReadable = true;
    if (wanted !== n && state.ended) endReadable(this);
  }
  if (out !== null && !state.errored && !state.closeEmitted) {
    state.dataEmitted = true;
    this.emit('data', out);
  }
  return out;
};

function endReadable(stream) {
  const state = stream._readableState;
  if (state.endEmitted) return;
  state.ended = true;
  nextTick(() => {
    if (state.errored || state.closeEmitted || state.endEmitted || state.length !== 0) return;
    state.endEmitted = true;
    stream.emit('end');
    const w = stream._writableState;
    if (stream.writable && stream.allowHalfOpen === false) {
      nextTick(() => { if (stream.writable && !stream.writableEnded && !stream.destroyed) stream.end(); });
    } else if (state.autoDestroy && (!w || (w.autoDestroy && (w.finished || w.writable === false)))) stream.destroy();
  });
}

Readable.prototype.pipe = function pipe(dest, options) {
  const source = this, state = this._readableState;
  state.pipes.push(dest);
  const endsDest = (!options || options.end !== false) && !dest._isStdio;
  const finish = endsDest ? () => dest.end() : () => source.unpipe(dest);
  if (state.endEmitted) nextTick(finish);
  else source.once('end', finish);
  let onDrain, cleaned = false;
  const pause = () => {
    if (!cleaned) {
      state.awaitDrainWriters.add(dest);
      source.pause();
    }
    if (!onDrain) {
      onDrain = () => {
        state.awaitDrainWriters.delete(dest);
        if (state.awaitDrainWriters.size === 0 && source.listenerCount('data') > 0) source.resume();
      };
      dest.on('drain', onDrain);
    }
  };
  const onData = (chunk) => { if (dest.write(chunk) === false) pause(); };
  const onError = (err) => {
    source.unpipe(dest);
    dest.removeListener('error', onError);
    if (dest.listenerCount('error') === 0) {
      const s = dest._writableState || dest._readableState;
      if (s && !s.errorEmitted) errorOrDestroy(dest, err);
      else dest.emit('error', err);
    }
  };
  const onClose = () => { dest.removeListener('finish', onFinish); source.unpipe(dest); };
  const onFinish = () => { dest.removeListener('close', onClose); source.unpipe(dest); };
  const onUnpipe = (readable, info) => {
    if (readable !== source || !info || info.hasUnpiped) return;
    info.hasUnpiped = true;
    cleaned = true;
    dest.removeListener('close', onClose);
    dest.removeListener('finish', onFinish);
    if (onDrain) dest.removeListener('drain', onDrain);
    dest.removeListener('error', onError);
    dest.removeListener('unpipe', onUnpipe);
    source.removeListener('end', finish);
    source.removeListener('data', onData);
    if (onDrain && state.awaitDrainWriters.has(dest) && (!dest._writableState || dest._writableState.needDrain)) onDrain();
  };
  dest.on('unpipe', onUnpipe);
  source.on('data', onData);
  dest.prependListener('error', onError);
  dest.once('close', onClose);
  dest.once('finish', onFinish);
  dest.emit('pipe', source);
  if (dest.writableNeedDrain === true) pause();
  else if (!state.flowing) source.resume();
  return dest;
};

Readable.prototype.unpipe = function unpipe(dest) {
  const state = this._readableState;
  if (state.pipes.length === 0) return this;
  if (!dest) {
    const all = state.pipes;
    state.pipes = [];
    this.pause();
    for (const d of all) d.emit('unpipe', this, { hasUnpiped: false });
    return this;
  }
  const at = state.pipes.indexOf(dest);
  if (at === -1) return this;
  state.pipes.splice(at, 1);
  if (state.pipes.length === 0) this.pause();
  dest.emit('unpipe', this, { hasUnpiped: false });
  return this;
};

Readable.prototype.on = function on(event, listener) {
  const result = Stream.prototype.on.call(this, event, listener);
  const state = this._readableState;
  if (event === 'data') {
    state.readableListening = this.listenerCount('readable') > 0;
    if (state.flowing !== false) this.resume();
  } else if (event === 'readable' && !state.endEmitted && !state.readableListening) {
    state.readableListening = state.needReadable = true;
    state.flowing = false;
    state.emittedReadable = false;
    if (state.length) emitReadable(this);
    else if (!state.reading) nextTick(() => this.read(0));
  }
  return result;
};
Readable.prototype.addListener = Readable.prototype.on;

Readable.prototype.removeListener = function removeListener(event, listener) {
  const result = Stream.prototype.removeListener.call(this, event, listener);
  if (event === 'readable') nextTick(updateListening, this);
  return result;
};
Readable.prototype.off = Readable.prototype.removeListener;
Readable.prototype.removeAllListeners = function removeAllListeners(...args) {
  const result = Stream.prototype.removeAllListeners.apply(this, args);
  if (args[0] === 'readable' || args[0] === undefined) nextTick(updateListening, this);
  return result;
};

function updateListening(stream) {
  const state = stream._readableState;
  state.readableListening = stream.listenerCount('readable') > 0;
  if (state.resumeScheduled && state[kPaused] === false) state.flowing = true;
  else if (stream.listenerCount('data') > 0) stream.resume();
  else if (!state.readableListening) state.flowing = null;
}

Readable.prototype.resume = function resume() {
  const state = this._readableState;
  if (!state.flowing) {
    state.flowing = !state.readableListening;
    if (!state.resumeScheduled) {
      state.resumeScheduled = true;
      nextTick(() => {
        if (!state.reading) this.read(0);
        state.resumeScheduled = false;
        this.emit('resume');
        flow(this);
        if (state.flowing && !state.reading) this.read(0);
      });
    }
  }
  state[kPaused] = false;
  return this;
};

Readable.prototype.pause = function pause() {
  const state = this._readableState;
  if (state.flowing !== false) {
    state.flowing = false;
    this.emit('pause');
  }
  state[kPaused] = true;
  return this;
};

Readable.prototype.isPaused = function isPaused() {
  const state = this._readableState;
  return state[kPaused] === true || state.flowing === false;
};

function flow(stream) {
  const state = stream._readableState;
  while (state.flowing && stream.read() !== null);
}

Readable.prototype.setEncoding = function setEncoding(encoding) {
  const state = this._readableState;
  const decoder = new (require('string_decoder').StringDecoder)(encoding);
  state.decoder = decoder;
  state.encoding = decoder.encoding;
  let text = '';
  for (const chunk of state.buffer) text += decoder.write(chunk);
  state.buffer = text === '' ? [] : [text];
  state.length = text.length;
  return this;
};

Readable.prototype.wrap = function wrap(old) {
  let paused = false;
  old.on('data', (chunk) => {
    if (!this.push(chunk) && old.pause) { paused = true; old.pause(); }
  });
  old.on('end', () => this.push(null));
  old.on('error', (err) => errorOrDestroy(this, err));
  old.on('close', () => this.destroy());
  old.on('destroy', () => this.destroy());
  this._read = () => { if (paused && old.resume) { paused = false; old.resume(); } };
  for (const name of Object.keys(old)) {
    if (this[name] === undefined && typeof old[name] === 'function') this[name] = old[name].bind(old);
  }
  return this;
};

getters(Readable.prototype, {
  readable: [function() {
    const r = this._readableState;
    return Boolean(r) && r.readable !== false && !r.destroyed && !r.errorEmitted && !r.endEmitted;
  }, function(value) { if (this._readableState) this._readableState.readable = Boolean(value); }],
  readableDidRead() { return this._readableState.dataEmitted; },
  readableAborted() { const s = this._readableState; return Boolean(s.readable !== false && (s.destroyed || s.errored) && !s.endEmitted); },
  readableHighWaterMark() { return this._readableState.highWaterMark; },
  readableBuffer() { return this._readableState && this._readableState.buffer; },
  readableFlowing: [function() { return this._readableState.flowing; }, function(v) { if (this._readableState) this._readableState.flowing = v; }],
  readableLength() { return this._readableState.length; },
  readableObjectMode() { return this._readableState ? this._readableState.objectMode : false; },
  readableEncoding() { return this._readableState ? this._readableState.encoding : null; },
  readableEnded() { return this._readableState ? this._readableState.endEmitted : false; },
  errored() { return this._readableState ? this._readableState.errored : null; },
  closed() { return this._readableState ? this._readableState.closed : false; },
  destroyed: [function() { return this._readableState ? this._readableState.destroyed : false; },
    function(v) { if (this._readableState) this._readableState.destroyed = v; }],
});
Object.defineProperty(ReadableState.prototype, 'pipesCount', { get() { return this.pipes.length; } });
Object.defineProperty(ReadableState.prototype, 'paused', {
  get() { return this[kPaused] !== false; }, set(v) { this[kPaused] = Boolean(v); },
});
Readable._fromList = takeFrom;

module.exports = { Readable };
