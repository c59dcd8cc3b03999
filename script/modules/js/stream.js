'use strict';
// stream.

const { Stream, destroyer } = require('internal/stream_destroy');
const { Readable } = require('internal/stream_readable');
const { Writable } = require('internal/stream_writable');
const { Duplex, Transform, PassThrough } = require('internal/stream_duplex');
const end = require('internal/stream_end');
require('internal/stream_iterate');

const customPromisify = Symbol.for('nodejs.util.promisify.custom');

module.exports = Stream;
Object.assign(Stream, {
  Stream, Readable, Writable, Duplex, Transform, PassThrough,
  finished: end.finished, pipeline: end.pipeline, addAbortSignal: end.addAbortSignal,
  destroy: (stream, err) => { destroyer(stream, err); return stream; },
  compose: (...streams) => {
    if (streams.length === 1) return Duplex.from(streams[0]);
    const list = streams.map((s) => (typeof s === 'function' ? Duplex.from(s) : s));
    const last = end.pipeline(...list, () => {});
    return Duplex.from({ writable: list[0].writable === false ? undefined : list[0], readable: last });
  },
  isReadable: (s) => Boolean(s && s.readable && !s.destroyed),
  isErrored: (s) => Boolean(s && s.errored),
  isDisturbed: (s) => Boolean(s && (s.readableDidRead || s.readableAborted)),
  getDefaultHighWaterMark: (objectMode) => (objectMode ? 16 : 16 * 1024),
  setDefaultHighWaterMark() {},
  _isUint8Array: (v) => v instanceof Uint8Array,
  _uint8ArrayToBuffer: (v) => require('buffer').Buffer.from(v.buffer, v.byteOffset, v.byteLength),
});
for (const [Class, from] of [[Readable, 'fromReadable'], [Writable, 'fromWritable'], [Duplex, 'fromDuplex']]) {
  Class.fromWeb = (web, options) => require('internal/stream_adapters')[from](web, options);
  Class.toWeb = (stream, options) => require('internal/stream_adapters')[`${from.replace('from', 'to')}`](stream, options);
}
Object.defineProperty(end.finished, customPromisify, { enumerable: true, get: () => require('stream/promises').finished });
Object.defineProperty(end.pipeline, customPromisify, { enumerable: true, get: () => require('stream/promises').pipeline });
Object.defineProperty(Stream, 'promises', { enumerable: true, configurable: true, get: () => require('stream/promises') });
