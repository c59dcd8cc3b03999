'use strict';
// stream/promises.

const end = require('internal/stream_end');
require('stream');

function pipeline(...streams) {
  return new Promise((resolve, reject) => {
    let options = {};
    const last = streams[streams.length - 1];
    if (last && typeof last === 'object' && !end.isStream(last) && !last[Symbol.asyncIterator] && !last[Symbol.iterator] && !last.getReader && !last.getWriter) {
      options = streams.pop();
    }
    if (streams.length === 1 && Array.isArray(streams[0])) streams = streams[0];
    end.run(streams, (err, value) => (err ? reject(err) : resolve(value)), options);
  });
}

function finished(stream, options) {
  return new Promise((resolve, reject) => {
    const cleanup = end.finished(stream, options || {}, (err) => {
      if (options && options.cleanup) cleanup();
      if (err) reject(err); else resolve();
    });
  });
}

module.exports = { pipeline, finished };
