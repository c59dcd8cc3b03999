'use strict';
// finished, pipeline and addAbortSignal.

const errors = require('internal/errors');
const { destroyer, nextTick } = require('internal/stream_destroy');
const { AbortError, make, check, invalidArgType } = errors;

const isReadable = (s) => Boolean(s && typeof s.pipe === 'function' && typeof s.on === 'function' && (!s._writableState || s._readableState)) || Boolean(s && s._readableState);
const isWritable = (s) => Boolean(s && typeof s.write === 'function' && typeof s.on === 'function' && (!s._readableState || s._writableState));
const isStream = (s) => Boolean(s && (s._readableState || s._writableState || (typeof s.write === 'function' && typeof s.on === 'function') || (typeof s.pipe === 'function' && typeof s.on === 'function')));
const isRequest = (s) => Boolean(s && s.setHeader && typeof s.abort === 'function');

function once(fn) {
  let called = false;
  return function(...args) {
    if (called) return;
    called = true;
    fn.apply(this, args);
  };
}

function premature() { return make(Error, 'ERR_STREAM_PREMATURE_CLOSE', 'Premature close'); }

function finished(stream, options, callback) {
  if (arguments.length === 2) { callback = options; options = {}; }
  options = options || {};
  check.object(options, 'options');
  check.func(callback, 'callback');
  check.signal(options.signal, 'options.signal');
  if (isWebStream(stream)) return finishedWeb(stream, callback);
  if (!isStream(stream)) throw invalidArgType('stream', ['ReadableStream', 'WritableStream', 'Stream'], stream);
  callback = once(callback);
  const w = stream._writableState, r = stream._readableState;
  const readable = options.readable !== undefined ? options.readable : Boolean(r) || (isReadable(stream) && !w);
  const writable = options.writable !== undefined ? options.writable : Boolean(w) || isWritable(stream);
  let ended = Boolean(r && r.endEmitted), done = Boolean(w && w.finished);
  const willClose = Boolean((w && w.autoDestroy && w.emitClose) || (r && r.autoDestroy && r.emitClose)) &&
    (!r || readable === Boolean(r)) && (!w || writable === Boolean(w));
  const fail = (err) => callback.call(stream, err);
  const onFinish = () => {
    done = true;
    if (stream.destroyed && !willClose) return;
    if (willClose && (!r || !readable || stream.readable === false)) { if (!stream.closed) return; }
    if (!readable || ended) callback.call(stream);
  };
  const onEnd = () => {
    ended = true;
    if (willClose && (!w || !writable || stream.writable === false) && !stream.closed) return;
    if (!writable || done) callback.call(stream);
  };
  const onClose = () => {
    const failure = (w && w.errored) || (r && r.errored);
    if (failure && typeof failure !== 'boolean') { fail(failure); return; }
    if (readable && !ended && r && !r.endEmitted) { fail(premature()); return; }
    if (writable && !done && w && !w.finished) { fail(premature()); return; }
    if ((readable && !r && !ended) || (writable && !w && !done)) { if (!isRequest(stream)) { fail(premature()); return; } }
    callback.call(stream);
  };
  const onRequest = () => stream.req.on('finish', onFinish);
  if (isRequest(stream)) {
    stream.on('complete', onFinish);
    stream.on('abort', onClose);
    if (stream.req) onRequest(); else stream.on('request', onRequest);
  } else if (writable && !w) { stream.on('end', onFinish); stream.on('close', onFinish); }
  stream.on('end', onEnd);
  stream.on('finish', onFinish);
  if (options.error !== false) stream.on('error', fail);
  stream.on('close', onClose);
  const closed = (w && w.closed) || (r && r.closed);
  if (closed || (w && w.errorEmitted) || (r && r.errorEmitted)) nextTick(onClose);
  else if (!readable && (!willClose || stream.readable) && done && w) nextTick(onClose);
  else if (!writable && (!willClose || stream.writable) && ended && r) nextTick(onClose);
  const cleanup = () => {
    callback = () => {};
    for (const [event, f] of [['complete', onFinish], ['abort', onClose], ['request', onRequest], ['end', onFinish], ['close', onFinish],
      ['end', onEnd], ['finish', onFinish], ['error', fail], ['close', onClose]]) stream.removeListener(event, f);
  };
  watchSignal(options.signal, stream, () => callback, (f) => { callback = f; }, cleanup, closed);
  return cleanup;
}

