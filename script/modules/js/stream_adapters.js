'use strict';
// Streams of Node as web streams, and the other way round.

const { Readable, Writable, Duplex, finished } = require('stream');
const web = require('stream/web');

function toReadable(stream) {
  return new web.ReadableStream({
    start(controller) {
      stream.pause();
      stream.on('data', (chunk) => {
        controller.enqueue(chunk instanceof Uint8Array && !stream.readableObjectMode ? new Uint8Array(chunk) : chunk);
        if (controller.desiredSize <= 0) stream.pause();
      });
      stream.pause();
      finished(stream, { writable: false }, (err) => {
        if (err) controller.error(err);
        else { try { controller.close(); } catch { /* canceled */ } }
      });
    },
    pull() { stream.resume(); },
    cancel(reason) { stream.destroy(reason); },
  });
}

function toWritable(stream) {
  return new web.WritableStream({
    start(controller) { stream.on('error', (err) => controller.error(err)); },
    write: (chunk) => new Promise((resolve, reject) => { stream.write(chunk, (err) => (err ? reject(err) : resolve())); }),
    close: () => new Promise((resolve, reject) => { finished(stream, { readable: false }, (err) => (err ? reject(err) : resolve())); stream.end(); }),
    abort(reason) { stream.destroy(reason); },
  });
}

function fromReadable(stream, options) {
  const reader = stream.getReader();
  return new Readable({
    ...options,
    read() {
      reader.read().then(({ value, done }) => this.push(done ? null : value), (err) => this.destroy(err));
    },
    destroy(err, callback) { reader.cancel(err).then(() => callback(err), () => callback(err)); },
  });
}

function fromWritable(stream, options) {
  const writer = stream.getWriter();
  return new Writable({
    ...options,
    write(chunk, encoding, callback) { writer.ready.then(() => writer.write(chunk)).then(() => callback(), callback); },
    final(callback) { writer.close().then(() => callback(), callback); },
    destroy(err, callback) { if (err) writer.abort(err).then(() => callback(err), () => callback(err)); else callback(); },
  });
}

module.exports = {
  toReadable, toWritable, fromReadable, fromWritable,
  toDuplex: (stream) => ({ readable: toReadable(stream), writable: toWritable(stream) }),
  fromDuplex: ({ readable, writable }, options) => Duplex.from({ readable: fromReadable(readable, options), writable: fromWritable(writable, options) }),
};
