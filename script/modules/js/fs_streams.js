'use strict';
// fs.ReadStream, and a WriteStream that explains that nothing can be written.

const fs = require('fs');
const { Readable, Writable } = require('stream');
const errors = require('internal/errors');
const { toPath, optionsOf, readOnly } = require('internal/fs_stats');
const { native: files } = fs[Symbol.for('brigade.fs')];
const { Buffer } = require('buffer');

function ReadStream(path, options) {
  if (!(this instanceof ReadStream)) return new ReadStream(path, options);
  options = optionsOf(options, { highWaterMark: 64 * 1024 });
  const fd = options.fd === undefined || options.fd === null ? null : typeof options.fd === 'object' ? options.fd.fd : options.fd;
  this.fd = fd;
  this.path = fd === null ? toPath(path) : path;
  this.flags = options.flags || 'r';
  this.mode = options.mode || 0o666;
  this.start = options.start;
  this.end = options.end === undefined ? Infinity : options.end;
  this.pos = this.start;
  this.bytesRead = 0;
  if (this.start !== undefined) {
    errors.check.integer(this.start, 'start', 0);
    if (this.end !== Infinity) errors.check.integer(this.end, 'end', 0);
    if (this.start > this.end) throw errors.outOfRange('start', `<= "end" (here: ${this.end})`, this.start);
  }
  const { encoding, ...rest } = options;
  Readable.call(this, { emitClose: true, autoDestroy: options.autoClose !== false, highWaterMark: rest.highWaterMark, signal: rest.signal });
  if (encoding) this.setEncoding(encoding);
}
Object.setPrototypeOf(ReadStream.prototype, Readable.prototype);
Object.setPrototypeOf(ReadStream, Readable);

ReadStream.prototype._construct = function(callback) {
  if (this.fd !== null) { callback(); return; }
  fs.open(this.path, 'r', (err, fd) => {
    if (err) { callback(err); return; }
    this.fd = fd;
    callback();
    this.emit('open', fd);
    this.emit('ready');
  });
};

ReadStream.prototype._read = function(size) {
  const left = this.end === Infinity ? size : this.end - (this.start || 0) + 1 - this.bytesRead;
  if (left <= 0) { this.push(null); return; }
  files.startRead(this.fd, Math.min(size, left), this.pos === undefined ? -1 : this.pos, (result) => {
    if (result.error) { this.destroy(errors.systemError(result.error)); return; }
    const bytes = result.value;
    if (bytes.length === 0) { this.push(null); return; }
    this.bytesRead += bytes.length;
    if (this.pos !== undefined) this.pos += bytes.length;
    this.push(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  });
};

ReadStream.prototype._destroy = function(err, callback) {
  const fd = this.fd;
  this.fd = null;
  if (fd === null) callback(err);
  else fs.close(fd, (closeErr) => callback(err || closeErr));
};
ReadStream.prototype.close = function(callback) {
  if (callback) this.once('close', callback);
  this.destroy();
};
Object.defineProperty(ReadStream.prototype, 'pending', { configurable: true, get() { return this.fd === null; } });

function WriteStream(path, options) {
  if (!(this instanceof WriteStream)) return new WriteStream(path, options);
  this.path = path;
  this.bytesWritten = 0;
  options = optionsOf(options, {});
  this.fd = options.fd === undefined ? null : options.fd;
  Writable.call(this, { decodeStrings: true });
}
Object.setPrototypeOf(WriteStream.prototype, Writable.prototype);
Object.setPrototypeOf(WriteStream, Writable);
WriteStream.prototype._construct = function(callback) {
  callback(this.fd === 1 || this.fd === 2 ? undefined : readOnly('open', this.path));
};
WriteStream.prototype._write = function(chunk, encoding, callback) {
  fs.writeSync(this.fd, chunk);
  this.bytesWritten += chunk.length;
  callback();
};

module.exports = { ReadStream, WriteStream };