function watchSignal(signal, stream, get, set, cleanup, closed) {
  if (!signal || closed) return;
  const abort = () => {
    const end = get();
    cleanup();
    end.call(stream, new AbortError(undefined, { cause: signal.reason }));
  };
  if (signal.aborted) { nextTick(abort); return; }
  signal.addEventListener('abort', abort, { once: true });
  const original = get();
  set(once((...args) => {
    signal.removeEventListener('abort', abort);
    original.apply(stream, args);
  }));
}

function isWebStream(s) {
  const tag = Object.prototype.toString.call(s);
  return tag === '[object ReadableStream]' || tag === '[object WritableStream]' || tag === '[object TransformStream]';
}

function finishedWeb(stream, callback) {
  const closed = stream[Symbol.for('brigade.closed')];
  if (closed) closed.then(() => nextTick(callback), (err) => nextTick(callback, err));
  return () => {};
}

function addAbortSignal(signal, stream) {
  check.signal(signal, 'signal');
  if (signal === undefined) throw invalidArgType('signal', 'AbortSignal', signal);
  const abort = () => stream.destroy(new AbortError(undefined, { cause: signal.reason }));
  if (signal.aborted) abort();
  else {
    signal.addEventListener('abort', abort, { once: true });
    nextTick(() => {
      if (stream._readableState || stream._writableState) finished(stream, () => signal.removeEventListener('abort', abort));
    });
  }
  return stream;
}

const isIterable = (v) => v != null && (typeof v[Symbol.asyncIterator] === 'function' || typeof v[Symbol.iterator] === 'function');

// pump writes what an iterable yields into a stream.
async function pump(iterable, writable, done, endIt) {
  let failure, resume = null;
  const wake = (err) => { if (err) failure = err; if (resume) { const f = resume; resume = null; f(); } };
  writable.on('drain', wake);
  const stop = finished(writable, { readable: false }, wake);
  try {
    const wait = () => new Promise((resolve, reject) => {
      if (failure) reject(failure);
      else resume = () => (failure ? reject(failure) : resolve());
    });
    if (writable.writableNeedDrain) await wait();
    const iterator = (iterable[Symbol.asyncIterator] || iterable[Symbol.iterator]).call(iterable);
    for (;;) {
      const step = await iterator.next();
      if (step.done) break;
      if (!writable.write(step.value)) await wait();
    }
    if (endIt) {
      writable.end();
      await wait();
    }
    done();
  } catch (err) {
    done(failure || err);
  } finally {
    stop();
    writable.removeListener('drain', wake);
  }
}

function fromFunction(stage, input, isLast, signal) {
  const result = stage(input, { signal });
  if (isLast) return result;
  if (!isIterable(result)) throw invalidReturn(stage);
  return result;
}

function invalidReturn(stage) {
  return make(TypeError, 'ERR_INVALID_RETURN_VALUE', `Expected AsyncIterable to be returned from the "${stage.name || 'transform'}" function.`);
}

function asReadable(value) {
  const { Readable } = require('internal/stream_readable');
  return isStream(value) ? value : Readable.from(value);
}

function pipeline(...streams) {
  const callback = once(streams.pop());
  if (streams.length === 1 && Array.isArray(streams[0])) streams = streams[0];
  return run(streams, callback, {});
}

