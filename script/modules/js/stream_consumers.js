'use strict';
// stream/consumers.

const { Buffer } = require('buffer');

async function chunksOf(stream) {
  const out = [];
  const iterator = (stream[Symbol.asyncIterator] || stream[Symbol.iterator]).call(stream);
  for (;;) {
    const step = await iterator.next();
    if (step.done) return out;
    out.push(step.value);
  }
}

async function buffer(stream) {
  return Buffer.concat((await chunksOf(stream)).map((c) => (typeof c === 'string' ? Buffer.from(c) : c)));
}

async function text(stream) { return (await buffer(stream)).toString('utf8').replace(/^\uFEFF/, ''); }

module.exports = {
  buffer, text,
  async arrayBuffer(stream) { const b = await buffer(stream); return b.buffer.slice(b.byteOffset, b.byteOffset + b.byteLength); },
  async json(stream) { return JSON.parse(await text(stream)); },
  async blob(stream) { return new (require('buffer').Blob)([await buffer(stream)]); },
};