function run(streams, callback, options) {
  check.callback(callback);
  if (streams.length < 2) throw errors.missingArgs('streams');
  const { PassThrough } = require('internal/stream_duplex');
  const controller = new AbortController();
  const { signal: outer, end = true } = options;
  let failure, value, pending = 0;
  const destroys = [];
  const fail = (err) => settle(err, --pending === 0);
  const abort = () => settle(new AbortError(undefined, { cause: outer.reason }), true);
  if (outer) {
    if (outer.aborted) { nextTick(abort); } else outer.addEventListener('abort', abort, { once: true });
  }
  function settle(err, final) {
    if (err && (!failure || failure.code === 'ERR_STREAM_PREMATURE_CLOSE')) failure = err;
    if (!failure && !final) return;
    while (destroys.length > 0) destroys.shift()(failure);
    if (outer) outer.removeEventListener('abort', abort);
    controller.abort();
    if (final) nextTick(callback, failure, value);
  }
  let flow;
  streams.forEach((stage, i) => {
    const last = i === streams.length - 1, reading = i < streams.length - 1, endIt = reading || end !== false;
    if (isStream(stage)) {
      if (endIt) destroys.push(guard(stage, reading, i > 0));
      if (stage.on) stage.on('error', (err) => { if (err && err.name !== 'AbortError' && err.code !== 'ERR_STREAM_PREMATURE_CLOSE') settle(err, false); });
    }
    if (i === 0) {
      if (typeof stage === 'function') flow = fromFunction(stage, undefined, false, controller.signal);
      else if (isStream(stage) || isIterable(stage) || isWebStream(stage)) flow = stage;
      else throw invalidArgType('source', ['Stream', 'Iterable', 'AsyncIterable', 'Function'], stage);
    } else if (typeof stage === 'function') {
      const result = fromFunction(stage, isStream(flow) && !flow[Symbol.asyncIterator] ? asReadable(flow) : flow, last, controller.signal);
      if (!last) flow = result;
      else {
        pending++;
        const through = new PassThrough({ objectMode: true });
        if (result && typeof result.then === 'function') {
          result.then((v) => { value = v; if (v != null) through.write(v); through.end(); nextTick(settle, undefined, --pending === 0); },
            (err) => { through.destroy(err); nextTick(settle, err, --pending === 0); });
        } else if (isIterable(result)) {
          pump(result, through, fail, true);
        } else throw make(TypeError, 'ERR_INVALID_RETURN_VALUE', 'Expected AsyncIterable or Promise to be returned from the "destination" function.');
        flow = through;
        destroys.push(guard(through, false, true));
      }
    } else if (isStream(stage)) {
      if (isStream(flow) && isReadable(flow)) {
        pending += 2;
        connect(flow, stage, fail, endIt);
      } else if (isIterable(flow) || isWebStream(flow)) {
        pending++;
        pump(flow, stage, fail, endIt);
      } else throw invalidArgType('val', ['Readable', 'Iterable', 'AsyncIterable'], flow);
      flow = stage;
    } else throw invalidArgType('destination', ['Stream', 'Function'], stage);
  });
  return flow;
}

// guard destroys a stream when the pipeline fails before it is over.
function guard(stream, reading, writing) {
  let over = false;
  finished(stream, { readable: reading, writable: writing }, (err) => { over = !err; });
  return (err) => {
    if (over) return;
    over = true;
    destroyer(stream, err || make(Error, 'ERR_STREAM_DESTROYED', 'Cannot call pipe after a stream was destroyed'));
  };
}

function connect(source, dest, done, endIt) {
  let ended = false;
  dest.on('close', () => { if (!ended) done(premature()); });
  source.pipe(dest, { end: false });
  if (endIt) {
    const end = () => { ended = true; dest.end(); };
    if (source.readableEnded) nextTick(end); else source.once('end', end);
  } else done();
  finished(source, { readable: true, writable: false }, (err) => {
    const state = source._readableState;
    if (err && err.code === 'ERR_STREAM_PREMATURE_CLOSE' && state && state.ended && !state.errored && !state.errorEmitted) {
      source.once('end', done).once('error', done);
    } else done(err);
  });
  finished(dest, { readable: false, writable: true }, (err) => { ended = true; done(err); });
}

module.exports = { finished, pipeline, addAbortSignal, run, isStream, isReadable, isWritable };
